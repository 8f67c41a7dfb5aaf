// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// From sector-manager.cfg to what the parts of the manager take.

#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

#include "damocles/base/thread_pool.h"
#include "damocles/config/manager.h"
#include "damocles/poster/runner.h"
#include "damocles/poster/sector_source.h"
#include "damocles/storage/persist_store.h"
#include "damocles/storage/store_look.h"

namespace damocles::manager {

std::vector<poster::MinerPolicy> MinerPoliciesOf(const config::ManagerConfig& config);
poster::RunnerOptions RunnerOptionsOf(const config::ManagerConfig& config);

// Limits, and for miners with StrictCheck one challenge of each sector, read for real.  The check
// may be running after everything else has gone: it shares `pool`, whose threads it does not need.
poster::SectorCheckOptions CheckOptionsOf(const config::ManagerConfig& config,
                                          std::shared_ptr<ThreadPool> pool);

// How long the stores may take to show their folders at the start, and how they are looked at.
struct StoreLook {
  absl::Duration patience = absl::Seconds(10);
  storage::StoreLook look = storage::LookAtStore;
};

// Those of the configuration and those that its globs find; a folder that is there twice is one
// store, by the name in the configuration.  A store that does not answer, or whose folder is not
// there, is among them, with an error in the log: it is of use as soon as it can be read.
absl::StatusOr<storage::StoreRegistry> OpenStores(const config::ManagerConfig& config,
                                                  const StoreLook& how = {});

// The keys of `loaded` that differ from what the manager was started with and that only a restart
// brings into force.
std::vector<std::string> NeedRestart(const config::ManagerConfig& started,
                                     const config::ManagerConfig& loaded);

}  // namespace damocles::manager
