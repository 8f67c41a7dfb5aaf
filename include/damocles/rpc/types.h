// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// What the manager tells a person or a script, as plain values.

#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"

#include "damocles/filecoin/partition.h"
#include "damocles/filecoin/proof_type.h"
#include "damocles/filecoin/sector.h"
#include "damocles/job/record.h"
#include "damocles/worker/hub.h"

namespace damocles::rpc {

enum class Role { kNone, kRead, kWorker, kAdmin };
std::string RoleName(Role role);

// A job as listings show it: sectors and proof counted, not sent.
struct JobInfo {
  std::string id;
  filecoin::ActorId miner{};
  filecoin::PoStProofType proof_type{};
  std::uint64_t deadline_index = 0;
  std::vector<filecoin::ChainPartition> chain_partitions;
  std::int64_t open_epoch = 0;
  std::int64_t close_epoch = 0;
  absl::Time close_time;
  std::uint64_t sectors = 0;
  std::vector<std::string> workers;
  job::JobState state = job::JobState::kReadyToRun;
  std::vector<job::SectorFault> faults;
  std::uint32_t tries = 0;
  std::uint32_t tries_max = 0;
  // absl::InfinitePast(): not yet.
  absl::Time created_at = absl::InfinitePast();
  absl::Time started_at = absl::InfinitePast();
  absl::Time finished_at = absl::InfinitePast();
  absl::Time heartbeat_at = absl::InfinitePast();
  std::string error;
};

struct StoreInfo {
  std::string name;
  std::string path;
  bool read_only = false;
  std::uint64_t total_bytes = 0;
  std::uint64_t free_bytes = 0;
  std::uint64_t sectors = 0;  // rows of the index that name it
  absl::Status status;        // why the sizes are not known
  std::string trouble;        // why its sectors cannot be seen, with the remedy; empty: nothing
};

struct SectorPlace {
  std::string sealed_store;
  std::string cache_store;
};

struct FoundSector {
  std::optional<SectorPlace> sealed;
  std::optional<SectorPlace> upgraded;
  std::vector<std::string> troubles;  // of these stores, as StoreInfo::trouble
};

struct BatchSummary {
  std::vector<filecoin::ChainPartition> chain_partitions;
  std::string state;
  std::string job_id;
  std::string message_cid;
  std::vector<job::SectorFault> skipped;
  std::string error;
  std::uint32_t proofs = 0;  // partitions of the proof, of 192 bytes each
};

struct DeadlineSummary {
  filecoin::ActorId miner{};
  std::uint64_t deadline_index = 0;
  std::int64_t period_start = 0;
  std::int64_t open_epoch = 0;
  std::int64_t close_epoch = 0;
  std::string state;
  std::string reason;
  std::vector<BatchSummary> batches;
  std::int64_t proven_epoch = -1;  // -1: not yet
  std::int64_t confirmed_epoch = -1;
  std::uint64_t skipped_sectors = 0;  // all; those of the batches are the first of them
};

// Which deadline records, newest first.
struct DeadlineQuery {
  std::optional<filecoin::ActorId> miner;
  std::int64_t from_epoch = 0;  // of the opening, inclusive
  std::uint32_t limit = 0;      // 0: kDeadlinesDefault; never more than kDeadlinesMax
};
// On the main network two days of one miner, and thirty.
inline constexpr std::uint32_t kDeadlinesDefault = 96;
inline constexpr std::uint32_t kDeadlinesMax = 1440;

struct FaultySector {
  std::uint64_t partition = 0;
  filecoin::SectorNumber number{};
  std::string why;
  std::string message_cid;
};

// The latest look at a deadline for faulty sectors that may be declared recovered.
struct RecoverySummary {
  filecoin::ActorId miner{};
  std::uint64_t deadline_index = 0;
  std::int64_t open_epoch = 0;
  std::string state;
  std::string note;
  std::vector<FaultySector> sectors;
};

struct AttachSummary {
  std::string store;
  std::uint64_t added = 0;
  std::uint64_t known = 0;
  std::vector<std::string> problems;
};

// What the self check of a manager found wrong.
struct Finding {
  std::string kind;           // one word, the same for ever: "node_unreachable"
  bool costs_window = false;  // otherwise a warning
  std::string subject;        // "node 10.0.0.2:1234", "miner f01000"
  std::string what;           // one sentence without its stop
  std::string detail;         // reasons and numbers that differ from look to look; may be empty
  std::string remedy;
  friend bool operator==(const Finding&, const Finding&) = default;
};

struct CheckReport {
  absl::Time at = absl::InfinitePast();
  std::vector<Finding> findings;
  std::vector<std::string> in_order;    // what was looked at and is as it should be
  std::vector<std::string> not_learnt;  // subjects of which nothing is known this time
};

}  // namespace damocles::rpc
