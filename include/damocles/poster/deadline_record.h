// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// The durable record of one deadline of one miner: what the poster knows, from the challenge to the
// confirmed message.  Written to the store before every action that it allows, so that a manager
// killed at any instant goes on from it.  Bytes on disk: docs/formats/deadline.md.

#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

#include "damocles/base/bytes.h"
#include "damocles/delivery/message.h"
#include "damocles/filecoin/address.h"
#include "damocles/filecoin/cid.h"
#include "damocles/filecoin/deadline.h"
#include "damocles/filecoin/epoch.h"
#include "damocles/filecoin/partition.h"
#include "damocles/filecoin/proof_type.h"
#include "damocles/filecoin/sector.h"

namespace damocles::poster {

// Of a deadline, and of each of its batches (a batch begins at kProving).  The numbers are on disk.
enum class DeadlineState : std::uint8_t {
  kWaiting = 0,     // for the challenge
  kPreparing = 1,   // reads the chain, checks the sectors
  kProving = 2,     // a job is with the provers
  kProven = 3,      // the proof is here; waits for the window to open
  kSubmitting = 4,  // a message was, or is about to be, pushed
  kOnChain = 5,     // a receipt with exit code 0, not yet deep enough
  kConfirmed = 6,   // done; also a deadline that had nothing to prove
  kMissed = 7,      // done; the reason is kept
};
inline constexpr std::size_t kDeadlineStates = 8;

// "Waiting", "Preparing", ...
std::string_view Name(DeadlineState state);

// kConfirmed and kMissed.
bool IsFinal(DeadlineState state);

struct RecordKey {
  filecoin::ActorId miner{};
  filecoin::ChainEpoch open{};
  friend auto operator<=>(const RecordKey&, const RecordKey&) = default;
};

// A sector that the chain wants proven in the deadline.
struct PlannedSector {
  filecoin::SectorNumber number{};
  Bytes32 comm_r{};
  bool upgraded = false;
  std::string sealed_store;  // names of stores; empty until the sector was looked for
  std::string cache_store;
  std::string skip_reason;    // not empty: it is not proven
  bool prover_fault = false;  // provers said so: looked at again only if nothing else is left

  bool Skipped() const { return !skip_reason.empty(); }
  friend bool operator==(const PlannedSector&, const PlannedSector&) = default;
};

enum class PartitionStatus : std::uint8_t {
  kUnchecked = 0,       // its sectors have not been looked for yet
  kBatched = 1,         // in one of the batches
  kUnreadable = 2,      // should be posted, but no sector of it can be read; looked at again
  kNothingToProve = 3,  // no live sector that is not faulty
};

struct PlannedPartition {
  filecoin::ChainPartition index;
  PartitionStatus status = PartitionStatus::kUnchecked;
  bool recovering = false;             // some sector of it is declared recovered
  bool posted = false;                 // the chain had a proof of it already when it was read
  std::vector<PlannedSector> sectors;  // to prove, ascending; skipped ones stay in the list
  friend bool operator==(const PlannedPartition&, const PlannedPartition&) = default;
};

// Ascending by index.  Large and rarely changed: a row of its own in the store.
struct DeadlinePlan {
  std::vector<PlannedPartition> partitions;
  friend bool operator==(const DeadlinePlan&, const DeadlinePlan&) = default;
};

using delivery::Receipt;
using BatchMessage = delivery::Message;

// One or several partitions that go in one message.
struct PartitionBatch : delivery::Record {
  std::vector<filecoin::ChainPartition> partitions;  // ascending
  DeadlineState state = DeadlineState::kProving;
  // A new one whenever what is to be proven changes (skipped sectors, randomness, partitions): an
  // answer that carries another round is stale.
  std::uint32_t round = 0;
  std::string job_id;  // empty until the job queue has the job
  // The job's result is not believed: it must be reset before another one counts.
  bool reset_job = false;
  Bytes proof;
  friend bool operator==(const PartitionBatch&, const PartitionBatch&) = default;
};

struct SkippedSector {
  filecoin::ChainPartition partition;
  filecoin::SectorNumber number{};
  std::string reason;
  friend bool operator==(const SkippedSector&, const SkippedSector&) = default;
};
// So many are named in the small row, each with a reason of at most so many bytes: enough to see
// what is wrong, and a row stays small when a store is gone.
inline constexpr std::size_t kSkippedNamedMax = 256;
inline constexpr std::size_t kSkipReasonBytesMax = 256;

// When a state was first entered.
struct Milestone {
  filecoin::ChainEpoch epoch{};
  absl::Time time = absl::InfinitePast();
  friend bool operator==(const Milestone&, const Milestone&) = default;
};

struct DeadlineRecord {
  filecoin::ActorId miner{};
  filecoin::DeadlineInfo deadline;  // its current_epoch means nothing here
  DeadlineState state = DeadlineState::kWaiting;
  std::string reason;  // of kMissed; or a remark, such as "nothing to prove"

  // What was read at the challenge.  Without randomness there is no plan.
  std::optional<Bytes32> randomness;  // as the chain gives it: byte 31 is not masked
  filecoin::PoStProofType proof_type{};
  std::uint64_t partition_sectors = 0;  // a full partition
  std::shared_ptr<const DeadlinePlan> plan;
  std::vector<PartitionBatch> batches;
  // The latest given to any batch, also to one that is gone: never given twice.
  std::uint32_t rounds = 0;
  std::uint32_t attempts = 0;

  std::array<Milestone, kDeadlineStates> milestones{};

  // About the plan as it was written last, see NotePlan; what is left of it when the record is
  // final.
  std::optional<Bytes32> plan_digest;  // none: no plan, or a row of format 1
  std::uint64_t skipped_count = 0;     // all sectors that are not proven
  std::vector<SkippedSector> skipped;  // the first kSkippedNamedMax of them

  RecordKey Key() const { return {miner, deadline.open}; }
};

// Every sector of the plan that is not proven, ascending by partition and number; without a plan
// those that the record names.
std::vector<SkippedSector> SkippedSectors(const DeadlineRecord& record);

// Brings what the small row says about the plan up to date.  `plan_row` is EncodePlan of the plan;
// empty if there is none.  To be called whenever the plan is written, before EncodeRecord.
void NotePlan(DeadlineRecord& record, std::string_view plan_row);

// The plan of a record that has randomness, out of the body of its row.  DATA_LOSS: the row is
// missing, damaged or of another write than the record: what the record says about sectors must not
// be used.
absl::Status AttachPlan(DeadlineRecord& record, const std::optional<std::string>& plan_row);

// Back to before the chain was read.  Numbers that were given out are not given out again.
void ForgetPlan(DeadlineRecord& record, std::string why);

// Rows in the store.  A record is two rows: the small one below kRecordPrefix and its plan below
// kPlanPrefix; when it is over, one below kHistoryPrefix.  Keys order by miner, then by epoch.
inline constexpr std::string_view kRecordPrefix = "deadline/";
inline constexpr std::string_view kHistoryPrefix = "deadline-done/";
inline constexpr std::string_view kPlanPrefix = "deadline-plan/";
// Rows that could not be read are kept below this, under their whole key.
inline constexpr std::string_view kDamagedPrefix = "damaged/";
// Of all rows of this module, in `format/poster`.
inline constexpr std::uint32_t kRowFormat = 4;  // up to 3: rows without frames
std::string RecordRowKey(const RecordKey& key);
std::string HistoryRowKey(const RecordKey& key);
std::string PlanRowKey(const RecordKey& key);

// The bodies of the rows: the small one, without the plan, and the plan.
inline constexpr std::uint8_t kRecordFormat = 3;
inline constexpr std::uint8_t kPlanFormat = 1;
std::string EncodeRecord(const DeadlineRecord& record);
std::string EncodePlan(const DeadlinePlan& plan);

// INVALID_ARGUMENT for bytes that no version of this program wrote; the message says where.
absl::StatusOr<DeadlineRecord> DecodeRecord(std::string_view bytes);
absl::StatusOr<DeadlinePlan> DecodePlan(std::string_view bytes);

}  // namespace damocles::poster
