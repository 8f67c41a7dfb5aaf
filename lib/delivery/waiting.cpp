// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// Lanes that are not free, and a message that waits for its fee.

#include <algorithm>
#include <utility>

#include "absl/strings/str_format.h"
#include "lib/delivery/carrier.h"

#include "damocles/filecoin/cbor.h"
#include "damocles/filecoin/message.h"

namespace damocles::delivery::internal {
namespace {

// After so many tries in a row to raise a fee that were not answered somebody else sends.
constexpr std::uint32_t kRaisesWithoutAnswer = 3;

}  // namespace

// Once a head: the fact is there again with the next look, if it did not help.
void Carrier::PlanRepair(const event::Looked& looked) {
  if (!looked.repair || !CanStillPush()) return;
  if (state_.flights.Of(Work::kUnblock).under_way) return;
  state_.unblocking = looked.repair->sender;
  AskOnceAHead(action::Unblock{*looked.repair});
}

void Carrier::Handle(const event::Unblocked& unblocked) {
  state_.flights.Landed(Work::kUnblock, now_.epoch);
  if (unblocked.pushed && unblocked.lane.sender == message_.from) state_.cannot_raise.reset();
  if (unblocked.pushed) {
    Log(Severity::kWarning, "lane_repaired",
        {{"sender", unblocked.lane.sender.ToString()},
         {"role", unblocked.lane.role},
         {"nonce", std::to_string(unblocked.lane.nonce)},
         {"how", unblocked.lane.signed_message.empty() ? "filled with an empty message"
                                                       : "its message replaced"},
         {"fee_cap", unblocked.fee_cap}});
  }
  if (!unblocked.limited.empty()) SayLimit(unblocked.limited);
}

// Once a message: it is the same sentence with other numbers every head.
void Carrier::SayLimit(const std::string& limited) {
  if (!state_.limit_said.empty()) return;
  state_.limit_said = limited;
  Log(Severity::kWarning, "fee_limit_reached", limited);
}

// It waits in the pool.  With every head: does a block made now take it?
void Carrier::StillPending(const event::Looked& looked) {
  if (looked.cid && looked.cid != message_.cid && !looked.signed_message.empty()) {
    Log(Severity::kInfo, "message_replaced", looked.cid->ToString());
    // What this one raised itself waits since then.
    if (message_.signed_message != looked.signed_message) message_.sent_at = now_.epoch;
    message_.cid = looked.cid;
    message_.signed_message = looked.signed_message;
    message_.signed_gas_limit = looked.signed_gas_limit;
    const auto found = filecoin::cbor::Decode<filecoin::SignedMessage>(message_.signed_message);
    if (found.ok()) message_.from = found->message.from;
    state_.replacement_refused = false;
  }
  if (message_.signed_message.empty() || !CanStillPush()) return;
  if (PushTheReplacement(looked)) return;
  filecoin::EpochDelta patience = std::max(
      terms_.policy.pending_check_after,
      std::min(terms_.policy.replace_after, filecoin::EpochDelta(terms_.window.Count() / 6)));
  const auto waiting = filecoin::cbor::Decode<filecoin::SignedMessage>(message_.signed_message);
  if (IsLate() || (waiting.ok() && IsBelowBaseFee(waiting->message, looked.base_fee))) {
    patience = filecoin::EpochDelta(1);
  }
  if (now_.epoch < message_.sent_at + patience) return;
  Ask(action::SignReplacement{message_.signed_message,
                              now_.epoch >= message_.sent_at + filecoin::EpochDelta(2)});
}

// A node that does not answer says nothing about the sender; a wallet that never does is as good as
// none (a device that nobody confirms at, say).
void Carrier::CannotRaise(Work work, const absl::Status& status) {
  if (phase_ != Phase::kPushed || !message_.cid) return;
  // A lane that is of no use to the message says nothing about who sent that.
  if (work == Work::kUnblock && state_.unblocking != message_.from) return;
  const MessageTrouble trouble = ClassifySendError(status);
  // Of the message: its nonce was executed meanwhile, or the fee was not taken.
  if (trouble == MessageTrouble::kNonce || trouble == MessageTrouble::kFee) return;
  if (trouble == MessageTrouble::kUnknownFate && !IsLate() &&
      state_.flights.Of(work).failures < kRaisesWithoutAnswer) {
    return;
  }
  std::string why = absl::StrFormat("%s: what waits for its fee cannot be raised: %s", Sender(),
                                    std::string(status.message()));
  SetSenderAside(MessageTrouble::kCannotSign, why);
  if (state_.cannot_raise) return;
  state_.cannot_raise = why;
  Log(Severity::kWarning, "message_cannot_be_raised", std::move(why));
  state_.flights.Refresh(Work::kLook);
}

// The first message may still land, and then the second one fails.  A message twice costs a fee,
// none at all costs the window.
bool Carrier::GiveUpMessage(const event::Looked& looked) {
  if (!state_.cannot_raise || !CanStillPush() || !message_.from) return false;
  if (!looked.sender || *looked.sender == *message_.from || WasGivenUp(*looked.sender)) {
    return false;
  }
  record_.given_up.push_back(*message_.from);
  record_.note = *std::exchange(state_.cannot_raise, std::nullopt);
  Log(Severity::kWarning, "message_given_up",
      absl::StrFormat("%s waits on, and %s sends: %s", message_.cid->ToString(),
                      looked.sender->ToString(), record_.note));
  state_.replacement_refused = false;
  // The other one's message does not inherit the pauses of this one's.
  for (const Work work : {Work::kSignReplacement, Work::kPushReplacement, Work::kUnblock}) {
    state_.flights.Forget(work);
  }
  message_.cid.reset();
  message_.receipt.reset();
  Enter(Phase::kWanted);
  return true;
}

bool Carrier::TakeUpAgain(const event::Looked& looked) {
  if (record_.given_up.empty() || (looked.sender && !WasGivenUp(*looked.sender))) return false;
  record_.given_up.clear();
  Log(Severity::kWarning, "given_up_message_wanted_again", looked.sender_trouble);
  return true;  // the next look finds it
}

// The push failed, or a life ended between the record and the push.
bool Carrier::PushTheReplacement(const event::Looked& looked) {
  if (!looked.cid || looked.signed_message.empty()) return false;
  const auto recorded = filecoin::cbor::Decode<filecoin::SignedMessage>(message_.signed_message);
  if (!recorded.ok() || CidOf(*recorded) == *looked.cid ||
      CidOf(recorded->message) == *looked.cid) {
    return false;
  }
  if (!std::exchange(state_.replacement_refused, false)) {
    Ask(action::PushReplacement{message_.signed_message});
    return true;
  }
  message_.signed_message = looked.signed_message;
  return false;
}

// On disk before it is pushed, as every message.  The old CID stays until the new one is seen in
// the mempool: the chain is searched for whatever took the nonce, and a node knows the old one in
// any case.
void Carrier::Handle(const event::ReplacementSigned& replacement) {
  state_.flights.Landed(Work::kSignReplacement, now_.epoch);
  if (phase_ != Phase::kPushed || !message_.cid) return;
  state_.cannot_raise.reset();
  if (!replacement.limited.empty()) {
    record_.note = absl::StrFormat("it waits for its fee: %s", replacement.limited);
    SayLimit(replacement.limited);
  }
  if (replacement.signed_message.empty() || !CanStillPush()) return;
  message_.signed_message = replacement.signed_message;
  message_.sent_at = now_.epoch;
  if (replacement.limited.empty()) {
    record_.note =
        absl::StrFormat("it waited for its fee: the fee cap is %s now", replacement.fee_cap);
  }
  state_.replacement_refused = false;
  Ask(action::PushReplacement{message_.signed_message});
  Log(Severity::kWarning, "message_fee_raised", replacement.fee_cap);
}

void Carrier::Handle(const event::ReplacementPushed&) {
  state_.flights.Landed(Work::kPushReplacement, now_.epoch);
}

}  // namespace damocles::delivery::internal
