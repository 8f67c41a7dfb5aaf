// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// What a deadline machine hears of.

#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/status/status.h"

#include "damocles/base/bytes.h"
#include "damocles/delivery/delivery.h"
#include "damocles/filecoin/address.h"
#include "damocles/filecoin/cid.h"
#include "damocles/filecoin/partition.h"
#include "damocles/filecoin/proof_type.h"
#include "damocles/filecoin/sector.h"
#include "damocles/poster/actions.h"
#include "damocles/poster/deadline_record.h"

namespace damocles::poster {

// A partition as read from the chain.
struct PartitionInput {
  filecoin::ChainPartition index;
  bool recovering = false;
  bool posted = false;
  std::vector<PlannedSector> sectors;  // to prove: live - faulty + recovering; ascending
};

// What was found out about one sector.
struct SectorVerdict {
  filecoin::SectorNumber number{};
  std::string sealed_store;
  std::string cache_store;
  std::string reason;  // not empty: this manager cannot read it
  // With a reason: what its files hold is proven wrong.  Otherwise the trouble may pass.
  bool wrong = false;
  // Connected workers that have its stores: they may read what this manager cannot.
  std::size_t readers = 0;

  // Whether a prover is to be asked: nobody here can say that it cannot be proven.
  bool ForProver() const { return reason.empty() || (!wrong && readers > 0); }
};

enum class JobOutcome {
  kWorking,  // waits or runs
  kSucceeded,
  kFaults,
  kExhausted,  // failed, and will not be tried again by itself
};

// A job of the queue, as far as the poster cares.
struct JobView {
  std::string id;
  JobOutcome outcome = JobOutcome::kWorking;
  Bytes proof;
  std::vector<std::pair<filecoin::SectorNumber, std::string>> faults;
  std::string error;
  std::string worker;  // who has or last had it
  bool waits = false;  // kWorking, and nobody is at it
};

using delivery::MessageWhereabouts;

// A pending message that posts partitions of a batch and is not the batch's: a stranger's, or one
// of the miner's own addresses that says something else.
struct ForeignPost {
  filecoin::Cid cid;
  filecoin::Address from;
  std::uint64_t nonce = 0;
  std::string role;  // of an address of the miner's own; else empty
};
// So many are named in one answer.
inline constexpr std::size_t kForeignPostsMax = 8;

namespace event {

using delivery::event::Reorg;
using delivery::event::Tick;
struct InputsRead {
  Bytes32 randomness{};
  filecoin::PoStProofType proof_type{};
  std::uint64_t partition_sectors = 0;
  std::vector<PartitionInput> partitions;  // ascending
};
struct RandomnessRead {
  Bytes32 randomness{};
};
struct SectorsChecked {
  std::vector<SectorVerdict> verdicts;
};
struct FaultsJudged {
  BatchRef ref;
  std::vector<SectorVerdict> verdicts;
};
// Also without having been asked for: whenever the queue announces a change.
struct JobChanged {
  std::optional<BatchRef> ref;  // of the question; none for an announcement
  JobView job;
};
struct JobMissing {
  std::optional<BatchRef> ref;
  std::string job_id;
};
struct JobReset {
  BatchRef ref;
};
struct Surveyed : OfBatch<delivery::event::Looked> {
  std::optional<Bytes32> randomness;
  std::optional<Bytes32> commit_randomness;
  // As the chain knew it at the head, or just before the close.
  std::set<filecoin::ChainPartition> posted;
  std::vector<ForeignPost> foreign;
};
using Pushed = OfBatch<delivery::event::Pushed>;
using PushedAgain = OfBatch<delivery::event::PushedAgain>;
using ReplacementSigned = OfBatch<delivery::event::ReplacementSigned>;
using ReplacementPushed = OfBatch<delivery::event::ReplacementPushed>;
using Unblocked = OfBatch<delivery::event::Unblocked>;
using Explained = OfBatch<delivery::event::Explained>;
// An action did not get its answer.
struct Failed {
  ActionKey key;
  BatchRef ref;  // zeros for actions about the whole deadline
  absl::Status status;
};

}  // namespace event

using Event = std::variant<event::Tick, event::Reorg, event::InputsRead, event::RandomnessRead,
                           event::SectorsChecked, event::FaultsJudged, event::JobChanged,
                           event::JobMissing, event::JobReset, event::Surveyed, event::Pushed,
                           event::PushedAgain, event::ReplacementSigned, event::ReplacementPushed,
                           event::Unblocked, event::Explained, event::Failed>;

}  // namespace damocles::poster
