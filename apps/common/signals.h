// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// How every daemon of this project is stopped.

#pragma once

#include <kj/async-unix.h>
#include <signal.h>

#include <initializer_list>

namespace damocles::cli {

// Call before any thread starts, so that all of them leave `signals` to the event loop.  A peer
// that has gone is an error of a write, not the end of the process.
inline void LeaveToTheLoop(std::initializer_list<int> signals) {
  for (const int signal : signals) kj::UnixEventPort::captureSignal(signal);
  ::signal(SIGPIPE, SIG_IGN);  // NOLINT(cert-err33-c): cannot fail for SIGPIPE
}

// The next SIGTERM or SIGINT; both must have been left to the loop.
inline kj::Promise<void> StopSignal(kj::UnixEventPort& port) {
  return port.onSignal(SIGTERM).ignoreResult().exclusiveJoin(port.onSignal(SIGINT).ignoreResult());
}

}  // namespace damocles::cli
