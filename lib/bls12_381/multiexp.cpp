// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/bls12_381/multiexp.h"

#include <algorithm>
#include <array>
#include <limits>

#include "lib/bls12_381/bucket_sums.h"
#include "lib/bls12_381/signed_digits.h"

#include "damocles/base/check.h"

namespace damocles::bls12_381 {
namespace {

// Pippenger's buckets.  A scalar is cut in windows of c bits, each a signed digit d in [-2^(c-1),
// 2^(c-1)): the point, or its negative, goes to bucket |d| of the window; a window's sum is the sum
// of k times bucket k.

constexpr std::size_t kPartPoints = std::size_t{1} << 21;  // worked on at once: 80 MB of scalars
constexpr std::size_t kFewPoints = 8;                      // below: one multiple after the other
constexpr unsigned kWindowBitsMin = 4;
constexpr unsigned kWindowBitsMax = 18;
constexpr std::size_t kGrain = 1 << 12;

// How a part is shared out: a job is one window of one run of points.
struct Plan {
  unsigned bits = 0;
  std::size_t runs = 0;
};

Plan MakePlan(std::size_t count, std::size_t threads) {
  Plan best;
  double best_cost = std::numeric_limits<double>::infinity();
  for (unsigned bits = kWindowBitsMin; bits <= kWindowBitsMax; ++bits) {
    for (std::size_t runs = 1; runs <= 2 * threads; ++runs) {
      const std::size_t jobs = internal::WindowCount(bits) * runs;
      const std::size_t rounds = (jobs + threads - 1) / threads;
      // An addition a point, and somewhat more than two a bucket.
      const double cost =
          static_cast<double>(rounds) * (static_cast<double>(count) / static_cast<double>(runs) +
                                         2.5 * static_cast<double>(std::size_t{1} << (bits - 1)));
      if (cost < best_cost) {
        best_cost = cost;
        best = {bits, runs};
      }
    }
  }
  return best;
}

// The sum of (k + 1) * buckets[k]: with k + 1 = row * 2^h + column, from the sums of the rows and
// of the columns of a table, which are sums by key again.
template <typename F>
Jacobian<F> WeightedSum(std::span<const Affine<F>> buckets, unsigned log2_count) {
  // Weights 1 .. 2^log2_count: rows 0 .. 2^(log2_count - h).
  const unsigned h = log2_count / 2;
  const std::size_t columns = std::size_t{1} << h;
  const std::size_t rows = (buckets.size() >> h) + 1;
  std::vector<Affine<F>> row_sums(rows, Affine<F>::Infinity());
  std::vector<Affine<F>> column_sums(columns, Affine<F>::Infinity());
  internal::BucketSums<F> by_row(row_sums);
  for (std::size_t k = 0; k < buckets.size(); ++k) {
    if (!buckets[k].IsInfinity()) by_row.Add((k + 1) >> h, buckets[k]);
  }
  by_row.Finish();
  internal::BucketSums<F> by_column(column_sums);
  for (std::size_t column = 0; column < columns; ++column) {
    for (std::size_t weight = column == 0 ? columns : column; weight <= buckets.size();
         weight += columns) {
      const Affine<F>& bucket = buckets[weight - 1];
      if (!bucket.IsInfinity()) by_column.Add(column, bucket);
    }
  }
  by_column.Finish();
  // Sum of i * sums[i], from the top: the running sum is added once for every step down.
  const auto weighted = [](std::span<const Affine<F>> sums) {
    Xyzz<F> running = Xyzz<F>::Infinity();
    Xyzz<F> total = Xyzz<F>::Infinity();
    for (std::size_t i = sums.size(); i-- > 1;) {
      running += sums[i];
      total += running;
    }
    return total.ToJacobian();
  };
  Jacobian<F> sum = weighted(row_sums);
  for (unsigned i = 0; i < h; ++i) sum = sum.Double();
  return sum + weighted(column_sums);
}

// The sum of one window's digits times the points.
template <typename F>
Jacobian<F> WindowSum(std::span<const Affine<F>> points,
                      std::span<const internal::BiasedScalar> scalars, unsigned window,
                      unsigned bits) {
  const std::size_t buckets = std::size_t{1} << (bits - 1);
  // Counting sort by bucket; starts[k] is where bucket k + 1 starts.
  std::vector<std::uint32_t> starts(buckets + 1, 0);
  for (std::size_t i = 0; i < points.size(); ++i) {
    const std::int32_t digit = scalars[i].Digit(window, bits);
    if (digit != 0) ++starts[internal::BucketOf(digit) + 1];
  }
  for (std::size_t k = 0; k < buckets; ++k) starts[k + 1] += starts[k];
  struct Entry {
    std::uint32_t bucket;
    std::uint32_t point;  // twice the index, plus 1 to negate
  };
  std::vector<Entry> entries(starts[buckets]);
  for (std::size_t i = 0; i < points.size(); ++i) {
    const std::int32_t digit = scalars[i].Digit(window, bits);
    if (digit == 0) continue;
    const std::size_t bucket = internal::BucketOf(digit);
    entries[starts[bucket]++] = {static_cast<std::uint32_t>(bucket),
                                 static_cast<std::uint32_t>(2 * i + (digit < 0 ? 1 : 0))};
  }

  std::vector<Affine<F>> sums(buckets, Affine<F>::Infinity());
  internal::BucketSums<F> by_bucket(sums);
  constexpr std::size_t kAhead = 16;  // entries between asking memory for a point and using it
  for (std::size_t i = 0; i < entries.size(); ++i) {
    if (i + kAhead < entries.size()) {
      const auto* ahead = reinterpret_cast<const char*>(&points[entries[i + kAhead].point / 2]);
      for (std::size_t line = 0; line < sizeof(Affine<F>); line += 64) {
        __builtin_prefetch(ahead + line);
      }
    }
    const Affine<F>& point = points[entries[i].point / 2];
    by_bucket.Add(entries[i].bucket, entries[i].point % 2 == 0 ? point : -point);
  }
  by_bucket.Finish();
  return WeightedSum<F>(sums, bits - 1);
}

template <typename F>
Jacobian<F> PartSum(ThreadPool& pool, std::span<const Affine<F>> points,
                    std::span<const Fr> scalars) {
  const Plan plan = MakePlan(points.size(), pool.Threads());
  const unsigned windows = internal::WindowCount(plan.bits);
  const std::array<std::uint64_t, 5> bias = internal::BiasOf(plan.bits);
  std::vector<internal::BiasedScalar> biased(scalars.size());
  pool.ParallelRanges(scalars.size(), kGrain, [&](std::size_t begin, std::size_t end) {
    for (std::size_t i = begin; i < end; ++i) biased[i] = internal::Biased(scalars[i], bias);
  });
  std::vector<Jacobian<F>> sums(windows * plan.runs);
  pool.ParallelFor(sums.size(), [&](std::size_t job) {
    const std::size_t run = job / windows;
    const std::size_t begin = points.size() * run / plan.runs;
    const std::size_t count = points.size() * (run + 1) / plan.runs - begin;
    sums[job] = WindowSum<F>(points.subspan(begin, count),
                             std::span<const internal::BiasedScalar>(biased).subspan(begin, count),
                             static_cast<unsigned>(job % windows), plan.bits);
  });
  Jacobian<F> total = Jacobian<F>::Infinity();
  for (unsigned window = windows; window-- > 0;) {
    for (unsigned i = 0; i < plan.bits; ++i) total = total.Double();
    for (std::size_t run = 0; run < plan.runs; ++run) total += sums[run * windows + window];
  }
  return total;
}

template <typename F>
Jacobian<F> Sum(ThreadPool& pool, std::span<const Affine<F>> points, std::span<const Fr> scalars) {
  DAMOCLES_CHECK(points.size() == scalars.size());
  Jacobian<F> total = Jacobian<F>::Infinity();
  if (points.size() < kFewPoints) {
    for (std::size_t i = 0; i < points.size(); ++i) total += Mul(points[i], scalars[i]);
    return total;
  }
  for (std::size_t begin = 0; begin < points.size(); begin += kPartPoints) {
    const std::size_t count = std::min(kPartPoints, points.size() - begin);
    total += PartSum<F>(pool, points.subspan(begin, count), scalars.subspan(begin, count));
  }
  return total;
}

}  // namespace

G1 MultiExp(ThreadPool& pool, std::span<const G1Affine> points, std::span<const Fr> scalars) {
  return Sum<Fp>(pool, points, scalars);
}
G2 MultiExp(ThreadPool& pool, std::span<const G2Affine> points, std::span<const Fr> scalars) {
  return Sum<Fp2>(pool, points, scalars);
}

}  // namespace damocles::bls12_381
