// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// Eight residues modulo a prime, one in each lane of vectors of eight 64-bit words, in limbs of 52
// bits: for processors that multiply 52-bit integers (AVX-512 IFMA).
//
// `Vec` is a vector of such a processor, or a model of it in plain C++ that tests run everywhere.
// It comes from an anonymous namespace, so that all that is made of these templates is private to
// its file.
//
// Forms and ranges.  With W words of 64 bits, N = ceil(64 W / 52) limbs, a product of lanes is
// a b / 2^(52 N); the library's Montgomery product is a b / 2^(64 W).  So one factor of a product
// is taken times 2^kShift, kShift = 52 N - 64 W, which costs nothing when words are cut into limbs:
// such a value is called raised.  Values are integers below a small multiple of p (raised: of
// 2^kShift p), limbs of what is multiplied are in [0, 2^52).  The ends of these ranges are computed
// while this is compiled (RangesOf), so that no reduction is narrower than what comes to it.

#pragma once

#include <cstddef>
#include <cstdint>

#include "damocles/bls12_381/words.h"

namespace damocles::bls12_381::kernels {

// Everything in registers, in few functions.  A test of a model would compile for minutes then, and
// defines it otherwise.
#if !defined(DAMOCLES_LANES)
#define DAMOCLES_LANES [[gnu::always_inline]] static inline
#endif

// The numbers of a field that products need, in limbs of 52 bits.
template <typename Params>
struct LaneField {
  static constexpr std::size_t kWords = Params::kLimbs;
  static constexpr std::size_t kLimbs = (64 * kWords + 51) / 52;
  static constexpr unsigned kShift = 52 * kLimbs - 64 * kWords;
  static constexpr std::uint64_t kMask = (std::uint64_t{1} << 52) - 1;
  static constexpr std::uint64_t kInverse = Params::kInverse & kMask;  // -1 / p mod 2^52

  struct Limbs {
    std::uint64_t limb[kLimbs];
  };

  // 2^shift times the words, cut: `T` is a word or a vector of words.  The result has 52 kLimbs
  // bits.
  template <typename T>
  DAMOCLES_LANES constexpr void Cut(const T* words, unsigned shift, const T& mask, T* limbs) {
    DAMOCLES_UNROLL
    for (std::size_t j = 0; j < kLimbs; ++j) {
      if (52 * j < shift) {  // j = 0
        limbs[j] = (words[0] << shift) & mask;
        continue;
      }
      const std::size_t at = 52 * j - shift;
      const auto offset = static_cast<unsigned>(at % 64);
      T bits = words[at / 64] >> offset;
      if (offset > 12 && at / 64 + 1 < kWords) bits = bits | words[at / 64 + 1] << (64 - offset);
      limbs[j] = bits & mask;
    }
  }

  // times * 2^shift * p.
  static constexpr Limbs Multiple(unsigned times, unsigned shift) {
    Limbs modulus{};
    Cut<std::uint64_t>(Params::kModulus, 0, kMask, modulus.limb);
    Limbs out{};
    Uint128 carry = 0;
    const unsigned whole = shift / 52;
    for (std::size_t j = whole; j < kLimbs; ++j) {
      carry += Uint128{modulus.limb[j - whole]} * times << (shift % 52);
      out.limb[j] = static_cast<std::uint64_t>(carry) & kMask;
      carry >>= 52;
    }
    return out;
  }

  // 2^-52 modulo p.
  static constexpr Limbs InverseOfRadix() {
    std::uint64_t words[kWords] = {1};
    for (int i = 0; i < 52; ++i) {
      if ((words[0] & 1) != 0) {
        internal::CarryFlag carry = 0;
        for (std::size_t j = 0; j < kWords; ++j) {
          words[j] = internal::AddCarry(words[j], Params::kModulus[j], carry);
        }
      }
      for (std::size_t j = 0; j < kWords; ++j) {
        words[j] = words[j] >> 1 | (j + 1 < kWords ? words[j + 1] << 63 : 0);
      }
    }
    Limbs out{};
    Cut<std::uint64_t>(words, 0, kMask, out.limb);
    return out;
  }
};

// Where ranges end, in units of p (raised: of 2^kShift p).
template <typename Params>
struct RangesOf {
  using Field = LaneField<Params>;
  static constexpr double kTwoTo64 = 18446744073709551616.0;

  // Of a sum of products of a < A p and b < B p raised, given the sum of all A B.  Two of the terms
  // that divide the limbs away are of its size: the last but one adds up to c = 2^-52 mod p, the
  // last one up to p.
  static consteval double Product(double products) {
    constexpr auto kModulus = Field::Multiple(1, 0);
    constexpr auto kRadixInverse = Field::InverseOfRadix();
    constexpr std::size_t kTop = Field::kLimbs - 1;
    constexpr double kInverse = static_cast<double>(kRadixInverse.limb[kTop] + 1) /
                                static_cast<double>(kModulus.limb[kTop]);
    constexpr double kDensity = static_cast<double>(Params::kModulus[Field::kWords - 1]) / kTwoTo64;
    constexpr double kRounded = 1 + 1.0 / 65536;  // of the two above, too
    return (products * kDensity + 1 + kInverse) * kRounded;
  }
  // The same where no factor is raised.
  static consteval double PlainProduct(double products) {
    return Product(products / static_cast<double>(std::uint64_t{1} << Field::kShift));
  }
  // Of what is left where `times` p have been taken off (TakeOffMost).
  static consteval double LeftOf(double times) { return times + 1.0 / 256; }
  // The smallest power of two that Canonical may be given for values below this.
  static consteval unsigned MostFor(double below) {
    unsigned most = 1;
    while (most + kBeyondMost < below) most *= 2;
    return most;
  }
  static constexpr double kBeyondMost = 0.99;
};

template <typename Vec, typename Params>
struct Lanes {
  using Ranges = RangesOf<Params>;
  using Field = LaneField<Params>;
  static constexpr std::size_t kWords = Field::kWords;
  static constexpr std::size_t kLimbs = Field::kLimbs;
  static constexpr unsigned kShift = Field::kShift;

  Vec limb[kLimbs];

  DAMOCLES_LANES Lanes FromWords(const Vec (&words)[kWords], unsigned shift) {
    Lanes out;
    Field::Cut(words, shift, Vec::Broadcast(Field::kMask), out.limb);
    return out;
  }
  // One value in all lanes.
  DAMOCLES_LANES Lanes Broadcast(const std::uint64_t (&words)[kWords], unsigned shift) {
    std::uint64_t limbs[kLimbs];
    Field::Cut(words, shift, Field::kMask, limbs);
    Lanes out;
    DAMOCLES_UNROLL
    for (std::size_t j = 0; j < kLimbs; ++j) out.limb[j] = Vec::Broadcast(limbs[j]);
    return out;
  }
  // Of a canonical value.
  DAMOCLES_LANES void ToWords(const Lanes& value, Vec (&words)[kWords]) {
    DAMOCLES_UNROLL
    for (std::size_t i = 0; i < kWords; ++i) {
      const std::size_t j = 64 * i / 52;
      const auto offset = static_cast<unsigned>(64 * i % 52);
      Vec bits = value.limb[j] >> offset;
      if (j + 1 < kLimbs) bits = bits | value.limb[j + 1] << (52 - offset);
      if (offset > 40 && j + 2 < kLimbs) bits = bits | value.limb[j + 2] << (104 - offset);
      words[i] = bits;
    }
  }

  // Limbs of any sign below 2^62 brought to [0, 2^52); what is left of a negative value stands in
  // the last limb.
  DAMOCLES_LANES Lanes Carried(const Vec (&columns)[kLimbs]) {
    Lanes out;
    const Vec mask = Vec::Broadcast(Field::kMask);
    Vec carried = columns[0];
    DAMOCLES_UNROLL
    for (std::size_t j = 0; j + 1 < kLimbs; ++j) {
      out.limb[j] = carried & mask;
      carried = columns[j + 1] + carried.ShiftedWithSign(52);
    }
    out.limb[kLimbs - 1] = carried;
    return out;
  }

  // The sum of kTerms products over 2^(52 kLimbs), as columns that are still to be carried, each
  // below 2^58.
  //
  // Limb by limb of b; after each, what stands in the lowest column is divided away: m * 2^-52
  // modulo p is added for the 52 bits m of it, which needs no product to find m.  The last time a
  // multiple of p clears the bits, as usual, because m * (2^-52 mod p) would be too large.
  template <std::size_t kTerms>
  DAMOCLES_LANES void SumOfProducts(const Lanes* const (&a)[kTerms],
                                    const Lanes* const (&b)[kTerms], Vec (&t)[kLimbs]) {
    constexpr auto kRadixInverse = Field::InverseOfRadix();
    constexpr auto kModulus = Field::Multiple(1, 0);
    const Vec zero = Vec::Broadcast(0);
    Vec top = zero;
    DAMOCLES_UNROLL
    for (std::size_t j = 0; j < kLimbs; ++j) t[j] = zero;
    DAMOCLES_UNROLL
    for (std::size_t i = 0; i < kLimbs; ++i) {
      const bool last = i + 1 == kLimbs;
      DAMOCLES_UNROLL
      for (std::size_t k = 0; k < kTerms; ++k) {
        t[0] = Vec::MulAddLow(t[0], a[k]->limb[0], b[k]->limb[i]);
      }
      const Vec m = last ? Vec::MulAddLow(zero, t[0], Vec::Broadcast(Field::kInverse)) : t[0];
      DAMOCLES_UNROLL
      for (std::size_t k = 0; k < kTerms; ++k) {
        DAMOCLES_UNROLL
        for (std::size_t j = 1; j < kLimbs; ++j) {
          t[j] = Vec::MulAddLow(t[j], a[k]->limb[j], b[k]->limb[i]);
        }
      }
      if (last) {
        DAMOCLES_UNROLL
        for (std::size_t j = 0; j < kLimbs; ++j) {
          t[j] = Vec::MulAddLow(t[j], m, Vec::Broadcast(kModulus.limb[j]));
        }
      }
      const Vec carry = t[0] >> 52;
      DAMOCLES_UNROLL
      for (std::size_t j = 0; j + 1 < kLimbs; ++j) t[j] = t[j + 1];
      t[kLimbs - 1] = top;
      DAMOCLES_UNROLL
      for (std::size_t k = 0; k < kTerms; ++k) {
        DAMOCLES_UNROLL
        for (std::size_t j = 0; j < kLimbs; ++j) {
          t[j] = Vec::MulAddHigh(t[j], a[k]->limb[j], b[k]->limb[i]);
        }
      }
      if (last) {
        DAMOCLES_UNROLL
        for (std::size_t j = 0; j < kLimbs; ++j) {
          t[j] = Vec::MulAddHigh(t[j], m, Vec::Broadcast(kModulus.limb[j]));
        }
        t[0] = t[0] + carry;
      } else {
        t[0] = t[0] + carry;
        DAMOCLES_UNROLL
        for (std::size_t j = 0; j < kLimbs; ++j) {
          t[j] = Vec::MulAddLow(t[j], m, Vec::Broadcast(kRadixInverse.limb[j]));
        }
        DAMOCLES_UNROLL
        for (std::size_t j = 0; j + 1 < kLimbs; ++j) {
          t[j + 1] = Vec::MulAddHigh(t[j + 1], m, Vec::Broadcast(kRadixInverse.limb[j]));
        }
        top = Vec::MulAddHigh(zero, m, Vec::Broadcast(kRadixInverse.limb[kLimbs - 1]));
      }
    }
  }
  DAMOCLES_LANES Lanes Product(const Lanes& a, const Lanes& b) {
    Vec t[kLimbs];
    SumOfProducts<1>({&a}, {&b}, t);
    return Carried(t);
  }
  DAMOCLES_LANES Lanes SumOfTwoProducts(const Lanes& a, const Lanes& b, const Lanes& c,
                                        const Lanes& d) {
    Vec t[kLimbs];
    SumOfProducts<2>({&a, &c}, {&b, &d}, t);
    return Carried(t);
  }

  // columns += times * 2^shift * p.
  DAMOCLES_LANES void AddMultiple(Vec (&columns)[kLimbs], unsigned times, unsigned shift) {
    const auto multiple = Field::Multiple(times, shift);
    DAMOCLES_UNROLL
    for (std::size_t j = 0; j < kLimbs; ++j) {
      columns[j] = columns[j] + Vec::Broadcast(multiple.limb[j]);
    }
  }
  // a - b + times * 2^shift * p, which must not be negative.
  DAMOCLES_LANES Lanes Difference(const Lanes& a, const Lanes& b, unsigned times, unsigned shift) {
    Vec t[kLimbs];
    DAMOCLES_UNROLL
    for (std::size_t j = 0; j < kLimbs; ++j) t[j] = a.limb[j] - b.limb[j];
    AddMultiple(t, times, shift);
    return Carried(t);
  }
  DAMOCLES_LANES Lanes Sum(const Lanes& a, const Lanes& b) {
    Vec t[kLimbs];
    DAMOCLES_UNROLL
    for (std::size_t j = 0; j < kLimbs; ++j) t[j] = a.limb[j] + b.limb[j];
    return Carried(t);
  }
  // 2^kShift a.
  DAMOCLES_LANES Lanes Raised(const Lanes& a) {
    Lanes out;
    const Vec mask = Vec::Broadcast(Field::kMask);
    out.limb[0] = (a.limb[0] << kShift) & mask;
    DAMOCLES_UNROLL
    for (std::size_t j = 1; j < kLimbs; ++j) {
      out.limb[j] = ((a.limb[j] << kShift) & mask) | a.limb[j - 1] >> (52 - kShift);
    }
    return out;
  }

  // times p taken off where the value is that much and a little more: of what was below
  // (2 times + e) p, less than (times + max(e, 2^-8)) p is left.  Carries that are still to be made
  // change the last limb by less than 2^7, and p has 17 bits or more there.
  DAMOCLES_LANES void TakeOffMost(Vec (&columns)[kLimbs], unsigned times) {
    const auto multiple = Field::Multiple(times, 0);
    const auto mask =
        Vec::AtLeast(columns[kLimbs - 1], Vec::Broadcast(multiple.limb[kLimbs - 1] + 130));
    DAMOCLES_UNROLL
    for (std::size_t j = 0; j < kLimbs; ++j) {
      columns[j] = Vec::SubtractWhere(mask, columns[j], Vec::Broadcast(multiple.limb[j]));
    }
  }
  // The value modulo p, of columns that are below (most + kBeyondMost) p and not negative; `most`
  // is a power of two: see MostFor.
  DAMOCLES_LANES Lanes Canonical(Vec (&columns)[kLimbs], unsigned most) {
    DAMOCLES_UNROLL
    for (unsigned times = most / 2; times > 0; times /= 2) TakeOffMost(columns, times);
    const Lanes value = Carried(columns);
    constexpr auto kModulus = Field::Multiple(1, 0);
    Vec t[kLimbs];
    DAMOCLES_UNROLL
    for (std::size_t j = 0; j < kLimbs; ++j) {
      t[j] = value.limb[j] - Vec::Broadcast(kModulus.limb[j]);
    }
    const Lanes less = Carried(t);
    const auto mask = Vec::AtLeast(less.limb[kLimbs - 1], Vec::Broadcast(0));
    Lanes out;
    DAMOCLES_UNROLL
    for (std::size_t j = 0; j < kLimbs; ++j) {
      out.limb[j] = Vec::Select(mask, less.limb[j], value.limb[j]);
    }
    return out;
  }
};

}  // namespace damocles::bls12_381::kernels
