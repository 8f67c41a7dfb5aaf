// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// Sums of points by key, in affine form: the heart of the multi-exponentiation.

#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "lib/bls12_381/batch_inverse.h"
#include "lib/bls12_381/kernels/kernels.h"

#include "damocles/base/check.h"
#include "damocles/bls12_381/curve.h"

namespace damocles::bls12_381::internal {

// Adds up points that arrive in order of their key: each sum is stored at sums[key].
//
//   The calls match Add* Finish.
//
// Points wait until a batch is full; then neighbours with one key are added pairwise, round after
// round, all pairs of a round sharing one inversion, until each key has one point left.  An
// addition costs 5M + 1S, and a batch stays in the L2 cache.  Equal, opposite and infinite points
// are fine.
template <typename F>
class BucketSums {
 public:
  // `sums` is infinity wherever no point will arrive; it must outlive this object.
  explicit BucketSums(std::span<Affine<F>> sums,
                      const kernels::Kernels& kernels = kernels::Chosen())
      : sums_(sums),
        kernels_(kernels),
        scratch_(std::make_unique_for_overwrite<kernels::ScratchLine[]>(
            kernels::kScratchLines<F> * kernels::RoundedToLanes(kBatch / 2))) {
    points_.reserve(kBatch);
    keys_.reserve(kBatch);
    pairs_.reserve(kBatch / 2);
    unlike_.reserve(kBatch / 2);
  }

  // `key` is an index of sums, at least the last one given.
  void Add(std::size_t key, const Affine<F>& point) {
    DAMOCLES_DCHECK(key < sums_.size());
    DAMOCLES_DCHECK(keys_.empty() || key >= keys_.back());
    if (points_.size() == kBatch) Reduce();
    points_.push_back(point);
    keys_.push_back(static_cast<std::uint32_t>(key));
  }

  void Finish() {
    if (points_.empty()) return;
    Reduce();
    sums_[keys_[0]] = points_[0];
  }

 private:
  static constexpr std::size_t kBatch = (std::size_t{192} << 10) / sizeof(Affine<F>);

  // Stores the sums of all keys but the last, of which more points may come: its sum stays as the
  // only point waiting.
  void Reduce() {
    while (AddNeighbours()) {
    }
    for (std::size_t i = 0; i + 1 < points_.size(); ++i) sums_[keys_[i]] = points_[i];
    points_[0] = points_.back();
    keys_[0] = keys_.back();
    points_.resize(1);
    keys_.resize(1);
  }

  // One round.  Returns whether there was a pair.
  bool AddNeighbours() {
    FindPairs();
    if (pairs_.empty()) return false;
    if (!unlike_.empty()) kernels_.AddPairs(points_.data(), unlike_, scratch_.get());
    if (!equal_.empty()) DoubleEqual();
    // Close up.
    std::size_t kept = 0;
    std::size_t pair = 0;
    for (std::size_t i = 0; i < points_.size(); ++i, ++kept) {
      points_[kept] = points_[i];
      keys_[kept] = keys_[i];
      if (pair < pairs_.size() && pairs_[pair] == i) {
        ++pair;
        ++i;
      }
    }
    points_.resize(kept);
    keys_.resize(kept);
    return true;
  }

  // Pairs neighbours; adds at once those that need no slope.
  void FindPairs() {
    pairs_.clear();
    unlike_.clear();
    equal_.clear();
    for (std::size_t i = 0; i + 1 < points_.size(); ++i) {
      if (keys_[i] != keys_[i + 1]) continue;
      Affine<F>& a = points_[i];
      const Affine<F>& b = points_[i + 1];
      const auto left = static_cast<std::uint32_t>(i);
      pairs_.push_back(left);
      if (a.IsInfinity() || b.IsInfinity()) {
        if (a.IsInfinity()) a = b;
      } else if (a.x != b.x) {
        unlike_.push_back(left);
      } else if (a.y == b.y) {
        equal_.push_back(left);
      } else {
        a = Affine<F>::Infinity();
      }
      ++i;
    }
  }

  // points_[left] doubled for all of equal_: by the tangent, 3 x^2 / 2 y.  Rare unless somebody
  // gives one point many times.
  void DoubleEqual() {
    std::vector<F> inverses(equal_.size());
    for (std::size_t i = 0; i < equal_.size(); ++i) inverses[i] = points_[equal_[i]].y.Double();
    InvertAll<F>(inverses);
    for (std::size_t i = 0; i < equal_.size(); ++i) {
      Affine<F>& a = points_[equal_[i]];
      const F xx = a.x.Square();
      const F l = (xx.Double() + xx) * inverses[i];
      const F x = l.Square() - a.x.Double();
      a = {x, l * (a.x - x) - a.y};
    }
  }

  std::span<Affine<F>> sums_;
  const kernels::Kernels& kernels_;
  std::unique_ptr<kernels::ScratchLine[]> scratch_;
  std::vector<Affine<F>> points_;
  std::vector<std::uint32_t> keys_;
  // The index of the first point of each pair; of those whose x differ; of those that are equal.
  std::vector<std::uint32_t> pairs_;
  std::vector<std::uint32_t> unlike_;
  std::vector<std::uint32_t> equal_;
};

}  // namespace damocles::bls12_381::internal
