// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// Prime fields in Montgomery form, one template for Fr and Fp, host and device.

#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "damocles/base/target.h"
#include "damocles/bls12_381/inverse.h"
#include "damocles/bls12_381/words.h"

namespace damocles::bls12_381 {

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
    constexpr auto kWords = internal::Words<kLimbs>::Of(Params::kR);
    Field one{};
    DAMOCLES_UNROLL
    for (std::size_t i = 0; i < kLimbs; ++i) one.limb[i] = kWords.word[i];
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
    DAMOCLES_UNROLL
    for (std::size_t i = 0; i < kLimbs; ++i) value.limb[i] = plain[i];
    return value * RSquared();
  }
  // The integer itself, in [0, p).
  DAMOCLES_HD constexpr Limbs Canonical() const {
    Field one{};
    one.limb[0] = 1;
    const Field plain = *this * one;
    Limbs out{};
    DAMOCLES_UNROLL
    for (std::size_t i = 0; i < kLimbs; ++i) out[i] = plain.limb[i];
    return out;
  }

  DAMOCLES_HD constexpr bool IsZero() const {
    std::uint64_t any = 0;
    DAMOCLES_UNROLL
    for (std::size_t i = 0; i < kLimbs; ++i) any |= limb[i];
    return any == 0;
  }

  friend DAMOCLES_HD constexpr bool operator==(const Field& a, const Field& b) {
    std::uint64_t any = 0;
    DAMOCLES_UNROLL
    for (std::size_t i = 0; i < kLimbs; ++i) any |= a.limb[i] ^ b.limb[i];
    return any == 0;
  }

  friend DAMOCLES_HD constexpr Field operator+(const Field& a, const Field& b) {
    Field sum{};
    internal::CarryFlag carry = 0;
    DAMOCLES_UNROLL
    for (std::size_t i = 0; i < kLimbs; ++i) {
      sum.limb[i] = internal::AddCarry(a.limb[i], b.limb[i], carry);
    }
    return Reduced(sum);
  }

  friend DAMOCLES_HD constexpr Field operator-(const Field& a, const Field& b) {
    Field difference{};
    internal::CarryFlag borrow = 0;
    DAMOCLES_UNROLL
    for (std::size_t i = 0; i < kLimbs; ++i) {
      difference.limb[i] = internal::SubBorrow(a.limb[i], b.limb[i], borrow);
    }
    // Add p back where the difference is negative, without a branch.
    const std::uint64_t mask = 0 - std::uint64_t{borrow};
    internal::CarryFlag carry = 0;
    DAMOCLES_UNROLL
    for (std::size_t i = 0; i < kLimbs; ++i) {
      difference.limb[i] = internal::AddCarry(difference.limb[i], Modulus(i) & mask, carry);
    }
    return difference;
  }

  friend DAMOCLES_HD constexpr Field operator-(const Field& a) { return Zero() - a; }

  // Montgomery product a b / 2^(64 kLimbs).
  friend DAMOCLES_HD constexpr Field operator*(const Field& a, const Field& b) {
    if constexpr (internal::kHasCarryFlag) {
      if (!std::is_constant_evaluated()) {
        Field product;
        MultiplyByRows(a, b, product);
        return product;
      }
    }
    return MultiplyByWords(a, b);
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
    constexpr auto kWords = internal::Words<kLimbs>::Of(Params::kModulus);
    Field inverse = *this;
    internal::InvertModulo(inverse.limb, kWords.word, Params::kInverse);
    // this stands for this / R: the inverse is R^-1 where R is wanted.
    return inverse * RSquared() * RSquared();
  }

 private:
  // A limb of the modulus.  The table is a local: device code cannot name a host's static array.
  static DAMOCLES_HD constexpr std::uint64_t Modulus(std::size_t i) {
    constexpr auto kWords = internal::Words<kLimbs>::Of(Params::kModulus);
    return kWords.word[i];
  }
  static DAMOCLES_HD constexpr Field RSquared() {
    constexpr auto kWords = internal::Words<kLimbs>::Of(Params::kRSquared);
    Field value{};
    DAMOCLES_UNROLL
    for (std::size_t i = 0; i < kLimbs; ++i) value.limb[i] = kWords.word[i];
    return value;
  }

  // Operand scanning with interleaved reduction, word by word; the top limb of p leaves room so
  // that the running sum stays in kLimbs words after each step.
  static DAMOCLES_HD constexpr Field MultiplyByWords(const Field& a, const Field& b) {
    std::uint64_t t[kLimbs] = {};
    DAMOCLES_UNROLL
    for (std::size_t i = 0; i < kLimbs; ++i) {
      std::uint64_t carry_a = 0;
      t[0] = internal::MulAdd(a.limb[0], b.limb[i], t[0], carry_a);
      const std::uint64_t m = t[0] * Params::kInverse;
      std::uint64_t carry_m = 0;
      internal::MulAdd(m, Modulus(0), t[0], carry_m);
      DAMOCLES_UNROLL
      for (std::size_t j = 1; j < kLimbs; ++j) {
        t[j] = internal::MulAdd(a.limb[j], b.limb[i], t[j], carry_a);
        t[j - 1] = internal::MulAdd(m, Modulus(j), t[j], carry_m);
      }
      t[kLimbs - 1] = carry_a + carry_m;
    }
    Field product{};
    DAMOCLES_UNROLL
    for (std::size_t i = 0; i < kLimbs; ++i) product.limb[i] = t[i];
    return Reduced(product);
  }

  // The same sums, a row of products at a time: the low and the high halves are each one chain of
  // carries, which halves the additions.  `out` may be an operand.
  static void MultiplyByRows(const Field& a, const Field& b, Field& out) {
    std::uint64_t t[kLimbs + 1] = {};
    DAMOCLES_UNROLL
    for (std::size_t i = 0; i < kLimbs; ++i) {
      std::uint64_t low[kLimbs];
      std::uint64_t high[kLimbs];
      // t += a * b[i]
      MultiplyRow(a.limb, b.limb[i], low, high);
      internal::CarryFlag carry = 0;
      DAMOCLES_UNROLL
      for (std::size_t j = 0; j < kLimbs; ++j) {
        t[j] = i == 0 ? low[j] : internal::AddCarry(t[j], low[j], carry);
      }
      t[kLimbs] = carry;
      carry = 0;
      DAMOCLES_UNROLL
      for (std::size_t j = 1; j <= kLimbs; ++j) t[j] = internal::AddCarry(t[j], high[j - 1], carry);
      // t = (t + m * p) / 2^64, with m so that the low word vanishes
      const std::uint64_t m = t[0] * Params::kInverse;
      MultiplyRow(Params::kModulus, m, low, high);
      carry = 0;
      internal::AddCarry(t[0], low[0], carry);
      DAMOCLES_UNROLL
      for (std::size_t j = 1; j < kLimbs; ++j) t[j - 1] = internal::AddCarry(t[j], low[j], carry);
      t[kLimbs - 1] = internal::AddCarry(t[kLimbs], 0, carry);
      carry = 0;
      DAMOCLES_UNROLL
      for (std::size_t j = 0; j < kLimbs; ++j) t[j] = internal::AddCarry(t[j], high[j], carry);
    }
    ReduceInto(t, out);
  }

  static void MultiplyRow(const std::uint64_t (&a)[kLimbs], std::uint64_t b,
                          std::uint64_t (&low)[kLimbs], std::uint64_t (&high)[kLimbs]) {
    DAMOCLES_UNROLL
    for (std::size_t j = 0; j < kLimbs; ++j) {
      const Uint128 product = Uint128{a[j]} * b;
      low[j] = static_cast<std::uint64_t>(product);
      high[j] = static_cast<std::uint64_t>(product >> 64);
    }
  }

  // `value` < 2p → value mod p, without a branch: g++ and clang make conditional moves of it.
  static DAMOCLES_HD constexpr Field Reduced(const Field& value) {
    Field out{};
    ReduceInto(value.limb, out);
    return out;
  }
  static DAMOCLES_HD constexpr void ReduceInto(const std::uint64_t* value, Field& out) {
    std::uint64_t reduced[kLimbs] = {};
    internal::CarryFlag borrow = 0;
    DAMOCLES_UNROLL
    for (std::size_t i = 0; i < kLimbs; ++i) {
      reduced[i] = internal::SubBorrow(value[i], Modulus(i), borrow);
    }
    DAMOCLES_UNROLL
    for (std::size_t i = 0; i < kLimbs; ++i) {
      out.limb[i] = borrow != 0 ? value[i] : reduced[i];
    }
  }
};

}  // namespace damocles::bls12_381
