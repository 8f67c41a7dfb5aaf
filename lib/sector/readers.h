// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// What all checks of a tracker share: how many threads read, and which stores have fallen silent.

#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "damocles/base/mutex.h"

namespace damocles::sector {

// A thread that reads from a dead network mount cannot be stopped, only left behind.  So there is a
// most for all checks together, and a store that owes answers is hardly asked any more.
//
// Safe to call from several threads; owned by all of them.
class Readers {
 public:
  // Enough for two checks at the usual ParallelCheckLimit; a thread costs little while it waits.
  static constexpr std::size_t kThreadsMax = 256;
  // A store that owes so many answers, and gave none since, is not answering.
  static constexpr std::size_t kOwedMax = 8;
  // It is asked once more after this time: a mount may have come back under the same name.
  static constexpr std::chrono::minutes kAskAgain{5};

  using Clock = std::chrono::steady_clock;
  // Starts a thread that runs `work` and is never joined.  False if the system has none to give.
  using Spawn = std::function<bool(std::function<void()> work)>;
  static bool SpawnDetached(std::function<void()> work);

  explicit Readers(Spawn spawn = SpawnDetached) : spawn_(std::move(spawn)) {}

  // Runs `work` on a thread of its own, which counts until `work` returns.  False if there are
  // kThreadsMax, or the system gives none.  `self` keeps the count alive as long as the thread.
  static bool Start(const std::shared_ptr<Readers>& self, std::function<void()> work);

  // Whether a store may be asked.  Where it owes kOwedMax answers true only once in kAskAgain.
  bool MayAsk(const std::string& store, Clock::time_point now);
  // A read has had its time and was left behind.
  void GaveUp(const std::string& store, Clock::time_point now);
  // Any answer, also a late one: the store is alive.
  void Answered(const std::string& store);
  std::size_t Owed(const std::string& store) const;

 private:
  struct Silence {
    std::size_t owed = 0;
    Clock::time_point asked_at;
  };
  const Spawn spawn_;
  mutable Mutex mutex_;
  std::size_t threads_ ABSL_GUARDED_BY(mutex_) = 0;
  std::map<std::string, Silence> silent_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace damocles::sector
