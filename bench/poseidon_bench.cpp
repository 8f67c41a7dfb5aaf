// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// Poseidon, tree files of an 8 MiB sector, vanilla proofs of a sector.

#include <benchmark/benchmark.h>

#include <string>
#include <vector>

#include "bench/bench_threads.h"
#include "tests/support/practice.h"
#include "tests/support/temp_dir.h"

#include "damocles/base/file.h"
#include "damocles/base/random.h"
#include "damocles/base/thread_pool.h"
#include "damocles/merkle/build.h"
#include "damocles/poseidon/poseidon.h"
#include "damocles/post/challenge.h"
#include "damocles/post/vanilla.h"

namespace damocles {
namespace {

using bls12_381::Fr;
using testing_support::TempDir;

void BM_Poseidon(benchmark::State& state) {
  SeededRandom random(1);
  std::vector<Fr> preimage(static_cast<std::size_t>(state.range(0)));
  for (Fr& element : preimage) element = bls12_381::RandomFr(random);
  Fr digest{};
  for (auto _ : state) {
    digest = poseidon::Hash(preimage);
    benchmark::DoNotOptimize(digest);
  }
  if (digest != poseidon::HashPlain(preimage)) state.SkipWithError("wrong hash");
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(BM_Poseidon)->Arg(2)->Arg(4)->Arg(8)->Arg(11);

// An 8 MiB sector, made once.
struct Sector {
  Sector() {
    const std::string content = testing_support::MadeUpSector(shape, 7, pool);
    made = WriteFileAtomically(files.sealed_path, content).ok();
    const auto built = merkle::RebuildSector(pool, shape, files, testing_support::MadeUpCommC(7));
    made = made && built.ok();
    if (made) p_aux = *built;
  }
  merkle::TreeShape shape = merkle::ShapeOf(std::uint64_t{8} << 20).value();
  TempDir folder;
  ThreadPool pool{BenchThreads()};
  merkle::SectorFiles files{folder / "sealed", folder / "cache"};
  merkle::PAux p_aux;
  bool made = false;
};

void BM_TreeBuild8MiB(benchmark::State& state) {
  const Sector sector;
  ThreadPool pool(static_cast<std::size_t>(state.range(0)));
  for (auto _ : state) {
    const auto root = merkle::BuildTreeFiles(pool, sector.shape, sector.files);
    if (!sector.made || !root.ok() || *root != sector.p_aux.comm_r_last) {
      state.SkipWithError("wrong root");
      break;
    }
  }
  state.SetBytesProcessed(state.iterations() * (std::int64_t{8} << 20));
}
BENCHMARK(BM_TreeBuild8MiB)->Arg(1)->Arg(2)->Unit(benchmark::kMillisecond)->UseRealTime();

void BM_VanillaProof8MiB(benchmark::State& state) {
  const Sector sector;
  const Fr comm_r = sector.p_aux.CommR();
  const std::vector<std::uint64_t> challenges =
      post::WindowChallenges(post::ApiVersion::kV1_2, Bytes32{}, 7, 0, sector.shape);
  absl::StatusOr<post::FallbackSectorProof> proof = absl::UnknownError("not run");
  for (auto _ : state) {
    proof = post::GenerateVanillaProof(sector.shape, 7, comm_r, sector.files, challenges);
  }
  if (!proof.ok() ||
      !post::VerifySectorProof(proof->proof, sector.shape, comm_r, challenges).ok()) {
    state.SkipWithError("wrong proof");
  }
}
BENCHMARK(BM_VanillaProof8MiB)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace damocles
