// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// Prime fields in Montgomery form, one template for Fr and Fp, host and device.

#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "damocles/base/target.h"

namespace damocles::bls12_381 {

__extension__ typedef unsigned __int128 Uint128;

namespace internal {

// a * b + c + carry; carry leaves in `carry`.  Cannot overflow 128 bits.
DAMOCLES_HD constexpr std::uint64_t MulAdd(std::uint64_t a, std::uint64_t b, std::uint64_t c,
                                           std::uint64_t& carry) {
  const Uint128 t = Uint128{a} * b + c + carry;
  carry = static_cast<std::uint64_t>(t >> 64);
  return static_cast<std::uint64_t>(t);
}

DAMOCLES_HD constexpr std::uint64_t AddCarry(std::uint64_t a, std::uint64_t b,
                                             std::uint64_t& carry) {
  const Uint128 t = Uint128{a} + b + carry;
  carry = static_cast<std::uint64_t>(t >> 64);
  return static_cast<std::uint64_t>(t);
}

DAMOCLES_HD constexpr std::uint64_t SubBorrow(std::uint64_t a, std::uint64_t b,
                                              std::uint64_t& borrow) {
  const Uint128 t = Uint128{a} - b - borrow;
  borrow = static_cast<std::uint64_t>(t >> 64) & 1;
  return static_cast<std::uint64_t>(t);
}

}  // namespace internal

// An integer modulo Params::kModulus: kLimbs 64-bit limbs, least significant first, in Montgomery
// form (a * 2^(64 kLimbs) mod p), always fully reduced.  An aggregate of plain words: may be
// copied, compared and zeroed byte by byte.
//
// Needs p < 2^(64 kLimbs - 1), so that no carry leaves the top limb of a sum.
template <typename Params>
struct Field {
  static constexpr std::size_t kLimbs = Params::kLimbs;
  static constexpr std::size_t kBytes = 8 * kLimbs;
  using Limbs = std::array<std::uint64_t, kLimbs>;

  std::uint64_t limb[kLimbs];

  static DAMOCLES_HD constexpr Field Zero() { return Field{}; }
  static DAMOCLES_HD constexpr Field One() {
    Field one{};
    for (std::size_t i = 0; i < kLimbs; ++i) one.limb[i] = Params::kR[i];
    return one;
  }
  static DAMOCLES_HD constexpr Field FromU64(std::uint64_t value) {
    Field plain{};
    plain.limb[0] = value;
    return plain * RSquared();
  }

  // `plain` must be below the modulus.
  static DAMOCLES_HD constexpr Field FromCanonical(const Limbs& plain) {
    Field value{};
    for (std::size_t i = 0; i < kLimbs; ++i) value.limb[i] = plain[i];
    return value * RSquared();
  }
  // The integer itself, in [0, p).
  DAMOCLES_HD constexpr Limbs Canonical() const {
    Field one{};
    one.limb[0] = 1;
    const Field plain = *this * one;
    Limbs out{};
    for (std::size_t i = 0; i < kLimbs; ++i) out[i] = plain.limb[i];
    return out;
  }

  DAMOCLES_HD constexpr bool IsZero() const {
    std::uint64_t any = 0;
    for (std::size_t i = 0; i < kLimbs; ++i) any |= limb[i];
    return any == 0;
  }

  friend DAMOCLES_HD constexpr bool operator==(const Field& a, const Field& b) {
    std::uint64_t any = 0;
    for (std::size_t i = 0; i < kLimbs; ++i) any |= a.limb[i] ^ b.limb[i];
    return any == 0;
  }

  friend DAMOCLES_HD constexpr Field operator+(const Field& a, const Field& b) {
    Field sum{};
    std::uint64_t carry = 0;
    for (std::size_t i = 0; i < kLimbs; ++i) {
      sum.limb[i] = internal::AddCarry(a.limb[i], b.limb[i], carry);
    }
    return Reduced(sum);
  }

  friend DAMOCLES_HD constexpr Field operator-(const Field& a, const Field& b) {
    Field difference{};
    std::uint64_t borrow = 0;
    for (std::size_t i = 0; i < kLimbs; ++i) {
      difference.limb[i] = internal::SubBorrow(a.limb[i], b.limb[i], borrow);
    }
    // Add p back where the difference is negative, without a branch.
    const std::uint64_t mask = 0 - borrow;
    std::uint64_t carry = 0;
    for (std::size_t i = 0; i < kLimbs; ++i) {
      difference.limb[i] =
          internal::AddCarry(difference.limb[i], Params::kModulus[i] & mask, carry);
    }
    return difference;
  }

  friend DAMOCLES_HD constexpr Field operator-(const Field& a) { return Zero() - a; }

  // Montgomery product a b / 2^(64 kLimbs), operand scanning with interleaved reduction; the top
  // limb of p leaves room so that the running sum stays in kLimbs + 1 limbs.
  friend DAMOCLES_HD constexpr Field operator*(const Field& a, const Field& b) {
    std::uint64_t t[kLimbs] = {};
    for (std::size_t i = 0; i < kLimbs; ++i) {
      std::uint64_t carry_a = 0;
      t[0] = internal::MulAdd(a.limb[0], b.limb[i], t[0], carry_a);
      const std::uint64_t m = t[0] * Params::kInverse;
      std::uint64_t carry_m = 0;
      internal::MulAdd(m, Params::kModulus[0], t[0], carry_m);
      for (std::size_t j = 1; j < kLimbs; ++j) {
        t[j] = internal::MulAdd(a.limb[j], b.limb[i], t[j], carry_a);
        t[j - 1] = internal::MulAdd(m, Params::kModulus[j], t[j], carry_m);
      }
      t[kLimbs - 1] = carry_a + carry_m;
    }
    Field product{};
    for (std::size_t i = 0; i < kLimbs; ++i) product.limb[i] = t[i];
    return Reduced(product);
  }

  DAMOCLES_HD constexpr Field& operator+=(const Field& other) { return *this = *this + other; }
  DAMOCLES_HD constexpr Field& operator-=(const Field& other) { return *this = *this - other; }
  DAMOCLES_HD constexpr Field& operator*=(const Field& other) { return *this = *this * other; }

  DAMOCLES_HD constexpr Field Square() const { return *this * *this; }
  DAMOCLES_HD constexpr Field Double() const { return *this + *this; }

  // this^exponent, exponent little-endian limbs; variable time.
  template <std::size_t N>
  DAMOCLES_HD constexpr Field Pow(const std::array<std::uint64_t, N>& exponent) const {
    Field result = One();
    for (std::size_t i = N * 64; i-- > 0;) {
      result = result.Square();
      if ((exponent[i / 64] >> (i % 64)) & 1) result = result * *this;
    }
    return result;
  }
  DAMOCLES_HD constexpr Field Pow(std::uint64_t exponent) const {
    return Pow(std::array<std::uint64_t, 1>{exponent});
  }

  // 1 / this; zero gives zero.  Variable time.
  DAMOCLES_HD constexpr Field Inverse() const {
    Limbs exponent{};
    for (std::size_t i = 0; i < kLimbs; ++i) exponent[i] = Params::kModulus[i];
    exponent[0] -= 2;  // p is odd and above 2: no borrow
    return Pow(exponent);
  }

 private:
  static DAMOCLES_HD constexpr Field RSquared() {
    Field value{};
    for (std::size_t i = 0; i < kLimbs; ++i) value.limb[i] = Params::kRSquared[i];
    return value;
  }

  // `value` < 2p → value mod p, without a branch.
  static DAMOCLES_HD constexpr Field Reduced(const Field& value) {
    Field reduced{};
    std::uint64_t borrow = 0;
    for (std::size_t i = 0; i < kLimbs; ++i) {
      reduced.limb[i] = internal::SubBorrow(value.limb[i], Params::kModulus[i], borrow);
    }
    const std::uint64_t keep = 0 - borrow;
    for (std::size_t i = 0; i < kLimbs; ++i) {
      reduced.limb[i] = (value.limb[i] & keep) | (reduced.limb[i] & ~keep);
    }
    return reduced;
  }
};

}  // namespace damocles::bls12_381
