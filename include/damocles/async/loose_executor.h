// SPDX-License-Identifier: Apache-2.0 OR MIT

#pragma once

#include <cstddef>
#include <memory>

#include "absl/functional/any_invocable.h"
#include "absl/time/time.h"

#include "damocles/async/offload.h"

namespace damocles::async {

// For jobs that may hang, in a dead file system say: a thread a job, at most `threads_max` at a
// time, the others wait for their turn.  Nobody waits for the threads at the end: what a job uses
// it must own, or the process must end while jobs run (see Idle).
//
// Safe to call from several threads.
class LooseExecutor final : public Executor {
 public:
  explicit LooseExecutor(std::size_t threads_max);
  // Jobs that have not begun are dropped, those that run are left behind.
  ~LooseExecutor() override;

  // If the system has no thread to give, the job waits for the next call or the end of another job.
  void Run(absl::AnyInvocable<void() &&> job) override;

  // Whether nothing runs or waits; waits for that at most `patience`.
  bool Idle(absl::Duration patience) const;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace damocles::async
