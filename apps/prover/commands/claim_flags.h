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
#include "damocles/groth16/backend.h"
#include "damocles/practice/stored_sectors.h"
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
// --randomness alone: 64 hexadecimal digits, anything else is wrong usage.
CLI::Option* AddRandomness(CLI::App& command, std::string& randomness,
                           const std::string& description);

// A usage error that names `flag`.
absl::Status Misused(const char* flag, const absl::Status& why);

// What the chain knows of the sectors: --comm-r and --genesis.
struct CommRFlags {
  std::vector<std::string> comm_r;  // "7:comm_r"
  std::string genesis;

  void Add(CLI::App& command);
  // By number.  With a genesis file all `numbers` must be known, without one those of --comm-r are.
  absl::StatusOr<practice::Commitments> Read(std::uint64_t miner,
                                             const std::vector<std::uint64_t>& numbers) const;
};

// Where sectors are and what they are: --store, --miner, --sector, --upgraded, --comm-r, --genesis.
struct SectorFlags {
  std::string store;
  std::uint64_t miner = 1000;
  std::string sectors;
  std::string upgraded;
  CommRFlags comm_r;

  void Add(CLI::App& command, bool required = true);
  // Reads and proves them.  Without --comm-r and --genesis comm_r is that of each sector's p_aux; a
  // sector that has no p_aux to take it from is one of the faults.
  absl::StatusOr<prover::VanillaOutcome> Prove(const prover::PostClaim& claim,
                                               ThreadPool& pool) const;
};

// --threads; the pool and the backend of one run.
struct Machine {
  explicit Machine(std::uint64_t threads);
  ThreadPool pool;
  std::unique_ptr<groth16::Backend> backend;
};
void AddThreads(CLI::App& command, std::uint64_t& threads);
// With a default, unless `required`.
void AddParamsFolder(CLI::App& command, std::string& folder, bool required = false);
// The kind of proof as a positional argument or flag value is checked with this.
absl::Status CheckKind(const std::string& kind_name);

// A note for each.
void PrintFaults(const std::vector<prover::UnprovableSector>& faults);

}  // namespace damocles::prover_app
