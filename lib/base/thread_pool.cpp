// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/base/thread_pool.h"

#include <sched.h>

#include <algorithm>
#include <atomic>
#include <exception>
#include <memory>
#include <utility>

#include "damocles/base/check.h"
#include "damocles/base/log.h"

namespace damocles {
namespace {

// One ParallelFor.  Shared, because a helper may be on its way in when the caller has already gone:
// then it finds the loop closed, and does not touch the body, which went with the caller.
class Loop {
 public:
  Loop(std::size_t count, const std::function<void(std::size_t)>& body)
      : count_(count), body_(body) {}

  // What a helper does.
  void Help() {
    {
      const MutexLock lock(mutex_);
      if (closed_) return;
      ++inside_;
    }
    Take();
    const MutexLock lock(mutex_);
    if (--inside_ == 0) left_.NotifyAll();
  }

  // Calls the body until no index is left.  The first exception is kept, and nobody begins another
  // index after it.
  void Take() {
    try {
      for (std::size_t i = next_++; i < count_; i = next_++) body_(i);
    } catch (...) {
      next_ = count_;
      const MutexLock lock(mutex_);
      if (error_ == nullptr) error_ = std::current_exception();
    }
  }

  // Lets nobody in any more and waits for those who are; throws what a body has thrown.
  void Finish() {
    std::exception_ptr error;
    {
      const MutexLock lock(mutex_);
      closed_ = true;
      while (inside_ > 0) left_.Wait(mutex_);
      error = std::exchange(error_, nullptr);
    }
    if (error != nullptr) std::rethrow_exception(error);
  }

 private:
  const std::size_t count_;
  const std::function<void(std::size_t)>& body_;
  std::atomic<std::size_t> next_{0};
  Mutex mutex_;
  CondVar left_;
  std::size_t inside_ ABSL_GUARDED_BY(mutex_) = 0;  // helpers
  bool closed_ ABSL_GUARDED_BY(mutex_) = false;
  std::exception_ptr error_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace

ThreadPool::ThreadPool(std::size_t threads) : threads_max_(threads) {
  DAMOCLES_CHECK(threads >= 1);
  const std::size_t own = std::max<std::size_t>(1, threads - 1);
  threads_.reserve(own);
  for (std::size_t i = 0; i < own; ++i) threads_.emplace_back([this] { Work(); });
}

ThreadPool::~ThreadPool() {
  {
    const MutexLock lock(mutex_);
    stopping_ = true;
    work_arrived_.NotifyAll();
  }
  for (std::thread& thread : threads_) thread.join();
}

void ThreadPool::Run(absl::AnyInvocable<void() &&> job) {
  const MutexLock lock(mutex_);
  DAMOCLES_CHECK(!stopping_);
  queue_.push_back(std::move(job));
  work_arrived_.NotifyOne();
}

void ThreadPool::Work() {
  while (true) {
    absl::AnyInvocable<void() &&> job;
    {
      const MutexLock lock(mutex_);
      while (queue_.empty() && !stopping_) work_arrived_.Wait(mutex_);
      if (queue_.empty()) return;
      job = std::move(queue_.front());
      queue_.pop_front();
    }
    try {
      std::move(job)();
    } catch (const std::exception& error) {
      LogError("base", "job_threw", {{"error", error.what()}});
    } catch (...) {
      LogError("base", "job_threw", {{"error", "an exception of unknown type"}});
    }
  }
}

void ThreadPool::ParallelFor(std::size_t count, const std::function<void(std::size_t)>& body) {
  if (count == 0) return;
  const std::size_t helpers = std::min(threads_max_ - 1, count - 1);
  if (helpers == 0) {
    for (std::size_t i = 0; i < count; ++i) body(i);
    return;
  }
  const auto loop = std::make_shared<Loop>(count, body);
  try {
    for (std::size_t i = 0; i < helpers; ++i) Run([loop] { loop->Help(); });
  } catch (const std::exception& error) {
    // No memory to ask for help: those who were asked and the caller do it.
    LogWarning("base", "fewer_helpers", {{"error", error.what()}});
  }
  loop->Take();
  loop->Finish();
}

void ThreadPool::ParallelRanges(std::size_t count, std::size_t grain,
                                const std::function<void(std::size_t, std::size_t)>& body) {
  DAMOCLES_CHECK(grain > 0);
  ParallelFor((count + grain - 1) / grain,
              [&](std::size_t i) { body(i * grain, std::min(count, (i + 1) * grain)); });
}

std::size_t ProcessorCount() {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof(set), &set) != 0) return 1;
  return static_cast<std::size_t>(std::max(1, CPU_COUNT(&set)));
}

}  // namespace damocles
