// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// From sector-manager.cfg to what the parts of the manager take.

#pragma once

#include <memory>
#include <string>
#include <vector>

#include "damocles/base/thread_pool.h"
#include "damocles/config/manager.h"
#include "damocles/job/queue.h"
#include "damocles/poster/runner.h"
#include "damocles/poster/sector_source.h"
#include "damocles/storage/persist_store.h"

namespace damocles::manager {

job::Policy JobPolicyOf(const config::ManagerConfig& config);
std::vector<poster::MinerPolicy> MinerPoliciesOf(const config::ManagerConfig& config);
poster::RunnerOptions RunnerOptionsOf(const config::ManagerConfig& config);

// Limits, and for miners with StrictCheck one challenge of each sector, read for real.  The check
// may be running after everything else has gone: it shares `pool`, whose threads it does not need.
poster::SectorCheckOptions CheckOptionsOf(const config::ManagerConfig& config,
                                          std::shared_ptr<ThreadPool> pool);

// Those of the configuration and those that its globs find; looks at their folders.
absl::StatusOr<storage::StoreRegistry> OpenStores(const config::ManagerConfig& config);

// The keys of `loaded` that differ from what the manager was started with and that only a restart
// brings into force.
std::vector<std::string> NeedRestart(const config::ManagerConfig& started,
                                     const config::ManagerConfig& loaded);

}  // namespace damocles::manager
