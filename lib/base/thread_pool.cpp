// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/base/thread_pool.h"

#include <sched.h>

#include <algorithm>
#include <atomic>
#include <memory>
#include <utility>

#include "damocles/base/check.h"

namespace damocles {
namespace {

// One ParallelFor: helpers and caller take indices until none is left.  Shared, because a helper
// may still be on its way out (or in) when the caller has seen the last index done.
struct Loop {
  std::size_t count = 0;
  const std::function<void(std::size_t)>* body = nullptr;
  std::atomic<std::size_t> next{0};
  Mutex mutex;
  CondVar finished;
  std::size_t done ABSL_GUARDED_BY(mutex) = 0;

  void Take() {
    std::size_t mine = 0;
    for (std::size_t i = next.fetch_add(1); i < count; i = next.fetch_add(1)) {
      (*body)(i);
      ++mine;
    }
    if (mine == 0) return;
    const MutexLock lock(mutex);
    done += mine;
    if (done == count) finished.NotifyAll();
  }
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
    std::move(job)();
  }
}

void ThreadPool::ParallelFor(std::size_t count, const std::function<void(std::size_t)>& body) {
  if (count == 0) return;
  const std::size_t helpers = std::min(threads_max_ - 1, count - 1);
  if (helpers == 0) {
    for (std::size_t i = 0; i < count; ++i) body(i);
    return;
  }
  const auto loop = std::make_shared<Loop>();
  loop->count = count;
  loop->body = &body;
  for (std::size_t i = 0; i < helpers; ++i) Run([loop] { loop->Take(); });
  loop->Take();
  const MutexLock lock(loop->mutex);
  while (loop->done < count) loop->finished.Wait(loop->mutex);
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
