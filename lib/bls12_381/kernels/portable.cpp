// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// The form for every processor.

#include <algorithm>
#include <array>

#include "lib/bls12_381/kernels/kernels.h"

namespace damocles::bls12_381::kernels {
namespace {

// value *= factor, out of line: inlined into the loop below by g++ -O3 it takes seven times as
// long.
[[gnu::noinline]] void MultiplyBy(Fr& value, const Fr& factor) {
  value *= factor;
}

// `levels` levels on 2^levels rows of `columns` elements, all of block `block` at the first level.
void Levels(Fr* rows, unsigned levels, std::size_t columns, std::size_t block, const Fr* twiddles) {
  for (unsigned level = 0; level < levels; ++level) {
    const std::size_t half = (std::size_t{1} << (levels - level - 1)) * columns;
    for (std::size_t i = 0; i < std::size_t{1} << level; ++i) {
      const std::size_t index = (block << level) + i;
      Fr* low = rows + 2 * half * i;
      Fr* high = low + half;
      if (index == 0) {
        for (std::size_t j = 0; j < half; ++j) {
          const Fr a = low[j];
          const Fr b = high[j];
          low[j] = a + b;
          high[j] = a - b;
        }
        continue;
      }
      const Fr twiddle = twiddles[index];
      for (std::size_t j = 0; j < half; ++j) {
        const Fr a = low[j];
        MultiplyBy(high[j], twiddle);
        const Fr b = high[j];
        low[j] = a + b;
        high[j] = a - b;
      }
    }
  }
}

void TransformColumns(Fr* rows, std::size_t stride, unsigned levels, std::size_t block,
                      const Fr* twiddles) {
  std::array<Fr, kColumns << kColumnLevelsMax> copy;
  const std::size_t count = std::size_t{1} << levels;
  for (std::size_t row = 0; row < count; ++row) {
    std::copy_n(rows + row * stride, kColumns, copy.data() + row * kColumns);
  }
  Levels(copy.data(), levels, kColumns, block, twiddles);
  for (std::size_t row = 0; row < count; ++row) {
    std::copy_n(copy.data() + row * kColumns, kColumns, rows + row * stride);
  }
}

void TransformBlock(Fr* values, unsigned levels, std::size_t block, const Fr* twiddles) {
  Levels(values, levels, 1, block, twiddles);
}

void MultiplyByPowers(Fr* values, std::size_t count, const Powers& powers) {
  Powers at = powers;
  for (std::size_t i = 0; i < count; ++i) {
    MultiplyBy(values[i], at.first[i % kLanes]);
    MultiplyBy(at.first[i % kLanes], at.step);
  }
}

void MultiplySubtractScaleAll(Fr* a, const Fr* b, const Fr* c, std::size_t count,
                              const Fr& factor) {
  for (std::size_t i = 0; i < count; ++i) a[i] = (a[i] * b[i] - c[i]) * factor;
}

// a - b, out of line: inlined into the loop below by g++ it loses the carry flag, and the sums in
// G2 take a third longer.
template <typename F>
[[gnu::noinline]] F Minus(const F& a, const F& b) {
  return a - b;
}

template <typename F>
void AddPairs(Affine<F>* points, std::span<const std::uint32_t> lefts, ScratchLine* scratch) {
  struct Slope {
    F denominator;
    F prefix;  // the product of the denominators before this one
  };
  static_assert(sizeof(Slope) <= kScratchLines<F> * sizeof(ScratchLine));
  auto* const slopes = reinterpret_cast<Slope*>(scratch);
  F product = F::One();
  for (std::size_t i = 0; i < lefts.size(); ++i) {
    const Affine<F>* const pair = points + lefts[i];
    slopes[i] = {Minus(pair[1].x, pair[0].x), product};
    product *= slopes[i].denominator;
  }
  F inverse = product.Inverse();  // of the denominators up to the one at hand
  for (std::size_t i = lefts.size(); i-- > 0;) {
    Affine<F>& a = points[lefts[i]];
    const Affine<F>& b = points[lefts[i] + 1];
    const F l = Minus(b.y, a.y) * (inverse * slopes[i].prefix);
    inverse *= slopes[i].denominator;
    const F x = Minus(Minus(l.Square(), a.x), b.x);
    a = {x, Minus(l * Minus(a.x, x), a.y)};
  }
}

}  // namespace

const Kernels kPortable = {
    .name = "portable",
    .transform_columns = TransformColumns,
    .transform_block = TransformBlock,
    .multiply_by_powers = MultiplyByPowers,
    .multiply_subtract_scale = MultiplySubtractScaleAll,
    .add_pairs_g1 = AddPairs<Fp>,
    .add_pairs_g2 = AddPairs<Fp2>,
};

}  // namespace damocles::bls12_381::kernels
