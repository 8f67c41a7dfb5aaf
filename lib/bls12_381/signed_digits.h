// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// Scalars cut in windows of c bits: signed digits in [-2^(c-1), 2^(c-1)).

#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

#include "damocles/base/check.h"
#include "damocles/bls12_381/fr.h"

namespace damocles::bls12_381::internal {

// How many windows of `bits` >= 4 bits hold every scalar: a scalar or its negative is at most
// (r - 1) / 2 < 0.906 * 2^254, and the digits of 255 bits or more reach at least 0.93 * 2^254.
inline unsigned WindowCount(unsigned bits) {
  DAMOCLES_DCHECK(bits >= 4 && bits < 32);
  return (255 + bits - 1) / bits;
}

// A scalar ready to be cut: s or r - s, whichever is below r / 2, plus 2^(c-1) in every window, so
// that window w of the sum is digit w plus 2^(c-1), without carries.
struct BiasedScalar {
  std::array<std::uint64_t, 5> limb;  // the top bit: the point is to be negated

  std::int32_t Digit(unsigned window, unsigned bits) const {
    DAMOCLES_DCHECK(window < WindowCount(bits));
    const std::size_t at = std::size_t{window} * bits;
    const std::size_t i = at / 64;
    const unsigned shift = at % 64;
    std::uint64_t value = limb[i] >> shift;
    if (shift + bits > 64) value |= limb[i + 1] << (64 - shift);
    const std::uint64_t mask = (std::uint64_t{1} << bits) - 1;
    const auto digit = static_cast<std::int32_t>(value & mask) - (1 << (bits - 1));
    return Negates() ? -digit : digit;
  }
  bool Negates() const { return (limb[4] >> 63) != 0; }
};

inline std::array<std::uint64_t, 5> BiasOf(unsigned bits) {
  std::array<std::uint64_t, 5> bias{};
  for (unsigned window = 0; window < WindowCount(bits); ++window) {
    const std::size_t at = std::size_t{window} * bits + bits - 1;
    bias[at / 64] |= std::uint64_t{1} << (at % 64);
  }
  return bias;
}

inline BiasedScalar Biased(const Fr& scalar, const std::array<std::uint64_t, 5>& bias) {
  const Fr::Limbs plain = scalar.Canonical();
  const Fr::Limbs negated = (-scalar).Canonical();
  const bool negate =
      std::lexicographical_compare(negated.rbegin(), negated.rend(), plain.rbegin(), plain.rend());
  const Fr::Limbs& smaller = negate ? negated : plain;
  BiasedScalar out;
  CarryFlag carry = 0;
  for (std::size_t i = 0; i < 5; ++i) {
    out.limb[i] = AddCarry(i < 4 ? smaller[i] : 0, bias[i], carry);
  }
  if (negate) out.limb[4] |= std::uint64_t{1} << 63;
  return out;
}

// The bucket of a digit that is not zero: 0 for 1 and -1.
inline std::size_t BucketOf(std::int32_t digit) {
  return static_cast<std::size_t>(digit < 0 ? -digit : digit) - 1;
}

}  // namespace damocles::bls12_381::internal
