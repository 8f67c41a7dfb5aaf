// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// Sums of points by key, in affine form: the heart of the multi-exponentiation.

#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

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
  explicit BucketSums(std::span<Affine<F>> sums) : sums_(sums) {
    points_.reserve(kBatch);
    keys_.reserve(kBatch);
    pairs_.reserve(kBatch / 2);
    slopes_.reserve(kBatch / 2);
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

  // A pair whose sum needs a slope: numerator / denominator.
  struct Slope {
    std::uint32_t left;  // index of the first point of the pair
    bool doubles;        // the points are equal: the slope of the tangent
    F denominator;
    F prefix;  // the product of the denominators before this one
  };

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
    AddSloped();
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
    slopes_.clear();
    product_ = F::One();
    for (std::size_t i = 0; i + 1 < points_.size(); ++i) {
      if (keys_[i] != keys_[i + 1]) continue;
      Affine<F>& a = points_[i];
      const Affine<F>& b = points_[i + 1];
      const auto left = static_cast<std::uint32_t>(i);
      pairs_.push_back(left);
      if (a.IsInfinity() || b.IsInfinity()) {
        if (a.IsInfinity()) a = b;
      } else if (const F dx = b.x - a.x; !dx.IsZero()) {
        AddSlope(left, false, dx);
      } else if (a.y == b.y) {
        AddSlope(left, true, a.y.Double());
      } else {
        a = Affine<F>::Infinity();
      }
      ++i;
    }
  }

  void AddSlope(std::uint32_t left, bool doubles, const F& denominator) {
    slopes_.push_back({left, doubles, denominator, product_});
    product_ *= denominator;
  }

  // points_[left] += points_[left + 1] for all of slopes_.
  void AddSloped() {
    F inverse = product_.Inverse();  // of the denominators up to the one at hand
    for (std::size_t i = slopes_.size(); i-- > 0;) {
      const Slope& slope = slopes_[i];
      Affine<F>& a = points_[slope.left];
      const Affine<F>& b = points_[slope.left + 1];
      F numerator = b.y - a.y;
      if (slope.doubles) {
        const F xx = a.x.Square();
        numerator = xx.Double() + xx;
      }
      const F l = numerator * (inverse * slope.prefix);
      inverse *= slope.denominator;
      const F x = l.Square() - a.x - b.x;
      a = {x, l * (a.x - x) - a.y};
    }
  }

  std::span<Affine<F>> sums_;
  std::vector<Affine<F>> points_;
  std::vector<std::uint32_t> keys_;
  std::vector<std::uint32_t> pairs_;  // the index of the first point of each
  std::vector<Slope> slopes_;
  F product_;
};

}  // namespace damocles::bls12_381::internal
