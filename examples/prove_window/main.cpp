// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// A prover inside another program: makes a WindowPoSt of sectors in one store, checks it, prints
// it.
//
//   prove_window STORE PARAMS MINER RANDOMNESS NUMBER...
//
// PARAMS is the folder of the parameter files, RANDOMNESS 64 hex digits as the chain gives them.

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <memory>
#include <stop_token>
#include <string>

#include "damocles/base/file.h"
#include "damocles/base/hex.h"
#include "damocles/base/random.h"
#include "damocles/base/thread_pool.h"
#include "damocles/groth16/backend.h"
#include "damocles/merkle/p_aux.h"
#include "damocles/params/parameter_store.h"
#include "damocles/prover/local_prover.h"
#include "damocles/prover/post_prover.h"
#include "damocles/storage/sector_paths.h"

namespace filecoin = damocles::filecoin;
namespace params = damocles::params;
namespace prover = damocles::prover;
namespace storage = damocles::storage;

namespace {

// What to prove, from the files alone: a poster takes comm_r from the chain instead.
absl::StatusOr<prover::WindowPostTask> TaskOf(const std::string& store, filecoin::ActorId miner,
                                              const damocles::Bytes32& randomness,
                                              std::vector<filecoin::SectorNumber> numbers) {
  prover::WindowPostTask task{
      .proof_type = {}, .miner = miner, .randomness = randomness, .sectors = {}};
  std::ranges::sort(numbers);
  for (const filecoin::SectorNumber number : numbers) {
    const filecoin::SectorId id{.miner = miner, .number = number};
    prover::SectorToProve sector{
        .number = number,
        .comm_r = {},
        .sealed_path = storage::ReplicaPath(store, id, storage::Variant::kSealed),
        .cache_dir = storage::CachePath(store, id, storage::Variant::kSealed)};
    const auto bytes = damocles::FileSize(sector.sealed_path);
    if (!bytes.ok()) return bytes.status();
    const auto size = filecoin::SectorSizeFromBytes(*bytes);
    if (!size.ok()) return size.status();
    const auto type = filecoin::WindowProofOf(*size);
    if (!type) return absl::FailedPreconditionError("no network has sectors of this size");
    task.proof_type = *type;
    const auto p_aux = damocles::merkle::ReadPAux(sector.cache_dir);
    if (!p_aux.ok()) return p_aux.status();
    sector.comm_r = damocles::bls12_381::ToBytesLe(p_aux->CommR());
    task.sectors.push_back(std::move(sector));
  }
  return task;
}

int Fail(const absl::Status& status) {
  std::cerr << "prove_window: " << status.message() << "\n";
  return 1;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 6) {
    std::cerr << "usage: prove_window STORE PARAMS MINER RANDOMNESS NUMBER...\n";
    return 2;
  }
  const auto randomness = damocles::FromHex32(argv[4]);
  if (!randomness.ok()) return Fail(randomness.status());
  std::vector<filecoin::SectorNumber> numbers;
  for (int i = 5; i < argc; ++i) numbers.push_back(std::strtoull(argv[i], nullptr, 10));
  const auto task =
      TaskOf(argv[1], std::strtoull(argv[3], nullptr, 10), *randomness, std::move(numbers));
  if (!task.ok()) return Fail(task.status());

  // All of these are made once and serve any number of proofs, from any thread.
  damocles::ThreadPool pool(damocles::ProcessorCount());
  params::ParameterStore parameters(argv[2]);
  const auto backend = damocles::groth16::MakeCpuBackend(pool);
  prover::PostProver post_prover(parameters, *backend, pool, damocles::SystemRandom());
  const auto window_prover = prover::MakeLocalWindowProver(post_prover, pool);

  std::stop_source stop;  // stop.request_stop() from another thread ends it soon
  const auto outcome = window_prover->Prove(*task, stop.get_token());
  if (!outcome.ok()) return Fail(outcome.status());
  for (const auto& fault : outcome->faults) {
    std::cerr << "sector " << fault.number << ": " << fault.reason << "\n";
  }
  if (!outcome->faults.empty()) return 1;
  std::cout << damocles::ToHex(outcome->proof) << "\n";
  return 0;
}
