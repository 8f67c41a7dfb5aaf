// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/child/supervision.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include "absl/strings/str_format.h"

namespace damocles::child {
namespace {

using Action = SupervisionAction;

class Stepper {
 public:
  Stepper(const SupervisionRules& rules, Supervised state, absl::Time now)
      : rules_(rules), now_(now), step_{std::move(state), {}} {}

  void operator()(const event::Tick&) {
    if (state().phase == Phase::kDown && state().wanted && now_ >= state().next) {
      Act(Action::kStart);
      // Until the caller says how it went: one start at a time.
      state().next = absl::InfiniteFuture();
    } else if (state().phase == Phase::kStarting && now_ >= state().next) {
      Kill(absl::StrFormat("it was not ready within %s",
                           absl::FormatDuration(rules_.ready_timeout)));
    } else if (state().phase == Phase::kEnding && now_ >= state().next) {
      Act(Action::kKill);
      state().next = now_ + rules_.grace;
    }
  }

  void operator()(const event::Started&) {
    if (state().phase != Phase::kDown) return;
    ++state().starts;
    state().useful = false;
    Enter(Phase::kStarting, now_ + rules_.ready_timeout);
    if (!state().wanted) End();
  }

  void operator()(const event::NotStarted& failed) {
    if (state().phase != Phase::kDown) return;
    ++state().starts;
    state().last_end = "could not be started: " + failed.why;
    TryAgainLater();
  }

  void operator()(const event::SaidReady&) {
    if (state().phase != Phase::kStarting) return;
    Enter(Phase::kReady, absl::InfiniteFuture());
    Act(Action::kUp);
  }

  void operator()(const event::WasUseful&) {
    if (state().phase == Phase::kReady) state().useful = true;
  }

  void operator()(const event::Revive&) {
    const bool starting = state().next == absl::InfiniteFuture();
    if (!state().wanted || (state().phase == Phase::kDown && starting)) return;
    if (state().phase != Phase::kDown && state().phase != Phase::kOff) return;
    state().back_off = absl::ZeroDuration();
    Enter(Phase::kDown, now_);
    (*this)(event::Tick{});
  }

  void operator()(const event::Misbehaved& misbehaved) {
    if (state().phase == Phase::kStarting || state().phase == Phase::kReady) Kill(misbehaved.how);
  }

  void operator()(const event::Ended& ended) {
    switch (state().phase) {
      case Phase::kDown:
      case Phase::kOff:
        return;
      case Phase::kReady:
        LeaveReady();
        [[fallthrough]];
      case Phase::kStarting:
        state().last_end = ended.how;
        break;
      case Phase::kEnding:
        // Why it was made to end says more than how it went.
        if (state().last_end.empty()) state().last_end = ended.how;
        break;
    }
    // What it left behind would hold its card.
    Act(Action::kKill);
    TryAgainLater();
  }

  void operator()(const event::Stop&) {
    state().wanted = false;
    switch (state().phase) {
      case Phase::kDown:
        // A start that is under way ends with Started.
        if (state().next != absl::InfiniteFuture()) Enter(Phase::kOff, absl::InfiniteFuture());
        break;
      case Phase::kStarting:
      case Phase::kReady:
        End();
        break;
      case Phase::kEnding:
      case Phase::kOff:
        break;
    }
  }

  SupervisionStep Take() && { return std::move(step_); }

 private:
  Supervised& state() { return step_.state; }
  void Act(Action action) { step_.actions.push_back(action); }

  void Enter(Phase phase, absl::Time next) {
    state().phase = phase;
    state().since = now_;
    state().next = next;
  }

  void LeaveReady() {
    Act(Action::kDown);
    if (state().useful) state().back_off = absl::ZeroDuration();
  }

  void End() {
    if (state().phase == Phase::kReady) LeaveReady();
    state().last_end = "it was stopped";
    Enter(Phase::kEnding, now_ + rules_.grace);
    Act(Action::kTellToEnd);
  }

  void Kill(std::string why) {
    if (state().phase == Phase::kReady) LeaveReady();
    state().last_end = std::move(why);
    Enter(Phase::kEnding, now_ + rules_.grace);
    Act(Action::kKill);
  }

  void TryAgainLater() {
    if (!state().wanted || (!rules_.restart && state().starts > 0)) {
      Enter(Phase::kOff, absl::InfiniteFuture());
      return;
    }
    state().back_off = state().back_off == absl::ZeroDuration()
                           ? rules_.back_off_first
                           : std::min(state().back_off * 2, rules_.back_off_last);
    Enter(Phase::kDown, now_ + state().back_off);
  }

  const SupervisionRules& rules_;
  const absl::Time now_;
  SupervisionStep step_;
};

}  // namespace

std::string_view NameOf(Phase phase) {
  switch (phase) {
    case Phase::kDown:
      return "down";
    case Phase::kStarting:
      return "starting";
    case Phase::kReady:
      return "ready";
    case Phase::kEnding:
      return "ending";
    case Phase::kOff:
      return "off";
  }
  return "unknown";
}

SupervisionStep Step(const SupervisionRules& rules, Supervised state, const SupervisionEvent& event,
                     absl::Time now) {
  Stepper stepper(rules, std::move(state), now);
  std::visit(stepper, event);
  return std::move(stepper).Take();
}

absl::Time WakeAt(const Supervised& state) {
  if (state.phase == Phase::kDown && !state.wanted) return absl::InfiniteFuture();
  return state.next;
}

}  // namespace damocles::child
