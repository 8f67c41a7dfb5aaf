// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// Additions of pairs of affine points, eight pairs at once (lanes.h).

#pragma once

#include <algorithm>

#include "lib/bls12_381/kernels/kernels.h"
#include "lib/bls12_381/kernels/lane_inverse.h"
#include "lib/bls12_381/kernels/lanes.h"

namespace damocles::bls12_381::kernels {

// Where ranges end (RangesOf), for coordinates in Fp (1) or Fp2 (2).
template <std::size_t kDegree>
struct CoordinateRanges : RangesOf<FpParams> {
  // Of Product(a, b, below), where one is raised in size.
  static consteval double Products(double a, double b, unsigned below) {
    return Product(kDegree == 1 ? a * b : std::max(a * b + below * b, 2 * a * b));
  }
};
template <std::size_t kDegree>
struct AdditionRanges : CoordinateRanges<kDegree> {
  using Of = CoordinateRanges<kDegree>;
  // Differences of canonical values, and p.
  static constexpr double kDifference = 2;
  // Products of denominators, and their inverses: they stand for 2^kShift times what they are, but
  // have the size of p.
  static constexpr double kChain = kDegree == 1 ? 1.58 : 2.6;
  static constexpr unsigned kBelowChain = 4;
  static_assert(Of::Products(kChain, kDifference, kBelowChain) <= kChain && kChain <= kBelowChain);
  static_assert(Of::Product(1) <= kChain);  // where the chain begins anew
  // Plain products of these: of so much nothing is left.
  static constexpr double kSlope = Of::PlainProduct(1000);
  static constexpr unsigned kBelowSlope = 2;
  static_assert(2 * kChain * (kChain + kBelowChain) <= 1000 && kSlope <= kBelowSlope);
  static constexpr double kSquare =
      Of::Product(kDegree == 1 ? kSlope * kSlope : 2 * kSlope * (kSlope + kBelowSlope));
  static constexpr double kX3 = kSquare + 2;
  static constexpr double kY3 = Of::Products(kDifference, kSlope, 2) + 1;
};

// `F` is Fp or Fp2.
template <typename Vec, typename F>
struct LaneAdditions {
  using L = Lanes<Vec, FpParams>;
  static constexpr std::size_t kDegree = sizeof(F) / sizeof(Fp);
  using Ranges = AdditionRanges<kDegree>;
  static constexpr std::size_t kWords = kDegree * L::kWords;  // of a coordinate

  struct Element {
    L c[kDegree];
  };
  struct Waiting {
    Element prefix;       // raised: the product of the denominators before this one
    Element denominator;  // raised
  };
  static_assert(sizeof(Waiting) == kScratchLines<F> * sizeof(ScratchLine) * kLanes);

  // a * b, one of them raised or both; `a` is below `below` p and not raised if the other is not.
  DAMOCLES_LANES Element Product(const Element& a, const Element& b, unsigned below) {
    Element out;
    if constexpr (kDegree == 1) {
      out.c[0] = L::Product(a.c[0], b.c[0]);
    } else {
      out.c[0] = L::SumOfTwoProducts(a.c[0], b.c[0], Negated(a.c[1], below), b.c[1]);
      out.c[1] = L::SumOfTwoProducts(a.c[0], b.c[1], a.c[1], b.c[0]);
    }
    return out;
  }
  DAMOCLES_LANES L Negated(const L& value, unsigned below) {
    Vec t[L::kLimbs];
    DAMOCLES_UNROLL
    for (std::size_t j = 0; j < L::kLimbs; ++j) t[j] = Vec::Broadcast(0) - value.limb[j];
    L::AddMultiple(t, below, 0);
    return L::Carried(t);
  }
  DAMOCLES_LANES Element Difference(const Element& a, const Element& b, unsigned times,
                                    unsigned shift) {
    Element out;
    DAMOCLES_UNROLL
    for (std::size_t i = 0; i < kDegree; ++i) {
      out.c[i] = L::Difference(a.c[i], b.c[i], times, shift);
    }
    return out;
  }
  DAMOCLES_LANES Element Canonical(const Element& value, unsigned most) {
    Element out;
    DAMOCLES_UNROLL
    for (std::size_t i = 0; i < kDegree; ++i) {
      Vec columns[L::kLimbs];
      DAMOCLES_UNROLL
      for (std::size_t j = 0; j < L::kLimbs; ++j) columns[j] = value.c[i].limb[j];
      out.c[i] = L::Canonical(columns, most);
    }
    return out;
  }

  DAMOCLES_LANES Element FromWords(const Vec* words, unsigned shift) {
    Element out;
    DAMOCLES_UNROLL
    for (std::size_t i = 0; i < kDegree; ++i) {
      Vec part[L::kWords];
      DAMOCLES_UNROLL
      for (std::size_t j = 0; j < L::kWords; ++j) part[j] = words[i * L::kWords + j];
      out.c[i] = L::FromWords(part, shift);
    }
    return out;
  }
  DAMOCLES_LANES void ToWords(const Element& value, Vec* words) {
    DAMOCLES_UNROLL
    for (std::size_t i = 0; i < kDegree; ++i) {
      Vec part[L::kWords];
      L::ToWords(value.c[i], part);
      DAMOCLES_UNROLL
      for (std::size_t j = 0; j < L::kWords; ++j) words[i * L::kWords + j] = part[j];
    }
  }

  // The inverses of the lanes, raised, of a raised value in Ranges::kChain.  In words, a raised
  // value x is the Montgomery form of 2^kShift x: its inverse wants 2^(2 kShift).
  static Element Inverse(const Element& product) {
    Vec words[kWords];
    ToWords(Canonical(product, Ranges::MostFor(Ranges::kChain)), words);
    alignas(64) std::uint64_t planes[kWords][kLanes];
    for (std::size_t i = 0; i < kWords; ++i) words[i].Store(planes[i]);
    F lanes[kLanes];
    for (std::size_t lane = 0; lane < kLanes; ++lane) {
      auto* const to = reinterpret_cast<std::uint64_t*>(&lanes[lane]);
      for (std::size_t i = 0; i < kWords; ++i) to[i] = planes[i][lane];
    }
    InvertLanes(lanes);
    for (std::size_t lane = 0; lane < kLanes; ++lane) {
      const auto* const from = reinterpret_cast<const std::uint64_t*>(&lanes[lane]);
      for (std::size_t i = 0; i < kWords; ++i) planes[i][lane] = from[i];
    }
    for (std::size_t i = 0; i < kWords; ++i) words[i] = Vec::Load(planes[i]);
    static_assert(2 * L::kShift == 64);
    // 2^64 in Montgomery form, raised, times 2^-kShift for the product: 2^(64 kWords + 64).
    constexpr auto kFactor = Fp::FromCanonical({0, 1, 0, 0, 0, 0});
    const L factor = L::Broadcast(kFactor.limb, L::kShift);
    Element inverse = FromWords(words, 0);
    for (std::size_t i = 0; i < kDegree; ++i) inverse.c[i] = L::Product(inverse.c[i], factor);
    return inverse;
  }

  // The pairs `first` to first + 7, the last one again where there are no more.
  DAMOCLES_LANES void RowsOf(Affine<F>* points, const std::uint32_t* lefts, std::size_t count,
                             std::size_t first, std::uint64_t* (&rows)[kLanes]) {
    for (std::size_t i = 0; i < kLanes; ++i) {
      const std::size_t at = first + i < count ? first + i : count - 1;
      rows[i] = reinterpret_cast<std::uint64_t*>(points + lefts[at]);
    }
  }

  static void AddPairs(Affine<F>* points, std::span<const std::uint32_t> lefts_given,
                       ScratchLine* scratch) {
    const std::uint32_t* const lefts = lefts_given.data();
    const std::size_t count = lefts_given.size();
    auto* const waiting = reinterpret_cast<Waiting*>(scratch);
    constexpr auto kOneRaised = Fp::FromU64(std::uint64_t{1} << L::kShift);
    Element product;  // raised, Ranges::kChain
    product.c[0] = L::Broadcast(kOneRaised.limb, 0);
    if constexpr (kDegree == 2) product.c[1] = L::Broadcast(Fp::Zero().limb, 0);
    for (std::size_t i = 0; i < count; i += kLanes) {
      std::uint64_t* rows[kLanes];
      RowsOf(points, lefts, count, i, rows);
      const std::uint64_t* seconds[kLanes];
      for (std::size_t j = 0; j < kLanes; ++j) seconds[j] = rows[j] + 2 * kWords;
      Vec x1[kWords];
      Vec x2[kWords];
      Vec::LoadRows(rows, x1);
      Vec::LoadRows(seconds, x2);
      Waiting& entry = waiting[i / kLanes];
      entry.prefix = product;
      entry.denominator =
          Difference(FromWords(x2, L::kShift), FromWords(x1, L::kShift), 1, L::kShift);
      product = Product(product, entry.denominator, Ranges::kBelowChain);
    }
    Element inverse = Inverse(product);  // raised: of the denominators up to the ones at hand
    for (std::size_t i = (count - 1) / kLanes * kLanes;; i -= kLanes) {
      std::uint64_t* rows[kLanes];
      RowsOf(points, lefts, count, i, rows);
      AddEight(rows, waiting[i / kLanes], inverse);
      if (i == 0) break;
    }
  }

  DAMOCLES_LANES void AddEight(std::uint64_t* const (&rows)[kLanes], const Waiting& entry,
                               Element& inverse) {
    Vec words[4 * kWords];
    Vec::LoadRows(rows, words);
    const Element x1 = FromWords(words, 0);
    const Element y1 = FromWords(words + kWords, 0);
    const Element x2 = FromWords(words + 2 * kWords, 0);
    const Element y2 = FromWords(words + 3 * kWords, 0);
    const Element reciprocal = Product(inverse, entry.prefix, Ranges::kBelowChain);  // as the slope
    inverse = Product(inverse, entry.denominator, Ranges::kBelowChain);
    const Element slope = Product(Difference(y2, y1, 1, 0), reciprocal, 2);
    Element raised;
    for (std::size_t i = 0; i < kDegree; ++i) raised.c[i] = L::Raised(slope.c[i]);
    Element x3 = Square(slope, raised);
    for (std::size_t i = 0; i < kDegree; ++i) {
      Vec t[L::kLimbs];
      for (std::size_t j = 0; j < L::kLimbs; ++j) {
        t[j] = x3.c[i].limb[j] - x1.c[i].limb[j] - x2.c[i].limb[j];
      }
      L::AddMultiple(t, 2, 0);
      x3.c[i] = L::Canonical(t, Ranges::MostFor(Ranges::kX3));
    }
    const Element y3 = Canonical(Difference(Product(Difference(x1, x3, 1, 0), raised, 2), y1, 1, 0),
                                 Ranges::MostFor(Ranges::kY3));
    Vec sum[2 * kWords];
    ToWords(x3, sum);
    ToWords(y3, sum + kWords);
    Vec::StoreRows(sum, rows);
  }

  // Of a value in Ranges::kSlope, which is given raised too.
  DAMOCLES_LANES Element Square(const Element& a, const Element& raised) {
    Element out;
    if constexpr (kDegree == 1) {
      out.c[0] = L::Product(a.c[0], raised.c[0]);
    } else {
      out.c[0] = L::Product(L::Sum(a.c[0], a.c[1]), L::Difference(raised.c[0], raised.c[1],
                                                                  Ranges::kBelowSlope, L::kShift));
      out.c[1] = L::Product(L::Sum(a.c[0], a.c[0]), raised.c[1]);
    }
    return out;
  }
};

}  // namespace damocles::bls12_381::kernels
