// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// Flags that several commands share.

#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "apps/common/cli.h"

#include "damocles/base/thread_pool.h"
#include "damocles/groth16/engine.h"
#include "damocles/prover/post_prover.h"

namespace damocles::prover_app {

// What is proven: --size and --api-version, or --proof-type; --randomness;
// --sectors-per-partition.
struct ClaimFlags {
  std::uint64_t size = 0;
  std::string api_version;
  std::string proof_type;
  std::string randomness;
  std::uint64_t sectors_per_partition = 0;

  void Add(CLI::App& command, bool with_randomness = true);
  // `kind_name`: "window" or "winning".  The randomness is masked as nodes do.
  absl::StatusOr<prover::PostClaim> Claim(const std::string& kind_name) const;
};

// Where sectors are: --store, --miner, --sector, --upgraded.
struct SectorFlags {
  std::string store;
  std::uint64_t miner = 1000;
  std::string sectors;
  std::string upgraded;

  void Add(CLI::App& command, bool required = true);
  // comm_r is that of each sector's p_aux.
  absl::StatusOr<std::vector<prover::SectorToProve>> Find() const;
};

// --threads; the pool and the engine of one run.
struct Machine {
  explicit Machine(std::uint64_t threads);
  ThreadPool pool;
  std::unique_ptr<groth16::Engine> engine;
};
void AddThreads(CLI::App& command, std::uint64_t& threads);
void AddParamsFolder(CLI::App& command, std::string& folder);
// The kind of proof as a positional argument or flag value is checked with this.
absl::Status CheckKind(const std::string& kind_name);

// {"sector": n, "reason": text} for each.
nlohmann::json FaultsJson(const std::vector<prover::SectorFault>& faults);

// Kind, size, version, circuit, miner, randomness: the head of a case.
nlohmann::json ClaimJson(const prover::PostClaim& claim, std::uint64_t miner);

}  // namespace damocles::prover_app
