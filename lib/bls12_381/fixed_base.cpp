// SPDX-License-Identifier: Apache-2.0 OR MIT

#include <algorithm>
#include <limits>

#include "lib/bls12_381/bucket_sums.h"
#include "lib/bls12_381/signed_digits.h"

#include "damocles/bls12_381/multiexp.h"

namespace damocles::bls12_381 {
namespace {

constexpr unsigned kWindowBitsMin = 4;
constexpr unsigned kWindowBitsMax = 14;  // 19 rows of 8192 points: 15 MB for G1
constexpr std::size_t kGrain = 1 << 10;

unsigned BestWindowBits(std::size_t count) {
  unsigned best = kWindowBitsMin;
  double best_cost = std::numeric_limits<double>::infinity();
  for (unsigned bits = kWindowBitsMin; bits <= kWindowBitsMax; ++bits) {
    // An addition a multiple and window; making an entry of the table costs about three.
    const double cost = internal::WindowCount(bits) *
                        (static_cast<double>(count) + 3.0 * static_cast<double>(1U << (bits - 1)));
    if (cost < best_cost) {
      best_cost = cost;
      best = bits;
    }
  }
  return best;
}

}  // namespace

template <typename Group>
FixedBase<Group>::FixedBase(ThreadPool& pool, const Group& base, std::size_t count_expected)
    : window_bits_(BestWindowBits(count_expected)) {
  const unsigned windows = internal::WindowCount(window_bits_);
  const std::size_t row = std::size_t{1} << (window_bits_ - 1);
  std::vector<Group> bases(windows);  // 2^(window window_bits) base
  bases[0] = base;
  for (unsigned window = 1; window < windows; ++window) {
    bases[window] = bases[window - 1];
    for (unsigned i = 0; i < window_bits_; ++i) bases[window] = bases[window].Double();
  }
  table_.resize(windows * row);
  pool.ParallelFor(windows, [&](std::size_t window) {
    const AffinePoint step = ToAffine(bases[window]);
    std::vector<Group> multiples(row);
    multiples[0] = bases[window];
    for (std::size_t k = 1; k < row; ++k) multiples[k] = multiples[k - 1] + step;
    const std::vector<AffinePoint> affine = BatchToAffine(multiples);
    std::copy(affine.begin(), affine.end(),
              table_.begin() + static_cast<std::ptrdiff_t>(window * row));
  });
}

template <typename Group>
Group FixedBase<Group>::Multiple(const Fr& scalar) const {
  const std::size_t row = std::size_t{1} << (window_bits_ - 1);
  const internal::BiasedScalar biased = internal::Biased(scalar, internal::BiasOf(window_bits_));
  Group sum = Group::Infinity();
  for (unsigned window = 0; window < internal::WindowCount(window_bits_); ++window) {
    const std::int32_t digit = biased.Digit(window, window_bits_);
    if (digit == 0) continue;
    const AffinePoint& point = table_[window * row + internal::BucketOf(digit)];
    sum += digit < 0 ? -point : point;
  }
  return sum;
}

template <typename Group>
auto FixedBase<Group>::Multiples(ThreadPool& pool, std::span<const Fr> scalars) const
    -> std::vector<AffinePoint> {
  const std::size_t row = std::size_t{1} << (window_bits_ - 1);
  const unsigned windows = internal::WindowCount(window_bits_);
  const auto bias = internal::BiasOf(window_bits_);
  std::vector<AffinePoint> out(scalars.size(), AffinePoint::Infinity());
  pool.ParallelRanges(scalars.size(), kGrain, [&](std::size_t begin, std::size_t end) {
    // The entries of one scalar share a key: its index.
    internal::BucketSums<typename Group::Coordinate> sums(out);
    for (std::size_t i = begin; i < end; ++i) {
      const internal::BiasedScalar biased = internal::Biased(scalars[i], bias);
      for (unsigned window = 0; window < windows; ++window) {
        const std::int32_t digit = biased.Digit(window, window_bits_);
        if (digit == 0) continue;
        const AffinePoint& point = table_[window * row + internal::BucketOf(digit)];
        sums.Add(i, digit < 0 ? -point : point);
      }
    }
    sums.Finish();
  });
  return out;
}

template class FixedBase<G1>;
template class FixedBase<G2>;

}  // namespace damocles::bls12_381
