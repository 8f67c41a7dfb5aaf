// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// What looks say about a message, asked for what is known: what a part that failed would have said
// must not be taken for a "no".

#include <algorithm>
#include <utility>

#include "absl/strings/str_format.h"
#include "lib/delivery/carrier.h"

#include "damocles/filecoin/cbor.h"
#include "damocles/filecoin/message.h"

namespace damocles::delivery::internal {
namespace {

// After so many searches in a row that failed what the chain has of it decides.
constexpr std::uint32_t kSearchesWithoutAnswer = 3;
// After so many pushes of one message without an answer or a trace somebody else sends.
constexpr std::uint32_t kPushesWithoutAnswer = 3;
// Heads without a message that make it count as dropped when the window is nearly over.
constexpr std::uint32_t kDroppedWhenLate = 2;

}  // namespace

void Carrier::Handle(const event::Looked& looked) {
  const absl::Status gap = GapOf(looked);
  if (gap.ok()) {
    state_.flights.Landed(Work::kLook, now_.epoch);
  } else {
    // Asked again soon, as after a look that failed.
    state_.flights.Delay(Work::kLook, now_.time, terms_.policy.retry);
  }
  if (!looked.pool_trouble.ok()) {
    ++state_.failed_pools;
  } else if (looked.pending_was_read || gap.ok()) {
    state_.failed_pools = 0;
  }
  if (IsFinal(phase_)) return;
  if (!gap.ok()) {
    record_.note = std::string(gap.message());
    Log(Severity::kWarning, "look_incomplete",
        {{"failures", std::to_string(state_.flights.Of(Work::kLook).failures)},
         {"error", record_.note}});
  }
  WarnOfSenders(looked.warnings);
  switch (phase_) {
    case Phase::kIdle:
      if (Closed()) SeenAfterClose(looked);
      break;
    case Phase::kWanted:
      if (Closed()) {
        SeenAfterClose(looked);
      } else if (message_.cid && looked.message == MessageWhereabouts::kOnChain &&
                 looked.cid.value_or(*message_.cid) == *message_.cid) {
        // The pool would not take it again because the chain had it.
        Enter(Phase::kPushed);
        SeenOnItsWay(looked);
      } else {
        SeenBeforePush(looked);
      }
      break;
    case Phase::kPushed:
      if (message_.cid) {
        SeenOnItsWay(looked);
      } else {
        SeenWhilePushed(looked);
      }
      break;
    case Phase::kOnChain:
      SeenOnChain(looked);
      break;
    case Phase::kConfirmed:
    case Phase::kMissed:
      break;
  }
  PlanRepair(looked);
}

void Carrier::SeenAfterClose(const event::Looked& looked) {
  if (!Decides(looked) || TakeDone(looked)) return;
  End("");
}

bool Carrier::TakeDone(const event::Looked& looked) {
  switch (looked.done) {
    case Done::kNothing:
      return false;
    case Done::kPart:
      outcome_.partly_done = true;
      Enter(Phase::kIdle);
      return true;
    case Done::kAll:
      record_.posted_by_other = true;
      record_.posted_seen_at = now_.epoch;
      record_.note = terms_.done_note;
      Enter(Phase::kOnChain);
      state_.flights.NoteAnswered(Work::kLook, now_.epoch);
      return true;
  }
  return false;
}

// A pending message of our own addresses that says exactly what ours would: from before a restart,
// or from a record that was lost.
bool Carrier::Adopt(const event::Looked& looked) {
  if (looked.message != MessageWhereabouts::kPending || !looked.cid) return false;
  const auto found = filecoin::cbor::Decode<filecoin::SignedMessage>(looked.signed_message);
  if (phase_ == Phase::kWanted) {
    message_.attempt = terms_.next_attempt;
    message_.uuid = terms_.next_uuid;
    if (looked.basis) message_.basis = *looked.basis;
  }
  if (found.ok()) {
    message_.from = found->message.from;
    message_.params = found->message.params;  // the very same, or it would not be adopted
  }
  message_.cid = looked.cid;
  message_.signed_message = looked.signed_message;
  message_.signed_gas_limit = looked.signed_gas_limit;
  message_.receipt.reset();
  message_.sent_at = now_.epoch;
  record_.posted_by_other = false;
  state_.cannot_raise.reset();
  Enter(Phase::kPushed);
  Log(Severity::kInfo, "message_found_pending", looked.cid->ToString());
  return true;
}

void Carrier::SeenBeforePush(const event::Looked& looked) {
  if (TakeDone(looked) || Adopt(looked)) return;
  if (!CanStillPush() || state_.flights.Of(Work::kPush).under_way) return;
  if (!GapOf(looked).ok() || TakeUpAgain(looked)) return;
  const Backoff& retry = terms_.policy.retry;
  const absl::Duration twentieth = now_.epoch_duration * terms_.window.Count() / 20;
  if (!looked.sender || !looked.params.ok()) {
    record_.note = looked.sender ? std::string(looked.params.status().message())
                                 : absl::StrFormat("nobody can send: %s", looked.sender_trouble);
    Log(Severity::kError, looked.sender ? "message_not_made" : "no_sender", record_.note);
    // A pause that must not cost a short window.
    LookNotBefore(std::min(retry.After(4), std::max(retry.initial, twentieth)));
    return;
  }
  MakeMessage(looked);
  Push();
}

void Carrier::MakeMessage(const event::Looked& looked) {
  Message message;
  message.attempt = terms_.next_attempt;
  message.uuid = terms_.next_uuid;
  message.from = looked.sender;
  message.params = *looked.params;
  message.basis = looked.basis.value_or(Bytes32{});
  message.gas_limit = message_.gas_limit;
  message.sent_at = now_.epoch;
  message_ = std::move(message);
  record_.posted_by_other = false;  // what was, is off the chain again
  state_.sender_role = looked.sender_role;
  state_.unanswered_times = 0;
  state_.limit_said.clear();
  state_.cannot_raise.reset();
  state_.replacement_refused = false;
  Enter(Phase::kPushed);
  state_.flights.Forget(Work::kPush);
}

void Carrier::Push() {
  state_.unanswered.reset();
  Ask(action::Push{*message_.from, message_.params, message_.uuid, message_.gas_limit});
}

Unanswered& Carrier::UnansweredNow() {
  if (!state_.unanswered || state_.unanswered->attempt != message_.attempt) {
    state_.unanswered = Unanswered{message_.attempt, now_.time, now_.epoch, 0};
  }
  return *state_.unanswered;
}

// The node may still be at work on the push, and its own guard, a look at the uuid, is not atomic;
// after a fail-over the other node may not have heard of the message yet.
bool Carrier::MayPushAgain(filecoin::ChainEpoch head) {
  Unanswered& unanswered = UnansweredNow();
  if (head > unanswered.last_head) {
    unanswered.last_head = head;
    ++unanswered.heads_without_it;
  }
  // A message twice costs a fee, none at all costs the window.
  if (LastChance()) return true;
  const std::int64_t window = terms_.window.Count();
  // Two heads in the windows of a devnet.
  const std::int64_t heads = std::min<std::int64_t>(terms_.policy.dropped_after_heads,
                                                    std::max<std::int64_t>(2, window / 20));
  return unanswered.heads_without_it >= heads &&
         now_.time >= unanswered.since +
                          std::min(terms_.policy.push_may_take, now_.epoch_duration * window / 10);
}

void Carrier::SeenWhilePushed(const event::Looked& looked) {
  if (TakeDone(looked) || Adopt(looked) || !CanStillPush()) return;
  if (looked.basis && *looked.basis != message_.basis) {
    // Of another branch: it would be refused.  If it was pushed after all it is refused, too.
    Enter(Phase::kWanted);
    return;
  }
  if (!GapOf(looked).ok()) return;
  if (!looked.basis || !MayPushAgain(looked.head)) return;
  if (looked.pending_was_read && state_.unanswered_times >= kPushesWithoutAnswer) {
    // A wallet that never answers: a device that nobody confirms at, say.
    record_.note = absl::StrFormat("%s: %d pushes were not answered, and nothing is in the pool",
                                   Sender(), state_.unanswered_times);
    Log(Severity::kWarning, "sender_given_up", record_.note);
    SetSenderAside(MessageTrouble::kCannotSign, record_.note);
    Enter(Phase::kWanted);
    return;
  }
  Push();
}

// In one piece: where a message may be, case by case.
void Carrier::SeenOnItsWay(const event::Looked& looked) {
  switch (looked.message) {
    case MessageWhereabouts::kOnChain:
      state_.heads_without_message = 0;
      state_.cannot_raise.reset();
      message_.receipt = looked.receipt;
      if (looked.cid) message_.cid = looked.cid;  // replaced by somebody who raised the fee
      if (looked.receipt.exit_code == 0) {
        record_.note.clear();
        Enter(Phase::kOnChain);
        state_.flights.NoteAnswered(Work::kLook, now_.epoch);
      } else {
        ++record_.failed_messages;
        record_.note =
            absl::StrFormat("its message failed with exit code %d", looked.receipt.exit_code);
        Log(Severity::kWarning, "message_failed", record_.note);
      }
      return;
    case MessageWhereabouts::kPending:
      state_.heads_without_message = 0;
      // By one that was given up, or another manager's.
      if (looked.done_trouble.ok() && looked.done == Done::kAll && TakeDone(looked)) return;
      if (!GiveUpMessage(looked)) StillPending(looked);
      return;
    case MessageWhereabouts::kDead:
      Died(looked, looked.dead);
      return;
    case MessageWhereabouts::kNotFound:
      break;
  }
  if (Decides(looked) && TakeDone(looked)) return;
  if (!looked.search_trouble.ok()) {
    // What the chain has of it and the sender's nonce stand in for the search that failed.
    if (!GapOf(looked).ok()) return;
    if (!SearchGivenUp(looked) || TakeDone(looked)) return;
    // Before the close that does not tell of a message in the head itself.
    if (!looked.nonce_used || Closed()) return;
  } else {
    state_.failed_searches = 0;
  }
  if (looked.nonce_used.value_or(false)) {
    Died(looked, "its nonce was used by a message that the node does not show");
    return;
  }
  if (!GapOf(looked).ok() || !looked.pending_was_read) return;
  // Between mempool and receipt a message is invisible for a tipset or two.  The same bytes once
  // more do no harm, and late there may be no time for another loss.
  const std::uint32_t heads = IsLate()
                                  ? std::min(terms_.policy.dropped_after_heads, kDroppedWhenLate)
                                  : terms_.policy.dropped_after_heads;
  if (++state_.heads_without_message < heads) return;
  if (TakeDone(looked) || !CanStillPush()) return;
  state_.heads_without_message = 0;
  record_.note = "its message was dropped";
  Log(Severity::kWarning, "message_dropped", message_.cid->ToString());
  if (message_.signed_message.empty()) {
    Enter(Phase::kWanted);
  } else {
    Ask(action::PushAgain{message_.signed_message});
  }
}

// It will never be executed.  The next one gets a new uuid; the look before it sees what is done
// once more.
void Carrier::Died(const event::Looked& looked, std::string why) {
  state_.heads_without_message = 0;
  state_.failed_searches = 0;
  if (TakeDone(looked)) return;
  record_.note = absl::StrFormat("its message never counts: %s", why);
  Log(Severity::kWarning, "message_dead", record_.note);
  message_.cid.reset();
  message_.receipt.reset();
  Enter(Phase::kWanted);
}

// The chain could not be searched for the message, and it is no use to wait for that.
bool Carrier::SearchGivenUp(const event::Looked& looked) {
  const std::uint32_t failures = ++state_.failed_searches;
  record_.note = absl::StrFormat("the chain cannot be searched for its message: %s",
                                 std::string(looked.search_trouble.message()));
  if (failures == 1) Log(Severity::kWarning, "message_not_searched", record_.note);
  return failures >= kSearchesWithoutAnswer ||
         ClassifySearchError(looked.search_trouble) == SearchTrouble::kCannotSearch || LastChance();
}

void Carrier::SeenOnChain(const event::Looked& looked) {
  const filecoin::EpochDelta depth = terms_.policy.confirmation_depth;
  if (record_.posted_by_other) {
    if (!looked.done_trouble.ok()) return;
    if (looked.done == Done::kAll) {
      if (now_.epoch >= record_.posted_seen_at + depth) Enter(Phase::kConfirmed);
    } else if (Closed()) {
      End("the chain lost it again before the close");
    } else {
      record_.posted_by_other = false;
      outcome_.undone = true;
      Enter(Phase::kWanted);
    }
    return;
  }
  if (looked.message == MessageWhereabouts::kOnChain) {
    message_.receipt = looked.receipt;
    if (looked.receipt.exit_code != 0) {
      ++record_.failed_messages;
      Enter(Phase::kPushed);
    } else if (now_.epoch >= looked.receipt.height + depth) {
      Enter(Phase::kConfirmed);
    }
    return;
  }
  if (looked.message == MessageWhereabouts::kDead) {
    Died(looked, looked.dead);
    return;
  }
  if (!looked.search_trouble.ok()) {
    // The receipt that was seen stands until the chain says something else.
    const bool done = looked.done_trouble.ok() && looked.done == Done::kAll;
    const bool deep = message_.receipt && now_.epoch >= message_.receipt->height + depth;
    if (deep && (done || PastSearch())) Enter(Phase::kConfirmed);
    return;
  }
  message_.receipt.reset();
  record_.note = "a reorg took its message off the chain";
  message_.sent_at = now_.epoch;
  Log(Severity::kWarning, "message_reverted",
      message_.cid ? message_.cid->ToString() : std::string());
  Enter(Phase::kPushed);
}

}  // namespace damocles::delivery::internal
