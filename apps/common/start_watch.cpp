// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "apps/common/start_watch.h"

#include <chrono>
#include <system_error>
#include <thread>
#include <utility>

#include "damocles/base/log.h"
#include "damocles/base/mutex.h"

namespace damocles::cli {
namespace {

std::chrono::steady_clock::time_point After(absl::Duration pause) {
  return std::chrono::steady_clock::now() + absl::ToChronoNanoseconds(pause);
}

}  // namespace

struct StartWatch::State {
  Mutex mutex;
  CondVar changed;
  std::string what ABSL_GUARDED_BY(mutex);  // empty: nothing is waited for
  std::chrono::steady_clock::time_point say_at ABSL_GUARDED_BY(mutex);
  bool told ABSL_GUARDED_BY(mutex) = false;
  bool ended ABSL_GUARDED_BY(mutex) = false;
};

StartWatch::StartWatch(std::string component, absl::Duration patience, absl::Duration again)
    : component_(std::move(component)), patience_(patience), state_(std::make_shared<State>()) {
  const auto watch = [state = state_, component = component_, again] {
    const MutexLock lock(state->mutex);
    while (!state->ended) {
      if (state->what.empty()) {
        state->changed.Wait(state->mutex);
      } else if (std::chrono::steady_clock::now() < state->say_at) {
        state->changed.WaitUntil(state->mutex, state->say_at);
      } else {
        LogWarning(component, "start_waits",
                   {{"for", state->what},
                    {"do",
                     "if it is on a disk that is not mounted or does not answer, mend that: "
                     "the start goes on by itself"}});
        state->told = true;
        state->say_at = After(again);
      }
    }
  };
  try {
    std::thread(watch).detach();
  } catch (const std::system_error&) {
    // Without a thread to spare nothing is said: the start goes on all the same.
  }
}

StartWatch::~StartWatch() {
  const MutexLock lock(state_->mutex);
  state_->ended = true;
  state_->changed.NotifyAll();
}

void StartWatch::WaitsFor(std::string what) {
  const MutexLock lock(state_->mutex);
  if (state_->told) {
    LogInfo(component_, "start_goes_on", {{"behind", state_->what}});
    state_->told = false;
  }
  state_->what = std::move(what);
  state_->say_at = After(patience_);
  state_->changed.NotifyAll();
}

void StartWatch::Done() {
  WaitsFor("");
}

}  // namespace damocles::cli
