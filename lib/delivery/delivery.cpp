// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/delivery/delivery.h"

#include <algorithm>

#include "lib/delivery/carrier.h"

namespace damocles::delivery {

absl::Duration Backoff::After(std::uint32_t failures) const {
  absl::Duration pause = initial;
  for (std::uint32_t i = 1; i < failures && pause < max; ++i) pause *= 2;
  return std::min(pause, max);
}

absl::Time Now::TimeOf(filecoin::ChainEpoch at) const {
  return epoch_start + epoch_duration * (at - epoch).Count();
}

bool IsBelowBaseFee(const filecoin::Message& message, const filecoin::TokenAmount& base_fee) {
  return message.gas_fee_cap < base_fee;
}

std::string_view Name(Work work) {
  switch (work) {
    case Work::kLook:
      return "look";
    case Work::kPush:
      return "push";
    case Work::kPushAgain:
      return "push-again";
    case Work::kSignReplacement:
      return "sign-replacement";
    case Work::kPushReplacement:
      return "push-replacement";
    case Work::kUnblock:
      return "unblock";
    case Work::kExplain:
      return "explain";
  }
  return "unknown";
}

absl::Status GapOf(const event::Looked& looked) {
  absl::Status gap;
  if (looked.message != MessageWhereabouts::kNotFound) return gap;
  for (const absl::Status* part : {&looked.basis_trouble, &looked.done_trouble,
                                   &looked.pool_trouble, &looked.sender_unknown}) {
    gap.Update(*part);
  }
  return gap;
}

void State::Reset() {
  Flights<Work> still = std::move(flights);
  still.ForgetThose([](Work) { return true; });
  const std::uint32_t pools = failed_pools;  // of the node, not of the message
  *this = State{};
  flights = std::move(still);
  failed_pools = pools;
}

StepResult Step(Machine machine, const Event& event, const Now& now, const Terms& terms) {
  internal::Carrier carrier(std::move(machine), now, terms);
  std::visit([&](const auto& happened) { carrier.Handle(happened); }, event);
  carrier.Plan();
  return std::move(carrier).Finish();
}

Violations InvariantsOf(Phase phase, const Record& record) {
  Violations found;
  const Message& message = record.message;
  if (phase == Phase::kPushed) {
    found.Require(message.attempt > 0, "a message that is submitted has an attempt number");
    found.Require(!message.from || std::find(record.given_up.begin(), record.given_up.end(),
                                             *message.from) == record.given_up.end(),
                  "nobody sends whose message was given up");
    // Before it is pushed: a manager killed after that finds it again by them.
    found.Require(message.cid || (message.from && !message.params.empty()),
                  "a message is in the record with sender and parameters before it is pushed");
  }
  if (phase == Phase::kOnChain) {
    found.Require(record.posted_by_other || (message.receipt && message.receipt->exit_code == 0),
                  "what is on chain has a good receipt, or was posted by another message");
  }
  found.Require(!message.receipt || message.cid, "a receipt belongs to a message with a CID");
  return found;
}

namespace internal {
namespace {

// After so many looks at the mempool in a row that failed one is made without.
constexpr std::uint32_t kLooksWithMempool = 3;
// A node that never answers is asked so often after the end.
constexpr std::uint32_t kAsksBeforeMissed = 3;

}  // namespace

Carrier::Carrier(Machine machine, const Now& now, const Terms& terms)
    : phase_(machine.phase),
      record_(std::move(machine.record)),
      message_(record_.message),
      state_(std::move(machine.state)),
      now_(now),
      terms_(terms) {}

StepResult Carrier::Finish() && {
  StepResult result;
  result.machine.phase = phase_;
  result.machine.record = std::move(record_);
  result.machine.state = std::move(state_);
  result.outcome = std::move(outcome_);
  result.actions = std::move(actions_);
  result.wake_at = wake_at_;
  return result;
}

void Carrier::Log(Severity severity, std::string event, Fields fields) {
  actions_.emplace_back(action::LogLine{severity, std::move(event), fields});
}

void Carrier::Enter(Phase phase) {
  if (phase_ == phase) return;
  phase_ = phase;
  state_.flights.Refresh(Work::kLook);
}

void Carrier::End(std::string why) {
  phase_ = Phase::kMissed;
  outcome_.missed = std::move(why);
}

bool Carrier::AskedInVain() const {
  return PastSearch() && state_.flights.Of(Work::kLook).failures >= kAsksBeforeMissed;
}

bool Carrier::MayLookAtPool() const {
  return state_.failed_pools < kLooksWithMempool;
}

// What was confirmed may be off the chain again; and a head that went back opens a window again.
// What was made is kept, and so are messages: the chain says what became of them.
void Carrier::Handle(const event::Reorg& reorg) {
  state_.flights.RefreshAll();
  if (Closed()) return;
  if (phase_ == Phase::kMissed) {
    message_.cid.reset();
    message_.receipt.reset();
    record_.posted_by_other = false;
    Enter(Phase::kWanted);
  } else if (phase_ == Phase::kConfirmed && record_.posted_by_other) {
    if (reorg.lowest > record_.posted_seen_at) return;
    record_.posted_seen_at = now_.epoch;
    Enter(Phase::kOnChain);
  } else if (phase_ == Phase::kConfirmed && message_.receipt &&
             reorg.lowest <= message_.receipt->height) {
    Enter(Phase::kOnChain);
  }
}

void Carrier::Plan() {
  // The owner has to see to it first: what is asked for now would be for what was wanted before.
  if (outcome_.partly_done || outcome_.refuted) return;
  switch (phase_) {
    case Phase::kIdle:
      if (Closed()) PlanClosed();
      break;
    case Phase::kWanted:
      PlanWanted();
      break;
    case Phase::kPushed:
      PlanPushed();
      break;
    case Phase::kOnChain:
      PlanOnChain();
      break;
    case Phase::kConfirmed:
    case Phase::kMissed:
      break;
  }
}

action::Look Carrier::LookForIt() const {
  action::Look look;
  look.given_up = record_.given_up;
  look.params = message_.params;
  return look;
}

void Carrier::PlanClosed() {
  if (AskedInVain()) {
    End("");
    return;
  }
  AskOnceAHead(LookForIt());
}

void Carrier::PlanWanted() {
  if (Closed()) {
    PlanClosed();
    return;
  }
  if (!terms_.may_begin || !CanStillPush()) return;
  // Never two pushes at once: an earlier message is still on its way to the node.
  if (state_.flights.Of(Work::kPush).under_way) return;
  action::Look look = LookForIt();
  look.want_basis = true;
  look.want_sender = true;
  // Also before the first attempt that this record knows of: its row, or the whole store, may have
  // been lost, and another manager may be at work.
  look.want_pending = MayLookAtPool();
  Ask(std::move(look));
}

void Carrier::PlanPushed() {
  if (const Flight looks = state_.flights.Of(Work::kLook);
      PastSearch() && (looks.answered_at >= terms_.close || AskedInVain())) {
    End("the message was not found on chain by the close");
    return;
  }
  if (message_.receipt && message_.receipt->exit_code != 0) {
    Ask(action::Explain{*message_.cid});
    return;
  }
  action::Look look = LookForIt();
  if (message_.cid) {
    look.cid = message_.cid;
    look.signed_message = message_.signed_message;
    const filecoin::EpochDelta after =
        IsLate() ? std::min(terms_.policy.pending_check_after, filecoin::EpochDelta(1))
                 : terms_.policy.pending_check_after;
    look.want_pending = now_.epoch >= message_.sent_at + after && MayLookAtPool();
    look.want_sender = state_.cannot_raise.has_value() && CanStillPush();
    AskOnceAHead(std::move(look));
    return;
  }
  const Flight push = state_.flights.Of(Work::kPush);
  if (push.under_way) return;
  if (now_.time < push.not_before) {
    if (!wake_at_ || push.not_before < *wake_at_) wake_at_ = push.not_before;
    return;
  }
  // Sent or not?  Nobody knows: after a restart, or because the node did not answer.
  UnansweredNow();
  look.want_basis = !Closed();
  look.want_pending = MayLookAtPool();
  AskOnceAHead(std::move(look));
}

void Carrier::PlanOnChain() {
  const filecoin::ChainEpoch since = record_.posted_by_other || !message_.receipt
                                         ? record_.posted_seen_at
                                         : message_.receipt->height;
  const bool deep = now_.epoch >= since + terms_.policy.confirmation_depth;
  // A reorg, or a restart.
  const bool unsure = !state_.flights.Of(Work::kLook).answered_at;
  if (!deep && !unsure) return;
  action::Look look = LookForIt();
  if (!record_.posted_by_other) {
    look.cid = message_.cid;
    look.signed_message = message_.signed_message;
  }
  AskOnceAHead(std::move(look));
}

}  // namespace internal
}  // namespace damocles::delivery
