// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// How every daemon of this project is stopped.

#pragma once

#include <kj/async-io.h>

#include <initializer_list>
#include <memory>

namespace damocles::cli {

// Call before any thread starts, so that all of them leave `signals` to the event loop.  A peer
// that has gone is an error of a write, not the end of the process.
void LeaveToTheLoop(std::initializer_list<int> signals);

// SIGTERM and SIGINT, on a thread of their own: nothing that hangs, the event loop included, keeps
// an operator from ending the process.  Until the loop waits for them the first one ends it,
// nothing has begun by then; afterwards the second one.
class StopSignals {
 public:
  // Call before any other thread starts.  Once a process.
  StopSignals();

  // The first of them from now on; call once.
  kj::Promise<void> First(kj::AsyncIoContext& io);

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace damocles::cli
