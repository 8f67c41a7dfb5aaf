// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/winning/round.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_format.h"

namespace damocles::winning {
namespace {

using filecoin::ChainEpoch;
using filecoin::EpochDelta;

// No chain is so old; beyond it sums of heights would wrap.
constexpr ChainEpoch kHeightMax{std::int64_t{1} << 50};

bool Waits(Stage stage) {
  return stage == Stage::kIdle || stage == Stage::kSettling || stage == Stage::kHolding;
}

// Before it nothing of the attempt is anywhere.
bool IsBeforeTheRow(Stage stage) {
  return stage < Stage::kRecording;
}

// A row was written, or is being written, and the network has not seen the block.
bool IsUnseen(Stage stage) {
  return stage == Stage::kRecording || stage == Stage::kCreating || stage == Stage::kKeeping;
}

absl::Time FirstTime(const Rules& rules, const Head& head) {
  return head.timestamp + rules.propagation_delay;
}
absl::Time SettledAt(const Rules& rules, const Attempt& attempt) {
  return std::min(attempt.begun + rules.equivocation_delay, attempt.limit);
}

// Up to which height nothing is to be tried on this head any more.
std::int64_t DoneAbove(const State& state, const Head& head) {
  std::int64_t done = 0;
  if (state.closed) done = std::max(done, (*state.closed - head.base.height).Count());
  if (state.tried && state.tried_on == head.base.key) {
    done = std::max(done, (*state.tried - head.base.height).Count());
  }
  return done;
}

bool MayWorkLater(const absl::Status& status) {
  return absl::IsUnavailable(status) || absl::IsDeadlineExceeded(status) ||
         absl::IsUnknown(status) || absl::IsCancelled(status);
}

class Stepper {
 public:
  Stepper(const Rules& rules, State state, absl::Time now) : rules_(rules), now_(now) {
    step_.state = std::move(state);
  }

  void operator()(const event::Tick&) {}

  // The node's choice, also one that lies lower.
  void operator()(const event::HeadSeen& seen) {
    if (seen.head.base.height < kHeightMax) state().head = seen.head;
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
    Advance();
    return std::move(step_);
  }

 private:
  State& state() { return step_.state; }
  Attempt& attempt() { return step_.state.attempt; }

  void Advance() {
    if (state().stage != Stage::kIdle) {
      if (now_ >= attempt().limit) {
        End(Result::kLate, attempt().trouble.empty() ? "the epoch was over before the block was"
                                                     : attempt().trouble);
      } else if (now_ < attempt().begun && IsBeforeTheRow(state().stage)) {
        End(Result::kFailed, "the clock went back");
        state().tried.reset();  // that height comes again in its own time
      } else if (IsBeforeTheRow(state().stage) && state().head &&
                 state().head->base.height > attempt().head.base.height &&
                 state().head->base.height < attempt().height) {
        // After null rounds a block may still come: nothing is signed yet, and this one is better.
        Try(*state().head, attempt().height, Stage::kAskingBase);
      }
    }
    if (state().stage == Stage::kIdle) Begin();
    if (state().stage == Stage::kSettling && now_ >= SettledAt(rules_, attempt())) {
      Enter(Stage::kLookingAgain);
    }
    if (state().stage == Stage::kHolding && now_ >= attempt().publish) Enter(Stage::kSubmitting);
    if (state().retry && now_ >= *state().retry) Enter(state().stage);
  }

  void Begin() {
    if (!state().head) return;
    const Head head = *state().head;
    const absl::Time first = FirstTime(rules_, head);
    if (now_ < first || now_ < state().not_before) return;
    const std::int64_t done = std::max<std::int64_t>(DoneAbove(state(), head), 0);
    std::int64_t nulls = (now_ - first) / rules_.block_delay;
    if (nulls > rules_.null_rounds_max) {
      nulls = done;
    } else if (nulls < done) {
      return;
    }
    Try(head, head.base.height + EpochDelta(1 + nulls), Stage::kLooking);
  }

  void Try(const Head& head, ChainEpoch height, Stage stage) {
    const absl::Time publish =
        head.timestamp + rules_.block_delay * (height - head.base.height).Count();
    attempt() = {.id = ++state().attempts,
                 .head = head,
                 .height = height,
                 .begun = now_,
                 .publish = publish,
                 // Where the chain stands still nobody is ahead of a block that comes late.
                 .limit = std::max(publish + rules_.propagation_delay,
                                   IsStill(head) ? now_ + 2 * rules_.block_delay : publish),
                 .wins = 0,
                 .block = {},
                 .trouble = {}};
    state().stage = stage;
    const absl::Status may = state().made.MayMake(height, head.base);
    if (!may.ok()) return End(Result::kRefused, std::string(may.message()));
    Enter(stage);
  }

  bool IsStill(const Head& head) {
    return now_ - FirstTime(rules_, head) >= rules_.block_delay * (rules_.null_rounds_max + 1);
  }

  void Answered(const event::Answer& answer) {
    switch (state().stage) {
      case Stage::kLooking:
        return Looked(answer);
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
        return Enter(Stage::kCreating);
      case Stage::kCreating:
        return Created(answer);
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

  void Looked(const event::Answer& answer) {
    if (!answer.head) return Failed(absl::InternalError("no head came with the answer"));
    (*this)(event::HeadSeen{*answer.head});
    if (answer.head->base.height >= attempt().height) {
      return End(Result::kLate, absl::StrFormat("the chain is at height %d already",
                                                answer.head->base.height.Value()));
    }
    Try(*answer.head, attempt().height, Stage::kAskingBase);
  }

  // As lotus: blocks that have vanished, because their miners made two, are left out; blocks that
  // came later are not taken in.
  void LookedAgain(const event::Answer& answer) {
    if (!answer.head) return Failed(absl::InternalError("no head came with the answer"));
    const Head& now = *answer.head;
    const Base& base = attempt().head.base;
    if (now.base.height > attempt().height) {
      return End(Result::kLate,
                 absl::StrFormat("the chain has gone on to height %d", now.base.height.Value()));
    }
    if (now.base.height > base.height && now.base.height < attempt().height) {
      return Try(now, attempt().height, Stage::kAskingBase);
    }
    std::vector<filecoin::Cid> left;
    if (now.base.height == base.height) {
      const std::vector<filecoin::Cid>& there = now.base.key.Cids();
      for (const filecoin::Cid& cid : base.key.Cids()) {
        if (std::find(there.begin(), there.end(), cid) != there.end()) left.push_back(cid);
      }
    }
    // Others have made their blocks of our height already, or the node lags, or the base is as it
    // was, or there is nothing left of it: then it stays.
    if (left.empty() || left.size() == base.key.Cids().size()) return Record();
    attempt().head.base.key = filecoin::TipSetKey(std::move(left));
    Enter(Stage::kTicketAgain);
  }

  void Record() {
    // The base may have lost a block of ours since the attempt began.
    const absl::Status may = state().made.MayMake(attempt().height, attempt().head.base);
    if (!may.ok()) return End(Result::kRefused, std::string(may.message()));
    Add();
    Enter(Stage::kRecording);
  }

  void Created(const event::Answer& answer) {
    const Attempt& wanted = attempt();
    if (!answer.header || answer.header->height != wanted.height ||
        filecoin::TipSetKey(answer.header->parents) != wanted.head.base.key ||
        absl::FromUnixSeconds(static_cast<std::int64_t>(answer.header->timestamp)) !=
            wanted.publish) {
      return End(Result::kFailed, "the node made another block than it was asked for");
    }
    attempt().block = filecoin::CidOf(*answer.header);
    Add();
    Enter(Stage::kKeeping);
  }

  MadeBlock Row() {
    return {.height = attempt().height, .parents = attempt().head.base.key, .cid = attempt().block};
  }
  void Add() {
    for (const ChainEpoch dropped : state().made.Add(Row())) step_.deleted.push_back(dropped);
  }

  void Failed(const absl::Status& status) {
    attempt().trouble = std::string(status.message());
    switch (state().stage) {
      case Stage::kAskingBase:
        if (absl::IsFailedPrecondition(status)) {
          return End(Result::kNotEligible, attempt().trouble);
        }
        break;
      case Stage::kProving:  // no second one is made in time
        return End(Result::kFailed, attempt().trouble);
      case Stage::kCreating:
        if (!MayWorkLater(status)) return End(Result::kFailed, attempt().trouble);
        break;
      default:
        break;
    }
    state().retry = now_ + rules_.retry_delay;
  }

  void Enter(Stage stage) {
    state().stage = stage;
    state().retry.reset();
    if (Waits(stage)) return;
    Action action{.attempt = attempt().id, .stage = stage, .row = {}};
    if (IsUnseen(stage)) action.row = Row();
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
    if (IsUnseen(state().stage)) {
      state().made.Withdraw(attempt().height);
      step_.deleted.push_back(attempt().height);
    }
    if (result == Result::kLost || result == Result::kMade || result == Result::kLate) {
      state().closed = attempt().height;
    } else {
      state().tried = attempt().height;
      state().tried_on = attempt().head.base.key;
    }
    // There, the clock does not say when to go on.
    if (state().head && IsStill(*state().head)) {
      state().not_before =
          now_ + (result == Result::kLost ? rules_.retry_delay : rules_.block_delay);
    }
    Enter(Stage::kIdle);
  }

  const Rules& rules_;
  const absl::Time now_;
  StepResult step_;
};

}  // namespace

Rules RulesFor(absl::Duration block_delay) {
  Rules rules;
  const absl::Duration usual = std::exchange(rules.block_delay, block_delay);
  const double share = absl::FDivDuration(block_delay, usual);
  rules.propagation_delay *= share;
  rules.equivocation_delay *= share;
  rules.retry_delay = std::min(rules.retry_delay, block_delay / 20);
  return rules;
}

std::string_view NameOf(Stage stage) {
  switch (stage) {
    case Stage::kIdle:
      return "idle";
    case Stage::kLooking:
      return "looking";
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

State Resumed(const Rules& rules, State state, const MadeBlock& block, absl::Time publish,
              absl::Time now) {
  const absl::Time limit = publish + rules.propagation_delay;
  if (!block.cid || now >= limit || state.stage != Stage::kIdle) return state;
  state.stage = Stage::kHolding;
  state.attempt = {.id = ++state.attempts,
                   .head = {.base = {.key = block.parents,
                                     .height = block.height - EpochDelta(1),
                                     .parents = {}},
                            .timestamp = publish - rules.block_delay},
                   .height = block.height,
                   .begun = now,
                   .publish = publish,
                   .limit = limit,
                   .wins = 0,
                   .block = block.cid,
                   .trouble = {}};
  return state;
}

absl::Time WakeAt(const Rules& rules, const State& state) {
  switch (state.stage) {
    case Stage::kIdle: {
      if (!state.head) return absl::InfiniteFuture();
      const std::int64_t done = std::max<std::int64_t>(DoneAbove(state, *state.head), 0);
      return std::max(FirstTime(rules, *state.head) + rules.block_delay * done, state.not_before);
    }
    case Stage::kSettling:
      return SettledAt(rules, state.attempt);
    case Stage::kHolding:
      return std::min(state.attempt.publish, state.attempt.limit);
    default:
      return std::min(state.retry.value_or(absl::InfiniteFuture()), state.attempt.limit);
  }
}

Violations InvariantsOf(const State& state) {
  Violations found;
  if (state.stage == Stage::kIdle) return found;
  const Attempt& attempt = state.attempt;
  found.Require(attempt.height > attempt.head.base.height, "a block lies above its parents");
  const auto row = state.made.Blocks().find(attempt.height);
  found.Require(IsBeforeTheRow(state.stage) == (row == state.made.Blocks().end()),
                "a block stands among those made from the moment it may be signed, not before");
  if (row == state.made.Blocks().end()) return found;
  found.Require(row->second.parents == attempt.head.base.key,
                "the row of a block names its parents");
  found.Require(row->second.cid == attempt.block, "the row of a block names it");
  found.Require(attempt.block.has_value() ||
                    (state.stage == Stage::kRecording || state.stage == Stage::kCreating),
                "what is shown to the network has its CID in its row");
  return found;
}

}  // namespace damocles::winning
