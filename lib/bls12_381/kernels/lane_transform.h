// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// Transforms and products of vectors in Fr, eight elements at once (lanes.h).

#pragma once

#include "lib/bls12_381/kernels/kernels.h"
#include "lib/bls12_381/kernels/lanes.h"

namespace damocles::bls12_381::kernels {

template <typename Vec>
struct LaneTransform {
  using L = Lanes<Vec, FrParams>;
  using Ranges = typename L::Ranges;

  // Elements kLanes of which are `stride` apart.
  DAMOCLES_LANES void LoadWords(const Fr* first, std::size_t stride, Vec (&words)[4]) {
    const std::uint64_t* rows[kLanes];
    DAMOCLES_UNROLL
    for (std::size_t i = 0; i < kLanes; ++i) rows[i] = first[i * stride].limb;
    Vec::LoadRows(rows, words);
  }
  DAMOCLES_LANES L Load(const Fr* first, std::size_t stride, unsigned shift) {
    Vec words[4];
    LoadWords(first, stride, words);
    return L::FromWords(words, shift);
  }
  DAMOCLES_LANES void Store(const L& canonical, Fr* first, std::size_t stride) {
    Vec words[4];
    L::ToWords(canonical, words);
    std::uint64_t* rows[kLanes];
    DAMOCLES_UNROLL
    for (std::size_t i = 0; i < kLanes; ++i) rows[i] = first[i * stride].limb;
    Vec::StoreRows(words, rows);
  }
  DAMOCLES_LANES L CanonicalOfLevels(const L& value) {
    Vec columns[L::kLimbs];
    DAMOCLES_UNROLL
    for (std::size_t j = 0; j < L::kLimbs; ++j) columns[j] = value.limb[j];
    return L::Canonical(columns, Ranges::MostFor(kBetweenLevels));
  }

  // Values between levels are below this times r: what is subtracted, below 4 r, leaves nothing
  // negative when 4 r are added, and sum and difference are brought back by taking 4 r off.
  static constexpr double kBetweenLevels = Ranges::LeftOf(4);
  static_assert(Ranges::Product(kBetweenLevels) <= 4);

  // (low, high) = (low + high, low - high), of `high` as columns that are still to be carried, a
  // product of what is between levels.
  DAMOCLES_LANES void AddAndSubtract(L& low, L& high, const Vec (&product)[L::kLimbs]) {
    Vec sum[L::kLimbs];
    Vec difference[L::kLimbs];
    DAMOCLES_UNROLL
    for (std::size_t j = 0; j < L::kLimbs; ++j) {
      sum[j] = low.limb[j] + product[j];
      difference[j] = low.limb[j] - product[j];
    }
    L::AddMultiple(difference, 4, 0);
    L::TakeOffMost(sum, 4);
    L::TakeOffMost(difference, 4);
    low = L::Carried(sum);
    high = L::Carried(difference);
  }
  // The same after high *= twiddle; the twiddle is raised.
  DAMOCLES_LANES void Butterfly(L& low, L& high, const L& twiddle) {
    Vec product[L::kLimbs];
    L::template SumOfProducts<1>({&high}, {&twiddle}, product);
    AddAndSubtract(low, high, product);
  }

  // As kernels/portable.cpp has it, on vectors: `columns` counts those of a row.
  static void Levels(L* rows, unsigned levels, unsigned levels_here, std::size_t columns,
                     std::size_t block, const Fr* twiddles) {
    for (unsigned level = 0; level < levels_here; ++level) {
      const std::size_t half = (std::size_t{1} << (levels - level - 1)) * columns;
      for (std::size_t i = 0; i < std::size_t{1} << level; ++i) {
        const L twiddle = L::Broadcast(twiddles[(block << level) + i].limb, L::kShift);
        L* const low = rows + 2 * half * i;
        for (std::size_t j = 0; j < half; ++j) Butterfly(low[j], low[half + j], twiddle);
      }
    }
  }

  static void TransformColumns(Fr* rows, std::size_t stride, unsigned levels, std::size_t block,
                               const Fr* twiddles) {
    constexpr std::size_t kVectors = kColumns / kLanes;
    alignas(64) L copy[kVectors << kColumnLevelsMax];
    const std::size_t count = kVectors << levels;
    for (std::size_t i = 0; i < count; ++i) {
      copy[i] = Load(rows + i / kVectors * stride + i % kVectors * kLanes, 1, 0);
    }
    Levels(copy, levels, levels, kVectors, block, twiddles);
    for (std::size_t i = 0; i < count; ++i) {
      Store(CanonicalOfLevels(copy[i]), rows + i / kVectors * stride + i % kVectors * kLanes, 1);
    }
  }

  // The last three levels of eight vectors, each of eight neighbours: turned, so that lanes are
  // blocks of eight, of which the first is block `block`.
  DAMOCLES_LANES void LastThree(L (&values)[kLanes], std::size_t block, const Fr* twiddles) {
    DAMOCLES_UNROLL
    for (std::size_t j = 0; j < L::kLimbs; ++j) {
      Vec square[kLanes];
      DAMOCLES_UNROLL
      for (std::size_t i = 0; i < kLanes; ++i) square[i] = values[i].limb[j];
      Vec::Transpose(square);
      DAMOCLES_UNROLL
      for (std::size_t i = 0; i < kLanes; ++i) values[i].limb[j] = square[i];
    }
    for (std::size_t blocks = 1; blocks < kLanes; blocks *= 2) {
      const std::size_t half = kLanes / (2 * blocks);
      for (std::size_t i = 0; i < blocks; ++i) {
        const L twiddle = Load(twiddles + block * blocks + i, blocks, L::kShift);
        L* const low = values + 2 * half * i;
        for (std::size_t j = 0; j < half; ++j) Butterfly(low[j], low[half + j], twiddle);
      }
    }
  }

  static void TransformBlock(Fr* values, unsigned levels, std::size_t block, const Fr* twiddles) {
    constexpr unsigned kLast = 3;  // levels of kLanes elements
    if (levels < 2 * kLast) return kPortable.transform_block(values, levels, block, twiddles);
    alignas(64) L copy[(std::size_t{1} << kBlockLevelsMax) / kLanes];
    const std::size_t count = (std::size_t{1} << levels) / kLanes;
    for (std::size_t i = 0; i < count; ++i) copy[i] = Load(values + i * kLanes, 1, 0);
    Levels(copy, levels - kLast, levels - kLast, 1, block, twiddles);
    for (std::size_t i = 0; i < count; i += kLanes) {
      L tile[kLanes];
      for (std::size_t j = 0; j < kLanes; ++j) tile[j] = copy[i + j];
      LastThree(tile, (block << (levels - kLast)) + i, twiddles);
      for (std::size_t j = 0; j < kLanes; ++j) {
        Store(CanonicalOfLevels(tile[j]), values + i * kLanes + j, kLanes);
      }
    }
  }

  static void MultiplyByPowers(Fr* values, std::size_t count, const Powers& powers) {
    // Raised and not reduced: below 2^kShift r first, below 10 r after a product.
    static_assert(Ranges::PlainProduct(1 << L::kShift << L::kShift) <= 10 && 10 <= 1 << L::kShift);
    constexpr unsigned kMost = Ranges::MostFor(Ranges::Product(1));
    L factor = Load(powers.first, 1, L::kShift);
    const L step = L::Broadcast(powers.step.limb, L::kShift);
    for (std::size_t i = 0; i + kLanes <= count; i += kLanes) {
      Vec t[L::kLimbs];
      const L value = Load(values + i, 1, 0);
      L::template SumOfProducts<1>({&value}, {&factor}, t);
      Store(L::Canonical(t, kMost), values + i, 1);
      factor = L::Product(factor, step);
    }
    const std::size_t rest = count % kLanes;
    if (rest == 0) return;
    Fr tail[kLanes];
    for (std::size_t i = 0; i < kLanes; ++i) tail[i] = values[count - rest + (i < rest ? i : 0)];
    Vec t[L::kLimbs];
    const L value = Load(tail, 1, 0);
    L::template SumOfProducts<1>({&value}, {&factor}, t);
    Store(L::Canonical(t, kMost), tail, 1);
    for (std::size_t i = 0; i < rest; ++i) values[count - rest + i] = tail[i];
  }

  // (a b - c) factor; `factor` is raised.
  DAMOCLES_LANES void MultiplySubtractScale(Fr* a, const Fr* b, const Fr* c, const L& factor) {
    const L product = L::Product(Load(a, 1, 0), Load(b, 1, L::kShift));
    const L difference = L::Difference(product, Load(c, 1, 0), 1, 0);
    Vec t[L::kLimbs];
    L::template SumOfProducts<1>({&difference}, {&factor}, t);
    constexpr double kDifference = Ranges::Product(1) + 1;
    Store(L::Canonical(t, Ranges::MostFor(Ranges::Product(kDifference))), a, 1);
  }
  static void MultiplySubtractScaleAll(Fr* a, const Fr* b, const Fr* c, std::size_t count,
                                       const Fr& factor) {
    const L raised = L::Broadcast(factor.limb, L::kShift);
    const std::size_t rest = count % kLanes;
    for (std::size_t i = 0; i + kLanes <= count; i += kLanes) {
      MultiplySubtractScale(a + i, b + i, c + i, raised);
    }
    if (rest == 0) return;
    Fr tail[3][kLanes];
    for (std::size_t i = 0; i < kLanes; ++i) {
      const std::size_t from = count - rest + (i < rest ? i : 0);
      tail[0][i] = a[from];
      tail[1][i] = b[from];
      tail[2][i] = c[from];
    }
    MultiplySubtractScale(tail[0], tail[1], tail[2], raised);
    for (std::size_t i = 0; i < rest; ++i) a[count - rest + i] = tail[0][i];
  }
};

}  // namespace damocles::bls12_381::kernels
