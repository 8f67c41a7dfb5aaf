// SPDX-License-Identifier: Apache-2.0 OR MIT

#pragma once

#include <kj/async.h>

#include <utility>

#include "absl/functional/any_invocable.h"

#include "damocles/async/task.h"
#include "damocles/base/thread_pool.h"

namespace damocles::async {

// Runs jobs somewhere else than on the event loop.
class Executor {
 public:
  virtual ~Executor() = default;
  virtual void Run(absl::AnyInvocable<void() &&> job) = 0;
};

// On the threads of a pool, which must outlive the executor.
class PoolExecutor final : public Executor {
 public:
  explicit PoolExecutor(ThreadPool& pool) : pool_(pool) {}
  void Run(absl::AnyInvocable<void() &&> job) override { pool_.Run(std::move(job)); }

 private:
  ThreadPool& pool_;
};

// At once, on the caller's thread: for simulations that must repeat from a seed.
class InlineExecutor final : public Executor {
 public:
  void Run(absl::AnyInvocable<void() &&> job) override { std::move(job)(); }
};

// Runs `work` on `executor`; its result arrives on the calling thread's event loop.  Dropping the
// promise does not stop the work: what it refers to must live until it ends, so own it in `work`.
// An exception of the work (no memory, say) rejects the promise.  Call on an event-loop thread.
template <typename T>
kj::Promise<T> Offload(Executor& executor, absl::AnyInvocable<T() &&> work) {
  auto pair = kj::newPromiseAndCrossThreadFulfiller<T>();
  executor.Run([work = std::move(work), fulfiller = kj::mv(pair.fulfiller)]() mutable {
    try {
      fulfiller->fulfill(std::move(work)());
    } catch (...) {
      fulfiller->reject(internal::CurrentException());
    }
  });
  return kj::mv(pair.promise);
}

}  // namespace damocles::async
