// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// Senders that fail, lanes that are not free, and messages that wait for their fee.

#include <algorithm>
#include <utility>

#include "absl/strings/str_format.h"
#include "lib/poster/fees.h"
#include "lib/poster/step.h"

#include "damocles/filecoin/cbor.h"
#include "damocles/filecoin/message.h"

namespace damocles::poster::internal {
namespace {

// After so many tries in a row to raise a fee that were not answered somebody else sends.
constexpr std::uint32_t kRaisesWithoutAnswer = 3;

}  // namespace

std::string Stepper::SenderOf(std::size_t i) const {
  const BatchMessage& message = record_.batches[i].message;
  if (!message.from) return "no sender";
  const auto role = state_.sender_roles.find(i);
  return absl::StrFormat(
      "sender %s%s", message.from->ToString(),
      role == state_.sender_roles.end() || role->second.empty() ? "" : " (" + role->second + ")");
}

void Stepper::SetSenderAside(std::size_t i, MessageTrouble trouble, const std::string& why) {
  const BatchMessage& message = record_.batches[i].message;
  // What the node refuses for a reason that nobody knows may be the sender's: another one tells.
  const bool unknown = trouble == MessageTrouble::kRefused && !message.receipt;
  if (!message.from || (!IsOfSender(trouble) && !unknown)) return;
  actions_.emplace_back(action::SetAside{*message.from, why, now_.TimeOf(Deadline().close)});
}

void Stepper::WarnOfSenders(const std::vector<SenderWarning>& warnings) {
  for (const SenderWarning& warning : warnings) {
    Log(Severity::kWarning, "sender_trouble",
        {{"sender", warning.sender},
         {"role", warning.role},
         {"nonce", warning.nonce ? std::to_string(*warning.nonce) : ""},
         {"message", warning.message},
         {"reason", warning.what}});
  }
}

// Once a head: the fact is there again with the next look, if it did not help.
void Stepper::PlanRepair(std::size_t i, const event::Surveyed& survey) {
  if (!survey.repair || !CanStillSend()) return;
  if (FlightOf(ActionKind::kUnblock, i).under_way) return;
  state_.unblocking[i] = survey.repair->sender;
  AskOnceAHead(action::Unblock{RefOf(i), *survey.repair});
}

void Stepper::Handle(const event::Unblocked& unblocked) {
  const std::size_t i = unblocked.ref.batch;
  Landed(ActionKind::kUnblock, i);
  if (i >= record_.batches.size()) return;
  if (unblocked.pushed && unblocked.lane.sender == record_.batches[i].message.from) {
    state_.cannot_raise.erase(i);
  }
  if (unblocked.pushed) {
    Log(Severity::kWarning, "lane_repaired",
        {{"sender", unblocked.lane.sender.ToString()},
         {"role", unblocked.lane.role},
         {"nonce", std::to_string(unblocked.lane.nonce)},
         {"how", unblocked.lane.signed_message.empty() ? "filled with an empty message"
                                                       : "its message replaced"},
         {"fee_cap", unblocked.fee_cap}});
  }
  if (!unblocked.limited.empty()) SayLimit(i, unblocked.limited);
}

// Once a message: it is the same sentence with other numbers every head.
void Stepper::SayLimit(std::size_t i, const std::string& limited) {
  std::string& said = state_.limits_said[i];
  if (!said.empty()) return;
  said = limited;
  LogBatch(Severity::kWarning, "fee_limit_reached", i, limited);
}

// It waits in the pool.  With every head: does a block made now take it?
void Stepper::StillPending(std::size_t i, const Learnt& learnt) {
  BatchMessage& message = record_.batches[i].message;
  if (learnt->cid && learnt->cid != message.cid && !learnt->signed_message.empty()) {
    LogBatch(Severity::kInfo, "message_replaced", i, learnt->cid->ToString());
    // What this one raised itself waits since then.
    if (message.signed_message != learnt->signed_message) message.sent_at = now_.epoch;
    message.cid = learnt->cid;
    message.signed_message = learnt->signed_message;
    message.signed_gas_limit = learnt->signed_gas_limit;
    const auto found = filecoin::cbor::Decode<filecoin::SignedMessage>(message.signed_message);
    if (found.ok()) message.from = found->message.from;
    state_.replacements_refused.erase(i);
  }
  if (message.signed_message.empty() || !CanStillSend()) return;
  if (PushReplacement(i, learnt)) return;
  const filecoin::EpochDelta window = Deadline().close - Deadline().open;
  filecoin::EpochDelta patience =
      std::max(policy_.pending_check_after,
               std::min(policy_.replace_after, filecoin::EpochDelta(window.Count() / 6)));
  const auto waiting = filecoin::cbor::Decode<filecoin::SignedMessage>(message.signed_message);
  if (IsLate() || (waiting.ok() && IsBelowBaseFee(waiting->message, learnt->base_fee))) {
    patience = filecoin::EpochDelta(1);
  }
  if (now_.epoch < message.sent_at + patience) return;
  Ask(action::Raise{RefOf(i), message.signed_message,
                    now_.epoch >= message.sent_at + filecoin::EpochDelta(2)});
}

// A node that does not answer says nothing about the sender; a wallet that never does is as good as
// none (a device that nobody confirms at, say).
void Stepper::CannotRaise(std::size_t i, ActionKind kind, const absl::Status& status) {
  const PartitionBatch& batch = record_.batches[i];
  if (batch.state != DeadlineState::kSubmitting || !batch.message.cid) return;
  // A lane that is of no use to the message says nothing about who sent that.
  if (kind == ActionKind::kUnblock && state_.unblocking[i] != batch.message.from) return;
  const MessageTrouble trouble = ClassifySendError(status);
  // Of the message: its nonce was executed meanwhile, or the fee was not taken.
  if (trouble == MessageTrouble::kNonce || trouble == MessageTrouble::kFee) return;
  if (trouble == MessageTrouble::kUnknownFate && !IsLate() &&
      FlightOf(kind, i).failures < kRaisesWithoutAnswer) {
    return;
  }
  std::string why = absl::StrFormat("%s: what waits for its fee cannot be raised: %s", SenderOf(i),
                                    std::string(status.message()));
  SetSenderAside(i, MessageTrouble::kCannotSign, why);
  if (!state_.cannot_raise.emplace(i, why).second) return;
  LogBatch(Severity::kWarning, "message_cannot_be_raised", i, std::move(why));
  Fresh(ActionKind::kSurvey, i);
}

bool Stepper::WasGivenUp(std::size_t i, const filecoin::Address& sender) const {
  const std::vector<filecoin::Address>& given_up = record_.batches[i].given_up;
  return std::find(given_up.begin(), given_up.end(), sender) != given_up.end();
}

// The first message may still land, and then the second one fails.  A message twice costs a fee,
// none at all costs the window.
bool Stepper::GiveUpMessage(std::size_t i, const Learnt& learnt) {
  PartitionBatch& batch = record_.batches[i];
  const auto why = state_.cannot_raise.find(i);
  if (why == state_.cannot_raise.end() || !CanStillSend() || !batch.message.from) return false;
  if (!learnt->sender || *learnt->sender == *batch.message.from || WasGivenUp(i, *learnt->sender)) {
    return false;
  }
  batch.given_up.push_back(*batch.message.from);
  batch.note = why->second;
  LogBatch(Severity::kWarning, "message_given_up", i,
           absl::StrFormat("%s waits on, and %s sends: %s", batch.message.cid->ToString(),
                           learnt->sender->ToString(), batch.note));
  state_.cannot_raise.erase(why);
  state_.replacements_refused.erase(i);
  // The other one's message does not inherit the pauses of this one's.
  for (const ActionKind kind : {ActionKind::kRaise, ActionKind::kReplace, ActionKind::kUnblock}) {
    Flight& flight = FlightOf(kind, i);
    flight.failures = 0;
    flight.not_before = absl::InfinitePast();
    flight.answered_at.reset();
  }
  batch.message.cid.reset();
  batch.message.receipt.reset();
  SetState(i, DeadlineState::kProven);
  return true;
}

bool Stepper::TakeUpAgain(std::size_t i, const Learnt& learnt) {
  PartitionBatch& batch = record_.batches[i];
  if (batch.given_up.empty() || (learnt->sender && !WasGivenUp(i, *learnt->sender))) return false;
  batch.given_up.clear();
  LogBatch(Severity::kWarning, "given_up_message_wanted_again", i, learnt->sender_trouble);
  return true;  // the next look finds it
}

// The push failed, or a life ended between the record and the push.
bool Stepper::PushReplacement(std::size_t i, const Learnt& learnt) {
  BatchMessage& message = record_.batches[i].message;
  if (!learnt->cid || learnt->signed_message.empty()) return false;
  const auto recorded = filecoin::cbor::Decode<filecoin::SignedMessage>(message.signed_message);
  if (!recorded.ok() || CidOf(*recorded) == *learnt->cid ||
      CidOf(recorded->message) == *learnt->cid) {
    return false;
  }
  if (state_.replacements_refused.erase(i) == 0) {
    Ask(action::Replace{RefOf(i), message.signed_message});
    return true;
  }
  message.signed_message = learnt->signed_message;
  return false;
}

// On disk before it is pushed, as every message.  The old CID stays until the new one is seen in
// the mempool: the chain is searched for whatever took the nonce, and a node knows the old one in
// any case.
void Stepper::Handle(const event::Raised& raised) {
  const std::size_t i = raised.ref.batch;
  Landed(ActionKind::kRaise, i);
  if (!IsCurrent(raised.ref)) return;
  PartitionBatch& batch = record_.batches[i];
  if (batch.state != DeadlineState::kSubmitting || !batch.message.cid) return;
  state_.cannot_raise.erase(i);
  if (!raised.limited.empty()) {
    batch.note = absl::StrFormat("it waits for its fee: %s", raised.limited);
    SayLimit(i, raised.limited);
  }
  if (raised.signed_message.empty() || !CanStillSend()) return;
  batch.message.signed_message = raised.signed_message;
  batch.message.sent_at = now_.epoch;
  if (raised.limited.empty()) {
    batch.note = absl::StrFormat("it waited for its fee: the fee cap is %s now", raised.fee_cap);
  }
  state_.replacements_refused.erase(i);
  Ask(action::Replace{RefOf(i), batch.message.signed_message});
  LogBatch(Severity::kWarning, "message_fee_raised", i, raised.fee_cap);
}

void Stepper::Handle(const event::Replaced& replaced) {
  Landed(ActionKind::kReplace, replaced.ref.batch);
}

}  // namespace damocles::poster::internal
