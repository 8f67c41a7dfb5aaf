// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// Sums of many multiples of points.

#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "damocles/base/thread_pool.h"
#include "damocles/bls12_381/fr.h"
#include "damocles/bls12_381/g1.h"
#include "damocles/bls12_381/g2.h"

namespace damocles::bls12_381 {

// The sum of scalars[i] * points[i]; the spans have one length (checked).  Any points of the curve,
// any scalars: zeros, ones, infinity, repeated and opposite points included; an empty sum is
// infinity.  Long inputs are worked through in parts, so that the extra memory stays below about
// 200 MB a thread whatever the length.
G1 MultiExp(ThreadPool& pool, std::span<const G1Affine> points, std::span<const Fr> scalars);
G2 MultiExp(ThreadPool& pool, std::span<const G2Affine> points, std::span<const Fr> scalars);

// A table for many multiples of one point, as a trusted setup needs; `Group` is G1 or G2.
//
//   FixedBase<G1> base(pool, G1::From(G1Generator()), powers.size());
//   std::vector<G1Affine> points = base.Multiples(pool, powers);
//
// Immutable once made: safe to use from several threads.
template <typename Group>
class FixedBase {
 public:
  using AffinePoint = typename Group::AffinePoint;

  // `count_expected` multiples will be asked for: sets the size of the table (30 MB at
  // most).
  FixedBase(ThreadPool& pool, const Group& base, std::size_t count_expected);

  Group Multiple(const Fr& scalar) const;
  // scalars[i] * base, in affine form, for every i.
  std::vector<AffinePoint> Multiples(ThreadPool& pool, std::span<const Fr> scalars) const;

 private:
  unsigned window_bits_;
  // Window after window: row w holds k * 2^(w window_bits) * base, k = 1 .. 2^(window_bits - 1).
  std::vector<AffinePoint> table_;
};

extern template class FixedBase<G1>;
extern template class FixedBase<G2>;

}  // namespace damocles::bls12_381
