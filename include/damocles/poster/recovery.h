// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// Declaring recovered sectors (method 11), two deadlines before they are to be proven again: a pure
// state machine like the one of deadlines (state_machine.h), much smaller.  Its messages are
// delivered as proofs are (delivery/delivery.h).

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
#include "damocles/delivery/delivery.h"
#include "damocles/filecoin/deadline.h"
#include "damocles/filecoin/epoch.h"
#include "damocles/filecoin/partition.h"
#include "damocles/filecoin/sector.h"
#include "damocles/poster/actions.h"
#include "damocles/poster/events.h"
#include "damocles/poster/policy.h"

namespace damocles::poster {

using delivery::Now;

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

struct RecoveryMessage : delivery::Record {
  std::vector<RecoveredPartition> partitions;
  delivery::Phase phase = delivery::Phase::kWanted;
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
inline constexpr std::uint8_t kRecoveryFormat = 2;
std::string EncodeRecovery(const RecoveryRecord& record);
absl::StatusOr<RecoveryRecord> DecodeRecovery(std::string_view bytes);

// DeclareFaultsRecovered parameters of one of its messages.
Bytes DeclareParamsOf(const RecoveryRecord& record, const RecoveryMessage& message);

// The window whose recoveries are to be declared while `current` is open: two later, more where the
// chain's cut-off leaves less than half a window.
filecoin::DeadlineInfo RecoveryTarget(const filecoin::DeadlineInfo& current);

// A partition with sectors that are faulty and not declared recovered.
struct FaultyPartition {
  filecoin::ChainPartition index;
  std::vector<PlannedSector> sectors;  // ascending
};

namespace recovery {

// Which message as it was when the question was asked; an answer to an older question is stale.
struct MessageRef {
  std::size_t message = 0;  // index in RecoveryRecord::messages
  std::uint32_t attempt = 0;
  friend auto operator<=>(const MessageRef&, const MessageRef&) = default;
};
template <typename What>
using OfMessage = delivery::About<MessageRef, What>;

enum class Step : std::uint8_t { kRead, kCheck };

struct ReadFaults {
  static constexpr Step kStep = Step::kRead;
  std::uint64_t deadline_index = 0;
};
struct CheckFaulty {
  static constexpr Step kStep = Step::kCheck;
  filecoin::PoStProofType proof_type{};
  std::vector<PlannedSector> sectors;
  absl::Duration budget;
};
// Also says which sectors are still to be declared.
struct Look : OfMessage<delivery::action::Look> {
  std::uint64_t deadline_index = 0;
};
// Method 11, DeclareFaultsRecovered.
using Push = OfMessage<delivery::action::Push>;
using PushAgain = OfMessage<delivery::action::PushAgain>;
using SignReplacement = OfMessage<delivery::action::SignReplacement>;
using PushReplacement = OfMessage<delivery::action::PushReplacement>;
using Unblock = OfMessage<delivery::action::Unblock>;
using Explain = OfMessage<delivery::action::Explain>;
using Action = std::variant<ReadFaults, CheckFaulty, Look, Push, PushAgain, SignReplacement,
                            PushReplacement, Unblock, Explain, action::SetAside, action::LogLine>;

using delivery::event::Reorg;
using delivery::event::Tick;
struct FaultsRead {
  filecoin::PoStProofType proof_type{};
  std::vector<FaultyPartition> partitions;
};
struct FaultyChecked {
  std::vector<SectorVerdict> verdicts;
};
struct Looked : OfMessage<delivery::event::Looked> {
  // Faulty and not declared, of the whole deadline.
  std::vector<RecoveredPartition> undeclared;
};
using Pushed = OfMessage<delivery::event::Pushed>;
using PushedAgain = OfMessage<delivery::event::PushedAgain>;
using ReplacementSigned = OfMessage<delivery::event::ReplacementSigned>;
using ReplacementPushed = OfMessage<delivery::event::ReplacementPushed>;
using Unblocked = OfMessage<delivery::event::Unblocked>;
using Explained = OfMessage<delivery::event::Explained>;
// Of what is asked for a message.
using DeliveryFailed = OfMessage<delivery::event::Failed>;
struct Failed {
  Step step{};
  absl::Status status;
};
using Event = std::variant<Tick, Reorg, FaultsRead, FaultyChecked, Looked, Pushed, PushedAgain,
                           ReplacementSigned, ReplacementPushed, Unblocked, Explained,
                           DeliveryFailed, Failed>;

struct Machine {
  RecoveryRecord record;
  // Not kept over a restart.
  delivery::Flights<Step> flights;
  std::map<std::size_t, delivery::State> deliveries;  // by message
  filecoin::PoStProofType proof_type{};
  std::vector<FaultyPartition> faulty;  // read but not yet checked
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
