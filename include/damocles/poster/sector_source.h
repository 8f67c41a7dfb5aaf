// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// Where sectors are and whether they can be read.

#pragma once

#include <functional>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

#include "damocles/async/offload.h"
#include "damocles/async/task.h"
#include "damocles/filecoin/proof_type.h"
#include "damocles/filecoin/sector.h"
#include "damocles/poster/events.h"
#include "damocles/sector/tracker.h"

namespace damocles::poster {

class SectorSource {
 public:
  virtual ~SectorSource() = default;

  // One verdict a sector, in the same order.  Takes about `budget` at most: sectors whose turn had
  // not come by then come back as readable if it is known where they are (the prover will tell);
  // those whose files did not answer come back as unreadable.  An error says nothing about any
  // sector: ask again.
  virtual async::Task<absl::StatusOr<std::vector<SectorVerdict>>> Check(
      filecoin::ActorId miner, filecoin::PoStProofType proof_type,
      std::vector<PlannedSector> sectors, absl::Duration budget) = 0;
};

struct SectorCheckOptions {
  sector::CheckLimits limits;  // `total` is cut to the budget
  sector::StrictCheck strict;  // empty: files are only looked at
  bool check_files = true;     // false: trust the index (the stores are not mounted here)
  // The stores that each connected worker on another machine has.
  std::vector<std::set<std::string>> worker_stores;
};

// Over the tracker of this manager.  The blocking part runs on `executor`; both outlive the result,
// and the tracker also a check that is still under way there.  `options` is asked for each check,
// on the event loop.
std::unique_ptr<SectorSource> MakeTrackerSource(const sector::Tracker& tracker,
                                                async::Executor& executor,
                                                std::function<SectorCheckOptions()> options);

}  // namespace damocles::poster
