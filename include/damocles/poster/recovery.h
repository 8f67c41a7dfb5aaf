// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// Declaring recovered sectors (method 11), two deadlines before they are to be proven again: a pure
// state machine like the one of deadlines (state_machine.h), much smaller.

#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

#include "damocles/base/bytes.h"
#include "damocles/base/invariant.h"
#include "damocles/chain/types.h"
#include "damocles/filecoin/address.h"
#include "damocles/filecoin/cid.h"
#include "damocles/filecoin/deadline.h"
#include "damocles/filecoin/epoch.h"
#include "damocles/filecoin/partition.h"
#include "damocles/filecoin/sector.h"
#include "damocles/poster/policy.h"
#include "damocles/poster/senders.h"
#include "damocles/poster/state_machine.h"

namespace damocles::poster {

// The numbers are on disk.
enum class RecoveryState : std::uint8_t {
  kReading = 0,     // which sectors are faulty and not declared
  kChecking = 1,    // can they be read
  kSubmitting = 2,  // messages are out, or about to be
  kDone = 3,        // nothing (more) to declare
  kTooLate = 4,     // the cut-off came first; the reason is kept
};
std::string_view Name(RecoveryState state);

// kDone and kTooLate.
bool IsFinal(RecoveryState state);

struct RecoveredPartition {
  filecoin::ChainPartition index;
  std::vector<filecoin::SectorNumber> sectors;  // ascending
  friend bool operator==(const RecoveredPartition&, const RecoveredPartition&) = default;
};

struct RecoveryMessage {
  std::vector<RecoveredPartition> partitions;
  std::uint32_t attempt = 0;
  chain::Uuid uuid{};
  std::optional<filecoin::Address> from;
  std::optional<filecoin::Cid> cid;
  filecoin::ChainEpoch sent_at{};
  std::uint32_t failures = 0;
  bool done = false;
  friend bool operator==(const RecoveryMessage&, const RecoveryMessage&) = default;
};

// One deadline of one miner; key as for deadline records, by the target's opening.
struct RecoveryRecord {
  filecoin::ActorId miner{};
  filecoin::DeadlineInfo target;
  RecoveryState state = RecoveryState::kReading;
  std::vector<RecoveryMessage> messages;
  std::vector<SkippedSector> unreadable;  // faulty sectors that stay so
  std::string note;
  Milestone finished;

  RecordKey Key() const { return {miner, target.open}; }
};

inline constexpr std::string_view kRecoveryPrefix = "recovery/";
std::string RecoveryRowKey(const RecordKey& key);
inline constexpr std::uint8_t kRecoveryFormat = 1;
std::string EncodeRecovery(const RecoveryRecord& record);
absl::StatusOr<RecoveryRecord> DecodeRecovery(std::string_view bytes);

// The window whose recoveries are to be declared while `current` is open: two later, more where the
// chain's cut-off leaves less than half a window.
filecoin::DeadlineInfo RecoveryTarget(const filecoin::DeadlineInfo& current);

// A partition with sectors that are faulty and not declared recovered.
struct FaultyPartition {
  filecoin::ChainPartition index;
  std::vector<PlannedSector> sectors;  // ascending
};

namespace recovery {

using delivery::Flight;

struct ReadFaults {
  std::uint64_t deadline_index = 0;
};
struct CheckFaulty {
  filecoin::PoStProofType proof_type{};
  std::vector<PlannedSector> sectors;
  absl::Duration budget;
};
// Chooses the sender unless `from` is set; looks for `cid` if set.  Also says which sectors of the
// message are still to be declared.
struct Look {
  std::size_t message = 0;
  std::uint32_t attempt = 0;
  std::uint64_t deadline_index = 0;
  std::optional<filecoin::Cid> cid;
  Bytes params;              // not empty: look through the mempool for a message that says this
  bool want_sender = false;  // also while it waits in the mempool
};
struct Declare {
  std::size_t message = 0;
  std::uint32_t attempt = 0;
  filecoin::Address from;
  Bytes params;
  chain::Uuid uuid{};
};
// Raises the fees of the message that waits, or makes its lane free.
struct Repair {
  std::size_t message = 0;
  std::uint32_t attempt = 0;
  LaneRepair lane;
};
using Action =
    std::variant<ReadFaults, CheckFaulty, Look, Declare, Repair, action::SetAside, action::LogLine>;

enum class Step : std::uint8_t { kRead, kCheck, kLook, kDeclare, kRepair };
struct Key {
  Step step{};
  std::size_t message = kNoBatch;
  friend auto operator<=>(const Key&, const Key&) = default;
};
std::optional<Key> KeyOf(const Action& action);

struct Tick {};
// Tipsets down to this height are no longer on the chain.
struct Reorg {
  filecoin::ChainEpoch lowest{};
};
struct FaultsRead {
  filecoin::PoStProofType proof_type{};
  std::vector<FaultyPartition> partitions;
};
struct FaultyChecked {
  std::vector<SectorVerdict> verdicts;
};
struct Looked {
  std::size_t message = 0;
  std::uint32_t attempt = 0;
  // Faulty and not declared, of the whole deadline.
  std::vector<RecoveredPartition> undeclared;
  std::optional<filecoin::Address> sender;
  std::string sender_trouble;
  MessageWhereabouts whereabouts = MessageWhereabouts::kNotFound;
  std::optional<filecoin::Cid> cid;
  Receipt receipt;
  std::string dead;      // kDead: why
  Bytes signed_message;  // kPending
  std::vector<SenderWarning> warnings;
  std::optional<LaneRepair> repair;
  filecoin::TokenAmount base_fee;
};
struct Declared {
  std::size_t message = 0;
  std::uint32_t attempt = 0;
  filecoin::Cid cid;
};
struct Repaired {
  std::size_t message = 0;
  std::uint32_t attempt = 0;
  LaneRepair lane;
  bool pushed = false;
  std::string fee_cap;
  std::string limited;
};
struct Failed {
  Key key;
  std::uint32_t attempt = 0;
  absl::Status status;
};
using Event =
    std::variant<Tick, Reorg, FaultsRead, FaultyChecked, Looked, Declared, Repaired, Failed>;

struct Machine {
  RecoveryRecord record;
  std::map<Key, Flight> flights;
  // Read but not yet checked; not kept over a restart.
  filecoin::PoStProofType proof_type{};
  std::vector<FaultyPartition> faulty;
  std::map<std::size_t, filecoin::ChainEpoch> pending_since;  // by message
  // Messages that wait and that their sender cannot raise any more: it cannot sign.
  std::set<std::size_t> cannot_raise;
  std::map<std::size_t, filecoin::Address> repairing;  // whose lane, by message
};

struct StepResult {
  Machine machine;
  bool changed = false;
  std::vector<Action> actions;
  std::optional<absl::Time> wake_at;
};

// What always holds of a machine between two steps.
Violations InvariantsOf(const Machine& machine);

// While the miner, or its recovering, is not enabled, answers are taken in and nothing begins.
StepResult Advance(Machine machine, const Event& event, const Now& now, const MinerPolicy& policy);

}  // namespace recovery
}  // namespace damocles::poster
