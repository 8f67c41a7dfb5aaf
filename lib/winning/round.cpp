// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/winning/round.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_format.h"

namespace damocles::winning {
namespace {

using filecoin::ChainEpoch;
using filecoin::EpochDelta;

bool AsksTheNode(Stage stage) {
  switch (stage) {
    case Stage::kAskingBase:
    case Stage::kElecting:
    case Stage::kTicket:
    case Stage::kSelecting:
    case Stage::kLookingAgain:
    case Stage::kTicketAgain:
    case Stage::kSelectingAgain:
    case Stage::kSubmitting:  // the same block again
      return true;
    default:
      // What was asked of the prover or the disk is not asked twice, and a block never.
      return false;
  }
}

bool Waits(Stage stage) {
  return stage == Stage::kIdle || stage == Stage::kSettling || stage == Stage::kHolding;
}

absl::Time NextTime(const Rules& rules, const Attempt& attempt) {
  return attempt.publish + rules.propagation_delay;
}
absl::Time SettledAt(const Rules& rules, const Attempt& attempt) {
  return attempt.begun + rules.equivocation_delay;
}
// What the disk and a signature answer must be taken in: it says what there is.
bool MayBeLeft(Stage stage) {
  return stage != Stage::kRecording && stage != Stage::kCreating && stage != Stage::kKeeping;
}

class Stepper {
 public:
  Stepper(const Rules& rules, State state, absl::Time now) : rules_(rules), now_(now) {
    step_.state = std::move(state);
  }

  void operator()(const event::Tick&) {}

  // The node's choice, also one that lies lower.
  void operator()(const event::HeadSeen& seen) {
    state().head = seen.head;
    for (const ChainEpoch dropped : state().made.Forget(seen.head.base.height)) {
      step_.forgotten.push_back(dropped);
    }
  }

  void operator()(const event::Answer& answer) {
    if (answer.attempt != attempt().id || answer.stage != state().stage) return;
    if (Waits(state().stage) || state().retry) return;
    if (answer.status.ok()) {
      Answered(answer);
    } else {
      Failed(answer.status);
    }
  }

  StepResult Take() && {
    // The epoch of the attempt is over when the time of the next one has come.
    if (state().stage != Stage::kIdle && MayBeLeft(state().stage) &&
        now_ >= NextTime(rules_, attempt())) {
      End(Result::kLate, "the epoch was over before the block was");
    }
    if (state().stage == Stage::kIdle) Begin();
    if (state().stage == Stage::kSettling && now_ >= SettledAt(rules_, attempt())) {
      Enter(Stage::kLookingAgain);
    }
    if (state().stage == Stage::kHolding && now_ >= attempt().publish) Enter(Stage::kSubmitting);
    if (state().retry && now_ >= *state().retry) Enter(state().stage);
    return std::move(step_);
  }

 private:
  State& state() { return step_.state; }
  Attempt& attempt() { return step_.state.attempt; }

  // The latest epoch above the head whose time has come, if it was not tried.
  void Begin() {
    if (!state().head) return;
    const Head& head = *state().head;
    const absl::Time first = head.timestamp + rules_.propagation_delay;
    if (now_ < first) return;
    const std::int64_t nulls = (now_ - first) / rules_.block_delay;
    const ChainEpoch height = head.base.height + EpochDelta(1 + nulls);
    if (height <= state().tried) return;
    state().tried = height;
    Try(head, height);
  }

  void Try(const Head& head, ChainEpoch height) {
    attempt() = {
        .id = ++state().attempts,
        .head = head,
        .height = height,
        .begun = now_,
        .publish = head.timestamp + rules_.block_delay * (height - head.base.height).Count(),
        .wins = 0,
        .block = {}};
    state().stage = Stage::kAskingBase;
    const absl::Status may = state().made.MayMake(height, head.base);
    if (!may.ok()) return End(Result::kRefused, std::string(may.message()));
    Enter(Stage::kAskingBase);
  }

  void Answered(const event::Answer& answer) {
    switch (state().stage) {
      case Stage::kAskingBase:
        return Enter(Stage::kElecting);
      case Stage::kElecting:
        attempt().wins = answer.wins;
        if (answer.wins == 0) return End(Result::kLost, "");
        return Enter(Stage::kProving);
      case Stage::kProving:
        return Enter(Stage::kTicket);
      case Stage::kTicket:
        return Enter(Stage::kSelecting);
      case Stage::kSelecting:
        return Enter(Stage::kSettling);
      case Stage::kLookingAgain:
        return LookedAgain(answer);
      case Stage::kTicketAgain:
        return Enter(Stage::kSelectingAgain);
      case Stage::kSelectingAgain:
        return Record();
      case Stage::kRecording:
        if (now_ >= NextTime(rules_, attempt())) {
          return End(Result::kLate, "the disk took until the epoch was over");
        }
        return Enter(Stage::kCreating);
      case Stage::kCreating:
        if (!answer.block) return End(Result::kFailed, "the node made a block without a CID");
        attempt().block = answer.block;
        state().made.Add(Row());
        return Enter(Stage::kKeeping);
      case Stage::kKeeping:
        return Enter(Stage::kHolding);
      case Stage::kSubmitting:
        return End(Result::kMade, "");
      case Stage::kIdle:
      case Stage::kSettling:
      case Stage::kHolding:
        return;
    }
  }

  void LookedAgain(const event::Answer& answer) {
    if (!answer.head) return Failed(absl::InternalError("no head came with the answer"));
    const Head& now = *answer.head;
    const ChainEpoch base = attempt().head.base.height;
    if (now.base.height >= attempt().height) {
      return End(Result::kLate,
                 absl::StrFormat("the chain has gone on to height %d", now.base.height.Value()));
    }
    // After null rounds a block may still come: nothing is signed yet, and this one is better.
    if (now.base.height > base) return Try(now, attempt().height);
    // A node that lags knows nothing better.
    if (now.base.height < base || now.base == attempt().head.base) return Record();
    attempt().head = now;
    Enter(Stage::kTicketAgain);
  }

  void Record() {
    // The base may have lost a block of ours since the attempt began.
    const absl::Status may = state().made.MayMake(attempt().height, attempt().head.base);
    if (!may.ok()) return End(Result::kRefused, std::string(may.message()));
    state().made.Add(Row());
    Enter(Stage::kRecording);
  }

  MadeBlock Row() {
    return {.height = attempt().height, .parents = attempt().head.base.key, .cid = attempt().block};
  }

  void Failed(const absl::Status& status) {
    if (state().stage == Stage::kAskingBase && absl::IsFailedPrecondition(status)) {
      return End(Result::kNotEligible, std::string(status.message()));
    }
    // The block is good; without its CID on the disk nothing is built on it after a restart.
    if (state().stage == Stage::kKeeping) return Enter(Stage::kHolding);
    if (AsksTheNode(state().stage)) {
      state().retry = now_ + rules_.retry_delay;
      return;
    }
    End(Result::kFailed, std::string(status.message()));
  }

  void Enter(Stage stage) {
    state().stage = stage;
    state().retry.reset();
    if (Waits(stage)) return;
    Action action{.attempt = attempt().id, .stage = stage, .row = {}};
    if (stage == Stage::kRecording || stage == Stage::kCreating || stage == Stage::kKeeping) {
      action.row = Row();
    }
    step_.actions.push_back(std::move(action));
  }

  void End(Result result, std::string why) {
    step_.ended.push_back({.height = attempt().height,
                           .result = result,
                           .wins = attempt().wins,
                           .why = std::move(why),
                           .stage = state().stage,
                           .took = now_ - attempt().begun,
                           .block = attempt().block});
    Enter(Stage::kIdle);
  }

  const Rules& rules_;
  const absl::Time now_;
  StepResult step_;
};

}  // namespace

std::string_view NameOf(Stage stage) {
  switch (stage) {
    case Stage::kIdle:
      return "idle";
    case Stage::kAskingBase:
      return "asking_base";
    case Stage::kElecting:
      return "electing";
    case Stage::kProving:
      return "proving";
    case Stage::kTicket:
      return "ticket";
    case Stage::kSelecting:
      return "selecting";
    case Stage::kSettling:
      return "settling";
    case Stage::kLookingAgain:
      return "looking_again";
    case Stage::kTicketAgain:
      return "ticket_again";
    case Stage::kSelectingAgain:
      return "selecting_again";
    case Stage::kRecording:
      return "recording";
    case Stage::kCreating:
      return "creating";
    case Stage::kKeeping:
      return "keeping";
    case Stage::kHolding:
      return "holding";
    case Stage::kSubmitting:
      return "submitting";
  }
  return "unknown";
}

std::string_view NameOf(Result result) {
  switch (result) {
    case Result::kNotEligible:
      return "not_eligible";
    case Result::kLost:
      return "lost";
    case Result::kMade:
      return "made";
    case Result::kLate:
      return "late";
    case Result::kFailed:
      return "failed";
    case Result::kRefused:
      return "refused";
  }
  return "unknown";
}

StepResult Step(const Rules& rules, State state, const Event& event, absl::Time now) {
  Stepper stepper(rules, std::move(state), now);
  std::visit(stepper, event);
  return std::move(stepper).Take();
}

absl::Time WakeAt(const Rules& rules, const State& state) {
  switch (state.stage) {
    case Stage::kIdle: {
      if (!state.head) return absl::InfiniteFuture();
      const std::int64_t tried = (state.tried - state.head->base.height).Count();
      return state.head->timestamp + rules.propagation_delay +
             rules.block_delay * std::max<std::int64_t>(tried, 0);
    }
    case Stage::kSettling:
      return SettledAt(rules, state.attempt);
    case Stage::kHolding:
      return state.attempt.publish;
    default:
      if (!MayBeLeft(state.stage)) return absl::InfiniteFuture();
      return std::min(state.retry.value_or(absl::InfiniteFuture()), NextTime(rules, state.attempt));
  }
}

Violations InvariantsOf(const State& state) {
  Violations found;
  if (state.stage == Stage::kIdle) return found;
  const Attempt& attempt = state.attempt;
  found.Require(attempt.height > attempt.head.base.height, "a block lies above its parents");
  found.Require(attempt.height <= state.tried, "what is tried is known as tried");
  const bool may_be_signed = state.stage >= Stage::kRecording && state.stage <= Stage::kSubmitting;
  const auto row = state.made.Blocks().find(attempt.height);
  found.Require(may_be_signed == (row != state.made.Blocks().end()),
                "a block stands among those made from the moment it may be signed, not before");
  if (may_be_signed && row != state.made.Blocks().end()) {
    found.Require(row->second.parents == attempt.head.base.key,
                  "the row of a block names its parents");
  }
  return found;
}

}  // namespace damocles::winning
