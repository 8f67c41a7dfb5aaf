// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// The manager's threads besides the event loop.  Work that may hang has none in common with work
// that must not wait.

#pragma once

#include "absl/time/time.h"

#include "damocles/async/loose_executor.h"
#include "damocles/async/offload.h"
#include "damocles/base/thread_pool.h"

namespace damocles::manager {

class Threads {
  // A pool's own threads are one fewer than its number.
  ThreadPool record_pool_{3};
  ThreadPool verification_pool_{3};
  ThreadPool proving_pool_{1};

 public:
  // The poster's synced writes: each step of each window waits for one.
  async::PoolExecutor records{record_pool_};
  async::PoolExecutor verification{verification_pool_};
  // Local mode: one proof at a time.
  async::PoolExecutor proving{proving_pool_};
  // One a deadline whose sectors are being checked; each may take as long as its budget.
  async::LooseExecutor sector_checks{64};
  // Scans and questions of people about stores, the configuration file.
  async::LooseExecutor files{64};

  bool NothingHangs(absl::Duration patience) const {
    return sector_checks.Idle(patience) && files.Idle(patience);
  }
};

}  // namespace damocles::manager
