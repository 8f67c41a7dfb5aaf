// SPDX-License-Identifier: Apache-2.0 OR MIT

#pragma once

#include <memory>
#include <string>
#include <vector>

#include "damocles/sector/tracker.h"
#include "damocles/storage/many_reads.h"

namespace damocles::sector {

// One sector to be read: everything its thread needs, so that it may outlive the call.
struct SectorRead {
  filecoin::SectorId id;
  ProvableSector sector;
  SectorFiles files;
  bool strict_sealed = false;
  bool strict_cache = false;
};

// Presence and lengths.
absl::Status CheckPaths(const SectorFiles& files, filecoin::SectorSize size, bool strict_sealed,
                        bool strict_cache);

// How a read that ended so speaks of its sector.
Health HealthOf(const absl::Status& status);

// Where a sector's files lie, for people and for ReadMany: store "a".
std::string PlaceOf(const Location& location);

// Reads all of them as Tracker::Check says; one answer a read, in the same order.
std::vector<SectorHealth> ReadAll(std::shared_ptr<storage::Readers> readers,
                                  std::vector<SectorRead> reads, filecoin::SectorSize size,
                                  const CheckLimits& limits, const StrictCheck& strict);

}  // namespace damocles::sector
