// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "apps/common/signals.h"

#include <fcntl.h>
#include <kj/async-unix.h>
#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <thread>

#include "apps/common/cli.h"

#include "damocles/base/check.h"
#include "damocles/base/log.h"

namespace damocles::cli {

void LeaveToTheLoop(std::initializer_list<int> signals) {
  for (const int signal : signals) kj::UnixEventPort::captureSignal(signal);
  ::signal(SIGPIPE, SIG_IGN);  // NOLINT(cert-err33-c): cannot fail for SIGPIPE
}

struct StopSignals::State {
  int to_loop = -1;  // a byte for the first signal
  int from_thread = -1;
  std::atomic<bool> loop_waits{false};
  std::uint8_t byte = 0;
};

StopSignals::StopSignals() : state_(std::make_shared<State>()) {
  int ends[2];
  DAMOCLES_CHECK(pipe2(ends, O_CLOEXEC | O_NONBLOCK) == 0);
  state_->from_thread = ends[0];
  state_->to_loop = ends[1];
  sigset_t stops;
  sigemptyset(&stops);
  sigaddset(&stops, SIGTERM);
  sigaddset(&stops, SIGINT);
  DAMOCLES_CHECK(pthread_sigmask(SIG_BLOCK, &stops, nullptr) == 0);
  std::thread([state = state_, stops] {
    for (bool first = true;; first = false) {
      int signal = 0;
      while (sigwait(&stops, &signal) != 0) {
      }
      if (first && state->loop_waits) {
        const std::uint8_t byte = 1;
        if (write(state->to_loop, &byte, 1) == 1) continue;
      }
      LogWarning("daemon", "stopped_at_once",
                 {{"signal", signal == SIGINT ? "SIGINT" : "SIGTERM"}});
      // Whatever is under way is on disk or can be done again.
      std::_Exit(kExitDone);
    }
  }).detach();
}

kj::Promise<void> StopSignals::First(kj::AsyncIoContext& io) {
  auto stream = io.lowLevelProvider->wrapInputFd(
      state_->from_thread,
      kj::LowLevelAsyncIoProvider::ALREADY_CLOEXEC | kj::LowLevelAsyncIoProvider::ALREADY_NONBLOCK);
  auto read = stream->read(&state_->byte, 1).attach(kj::mv(stream), kj::cp(state_));
  state_->loop_waits = true;
  return read;
}

}  // namespace damocles::cli
