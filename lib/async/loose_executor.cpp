// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/async/loose_executor.h"

#include <chrono>
#include <deque>
#include <exception>
#include <system_error>
#include <thread>
#include <utility>

#include "damocles/base/check.h"
#include "damocles/base/log.h"
#include "damocles/base/mutex.h"

namespace damocles::async {

struct LooseExecutor::State {
  explicit State(std::size_t most) : threads_max(most) { DAMOCLES_DCHECK(threads_max > 0); }

  const std::size_t threads_max;
  Mutex mutex;
  CondVar idle;
  std::deque<absl::AnyInvocable<void() &&>> waiting ABSL_GUARDED_BY(mutex);
  std::size_t threads ABSL_GUARDED_BY(mutex) = 0;

  // Takes jobs until none waits.
  void Work() {
    while (true) {
      absl::AnyInvocable<void() &&> job;
      {
        const MutexLock lock(mutex);
        if (waiting.empty()) {
          --threads;
          idle.NotifyAll();
          return;
        }
        job = std::move(waiting.front());
        waiting.pop_front();
      }
      try {
        std::move(job)();
      } catch (const std::exception& error) {
        LogError("async", "job_threw", {{"error", error.what()}});
      } catch (...) {
        LogError("async", "job_threw", {{"error", "an exception of unknown type"}});
      }
    }
  }
};

LooseExecutor::LooseExecutor(std::size_t threads_max)
    : state_(std::make_shared<State>(threads_max)) {}

LooseExecutor::~LooseExecutor() {
  std::deque<absl::AnyInvocable<void() &&>> dropped;  // goes after the lock: it may call back
  const MutexLock lock(state_->mutex);
  dropped.swap(state_->waiting);
}

void LooseExecutor::Run(absl::AnyInvocable<void() &&> job) {
  {
    const MutexLock lock(state_->mutex);
    state_->waiting.push_back(std::move(job));
    if (state_->threads >= state_->threads_max) return;
    ++state_->threads;
  }
  try {
    std::thread([state = state_] { state->Work(); }).detach();
  } catch (const std::system_error& error) {
    LogError("async", "no_thread", {{"error", error.what()}});
    const MutexLock lock(state_->mutex);
    --state_->threads;
  }
}

bool LooseExecutor::Idle(absl::Duration patience) const {
  const auto until = std::chrono::steady_clock::now() +
                     std::chrono::duration_cast<std::chrono::steady_clock::duration>(
                         absl::ToChronoNanoseconds(patience));
  const MutexLock lock(state_->mutex);
  while (state_->threads > 0 && std::chrono::steady_clock::now() < until) {
    state_->idle.WaitUntil(state_->mutex, until);
  }
  return state_->threads == 0;
}

}  // namespace damocles::async
