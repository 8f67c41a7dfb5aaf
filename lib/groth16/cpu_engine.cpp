// SPDX-License-Identifier: Apache-2.0 OR MIT

#include <algorithm>
#include <atomic>
#include <utility>
#include <vector>

#include "absl/strings/str_format.h"

#include "damocles/base/check.h"
#include "damocles/base/mutex.h"
#include "damocles/base/status.h"
#include "damocles/bls12_381/fft.h"
#include "damocles/bls12_381/multiexp.h"
#include "damocles/groth16/engine.h"

namespace damocles::groth16 {
namespace {

using bls12_381::Domain;
using bls12_381::Fr;
using bls12_381::G1;
using bls12_381::G2;

// Points decoded at a time where they are not kept: some 400 MB.
constexpr std::size_t kPartPoints = std::size_t{1} << 21;
constexpr std::size_t kRowGrain = 4096;

// Memory that may still be filled with decoded points.
class Budget {
 public:
  explicit Budget(const CpuEngineOptions& options)
      : left_(options.cached_points_bytes_max), on_kept_(options.on_kept) {}
  bool Take(std::uint64_t bytes) {
    std::uint64_t left = left_.load();
    while (left >= bytes) {
      if (left_.compare_exchange_weak(left, left - bytes)) return true;
    }
    return false;
  }
  void Return(std::uint64_t bytes) { left_ += bytes; }
  template <typename Point>
  void Kept(std::vector<Point>& points) const {
    if (!on_kept_) return;
    on_kept_({reinterpret_cast<std::uint8_t*>(points.data()), points.size() * sizeof(Point)});
  }

 private:
  std::atomic<std::uint64_t> left_;
  const std::function<void(std::span<std::uint8_t>)> on_kept_;
};

template <typename Group>
class CpuPointSet final : public PointSet {
 public:
  using Point = typename Group::AffinePoint;

  CpuPointSet(ThreadPool& pool, std::shared_ptr<Budget> budget, EncodedPoints encoded)
      : pool_(pool), budget_(std::move(budget)), encoded_(std::move(encoded)) {}
  ~CpuPointSet() override { budget_->Return(kept_.size() * sizeof(Point)); }

  std::uint64_t Size() const override { return encoded_.count; }

  absl::StatusOr<Group> MultiExp(std::uint64_t first, std::span<const Fr> scalars) const {
    DAMOCLES_CHECK(first <= Size() && scalars.size() <= Size() - first);
    DAMOCLES_ASSIGN_OR_RETURN(const bool kept, Keep());
    if (kept) {
      return bls12_381::MultiExp(
          pool_, std::span<const Point>(kept_).subspan(first, scalars.size()), scalars);
    }
    Group sum = Group::Infinity();
    std::vector<Point> part;
    for (std::size_t done = 0; done < scalars.size(); done += kPartPoints) {
      part.resize(std::min(kPartPoints, scalars.size() - done));
      DAMOCLES_RETURN_IF_ERROR(DecodePoints(pool_, encoded_, first + done, std::span(part)));
      sum += bls12_381::MultiExp(pool_, std::span<const Point>(part),
                                 scalars.subspan(done, part.size()));
    }
    return sum;
  }

 private:
  // Decodes all points at the first call if the budget allows; whether they are there.
  absl::StatusOr<bool> Keep() const {
    const MutexLock lock(mutex_);
    if (state_ == State::kNew) {
      const std::uint64_t bytes = Size() * sizeof(Point);
      if (!budget_->Take(bytes)) {
        state_ = State::kTooLarge;
        return false;
      }
      std::vector<Point> points(Size());
      const absl::Status status = DecodePoints(pool_, encoded_, 0, std::span(points));
      if (!status.ok()) {
        budget_->Return(bytes);
        return status;
      }
      kept_ = std::move(points);
      budget_->Kept(kept_);
      state_ = State::kKept;
    }
    return state_ == State::kKept;
  }

  enum class State { kNew, kKept, kTooLarge };

  ThreadPool& pool_;
  const std::shared_ptr<Budget> budget_;
  const EncodedPoints encoded_;
  mutable Mutex mutex_;
  mutable State state_ = State::kNew;
  mutable std::vector<Point> kept_;  // not changed any more once state_ is kKept
};

template <typename Group>
absl::StatusOr<Group> MultiExpOf(const PointSet& points, std::uint64_t first,
                                 std::span<const Fr> scalars) {
  const auto* set = dynamic_cast<const CpuPointSet<Group>*>(&points);
  DAMOCLES_CHECK(set != nullptr);
  return set->MultiExp(first, scalars);
}

class CpuEngine final : public Engine {
 public:
  CpuEngine(ThreadPool& pool, const CpuEngineOptions& options)
      : pool_(pool), budget_(std::make_shared<Budget>(options)) {}

  std::string Name() const override { return absl::StrFormat("cpu, %d threads", pool_.Threads()); }

  void Forget() override {
    const MutexLock lock(mutex_);
    domain_ = nullptr;
  }

  absl::StatusOr<std::unique_ptr<PointSet>> LoadG1(EncodedPoints points) override {
    return std::make_unique<CpuPointSet<G1>>(pool_, budget_, std::move(points));
  }
  absl::StatusOr<std::unique_ptr<PointSet>> LoadG2(EncodedPoints points) override {
    return std::make_unique<CpuPointSet<G2>>(pool_, budget_, std::move(points));
  }
  absl::StatusOr<G1> MultiExpG1(const PointSet& points, std::uint64_t first,
                                std::span<const Fr> scalars) override {
    return MultiExpOf<G1>(points, first, scalars);
  }
  absl::StatusOr<G2> MultiExpG2(const PointSet& points, std::uint64_t first,
                                std::span<const Fr> scalars) override {
    return MultiExpOf<G2>(points, first, scalars);
  }

  absl::Status Quotient(unsigned log2_size, std::span<Fr> a, std::span<Fr> b,
                        std::span<Fr> c) override {
    const std::shared_ptr<const Domain> domain = DomainOf(log2_size);
    for (const std::span<Fr> values : {a, b, c}) {
      DAMOCLES_CHECK(values.size() == domain->Size());
      domain->InverseFft(pool_, values);
      domain->CosetFft(pool_, values);
    }
    // X^m - 1 is the same at all points of the coset.
    const Fr inverse =
        domain->VanishingAt(Fr::FromU64(bls12_381::kFrMultiplicativeGenerator)).Inverse();
    pool_.ParallelRanges(a.size(), kRowGrain, [&](std::size_t begin, std::size_t end) {
      for (std::size_t i = begin; i < end; ++i) a[i] = (a[i] * b[i] - c[i]) * inverse;
    });
    domain->InverseCosetFft(pool_, a);
    return absl::OkStatus();
  }

 private:
  // The last domain is kept: a worker proves the same circuit again and again.
  std::shared_ptr<const Domain> DomainOf(unsigned log2_size) {
    const MutexLock lock(mutex_);
    if (domain_ == nullptr || domain_->Log2Size() != log2_size) {
      domain_ = std::make_shared<const Domain>(log2_size);
    }
    return domain_;
  }

  ThreadPool& pool_;
  const std::shared_ptr<Budget> budget_;
  Mutex mutex_;
  std::shared_ptr<const Domain> domain_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace

std::unique_ptr<Engine> MakeCpuEngine(ThreadPool& pool, const CpuEngineOptions& options) {
  return std::make_unique<CpuEngine>(pool, options);
}

}  // namespace damocles::groth16
