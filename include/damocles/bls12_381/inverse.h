// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// Inverses modulo a prime by a binary gcd that works on 64-bit approximations (T. Pornin,
// "Optimized Binary GCD for Modular Inversion", 2020): a tenth of the time of an exponentiation.

#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>

#include "damocles/base/target.h"
#include "damocles/bls12_381/words.h"

namespace damocles::bls12_381::internal {

// An integer of N words in two's complement, least significant word first.
template <std::size_t N>
struct SignedWords {
  std::uint64_t word[N];

  DAMOCLES_HD constexpr bool IsNegative() const { return (word[N - 1] >> 63) != 0; }

  DAMOCLES_HD constexpr SignedWords Negated() const {
    SignedWords out{};
    std::uint64_t carry = 1;
    for (std::size_t i = 0; i < N; ++i) {
      out.word[i] = ~word[i] + carry;
      carry = (carry != 0 && out.word[i] == 0) ? 1 : 0;
    }
    return out;
  }

  // this * factor added to `sum`; wraps around at N words.
  DAMOCLES_HD constexpr void AddMultipleTo(SignedWords& sum, std::int64_t factor) const {
    // A negative factor is (factor + 2^64) - 2^64.
    const std::uint64_t f = static_cast<std::uint64_t>(factor);
    std::uint64_t carry = 0;
    std::uint64_t borrow = 0;
    const std::uint64_t mask = factor < 0 ? ~std::uint64_t{0} : 0;
    std::uint64_t below = 0;  // the word one lower, of this * 2^64
    for (std::size_t i = 0; i < N; ++i) {
      const Uint128 product = Uint128{word[i]} * f + sum.word[i] + carry;
      carry = static_cast<std::uint64_t>(product >> 64);
      const std::uint64_t low = static_cast<std::uint64_t>(product);
      const std::uint64_t taken = below & mask;
      const Uint128 difference = Uint128{low} - taken - borrow;
      sum.word[i] = static_cast<std::uint64_t>(difference);
      borrow = static_cast<std::uint64_t>(difference >> 64) & 1;
      below = word[i];
    }
  }

  // floor(this / 2^bits), 0 < bits < 64.
  DAMOCLES_HD constexpr SignedWords ShiftedRight(unsigned bits) const {
    SignedWords out{};
    for (std::size_t i = 0; i + 1 < N; ++i) {
      out.word[i] = word[i] >> bits | word[i + 1] << (64 - bits);
    }
    out.word[N - 1] = static_cast<std::uint64_t>(static_cast<std::int64_t>(word[N - 1]) >> bits);
    return out;
  }

  DAMOCLES_HD constexpr std::size_t BitLength() const {  // of a value >= 0
    for (std::size_t i = N; i-- > 0;) {
      if (word[i] != 0) return 64 * (i + 1) - static_cast<std::size_t>(std::countl_zero(word[i]));
    }
    return 0;
  }

  // Bits [at, at + 64) of a value >= 0.
  DAMOCLES_HD constexpr std::uint64_t BitsFrom(std::size_t at) const {
    const std::size_t i = at / 64;
    const std::size_t shift = at % 64;
    std::uint64_t bits = word[i] >> shift;
    if (shift != 0 && i + 1 < N) bits |= word[i + 1] << (64 - shift);
    return bits;
  }
};

// 1 / value modulo the odd prime `modulus` of kLimbs words, with negative_inverse = -1 / modulus
// mod 2^64 and room for a sign: modulus < 2^(64 kLimbs - 1).  0 <= value < modulus; zero gives
// zero. Variable time.
// In one piece: what one step leaves in registers the next one takes from there.
template <std::size_t kLimbs>
DAMOCLES_HD constexpr void InvertModulo(std::uint64_t (&value)[kLimbs],
                                        const std::uint64_t (&modulus)[kLimbs],
                                        std::uint64_t negative_inverse) {
  constexpr unsigned kInner = 31;
  constexpr std::uint64_t kLowMask = (std::uint64_t{1} << kInner) - 1;
  using Wide = SignedWords<kLimbs + 1>;
  // Throughout: a = u * value and b = v * value modulo p, b odd, a and b >= 0, u and v in [0, p).
  Wide a{};
  Wide b{};
  Wide u{};
  Wide v{};
  Wide p{};
  for (std::size_t i = 0; i < kLimbs; ++i) {
    a.word[i] = value[i];
    b.word[i] = p.word[i] = modulus[i];
  }
  u.word[0] = 1;
  while (a.BitLength() != 0) {
    // The 31 low and the 33 high bits of a and b stand for them during 31 steps.
    const std::size_t length_a = a.BitLength();
    const std::size_t length_b = b.BitLength();
    std::size_t length = length_a > length_b ? length_a : length_b;
    if (length < 64) length = 64;
    std::uint64_t near_a = (a.word[0] & kLowMask) | (a.BitsFrom(length - 33) << kInner);
    std::uint64_t near_b = (b.word[0] & kLowMask) | (b.BitsFrom(length - 33) << kInner);
    // (f, g) of a, then of b: what the steps multiply a and b by, times 2^31.
    std::int64_t fa = 1;
    std::int64_t ga = 0;
    std::int64_t fb = 0;
    std::int64_t gb = 1;
    for (unsigned i = 0; i < kInner; ++i) {
      // Without branches, which would be taken at random.
      const std::uint64_t odd = 0 - (near_a & 1);
      const std::uint64_t swap = odd & (0 - std::uint64_t{near_a < near_b});
      const std::uint64_t flip = (near_a ^ near_b) & swap;
      near_a ^= flip;
      near_b ^= flip;
      const std::int64_t flip_f = (fa ^ fb) & static_cast<std::int64_t>(swap);
      fa ^= flip_f;
      fb ^= flip_f;
      const std::int64_t flip_g = (ga ^ gb) & static_cast<std::int64_t>(swap);
      ga ^= flip_g;
      gb ^= flip_g;
      near_a = (near_a - (near_b & odd)) >> 1;
      fa -= fb & static_cast<std::int64_t>(odd);
      ga -= gb & static_cast<std::int64_t>(odd);
      fb *= 2;
      gb *= 2;
    }
    Wide next_a{};
    a.AddMultipleTo(next_a, fa);
    b.AddMultipleTo(next_a, ga);
    Wide next_b{};
    a.AddMultipleTo(next_b, fb);
    b.AddMultipleTo(next_b, gb);
    a = next_a.ShiftedRight(kInner);
    b = next_b.ShiftedRight(kInner);
    if (a.IsNegative()) {
      a = a.Negated();
      fa = -fa;
      ga = -ga;
    }
    if (b.IsNegative()) {
      b = b.Negated();
      fb = -fb;
      gb = -gb;
    }
    // u and v likewise, the division by 2^31 being one modulo p: add the multiple of p that clears
    // the low bits.  The quotient lies in (-p, 2p).
    const auto combine = [&](std::int64_t f, std::int64_t g) {
      Wide sum{};
      u.AddMultipleTo(sum, f);
      v.AddMultipleTo(sum, g);
      const std::uint64_t m = (sum.word[0] * negative_inverse) & kLowMask;
      p.AddMultipleTo(sum, static_cast<std::int64_t>(m));
      sum = sum.ShiftedRight(kInner);
      if (sum.IsNegative()) {
        p.AddMultipleTo(sum, 1);
      } else {
        Wide below = sum;
        p.AddMultipleTo(below, -1);
        if (!below.IsNegative()) sum = below;
      }
      return sum;
    };
    const Wide next_u = combine(fa, ga);
    v = combine(fb, gb);
    u = next_u;
  }
  // b = gcd = 1, or p where the value was zero: then v = 0.
  for (std::size_t i = 0; i < kLimbs; ++i) value[i] = v.word[i];
}

}  // namespace damocles::bls12_381::internal
