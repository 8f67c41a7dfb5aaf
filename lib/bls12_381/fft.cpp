// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/bls12_381/fft.h"

#include <algorithm>
#include <array>
#include <utility>

#include "lib/bls12_381/kernels/kernels.h"

#include "damocles/base/check.h"

namespace damocles::bls12_381 {
namespace {

// The transform divides X^n - 1 level by level: block i of level s holds the polynomial modulo
// X^(n / 2^s) - r_i, and splits it by X^(n / 2^(s+1)) -/+ t_i with t_i^2 = r_i.  All butterflies of
// a block share the factor t_i, and with the t_i in bit-reversed order of their exponents the first
// 2^s of one table serve level s.  Values come out in bit-reversed order.
//
// Levels are done a few at a time, in pieces that fit the cache: one reading and one writing of
// memory for up to 8 levels (kernels/kernels.h).
constexpr unsigned kTileBits = 3;        // of the bit reversal: runs of 256 bytes
constexpr std::size_t kGrain = 1 << 12;  // elements of a job of the plain loops

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
  const kernels::Kernels& kernels = kernels::Chosen();
  const unsigned last = std::min(log2_size_, kernels::kBlockLevelsMax);
  for (unsigned done = 0; done < log2_size_ - last;) {
    // Even shares of what is left.
    const unsigned left = log2_size_ - last - done;
    const unsigned passes = (left + kernels::kColumnLevelsMax - 1) / kernels::kColumnLevelsMax;
    const unsigned levels = (left + passes - 1) / passes;
    const std::size_t rows = std::size_t{1} << levels;
    const std::size_t stride = Size() >> (done + levels);   // at least 2^kBlockLevelsMax
    const std::size_t groups = stride / kernels::kColumns;  // of columns in a block
    pool.ParallelFor(groups << done, [&](std::size_t piece) {
      const std::size_t block = piece / groups;
      Fr* base = values.data() + block * rows * stride + (piece % groups) * kernels::kColumns;
      kernels.transform_columns(base, stride, levels, block, twiddles_.data());
    });
    done += levels;
  }
  pool.ParallelFor(Size() >> last, [&](std::size_t block) {
    kernels.transform_block(values.data() + (block << last), last, block, twiddles_.data());
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
    kernels::Chosen().multiply_by_powers(values.data() + begin, end - begin,
                                         kernels::PowersOf(shift.Pow(begin), shift));
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
  const auto scale = [&](std::size_t from, std::size_t count) {
    kernels::Chosen().multiply_by_powers(values.data() + from, count,
                                         kernels::PowersOf(size_inverse_ * shift.Pow(from), shift));
  };
  pool.ParallelRanges(half, kGrain, [&](std::size_t begin, std::size_t end) {
    if (begin == 0) {
      scale(0, 1);
      if (half < Size()) scale(half, 1);
      begin = 1;
    }
    // While both runs are in the cache.
    for (std::size_t i = begin; i < end; ++i) std::swap(values[i], values[Size() - i]);
    scale(begin, end - begin);
    scale(Size() - end + 1, end - begin);
  });
}

}  // namespace damocles::bls12_381
