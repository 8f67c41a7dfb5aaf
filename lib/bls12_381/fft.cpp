// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/bls12_381/fft.h"

#include <algorithm>
#include <array>
#include <utility>

#include "damocles/base/check.h"

namespace damocles::bls12_381 {
namespace {

// The transform divides X^n - 1 level by level: block i of level s holds the polynomial modulo
// X^(n / 2^s) - r_i, and splits it by X^(n / 2^(s+1)) -/+ t_i with t_i^2 = r_i.  All butterflies of
// a block share the factor t_i, and with the t_i in bit-reversed order of their exponents the first
// 2^s of one table serve level s.  Values come out in bit-reversed order.
//
// Levels are done a few at a time, in pieces that fit the cache: one reading and one writing of
// memory for up to 8 levels.
constexpr unsigned kLevelsLast = 11;     // whole blocks, contiguous: 64 KiB
constexpr unsigned kLevelsBefore = 8;    // of strided rows
constexpr std::size_t kColumns = 16;     // of a strided piece: 2^8 * 16 * 32 B = 128 KiB
constexpr unsigned kTileBits = 3;        // of the bit reversal: runs of 256 bytes
constexpr std::size_t kGrain = 1 << 12;  // elements of a job of the plain loops

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

std::size_t ReverseBits(std::size_t value, unsigned bits) {
  std::size_t reversed = 0;
  for (unsigned i = 0; i < bits; ++i) reversed |= ((value >> i) & 1) << (bits - 1 - i);
  return reversed;
}

// values[i] <-> values[i with its `bits` bits reversed], in square tiles: index = (row, middle,
// column), so that the runs of a cache line are used whole.
void PermuteByBitReversal(ThreadPool& pool, std::span<Fr> values, unsigned bits) {
  if (bits < 2 * kTileBits) {
    for (std::size_t i = 0; i < values.size(); ++i) {
      const std::size_t j = ReverseBits(i, bits);
      if (i < j) std::swap(values[i], values[j]);
    }
    return;
  }
  constexpr std::size_t kTile = std::size_t{1} << kTileBits;
  const unsigned middle_bits = bits - 2 * kTileBits;
  const std::size_t middles = std::size_t{1} << middle_bits;
  pool.ParallelRanges(middles, 64, [&](std::size_t begin, std::size_t end) {
    for (std::size_t middle = begin; middle < end; ++middle) {
      const std::size_t other = ReverseBits(middle, middle_bits);
      if (other < middle) continue;  // done from the other side
      for (std::size_t row = 0; row < kTile; ++row) {
        for (std::size_t column = 0; column < kTile; ++column) {
          const std::size_t i = row << (bits - kTileBits) | middle << kTileBits | column;
          const std::size_t j = ReverseBits(column, kTileBits) << (bits - kTileBits) |
                                other << kTileBits | ReverseBits(row, kTileBits);
          if (middle != other || i < j) std::swap(values[i], values[j]);
        }
      }
    }
  });
}

}  // namespace

Domain::Domain(unsigned log2_size) : log2_size_(log2_size) {
  DAMOCLES_CHECK(log2_size <= kFrTwoAdicity);
  root_ = kFrRootOfUnity;
  for (unsigned i = log2_size; i < kFrTwoAdicity; ++i) root_ = root_.Square();
  size_inverse_ = Fr::FromU64(Size()).Inverse();
  // twiddles_[i] = w^(i with its log2_size - 1 bits reversed), by doubling: a new highest bit of
  // the index is a new lowest bit of the exponent.
  twiddles_.resize(std::max<std::size_t>(Size() / 2, 1));
  twiddles_[0] = Fr::One();
  std::array<Fr, kFrTwoAdicity + 1> powers;  // w^(2^i)
  powers[0] = root_;
  for (unsigned i = 1; i < log2_size; ++i) powers[i] = powers[i - 1].Square();
  for (unsigned level = 0; level + 1 < log2_size; ++level) {
    const std::size_t count = std::size_t{1} << level;
    const Fr factor = powers[log2_size - 2 - level];
    for (std::size_t i = 0; i < count; ++i) twiddles_[count + i] = twiddles_[i] * factor;
  }
}

Fr Domain::VanishingAt(const Fr& tau) const {
  Fr power = tau;
  for (unsigned i = 0; i < log2_size_; ++i) power = power.Square();
  return power - Fr::One();
}

void Domain::Fft(ThreadPool& pool, std::span<Fr> values) const {
  DAMOCLES_CHECK(values.size() == Size());
  const unsigned last = std::min(log2_size_, kLevelsLast);
  for (unsigned done = 0; done < log2_size_ - last;) {
    // Even shares of what is left.
    const unsigned left = log2_size_ - last - done;
    const unsigned passes = (left + kLevelsBefore - 1) / kLevelsBefore;
    const unsigned levels = (left + passes - 1) / passes;
    const std::size_t rows = std::size_t{1} << levels;
    const std::size_t stride = Size() >> (done + levels);  // at least 2^kLevelsLast
    const std::size_t groups = stride / kColumns;          // of columns in a block
    pool.ParallelFor(groups << done, [&](std::size_t piece) {
      const std::size_t block = piece / groups;
      Fr* base = values.data() + block * rows * stride + (piece % groups) * kColumns;
      std::array<Fr, kColumns << kLevelsBefore> copy;
      for (std::size_t row = 0; row < rows; ++row) {
        std::copy_n(base + row * stride, kColumns, copy.data() + row * kColumns);
      }
      Levels(copy.data(), levels, kColumns, block, twiddles_.data());
      for (std::size_t row = 0; row < rows; ++row) {
        std::copy_n(copy.data() + row * kColumns, kColumns, base + row * stride);
      }
    });
    done += levels;
  }
  pool.ParallelFor(Size() >> last, [&](std::size_t block) {
    Levels(values.data() + (block << last), last, 1, block, twiddles_.data());
  });
  PermuteByBitReversal(pool, values, log2_size_);
}

void Domain::InverseFft(ThreadPool& pool, std::span<Fr> values) const {
  InverseScaled(pool, values, Fr::One());
}

void Domain::CosetFft(ThreadPool& pool, std::span<Fr> values) const {
  DAMOCLES_CHECK(values.size() == Size());
  const Fr shift = Fr::FromU64(kFrMultiplicativeGenerator);
  pool.ParallelRanges(Size(), kGrain, [&](std::size_t begin, std::size_t end) {
    Fr factor = shift.Pow(begin);
    for (std::size_t i = begin; i < end; ++i) {
      values[i] *= factor;
      factor *= shift;
    }
  });
  Fft(pool, values);
}

void Domain::InverseCosetFft(ThreadPool& pool, std::span<Fr> values) const {
  InverseScaled(pool, values, Fr::FromU64(kFrMultiplicativeGenerator).Inverse());
}

void Domain::InverseScaled(ThreadPool& pool, std::span<Fr> values, const Fr& shift) const {
  Fft(pool, values);
  // With w^-1 for w, entry i stands where n - i should; entry 0 and entry n / 2 stay.  Every entry
  // is divided by n and multiplied by shift^i.
  const std::size_t half = std::max<std::size_t>(Size() / 2, 1);
  const Fr unshift = shift.Inverse();
  pool.ParallelRanges(half, kGrain, [&](std::size_t begin, std::size_t end) {
    if (begin == 0) {
      values[0] *= size_inverse_;
      if (half < Size()) values[half] *= size_inverse_ * shift.Pow(half);
      begin = 1;
    }
    Fr low = size_inverse_ * shift.Pow(begin);
    Fr high = size_inverse_ * shift.Pow(Size() - begin);
    for (std::size_t i = begin; i < end; ++i) {
      const Fr swapped = values[i];
      values[i] = values[Size() - i] * low;
      values[Size() - i] = swapped * high;
      low *= shift;
      high *= unshift;
    }
  });
}

}  // namespace damocles::bls12_381
