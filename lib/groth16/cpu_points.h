// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// The points of one query in this machine's memory, as far as there is room.

#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <new>
#include <span>
#include <stop_token>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"

#include "damocles/base/check.h"
#include "damocles/base/mutex.h"
#include "damocles/base/status.h"
#include "damocles/base/stop.h"
#include "damocles/base/thread_pool.h"
#include "damocles/bls12_381/fr.h"
#include "damocles/bls12_381/multiexp.h"
#include "damocles/groth16/backend.h"
#include "damocles/groth16/params.h"

namespace damocles::groth16 {

// Memory that may still be filled with decoded points.
class PointsBudget {
 public:
  explicit PointsBudget(const CpuBackendOptions& options)
      : max_(options.cached_points_bytes_max), left_(max_), on_kept_(options.on_kept) {}
  bool Take(std::uint64_t bytes) {
    std::uint64_t left = left_.load();
    while (left >= bytes) {
      if (left_.compare_exchange_weak(left, left - bytes)) return true;
    }
    return false;
  }
  // What was taken, once.
  void Return(std::uint64_t bytes) {
    [[maybe_unused]] const std::uint64_t left = left_ += bytes;
    DAMOCLES_DCHECK(left <= max_);
  }
  template <typename Point>
  void Kept(std::vector<Point>& points) const {
    if (!on_kept_) return;
    on_kept_({reinterpret_cast<std::uint8_t*>(points.data()), points.size() * sizeof(Point)});
  }

 private:
  const std::uint64_t max_;
  std::atomic<std::uint64_t> left_;
  const std::function<void(std::span<std::uint8_t>)> on_kept_;
};

// Safe to call from several threads.
template <typename Group>
class CpuPoints {
 public:
  using Point = typename Group::AffinePoint;

  // Points summed between two questions whether to stop, and decoded at a time where they are not
  // kept (some 400 MB of G2): the arithmetic works in parts of this size anyway.
  static constexpr std::size_t kPartPoints = std::size_t{1} << 21;

  // `part`: for tests, which have fewer points.
  CpuPoints(ThreadPool& pool, std::shared_ptr<PointsBudget> budget, EncodedPoints encoded,
            std::size_t part = kPartPoints)
      : pool_(pool), budget_(std::move(budget)), encoded_(std::move(encoded)), part_(part) {}
  CpuPoints(const CpuPoints&) = delete;
  CpuPoints& operator=(const CpuPoints&) = delete;
  ~CpuPoints() { budget_->Return(kept_.size() * sizeof(Point)); }

  // Sum of scalars[i] * point[i]; there are as many scalars as points.  CANCELLED, INVALID_ARGUMENT
  // if a point is off the curve or infinity; what reading the points returns.
  absl::StatusOr<Group> Sum(std::span<const bls12_381::Fr> scalars,
                            const std::stop_token& stop) const {
    DAMOCLES_CHECK(scalars.size() == encoded_.count);
    DAMOCLES_ASSIGN_OR_RETURN(const bool kept, Keep(stop));
    Group sum = Group::Infinity();
    std::vector<Point> decoded;
    for (std::size_t done = 0; done < scalars.size(); done += part_) {
      DAMOCLES_RETURN_IF_ERROR(CheckGoOn(stop));
      const std::size_t count = std::min(part_, scalars.size() - done);
      std::span<const Point> points;
      if (kept) {
        points = std::span(kept_).subspan(done, count);
      } else {
        decoded.resize(count);
        DAMOCLES_RETURN_IF_ERROR(DecodePoints(pool_, encoded_, done, std::span(decoded)));
        points = decoded;
      }
      sum += bls12_381::MultiExp(pool_, points, scalars.subspan(done, count));
    }
    DAMOCLES_RETURN_IF_ERROR(CheckGoOn(stop));
    return sum;
  }

 private:
  // Decodes all points at the first call if the budget allows; whether they are there.
  absl::StatusOr<bool> Keep(const std::stop_token& stop) const {
    const MutexLock lock(mutex_);
    if (state_ == State::kNew) {
      const std::uint64_t bytes = encoded_.count * sizeof(Point);
      if (!budget_->Take(bytes)) {
        state_ = State::kTooLarge;
        return false;
      }
      const absl::Status status = [&] {
        try {
          std::vector<Point> points(encoded_.count);
          for (std::size_t done = 0; done < points.size(); done += part_) {
            DAMOCLES_RETURN_IF_ERROR(CheckGoOn(stop));
            const std::size_t count = std::min(part_, points.size() - done);
            DAMOCLES_RETURN_IF_ERROR(
                DecodePoints(pool_, encoded_, done, std::span(points).subspan(done, count)));
          }
          budget_->Kept(points);
          kept_ = std::move(points);
          return absl::OkStatus();
        } catch (const std::bad_alloc&) {
          return absl::ResourceExhaustedError("this machine has too little memory for the points");
        }
      }();
      if (!status.ok()) {
        budget_->Return(bytes);
        return status;
      }
      state_ = State::kKept;
    }
    return state_ == State::kKept;
  }

  enum class State { kNew, kKept, kTooLarge };

  ThreadPool& pool_;
  const std::shared_ptr<PointsBudget> budget_;
  const EncodedPoints encoded_;
  const std::size_t part_;
  mutable Mutex mutex_;
  mutable State state_ = State::kNew;
  mutable std::vector<Point> kept_;  // not changed any more once state_ is kKept
};

}  // namespace damocles::groth16
