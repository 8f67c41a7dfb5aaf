// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// sector-manager.cfg (docs/config.md lists every key), into the options of the modules that they
// are of: what a key means and what its default is stands there.

#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

#include "damocles/config/endpoint.h"
#include "damocles/config/toml.h"
#include "damocles/job/state_machine.h"
#include "damocles/poster/policy.h"
#include "damocles/sector/tracker.h"
#include "damocles/storage/persist_store.h"

namespace damocles::config {

inline constexpr std::string_view kManagerConfigFile = "sector-manager.cfg";

// A [[Miners]] block: what the poster takes, and what its sector checks do.
struct MinerConfig {
  MinerConfig();  // PosterPolicy's and RecoveryPolicy's own defaults, and the fees below

  // recovery_fees are always those of post_fees.
  poster::MinerPolicy policy;
  bool strict_check = true;
};
// Attofil a unit of gas: 5 nanoFIL.
inline constexpr std::int64_t kGasFeeCap = 5'000'000'000;
// 50 nanoFIL: at 100 M gas 5 FIL, Lotus's own highest fee of a PoSt message (MaxWindowPoStGasFee).
inline constexpr std::int64_t kMaxGasFeeCap = 50'000'000'000;

struct ManagerConfig {
  std::vector<ChainEndpoint> chain = {};  // tried in this order; may be empty (embedded devnet)
  absl::Duration chain_event_interval = absl::Minutes(1);
  bool require_token = false;                              // [Common.RPC]: on loopback too
  std::vector<storage::PersistStore> persist_stores = {};  // paths absolute, "~" expanded
  std::vector<std::string> scan_persist_stores = {};       // globs
  std::string scan_place = {};                             // of that key, "file:line:column"
  sector::CheckLimits checks;                              // [Common.Proving]
  job::Policy jobs;                                        // [Common.Proving.WorkerProver]
  // Of every miner: in its policy too.
  bool auto_reset_before_close = poster::PosterPolicy{}.auto_reset_before_close;
  std::vector<MinerConfig> miners = {};

  std::vector<std::string> warnings = {};  // for the log, one line each, without secrets
};

struct LoadOptions {
  UnknownKeys unknown = UnknownKeys::kRefuse;
  // Whether the folders of stores must be there.  Off for tools that only look at the file.
  bool check_folders = true;
};

// `file` is only named in messages.  INVALID_ARGUMENT: one line for each problem.
absl::StatusOr<ManagerConfig> ParseManagerConfig(std::string_view text, std::string_view file,
                                                 const LoadOptions& options);
// NOT_FOUND says that `daemon init` makes one.
absl::StatusOr<ManagerConfig> LoadManagerConfig(const std::string& path,
                                                const LoadOptions& options);

// What `daemon init` writes: first line "# Default config:", section headers as they are, every
// value commented out.  Parses to ManagerConfig{}; with the value lines uncommented too, but for
// the placeholders of store and miner.
std::string DefaultManagerConfig();

// The effective configuration as TOML for the log, tokens as "***".
std::string DescribeForLog(const ManagerConfig& config);

}  // namespace damocles::config
