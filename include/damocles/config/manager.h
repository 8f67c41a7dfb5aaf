// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// sector-manager.cfg (docs/config.md lists every key).

#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

#include "damocles/config/endpoint.h"
#include "damocles/config/toml.h"
#include "damocles/filecoin/address.h"
#include "damocles/filecoin/sector.h"
#include "damocles/filecoin/token_amount.h"

namespace damocles::config {

inline constexpr std::string_view kManagerConfigFile = "sector-manager.cfg";

struct PersistStoreConfig {
  std::string name;  // the path if no name is given
  std::string path;  // "~" expanded, absolute
  bool read_only = false;
  bool strict = false;
  std::uint64_t weight = 1;
  std::vector<filecoin::ActorId> allow_miners = {};
  std::vector<filecoin::ActorId> deny_miners = {};
  std::map<std::string, std::string> meta = {};
  friend bool operator==(const PersistStoreConfig&, const PersistStoreConfig&) = default;
};

struct WorkerProverConfig {
  std::uint32_t job_max_try = 2;
  absl::Duration heartbeat_timeout = absl::Seconds(15);
  absl::Duration job_lifetime = absl::Hours(25);
  // When a job has used up its tries, its window is still open and would be missed, the poster
  // resets it.
  bool auto_reset_before_close = true;
};

struct ProvingConfig {
  std::uint64_t parallel_check_limit = 128;                    // 0: no limit
  absl::Duration single_check_timeout = absl::Minutes(10);     // 0: none
  absl::Duration partition_check_timeout = absl::Minutes(20);  // 0: none
  WorkerProverConfig worker_prover;
};

struct MinerPostConfig {
  bool enabled = true;
  std::vector<filecoin::Address> senders = {};  // of Sender too
  bool strict_check = true;
  bool parallel = true;  // batches of one deadline at the same time
  double gas_over_estimation = 1.2;
  double gas_over_premium = 0;
  filecoin::TokenAmount gas_fee_cap = 5'000'000'000;  // attoFIL: 5 nanoFIL
  // 50 nanoFIL: at 100 M gas 5 FIL, Lotus's own highest fee of a PoSt message
  // (MaxWindowPoStGasFee).
  filecoin::TokenAmount max_gas_fee_cap = 50'000'000'000;
  std::uint64_t confidence = 5;                       // epochs until a message counts as confirmed
  std::uint64_t submit_confidence = 1;                // submit at Open + this
  std::uint64_t challenge_confidence = 2;             // prove at Challenge + this
  std::uint64_t max_recover_sector_limit = 0;         // 0: none
  std::uint64_t max_partitions_per_post_message = 0;  // 0: what the protocol allows
  std::uint64_t max_partitions_per_recovery_message = 0;  // 0: none
};

struct MinerConfig {
  filecoin::ActorId actor{};
  MinerPostConfig post;
  bool winning_post_enabled = false;  // [Miners.Proof] Enabled
};

struct ManagerConfig {
  std::vector<ChainEndpoint> chain = {};  // tried in this order; may be empty (embedded devnet)
  absl::Duration chain_event_interval = absl::Minutes(1);
  bool require_token = false;  // [Common.RPC]: on loopback too
  std::vector<PersistStoreConfig> persist_stores = {};
  std::vector<std::string> scan_persist_stores = {};  // globs
  std::string scan_place = {};                        // of that key, "file:line:column"
  ProvingConfig proving;
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
