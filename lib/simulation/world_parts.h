// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// What the parts of World share: the manager of one life, as the programs put it together.

#pragma once

#include <kj/timer.h>

#include <memory>

#include "lib/simulation/late_executor.h"

#include "damocles/async/duration.h"
#include "damocles/poster/proof_jobs.h"
#include "damocles/poster/sector_source.h"
#include "damocles/simulation/world.h"

namespace damocles::simulation {

using async::ToKj;

struct World::Manager {
  explicit Manager(kj::Timer& timer) : writes(timer, 2 * kj::MILLISECONDS) {}

  LateExecutor writes;  // none of them outlives its manager
  std::unique_ptr<job::Queue> queue;
  Subscription job_changes;
  std::unique_ptr<poster::ProofJobs> jobs;
  std::unique_ptr<poster::SectorSource> sectors;
  std::unique_ptr<poster::Runner> runner;
  kj::Promise<void> tick = nullptr;
};

}  // namespace damocles::simulation
