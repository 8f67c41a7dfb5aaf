// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// Witness generation, alone: every proof begins with it.  bench/paired.sh holds two builds of this
// against each other.

#include <vector>

#include "bench/bench_threads.h"
#include "benchmark/benchmark.h"
#include "tests/circuit/made_up_sector.h"

#include "damocles/circuit/witness.h"

namespace damocles::circuit {
namespace {

void Witness(benchmark::State& state, std::vector<unsigned> levels) {
  const PostShape shape{std::move(levels), /*challenges=*/10, /*sectors=*/4};
  SeededRandom random(1);
  std::vector<SectorPaths> sectors;
  for (std::uint32_t i = 0; i < shape.sectors; ++i) sectors.push_back(MadeUpSector(shape, random));
  const Counts counts = CircuitCounts(shape);
  std::vector<Fr> inputs(counts.inputs);
  std::vector<Fr> aux(counts.aux);
  std::vector<Fr> a(counts.Rows());
  std::vector<Fr> b(counts.Rows());
  std::vector<Fr> c(counts.Rows());
  ThreadPool pool(BenchThreads());
  for (auto _ : state) GenerateWitness(shape, sectors, {inputs, aux, a, b, c}, pool);
  for (std::size_t i = 0; i < counts.Rows(); ++i) {
    if (a[i] * b[i] != c[i] && i < counts.constraints) state.SkipWithError("a row does not hold");
  }
  state.counters["rows"] = benchmark::Counter(static_cast<double>(counts.Rows()),
                                              benchmark::Counter::kIsIterationInvariantRate);
}

BENCHMARK_CAPTURE(Witness, 2KiB, std::vector<unsigned>(2, 8))->UseRealTime();
BENCHMARK_CAPTURE(Witness, 64GiB, std::vector<unsigned>{8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 2})
    ->UseRealTime();

}  // namespace
}  // namespace damocles::circuit
