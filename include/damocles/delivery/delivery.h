// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// The way of one message from the wish to the confirmed receipt, as a pure function: Step takes
// what is known, something that happened and the time, and says what is known now and what is to be
// done.  It does not know what the message is about: its owner says that, with the limits of its
// time (Terms), and what became of it comes back as an Outcome.
//
// Level-triggered: every step first takes in the event, then looks at what is now known and asks
// for whatever is missing and not on its way already.  So a lost answer, a restart and a retry are
// the same thing.
//
// Invariant: a message is in the record, with its parameters and uuid, before it is pushed.  As
// long as its fate is not known the delivery stays in kPushed without a CID, and the only things
// that happen are looking for it and, when it was not found for some time, pushing the very same
// message with the very same uuid.
//
// Contract with the owner: phase and record of the result are on disk BEFORE any of the result's
// actions begins; every action that has a Work gets exactly one answer (its event, or
// event::Failed), and an answer about an older attempt is not given to Step: the owner only notes
// in State::flights that it came.

#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

#include "damocles/base/bytes.h"
#include "damocles/base/invariant.h"
#include "damocles/base/log.h"
#include "damocles/delivery/flights.h"
#include "damocles/delivery/message.h"
#include "damocles/delivery/policy.h"
#include "damocles/filecoin/address.h"
#include "damocles/filecoin/cid.h"
#include "damocles/filecoin/epoch.h"
#include "damocles/filecoin/token_amount.h"

namespace damocles::delivery {

// Where the chain's head is, and the time.
struct Now {
  filecoin::ChainEpoch epoch{};
  absl::Time epoch_start;  // of that epoch, by the block's timestamp
  absl::Time time;
  absl::Duration epoch_duration = absl::Seconds(30);

  // When the chain will be at `epoch`, by the length of an epoch.
  absl::Time TimeOf(filecoin::ChainEpoch epoch) const;
};

// What the owner knows and Step does not.
struct Terms {
  Policy policy;
  // A message must be executed before this epoch.
  filecoin::ChainEpoch until{};
  // From this head on the chain says for good whether it was done.
  filecoin::ChainEpoch close{};
  // Until this head a message is looked for that is not found.
  filecoin::ChainEpoch search_until{};
  // Patience is measured by it.
  filecoin::EpochDelta window{};
  // Only a reserve is left: no patience any more.
  absl::Time late_from = absl::InfiniteFuture();
  // A wish may become a message with this step.
  bool may_begin = true;
  // Of the next message: never given twice, and the uuid follows from it.
  std::uint32_t next_attempt = 1;
  Uuid next_uuid{};
  // For a message whose gas cannot be estimated; 0: the node estimates all the same.
  std::int64_t fallback_gas = 0;
  // The owner makes what the message says anew if the chain calls it wrong.  Otherwise the same is
  // sent again after a pause.
  bool remakes = false;
  std::string done_note = "it is done on chain already";
};

// ---------------------------------------------------------------- actions and their answers

enum class Work : std::uint8_t {
  kLook,
  kPush,
  kPushAgain,
  kSignReplacement,
  kPushReplacement,
  kUnblock,
  kExplain,
};
std::string_view Name(Work work);

// An action or an answer, and whose it is.
template <typename Ref, typename What>
struct About : What {
  Ref ref;
};

namespace action {

// Where the message stands on chain, all at one tipset; the owner adds what is its own to the
// question.  Answer: event::Looked.
struct Look {
  static constexpr Work kWork = Work::kLook;
  bool want_basis = false;
  bool want_sender = false;
  bool want_pending = false;  // look through the mempool, for the CID or for an equal message
  std::optional<filecoin::Cid> cid;  // look for its receipt
  Bytes signed_message;              // of the CID, if known: what replaced it has its nonce
  // A pending message is ours only if it says exactly this.  Before a message was made the owner
  // says what it would be.
  Bytes params;
  // Senders of whom no pending message is ours, whatever it says.
  std::vector<filecoin::Address> given_up;
};
// The node gives it a nonce, signs and pushes it.  Answer: event::Pushed, or event::Failed.
struct Push {
  static constexpr Work kWork = Work::kPush;
  filecoin::Address from;
  Bytes params;
  Uuid uuid{};
  std::int64_t gas_limit = 0;
};
// The same signed bytes, which the pool lost.  Answer: event::PushedAgain, or event::Failed.
struct PushAgain {
  static constexpr Work kWork = Work::kPushAgain;
  Bytes signed_message;
};
// Signs the message that waits anew, under the same nonce, for a higher fee; nothing is pushed.
// Answer: event::ReplacementSigned, or event::Failed.
struct SignReplacement {
  static constexpr Work kWork = Work::kSignReplacement;
  Bytes signed_message;
  bool passed_over = false;  // two blocks or more could have taken it, and did not
};
// Pushes what was signed so, as the record has it by now; only one of the two messages can be
// executed.  Answer: event::ReplacementPushed, or event::Failed.
struct PushReplacement {
  static constexpr Work kWork = Work::kPushReplacement;
  Bytes signed_message;
};
// Makes the lane of one of our senders free.  Answer: event::Unblocked, or event::Failed.
struct Unblock {
  static constexpr Work kWork = Work::kUnblock;
  LaneRepair lane;
};
// Why a message failed on chain.  Answer: event::Explained.
struct Explain {
  static constexpr Work kWork = Work::kExplain;
  filecoin::Cid cid;
};
// The sender failed: somebody else sends until then, if anybody can.  No answer.
struct SetAside {
  filecoin::Address sender;
  std::string why;
  absl::Time until;
};
// No answer.
struct LogLine {
  Severity severity = Severity::kInfo;
  std::string event;
  std::vector<std::pair<std::string, std::string>> fields;
};

}  // namespace action

using Action = std::variant<action::Look, action::Push, action::PushAgain, action::SignReplacement,
                            action::PushReplacement, action::Unblock, action::Explain,
                            action::SetAside, action::LogLine>;

// What of the wish the chain has already, without a message of ours.
enum class Done { kNothing, kPart, kAll };

namespace event {

// The head moved on, a timer fired, or the record was just loaded.
struct Tick {};
// Tipsets down to this height are no longer on the chain.
struct Reorg {
  filecoin::ChainEpoch lowest{};
};
// In parts: what of it was learnt holds, whatever could not be.
struct Looked {
  static constexpr Work kWork = Work::kLook;
  filecoin::ChainEpoch head{};
  // Why a part that was asked for is not known; OK: it is, or nobody asked.
  absl::Status basis_trouble;
  absl::Status done_trouble;
  absl::Status pool_trouble;  // also: whose the pool's messages are
  absl::Status sender_unknown;
  // As the chain knew it at the head, or just before the close; to be filled in by the owner.
  Done done = Done::kNothing;
  // The basis that a message made now would have, and what it would say; likewise.
  std::optional<Bytes32> basis;
  absl::StatusOr<Bytes> params = absl::FailedPreconditionError("nobody asked");
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
};
struct Pushed {
  static constexpr Work kWork = Work::kPush;
  filecoin::Cid cid;
  Bytes signed_message;
  std::int64_t gas_limit = 0;
};
struct PushedAgain {
  static constexpr Work kWork = Work::kPushAgain;
};
struct ReplacementSigned {
  static constexpr Work kWork = Work::kSignReplacement;
  Bytes signed_message;  // empty: the fee is not what keeps the message waiting
  std::string fee_cap;   // for the log
  std::string limited;   // not empty: the operator's limit stands in the way, and how
};
struct ReplacementPushed {
  static constexpr Work kWork = Work::kPushReplacement;
};
struct Unblocked {
  static constexpr Work kWork = Work::kUnblock;
  LaneRepair lane;
  bool pushed = false;
  std::string fee_cap;
  std::string limited;
};
struct Explained {
  static constexpr Work kWork = Work::kExplain;
  std::string text;  // the chain's words, may be empty
};
// An action did not get its answer.
struct Failed {
  Work work{};
  absl::Status status;
};

}  // namespace event

using Event = std::variant<event::Tick, event::Reorg, event::Looked, event::Pushed,
                           event::PushedAgain, event::ReplacementSigned, event::ReplacementPushed,
                           event::Unblocked, event::Explained, event::Failed>;

// Of a message that was not seen: a part that was asked for and is not known.  Nothing new may be
// sent before it is.  OK: none; a message that was seen needs nothing of them.
absl::Status GapOf(const event::Looked& looked);

// ---------------------------------------------------------------- the machine

// A push of which nobody knows whether it happened.
struct Unanswered {
  std::uint32_t attempt = 0;
  absl::Time since;
  filecoin::ChainEpoch last_head{};
  std::uint32_t heads_without_it = 0;
};

// What a restart may forget.
struct State {
  Flights<Work> flights;
  std::uint32_t heads_without_message = 0;
  std::uint32_t failed_searches = 0;  // for its receipt, in a row
  std::uint32_t failed_pools = 0;     // looks into the pool, in a row
  std::optional<Unanswered> unanswered;
  std::uint32_t unanswered_times = 0;  // pushes of one message
  std::string sender_role;             // of the chosen sender
  std::string limit_said;              // the operator's limit of fees, once a message
  bool replacement_refused = false;    // the record's bytes will not be taken
  // Why what waits cannot be raised, nor what is in front of it: its sender cannot sign.
  std::optional<std::string> cannot_raise;
  std::optional<filecoin::Address> unblocking;  // whose lane was to be made free last

  // What it is about is another: all is forgotten but that answers are still to come.
  void Reset();
};

struct Machine {
  Phase phase = Phase::kIdle;
  Record record;
  State state;
};

// What the owner must see to.
struct Outcome {
  // The chain has a part of it: the phase is kIdle until the owner has cut the rest.
  bool partly_done = false;
  // What another had done is not on the chain any more.
  bool undone = false;
  // The chain calls what the message says wrong (Terms::remakes); the phase is kIdle.
  bool refuted = false;
  // The basis may be of another branch.
  bool basis_doubted = false;
  // With kMissed: why; empty where no message of ours was out.
  std::optional<std::string> missed;
};

struct StepResult {
  Machine machine;
  Outcome outcome;
  std::vector<Action> actions;
  // Step again with Tick at this time, if nothing happens before.
  std::optional<absl::Time> wake_at;
};

// Total: any event is fine in any state; what does not fit is ignored.
StepResult Step(Machine machine, const Event& event, const Now& now, const Terms& terms);

// What always holds between two steps.
Violations InvariantsOf(Phase phase, const Record& record);

}  // namespace damocles::delivery
