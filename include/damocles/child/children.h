// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// Child processes that prove: started, watched, given work, started again.

#pragma once

#include <kj/async-io.h>
#include <kj/async-unix.h>

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/time/time.h"

#include "damocles/async/task.h"
#include "damocles/child/protocol.h"
#include "damocles/child/supervision.h"

namespace damocles::child {

struct ChildOptions {
  std::string name;     // in logs and listings, different for each: "WdPost 3"
  std::string program;  // without a slash: looked for in PATH
  std::vector<std::string> args;
  bool inherit_environment = true;
  std::map<std::string, std::string> environment;  // goes before what is inherited
  std::uint32_t weight = 1;                        // 0 counts as 1, here and below
  std::uint32_t slots = 1;                         // tasks at a time
  SupervisionRules rules;
  friend bool operator==(const ChildOptions&, const ChildOptions&) = default;
};

// What an operator sees of a child.
struct ChildInfo {
  std::string name;
  Phase phase = Phase::kDown;
  std::int64_t pid = 0;                          // 0: none
  absl::Time since = absl::InfinitePast();       // by SteadyClock, as the next
  absl::Time next_start = absl::InfinitePast();  // only in kDown
  std::uint32_t slots = 1;
  std::uint32_t weight = 1;
  std::size_t busy = 0;
  std::uint64_t done = 0;    // tasks answered, since this process began
  std::uint64_t failed = 0;  // answered with an error
  std::uint64_t lost = 0;    // under way when it ended
  unsigned starts = 0;
  std::string last_end;
};

// All of one stage.  On the event loop's thread only.
class Children {
 public:
  // At least one.  All are started at once; one that cannot be started, or is not ready in time, is
  // tried again and keeps nobody waiting.
  static std::unique_ptr<Children> Start(kj::LowLevelAsyncIoProvider& provider,
                                         kj::UnixEventPort& port, Stage stage,
                                         std::vector<ChildOptions> children);
  virtual ~Children() = default;

  struct Answer {
    Outcome outcome;           // not verified
    std::string child;         // who gave it; empty: nobody
    std::int64_t process = 0;  // which of its processes
  };
  struct Limits {
    // Until the answer is of no use.  Of two that wait the one with less goes first.
    absl::Duration close = absl::InfiniteDuration();
    // For one child to prove it: after that the child hangs, and another one gets it.
    absl::Duration run = absl::InfiniteDuration();
  };
  // Proves in whichever child is free first; waits for one.  A child that ends, hangs or fails
  // takes nothing with it: the task goes to another one that has not failed it yet, until there is
  // none or kTriesMax have failed.
  //
  // DEADLINE_EXCEEDED: no answer in time.  UNAVAILABLE: the children end with it, none will ever be
  // up again, or they are being stopped.  Otherwise what the last child says; INTERNAL if that
  // names sectors that are not of the task.  Dropping the task takes it back from a child that
  // understands; drop it before this object.
  static constexpr int kTriesMax = 3;
  virtual async::Task<Answer> Prove(prover::WindowPostTask task, Limits limits) = 0;

  // The caller has found that `answer` proves nothing: the process that gave it is replaced.
  virtual void AnsweredWrongly(const Answer& answer) = 0;

  // Compared by name: new ones are started, those that are gone finish what they have, those that
  // differ in more than weight and slots do so too and are started anew.  One that is off, or waits
  // for its next start, is started.
  virtual void Reconfigure(std::vector<ChildOptions> children) = 0;

  virtual std::vector<ChildInfo> List() const = 0;

  // Resolves when all processes have ended, or after `limit`: one in a dead device does not die.
  virtual async::Task<void> Stop(absl::Duration limit) = 0;
};

}  // namespace damocles::child
