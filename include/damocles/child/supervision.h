// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// The life of one child process, as a pure machine: when it is started, when it is given up on,
// when it is killed and when it is tried again.

#pragma once

#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "absl/time/time.h"

namespace damocles::child {

struct SupervisionRules {
  absl::Duration ready_timeout = absl::Seconds(5);
  bool restart = true;
  // Between a start that failed and the next: from the first to the last, twice as long each time.
  // There is no last try: a card that comes back in an hour is used in an hour and a minute.  One
  // that was of use begins anew with the first.
  absl::Duration back_off_first = absl::Seconds(1);
  absl::Duration back_off_last = absl::Minutes(1);
  // Between being asked to end and being ended.
  absl::Duration grace = absl::Seconds(5);
  friend bool operator==(const SupervisionRules&, const SupervisionRules&) = default;
};

enum class Phase {
  kDown,      // not tried yet, or waits for its next start
  kStarting,  // runs, has not said that it is ready
  kReady,
  kEnding,  // was told to end, or is being killed
  kOff,     // for good: was stopped, or may not be started again
};
std::string_view NameOf(Phase phase);

struct Supervised {
  Phase phase = Phase::kDown;
  absl::Time since = absl::InfinitePast();
  absl::Time next = absl::InfinitePast();  // kDown: of the start; kStarting, kEnding: the limit
  absl::Duration back_off = absl::ZeroDuration();
  bool useful = false;  // since it was started it has given an answer that was one
  bool wanted = true;
  unsigned starts = 0;
  // Why it last ended, or could not be started; empty: never.
  std::string last_end;
};

namespace event {
struct Tick {};
struct Started {};
struct NotStarted {
  std::string why;
};
struct SaidReady {};
struct WasUseful {};
// What it says cannot be used, or it holds a task for too long.
struct Misbehaved {
  std::string how;
};
struct Ended {
  std::string how;  // "exit code 1", "signal 9 (killed)"
};
// Its input is closed first; with tasks under way the caller waits with this.
struct Stop {};
// An operator has changed something: one that waits is started now, one that is off is started
// again.
struct Revive {};
}  // namespace event
using SupervisionEvent =
    std::variant<event::Tick, event::Started, event::NotStarted, event::SaidReady, event::WasUseful,
                 event::Misbehaved, event::Ended, event::Stop, event::Revive>;

enum class SupervisionAction {
  kStart,
  kTellToEnd,  // close its input, SIGTERM to its group
  kKill,       // SIGKILL to its group
  kUp,         // it may have tasks
  kDown,       // it has none any more
};

// Total: what does not fit the phase changes nothing.
struct SupervisionStep {
  Supervised state;
  std::vector<SupervisionAction> actions;
};
SupervisionStep Step(const SupervisionRules& rules, Supervised state, const SupervisionEvent& event,
                     absl::Time now);

// When the next Tick is of use; InfiniteFuture: none is.
absl::Time WakeAt(const Supervised& state);

}  // namespace damocles::child
