// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "lib/sector/readers.h"

#include <system_error>
#include <thread>
#include <utility>

namespace damocles::sector {

bool Readers::SpawnDetached(std::function<void()> work) {
  try {
    std::thread(std::move(work)).detach();
    return true;
  } catch (const std::system_error&) {  // the limit of processes, or no memory for a stack
    return false;
  }
}

bool Readers::Start(const std::shared_ptr<Readers>& self, std::function<void()> work) {
  {
    const MutexLock lock(self->mutex_);
    if (self->threads_ >= kThreadsMax) return false;
    ++self->threads_;
  }
  const bool started = self->spawn_([self, work = std::move(work)] {
    work();
    const MutexLock lock(self->mutex_);
    --self->threads_;
  });
  if (!started) {
    const MutexLock lock(self->mutex_);
    --self->threads_;
  }
  return started;
}

bool Readers::MayAsk(const std::string& store, Clock::time_point now) {
  const MutexLock lock(mutex_);
  const auto found = silent_.find(store);
  if (found == silent_.end() || found->second.owed < kOwedMax) return true;
  if (now - found->second.asked_at < kAskAgain) return false;
  found->second.asked_at = now;
  return true;
}

void Readers::GaveUp(const std::string& store, Clock::time_point now) {
  const MutexLock lock(mutex_);
  Silence& silence = silent_[store];
  if (++silence.owed <= kOwedMax) silence.asked_at = now;
}

void Readers::Answered(const std::string& store) {
  const MutexLock lock(mutex_);
  silent_.erase(store);
}

std::size_t Readers::Owed(const std::string& store) const {
  const MutexLock lock(mutex_);
  const auto found = silent_.find(store);
  return found == silent_.end() ? 0 : found->second.owed;
}

}  // namespace damocles::sector
