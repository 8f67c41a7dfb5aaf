// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// One deadline of one miner as a pure function: Step takes what is known, something that happened
// and the time, and says what is known now and what is to be done.  No clock, no store, no chain.
//
// Level-triggered: every step first takes in the event, then looks at the record as it now is and
// asks for whatever is missing and not on its way already.  So a lost answer, a restart and a
// retry are the same thing, and there is no step that only one event could start.
//
// Contract with the runner: the record in the result is on disk BEFORE any of the result's actions
// begins; every action gets exactly one answer (its event, or event::Failed).

#pragma once

#include <compare>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"

#include "damocles/base/bytes.h"
#include "damocles/base/log.h"
#include "damocles/chain/types.h"
#include "damocles/filecoin/address.h"
#include "damocles/filecoin/bitfield.h"
#include "damocles/filecoin/cid.h"
#include "damocles/filecoin/epoch.h"
#include "damocles/filecoin/partition.h"
#include "damocles/filecoin/proof_type.h"
#include "damocles/filecoin/sector.h"
#include "damocles/job/spec.h"
#include "damocles/poster/deadline_record.h"
#include "damocles/poster/policy.h"
#include "damocles/poster/senders.h"

namespace damocles::poster {

// Where the chain's head is, and the time.
struct Now {
  filecoin::ChainEpoch epoch{};
  absl::Time epoch_start;  // of that epoch, by the block's timestamp
  absl::Time time;
  absl::Duration epoch_duration = absl::Seconds(30);

  // When the chain will be at `epoch`, by the length of an epoch.
  absl::Time TimeOf(filecoin::ChainEpoch epoch) const;
};

// ---------------------------------------------------------------- actions and their answers

enum class ActionKind : std::uint8_t {
  kReadInputs,
  kReadRandomness,
  kCheckSectors,
  kEnsureJob,
  kGetJob,
  kResetJob,
  kSurvey,
  kSend,
  kRepublish,
  kExplain,
  kJudgeFaults,
  kRaise,
  kReplace,
  kUnblock,
};
std::string_view Name(ActionKind kind);

// Of actions about the whole deadline.
inline constexpr std::size_t kNoBatch = static_cast<std::size_t>(-1);

// At most one action of a key is under way.
struct ActionKey {
  ActionKind kind{};
  std::size_t batch = kNoBatch;  // index in DeadlineRecord::batches
  friend auto operator<=>(const ActionKey&, const ActionKey&) = default;
};

// Which batch as it was when the question was asked; an answer to an older question is stale.
struct BatchRef {
  std::size_t batch = 0;
  std::uint32_t round = 0;
  std::uint32_t attempt = 0;
  friend auto operator<=>(const BatchRef&, const BatchRef&) = default;
};

namespace action {

// Everything that decides what is to be proven, all at one tipset.  Answer: event::InputsRead.
struct ReadInputs {
  std::uint64_t deadline_index = 0;
  filecoin::ChainEpoch challenge{};
  filecoin::ChainEpoch not_after{};  // of the tipset: the last epoch of the window
};
// The challenge randomness again, after a reorg or a restart.  Answer: event::RandomnessRead.
struct ReadRandomness {
  filecoin::ChainEpoch challenge{};
};
// Where the sectors' files are and whether they can be read.  Answer: event::SectorsChecked.
struct CheckSectors {
  filecoin::PoStProofType proof_type{};
  std::vector<PlannedSector> sectors;
  absl::Duration budget;  // what has not been looked at by then counts as good
};
// A fresh look of the manager at sectors of which a prover said that they are faulty.  Answer:
// event::FaultsJudged.
struct JudgeFaults {
  BatchRef ref;
  filecoin::PoStProofType proof_type{};
  std::vector<PlannedSector> sectors;
  absl::Duration budget;
};
// Answer: event::JobChanged.
struct EnsureJob {
  BatchRef ref;
  job::JobSpec spec;
};
// Answer: event::JobChanged or event::JobMissing.
struct GetJob {
  BatchRef ref;
  std::string job_id;
};
// Answer: event::JobReset.
struct ResetJob {
  BatchRef ref;
  std::string job_id;
  std::string reason;
};
// Where a batch stands on chain, all at one tipset.  Answer: event::Surveyed.
struct Survey {
  BatchRef ref;
  std::uint64_t deadline_index = 0;
  std::vector<filecoin::ChainPartition> partitions;
  filecoin::BitField wanted;  // the sectors that are to be proven in them
  filecoin::ChainEpoch challenge{};
  filecoin::ChainEpoch close{};
  bool want_randomness = false;  // both kinds
  bool want_sender = false;
  bool want_pending = false;  // look through the mempool, for the CID or for an equal message
  std::optional<filecoin::Cid> cid;  // look for its receipt
  Bytes signed_message;              // of the CID, if known: what replaced it has its nonce
  // SubmitWindowedPoSt as the batch's message says it: a pending message is the batch's only if it
  // says exactly this.  Before a message was made the commit randomness is still missing in them.
  Bytes params;
  bool params_want_randomness = false;
  // Senders of whom no pending message is the batch's, whatever it says.
  std::vector<filecoin::Address> given_up;
};
// MpoolPushMessage of method 5.  Answer: event::Sent, or event::Failed.
struct Send {
  BatchRef ref;
  filecoin::Address from;
  Bytes params;
  chain::Uuid uuid{};
  std::int64_t gas_limit = 0;
};
// MpoolPush of the same signed bytes.  Answer: event::Republished, or event::Failed.
struct Republish {
  BatchRef ref;
  Bytes signed_message;
};
// Signs the message that waits anew, under the same nonce, for a higher fee; nothing is pushed.
// Answer: event::Raised, or event::Failed.
struct Raise {
  BatchRef ref;
  Bytes signed_message;
  bool passed_over = false;  // two blocks or more could have taken it, and did not
};
// MpoolPush of what was signed so, as the record has it by now.  Answer: event::Replaced, or
// event::Failed; only one of the two messages can be executed.
struct Replace {
  BatchRef ref;
  Bytes signed_message;
};
// Makes the lane of one of the miner's senders free.  Answer: event::Unblocked, or event::Failed.
struct Unblock {
  BatchRef ref;
  LaneRepair lane;
};
// Why a message failed on chain.  Answer: event::Explained.
struct Explain {
  BatchRef ref;
  filecoin::Cid cid;
};
// The sender failed: somebody else sends until then, if anybody can.  No answer.
struct SetAside {
  filecoin::Address sender;
  std::string why;
  absl::Time until;
};
// Nobody needs the job any more: its statement is out of date.  No answer.
struct DropJob {
  std::string job_id;
};
// No answer.
struct LogLine {
  Severity severity = Severity::kInfo;
  std::string event;
  std::vector<std::pair<std::string, std::string>> fields;
};

}  // namespace action

using Action = std::variant<action::ReadInputs, action::ReadRandomness, action::CheckSectors,
                            action::JudgeFaults, action::EnsureJob, action::GetJob,
                            action::ResetJob, action::Survey, action::Send, action::Republish,
                            action::Raise, action::Replace, action::Unblock, action::Explain,
                            action::SetAside, action::DropJob, action::LogLine>;

// The key of an action; SetAside, DropJob and LogLine have none.
std::optional<ActionKey> KeyOf(const Action& action);

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

enum class MessageWhereabouts {
  kNotFound,  // of what was looked through
  kPending,
  kOnChain,
  kDead,  // another message was executed under its nonce: it never will be
};

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

// The head moved on, a timer fired, or the record was just loaded.
struct Tick {};
// Tipsets down to this height are no longer on the chain.
struct Reorg {
  filecoin::ChainEpoch lowest{};
};
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
// In parts: what of it was learnt holds, whatever could not be.
struct Surveyed {
  BatchRef ref;
  filecoin::ChainEpoch head{};
  // Why a part that was asked for is not known; OK: it is, or nobody asked.
  absl::Status randomness_trouble;
  absl::Status posted_trouble;
  absl::Status pool_trouble;  // also: whose the pool's messages are
  absl::Status sender_unknown;
  std::optional<Bytes32> randomness;
  std::optional<Bytes32> commit_randomness;
  // As the chain knew it at the head, or just before the close.
  std::set<filecoin::ChainPartition> posted;
  std::optional<filecoin::Address> sender;
  std::string sender_role;
  std::string sender_trouble;  // why there is no sender
  std::vector<SenderWarning> warnings;
  std::optional<LaneRepair> repair;  // a lane of ours that is not free
  filecoin::TokenAmount base_fee;    // of the head
  bool pending_was_read = false;
  MessageWhereabouts message = MessageWhereabouts::kNotFound;
  std::optional<filecoin::Cid> cid;  // of the message found
  Bytes signed_message;              // if it was found pending
  std::int64_t signed_gas_limit = 0;
  Receipt receipt;   // if on chain
  std::string dead;  // kDead: the node's words
  // Why the chain could not be searched for the message; OK: it was.
  absl::Status search_trouble;
  // Of a message that was not found: whether the sender's nonce on chain is beyond its own.
  std::optional<bool> nonce_used;
  std::vector<ForeignPost> foreign;
};
struct Sent {
  BatchRef ref;
  filecoin::Cid cid;
  Bytes signed_message;
  std::int64_t gas_limit = 0;
};
struct Republished {
  BatchRef ref;
};
struct Raised {
  BatchRef ref;
  Bytes signed_message;  // empty: the fee is not what keeps the message waiting
  std::string fee_cap;   // for the log
  std::string limited;   // not empty: MaxGasFeeCap stands in the way, and how
};
struct Replaced {
  BatchRef ref;
};
struct Unblocked {
  BatchRef ref;
  LaneRepair lane;
  bool pushed = false;
  std::string fee_cap;
  std::string limited;
};
struct Explained {
  BatchRef ref;
  std::string text;  // the chain's words, may be empty
};
// An action did not get its answer.
struct Failed {
  ActionKey key;
  BatchRef ref;  // zeros for actions about the whole deadline
  absl::Status status;
};

}  // namespace event

using Event =
    std::variant<event::Tick, event::Reorg, event::InputsRead, event::RandomnessRead,
                 event::SectorsChecked, event::FaultsJudged, event::JobChanged, event::JobMissing,
                 event::JobReset, event::Surveyed, event::Sent, event::Republished, event::Raised,
                 event::Replaced, event::Unblocked, event::Explained, event::Failed>;

// ---------------------------------------------------------------- the machine

// What a restart may forget.
struct Flight {
  bool under_way = false;
  std::uint32_t failures = 0;                       // in a row
  absl::Time not_before = absl::InfinitePast();     // back-off
  std::optional<filecoin::ChainEpoch> answered_at;  // for questions asked once a head
};
// A push of which nobody knows whether it happened.
struct Unanswered {
  std::uint32_t attempt = 0;
  absl::Time since;
  filecoin::ChainEpoch last_head{};
  std::uint32_t heads_without_it = 0;
};
// Sectors that a prover named, while the manager looks at them itself.
struct FaultClaim {
  std::string worker;
  std::map<filecoin::SectorNumber, std::string> faults;  // with the worker's reason
  absl::Duration took;                                   // until the worker said so
};
// What was named although the manager could read it, and how often the job was given to another
// prover because of that.
struct FaultDoubt {
  std::map<filecoin::SectorNumber, std::set<std::string>> named_by;
  std::uint32_t times = 0;
};
// Sectors of a batch that were skipped and then could be read again.
struct Rejoining {
  std::uint32_t times = 0;
  absl::Time not_before = absl::InfinitePast();  // of those that only a prover can judge
  // Why they were skipped, while a proof without them is kept: what to go back to.
  std::map<filecoin::SectorNumber, std::string> skipped_before;
};
struct Volatile {
  std::map<ActionKey, Flight> flights;
  bool recheck_randomness = true;
  std::uint32_t check_rounds = 0;  // looks at sectors of unchecked partitions
  // By batch.
  std::map<std::size_t, std::uint32_t> heads_without_message;
  std::map<std::size_t, std::uint32_t> failed_searches;  // for its receipt, in a row
  std::map<std::size_t, std::uint32_t> failed_pools;     // looks into the pool, in a row
  std::set<filecoin::Cid> foreign_said;                  // messages that were reported
  std::map<std::size_t, std::string> exhausted_jobs;     // why the job failed for good
  std::map<std::size_t, std::uint32_t> job_resets;
  std::map<std::size_t, absl::Time> job_began;
  std::map<std::size_t, Unanswered> unanswered;
  std::map<std::size_t, std::string> sender_roles;        // of the chosen sender
  std::map<std::size_t, std::uint32_t> unanswered_times;  // pushes of one message
  std::map<std::size_t, std::string> limits_said;         // MaxGasFeeCap, once a message
  std::set<std::size_t> replacements_refused;             // the record's bytes will not be taken
  // Why what waits cannot be raised, nor what is in front of it: its sender cannot sign.
  std::map<std::size_t, std::string> cannot_raise;
  std::map<std::size_t, filecoin::Address> unblocking;  // whose lane was to be made free last
  std::map<std::size_t, FaultClaim> fault_claims;
  std::map<std::size_t, FaultDoubt> fault_doubts;
  std::set<std::size_t> doubted_jobs;             // whose reset is wanted only because of a doubt
  std::map<std::size_t, absl::Time> stuck_since;  // the job waits, and somebody failed at it
  std::map<std::size_t, absl::Duration> proof_took;
  std::map<std::size_t, Rejoining> rejoinings;
  std::set<std::size_t> held;  // proven, and not sent because skipped sectors may be back
  std::set<filecoin::SectorNumber> wrong;  // skipped, and proven to be no sectors
};

struct Machine {
  DeadlineRecord record;
  Volatile state;
};

// A record that waits for its challenge.
Machine NewMachine(filecoin::ActorId miner, const filecoin::DeadlineInfo& deadline, const Now& now);
// One that was read from the store.
Machine LoadedMachine(DeadlineRecord record);

struct StepResult {
  Machine machine;
  bool changed = false;       // the record's small row must be written
  bool plan_changed = false;  // and its plan
  std::vector<Action> actions;
  // Step again with Tick at this time, if nothing happens before.
  std::optional<absl::Time> wake_at;
};

// How much a step may ask for.
enum class Effort {
  kAll,
  // The miner is not enabled: answers are taken in, a batch whose message is out is brought to its
  // end, nothing else begins.  When the window closes the record ends as any other.
  kFinishOnly,
};

// Final, and no reorg of the usual depth can open its window again: until then a reorg may make a
// final record one that is under way.
bool IsOver(const DeadlineRecord& record, const Now& now, const PosterPolicy& policy);

// Total: any event is fine in any state; what does not fit is ignored.
StepResult Step(Machine machine, const Event& event, const Now& now, const PosterPolicy& policy,
                Effort effort = Effort::kAll);

// The job that proves a batch as it is now: the sectors of all its partitions that are not
// skipped, ascending.
job::JobSpec SpecOf(const DeadlineRecord& record, const PartitionBatch& batch, const Now& now);

// SubmitWindowedPoSt parameters of a proven batch: partitions ascending, each with its own skipped
// sectors; commit epoch is the challenge.
absl::StatusOr<Bytes> SubmitParamsOf(const DeadlineRecord& record, const PartitionBatch& batch,
                                     const Bytes32& commit_randomness);

// Stable for (miner, period start, deadline, partitions, attempt): a repeated push with it gives
// the same message.
chain::Uuid MessageUuid(filecoin::ActorId miner, filecoin::ChainEpoch period_start,
                        std::uint64_t deadline_index,
                        const std::vector<filecoin::ChainPartition>& partitions,
                        std::uint32_t attempt);

}  // namespace damocles::poster
