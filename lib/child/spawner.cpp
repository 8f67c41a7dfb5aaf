// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "lib/child/spawner.h"

#include <deque>
#include <thread>
#include <utility>

#include "damocles/base/mutex.h"

namespace damocles::child {

struct Spawner::State {
  Mutex mutex;
  CondVar changed;
  std::deque<absl::AnyInvocable<void() &&>> jobs ABSL_GUARDED_BY(mutex);
  bool closing ABSL_GUARDED_BY(mutex) = false;
  bool started ABSL_GUARDED_BY(mutex) = false;

  // False: no more.
  bool Next(absl::AnyInvocable<void() &&>& job) {
    const MutexLock lock(mutex);
    while (jobs.empty() && !closing) changed.Wait(mutex);
    if (closing) return false;
    job = std::move(jobs.front());
    jobs.pop_front();
    return true;
  }
};

Spawner::Spawner() : state_(std::make_shared<State>()) {}

Spawner::~Spawner() {
  const MutexLock lock(state_->mutex);
  state_->closing = true;
  state_->jobs.clear();
  state_->changed.NotifyAll();
}

void Spawner::Run(absl::AnyInvocable<void() &&> job) {
  const MutexLock lock(state_->mutex);
  state_->jobs.push_back(std::move(job));
  if (!std::exchange(state_->started, true)) {
    std::thread([state = state_] {
      absl::AnyInvocable<void() &&> next;
      while (state->Next(next)) std::move(next)();
    }).detach();
  }
  state_->changed.NotifyAll();
}

}  // namespace damocles::child
