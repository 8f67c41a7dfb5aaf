// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// Whole proofs, from sector files to verified bytes.  Parameters and sectors are made first, in the
// folder that DAMOCLES_BENCH_FOLDER names (kept for the next run) or in a temporary one, which goes
// at the end.
//
//   prover_bench --benchmark_filter=Window/2KiB
//
// Each proof is verified by the prover itself; a benchmark fails where one is not.

#include <cstdlib>
#include <filesystem>
#include <memory>
#include <stop_token>
#include <string>

#include "bench/bench_threads.h"
#include "benchmark/benchmark.h"
#include "tests/support/temp_dir.h"

#include "damocles/base/file.h"
#include "damocles/practice/practice_sector.h"
#include "damocles/prover/post_prover.h"
#include "damocles/storage/sector_paths.h"

namespace damocles::prover {
namespace {

std::string BenchFolder() {
  const char* const named = std::getenv("DAMOCLES_BENCH_FOLDER");  // NOLINT(concurrency-mt-unsafe)
  if (named != nullptr) return named;
  static const testing_support::TempDir temporary;  // one for all proofs of a run
  return temporary.Path();
}

// Zeros cost nothing to make and the same to prove.
absl::StatusOr<std::vector<SectorToProve>> Sectors(const merkle::TreeShape& tree, std::size_t count,
                                                   ThreadPool& pool) {
  const std::string store =
      (std::filesystem::path(BenchFolder()) / merkle::SizeName(tree.sector_bytes)).string();
  std::vector<SectorToProve> sectors;
  for (std::uint64_t number = 1; number <= count; ++number) {
    const filecoin::SectorId id{1000, number};
    SectorToProve sector{.number = number,
                         .comm_r = {},
                         .sealed_path = storage::ReplicaPath(store, id, storage::Variant::kSealed),
                         .cache_dir = storage::CachePath(store, id, storage::Variant::kSealed)};
    if (!PathExists(sector.sealed_path)) {
      const auto size = filecoin::SectorSizeFromBytes(tree.sector_bytes);
      const auto made = practice::MakePracticeSectors(pool, SystemRandom(),
                                                      {.size = *size,
                                                       .miner = 1000,
                                                       .numbers = {number},
                                                       .store_path = store,
                                                       .content = {.salt = "bench", .zeros = true},
                                                       .progress = {}});
      if (!made.ok()) return made.status();
    }
    const auto p_aux = merkle::ReadPAux(sector.cache_dir);
    if (!p_aux.ok()) return p_aux.status();
    sector.comm_r = bls12_381::ToBytesLe(p_aux->CommR());
    sectors.push_back(sector);
  }
  return sectors;
}

absl::Status WholeProofs(benchmark::State& state, post::PostKind kind, std::uint64_t bytes) {
  const auto tree = merkle::ShapeOf(bytes);
  if (!tree.ok()) return tree.status();
  ThreadPool pool(BenchThreads());
  const bool window = kind == post::PostKind::kWindow;
  const PostClaim claim{.circuit = post::CircuitShapeOf(kind, *tree, window ? 2 : 0),
                        .version = window ? post::ApiVersion::kV1_2 : post::ApiVersion::kV1_1,
                        .randomness = {}};
  const auto sectors = Sectors(*tree, window ? 2 : 1, pool);
  if (!sectors.ok()) return sectors.status();
  params::ParameterStore parameters((std::filesystem::path(BenchFolder()) / "params").string());
  if (!PathExists(parameters.ParamsPath(claim.circuit))) {
    const absl::Status made = params::MakeParameterFiles(
        parameters.Folder(), claim.circuit, std::nullopt, SystemRandom(), pool, /*overwrite=*/true);
    if (!made.ok()) return made;
  }
  const auto backend = groth16::MakeCpuBackend(pool);
  PostProver prover(parameters, *backend, pool, SystemRandom());
  const std::stop_token never{};
  for (auto _ : state) {
    const auto vanilla = ProveVanilla(claim, *sectors, pool, never);
    if (!vanilla.ok()) return vanilla.status();
    const auto proof = prover.Prove(claim, vanilla->challenged, vanilla->proofs, {}, never);
    if (!proof.ok()) return proof.status();
  }
  return absl::OkStatus();
}

void RegisterAll() {
  constexpr std::uint64_t kKiB = 1024;
  constexpr std::uint64_t kMiB = 1024 * kKiB;
  const struct {
    const char* name;
    post::PostKind kind;
    std::uint64_t bytes;
  } kRuns[] = {{"Window/2KiB", post::PostKind::kWindow, 2 * kKiB},
               {"Window/8MiB", post::PostKind::kWindow, 8 * kMiB},
               {"Window/512MiB", post::PostKind::kWindow, 512 * kMiB},
               {"Winning/2KiB", post::PostKind::kWinning, 2 * kKiB}};
  for (const auto& run : kRuns) {
    benchmark::RegisterBenchmark(run.name,
                                 [run](benchmark::State& state) {
                                   const absl::Status status =
                                       WholeProofs(state, run.kind, run.bytes);
                                   if (!status.ok()) {
                                     state.SkipWithError(status.ToString().c_str());
                                   }
                                 })
        ->Unit(benchmark::kMillisecond)
        ->UseRealTime();
  }
}

const bool kRegistered = (RegisterAll(), true);

}  // namespace
}  // namespace damocles::prover
