// SPDX-License-Identifier: Apache-2.0 OR MIT

#pragma once

#include <cstddef>
#include <deque>
#include <functional>
#include <thread>
#include <vector>

#include "absl/functional/any_invocable.h"

#include "damocles/base/mutex.h"

namespace damocles {

// A fixed set of threads that run jobs in the order given.
//
// Safe to call from several threads, also from inside a job: ParallelFor never waits for a free
// thread, the caller works too.
class ThreadPool {
 public:
  // `threads` >= 1, the caller of ParallelFor included: a pool of 1 has no thread of its own for
  // ParallelFor but one for Run.
  explicit ThreadPool(std::size_t threads);
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;
  // Runs what is queued, then joins.
  ~ThreadPool();

  std::size_t Threads() const { return threads_max_; }

  // An exception of `job` is logged and goes no further: what waits for the job must see it itself.
  void Run(absl::AnyInvocable<void() &&> job);

  // Calls body(i) once for every i in [0, count), on up to Threads() threads, and returns when all
  // are done.  What the bodies wrote is visible to the caller.  If a body throws (no memory, say),
  // no further index is begun, and the first exception is thrown here when all that were begun have
  // ended.
  void ParallelFor(std::size_t count, const std::function<void(std::size_t)>& body);

  // Cuts [0, count) in runs of at most `grain` and calls body(begin, end) for each.
  void ParallelRanges(std::size_t count, std::size_t grain,
                      const std::function<void(std::size_t, std::size_t)>& body);

 private:
  void Work();

  const std::size_t threads_max_;
  Mutex mutex_;
  CondVar work_arrived_;
  std::deque<absl::AnyInvocable<void() &&>> queue_ ABSL_GUARDED_BY(mutex_);
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::vector<std::thread> threads_;
};

// The number of processors this process may use, at least 1.
std::size_t ProcessorCount();

}  // namespace damocles
