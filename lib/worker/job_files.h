// SPDX-License-Identifier: Apache-2.0 OR MIT

#pragma once

#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

#include "damocles/job/spec.h"
#include "damocles/prover/window_prover.h"

namespace damocles::worker {

// Attached stores: name → folder.
using StoreFolders = std::map<std::string, std::string>;

// The files of a job on this machine, or NOT_FOUND naming the store that is not attached to
// `worker`.
absl::StatusOr<prover::WindowPostTask> MapTask(const job::JobSpec& spec, const StoreFolders& stores,
                                               const std::string& worker);

// Why the faults say nothing about the sectors: a store of which nothing can be read here, so that
// its disk is most likely not mounted, dead, or not ours to read.  Empty: they do.  Looks at the
// disk, for a few seconds at most.
std::string UnseenStore(const job::JobSpec& spec, const StoreFolders& stores,
                        const std::vector<prover::UnprovableSector>& faults);

}  // namespace damocles::worker
