// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// Arithmetic of 64-bit words, host and device: what fields are built on.  Not for users of the
// library.

#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "damocles/base/target.h"

// Before the loops over limbs: g++ -O2 leaves them rolled, which doubles the time of a product.
#if defined(__CUDACC__)
#define DAMOCLES_UNROLL _Pragma("unroll")
#else
#define DAMOCLES_UNROLL _Pragma("GCC unroll 16")
#endif

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

// The add-with-carry and subtract-with-borrow of 64-bit words.  g++ 12 does not see the carry flag
// in any portable spelling (a sum of six words takes 20 ns instead of 2), so on the x86-64 host the
// compilers' own functions stand in wherever a value is not computed at compile time.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__CUDACC__)
#define DAMOCLES_CARRY_FLAG 1
inline constexpr bool kHasCarryFlag = true;
using CarryFlag = unsigned char;
#else
#define DAMOCLES_CARRY_FLAG 0
inline constexpr bool kHasCarryFlag = false;
using CarryFlag = std::uint64_t;
#endif

DAMOCLES_HD constexpr std::uint64_t AddCarry(std::uint64_t a, std::uint64_t b, CarryFlag& carry) {
#if DAMOCLES_CARRY_FLAG
  if (!std::is_constant_evaluated()) {
    unsigned long long sum = 0;
    carry = __builtin_ia32_addcarryx_u64(carry, a, b, &sum);
    return sum;
  }
#endif
  const Uint128 t = Uint128{a} + b + carry;
  carry = static_cast<CarryFlag>(t >> 64);
  return static_cast<std::uint64_t>(t);
}

DAMOCLES_HD constexpr std::uint64_t SubBorrow(std::uint64_t a, std::uint64_t b, CarryFlag& borrow) {
#if DAMOCLES_CARRY_FLAG
  if (!std::is_constant_evaluated()) {
    unsigned long long difference = 0;
#if defined(__clang__)
    borrow = __builtin_ia32_subborrow_u64(borrow, a, b, &difference);
#else
    borrow = __builtin_ia32_sbb_u64(borrow, a, b, &difference);
#endif
    return difference;
  }
#endif
  const Uint128 t = Uint128{a} - b - borrow;
  borrow = static_cast<CarryFlag>((t >> 64) & 1);
  return static_cast<std::uint64_t>(t);
}
#undef DAMOCLES_CARRY_FLAG

// An array as a value.
template <std::size_t N>
struct Words {
  std::uint64_t word[N];

  static DAMOCLES_HD constexpr Words Of(const std::uint64_t (&words)[N]) {
    Words copy{};
    for (std::size_t i = 0; i < N; ++i) copy.word[i] = words[i];
    return copy;
  }
};

}  // namespace internal
}  // namespace damocles::bls12_381
