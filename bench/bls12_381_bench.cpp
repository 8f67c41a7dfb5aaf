// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// Times of the arithmetic that a proof is made of.  DAMOCLES_BENCH_THREADS sets the threads of the
// parallel parts (default: all processors).

#include <vector>

#include "bench/bench_threads.h"
#include "benchmark/benchmark.h"

#include "damocles/base/random.h"
#include "damocles/base/thread_pool.h"
#include "damocles/bls12_381/fft.h"
#include "damocles/bls12_381/multiexp.h"
#include "damocles/bls12_381/pairing.h"

namespace damocles::bls12_381 {
namespace {

template <typename F>
void BM_FieldMul(benchmark::State& state) {
  constexpr std::size_t kCount = 64;
  const F factor = F::FromU64(3).Inverse();
  std::vector<F> values;
  for (std::size_t i = 0; i < kCount; ++i) values.push_back(F::FromU64(i + 7).Inverse());
  const F first = values[0];
  std::uint64_t products = 0;
  for (auto _ : state) {
    for (F& value : values) value *= factor;
    benchmark::DoNotOptimize(values.data());
    ++products;
  }
  if (values[0] != first * factor.Pow(products)) state.SkipWithError("wrong product");
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(kCount));
}
BENCHMARK(BM_FieldMul<Fp>);
BENCHMARK(BM_FieldMul<Fr>);

template <typename F>
void BM_FieldMulDependent(benchmark::State& state) {
  const F factor = F::FromU64(3).Inverse();
  F value = F::One();
  std::uint64_t products = 0;
  for (auto _ : state) {
    value *= factor;
    benchmark::DoNotOptimize(value);
    ++products;
  }
  if (value != factor.Pow(products)) state.SkipWithError("wrong product");
}
BENCHMARK(BM_FieldMulDependent<Fp>);
BENCHMARK(BM_FieldMulDependent<Fr>);

template <typename F>
void BM_FieldInverse(benchmark::State& state) {
  F value = F::FromU64(12345);
  for (auto _ : state) {
    const F inverse = value.Inverse();
    if (inverse * value != F::One()) state.SkipWithError("wrong inverse");
    value = inverse + F::One();
  }
}
BENCHMARK(BM_FieldInverse<Fp>);
BENCHMARK(BM_FieldInverse<Fr>);

// 2^state.range(0) random points and full-width scalars; the logarithms of the points are known.
template <typename Group>
void BM_MultiExp(benchmark::State& state) {
  const std::size_t count = std::size_t{1} << state.range(0);
  ThreadPool pool(BenchThreads());
  SeededRandom random(1);
  std::vector<Fr> logarithms(count);
  std::vector<Fr> scalars(count);
  Fr expected_logarithm = Fr::Zero();
  for (std::size_t i = 0; i < count; ++i) {
    logarithms[i] = RandomFr(random);
    scalars[i] = RandomFr(random);
    expected_logarithm += logarithms[i] * scalars[i];
  }
  Group generator;
  if constexpr (std::is_same_v<Group, G1>) {
    generator = G1::From(G1Generator());
  } else {
    generator = G2::From(G2Generator());
  }
  const FixedBase<Group> base(pool, generator, count);
  const auto points = base.Multiples(pool, logarithms);
  const Group expected = base.Multiple(expected_logarithm);
  for (auto _ : state) {
    if (!(MultiExp(pool, points, scalars) == expected)) state.SkipWithError("wrong sum");
  }
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(count));
}
BENCHMARK(BM_MultiExp<G1>)->DenseRange(12, 18)->UseRealTime()->Unit(benchmark::kMillisecond);
BENCHMARK(BM_MultiExp<G2>)->DenseRange(12, 17)->UseRealTime()->Unit(benchmark::kMillisecond);

// As many multiples of one point as a trusted setup of 2^state.range(0) constraints takes.
template <typename Group>
void BM_FixedBase(benchmark::State& state) {
  const std::size_t count = std::size_t{1} << state.range(0);
  ThreadPool pool(BenchThreads());
  SeededRandom random(2);
  std::vector<Fr> scalars(count);
  for (Fr& scalar : scalars) scalar = RandomFr(random);
  Group generator;
  if constexpr (std::is_same_v<Group, G1>) {
    generator = G1::From(G1Generator());
  } else {
    generator = G2::From(G2Generator());
  }
  for (auto _ : state) {
    const FixedBase<Group> base(pool, generator, count);
    const auto points = base.Multiples(pool, scalars);
    if (points[count / 2] != ToAffine(Mul(generator, scalars[count / 2]))) {
      state.SkipWithError("wrong multiple");
    }
  }
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(count));
}
BENCHMARK(BM_FixedBase<G1>)->Arg(15)->UseRealTime()->Unit(benchmark::kMillisecond);
BENCHMARK(BM_FixedBase<G2>)->Arg(14)->UseRealTime()->Unit(benchmark::kMillisecond);

void BM_Fft(benchmark::State& state) {
  ThreadPool pool(BenchThreads());
  const Domain domain(static_cast<unsigned>(state.range(0)));
  SeededRandom random(3);
  std::vector<Fr> values(domain.Size());
  for (Fr& value : values) value = RandomFr(random);
  // Four transforms are size^2 times the identity.
  std::vector<Fr> turned = values;
  for (int i = 0; i < 4; ++i) domain.Fft(pool, turned);
  const Fr size = Fr::FromU64(domain.Size());
  if (turned[3] != values[3] * size * size) state.SkipWithError("wrong transform");
  for (auto _ : state) {
    domain.Fft(pool, values);
    benchmark::DoNotOptimize(values.data());
  }
  // Butterflies.
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(domain.Size() / 2) *
                          state.range(0));
}
BENCHMARK(BM_Fft)->DenseRange(15, 18)->Arg(20)->UseRealTime()->Unit(benchmark::kMillisecond);

// state.range(0) pairs whose product is one by bilinearity alone: e(aP, Q) e(-P, aQ).
void BM_Pairing(benchmark::State& state) {
  SeededRandom random(4);
  std::vector<PairingPair> pairs;
  for (std::int64_t i = 0; i < state.range(0) / 2; ++i) {
    const Fr a = RandomFr(random);
    pairs.emplace_back(ToAffine(Mul(G1Generator(), a)), G2Generator());
    pairs.emplace_back(-G1Generator(), ToAffine(Mul(G2Generator(), a)));
  }
  // A function that returns one for everything would pass otherwise.
  const Gt value = Pairing(pairs[0].first, pairs[0].second);
  std::vector<PairingPair> other = pairs;
  other[0].second = ToAffine(Mul(G2Generator(), Fr::FromU64(2)));
  if (value == Gt::One() || value != Pairing(-pairs[1].first, pairs[1].second) ||
      PairingProductIsOne(other)) {
    state.SkipWithError("wrong pairing");
  }
  for (auto _ : state) {
    if (!PairingProductIsOne(pairs)) state.SkipWithError("wrong product of pairings");
  }
}
BENCHMARK(BM_Pairing)->Arg(2)->Arg(4)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace damocles::bls12_381
