// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "lib/sector/check.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_format.h"
#include "lib/sector/files.h"

#include "damocles/base/check.h"
#include "damocles/base/io_error.h"
#include "damocles/base/status.h"

namespace damocles::sector {

std::string PlaceOf(const Location& location) {
  if (location.sealed_store == location.cache_store) {
    return absl::StrFormat("store \"%s\"", location.sealed_store);
  }
  return absl::StrFormat("store \"%s\" or \"%s\"", location.sealed_store, location.cache_store);
}

Health HealthOf(const absl::Status& status) {
  switch (TroubleOf(status)) {
    case ReadTrouble::kNone:
      return Health::kGood;
    case ReadTrouble::kWrong:
      return Health::kWrong;
    case ReadTrouble::kAbsent:
    case ReadTrouble::kPassing:
      break;
  }
  return Health::kUnreadable;
}

absl::Status CheckPaths(const SectorFiles& files, filecoin::SectorSize size, bool strict_sealed,
                        bool strict_cache) {
  DAMOCLES_RETURN_IF_ERROR(CheckReplica(files.sealed_path, size, strict_sealed));
  return CheckCache(files.cache_dir, size, strict_cache);
}

std::vector<SectorHealth> ReadAll(std::shared_ptr<storage::Readers> readers,
                                  std::vector<SectorRead> reads, filecoin::SectorSize size,
                                  const CheckLimits& limits, const StrictCheck& strict) {
  storage::ReadLimits read_limits{
      .parallel = limits.parallel, .single = limits.single, .total = limits.total};
  if (limits.total > absl::ZeroDuration()) {
    // The other half is for those whose turn a silent one has delayed.
    const absl::Duration half = limits.total / 2;
    read_limits.single =
        limits.single > absl::ZeroDuration() ? std::min(limits.single, half) : half;
  }
  std::vector<SectorHealth> health(reads.size());
  std::vector<storage::Read> many;
  for (std::size_t i = 0; i < reads.size(); ++i) {
    health[i].number = reads[i].sector.number;
    health[i].location = reads[i].files.location;
    many.push_back({PlaceOf(reads[i].files.location), [read = reads[i], size, strict] {
                      DAMOCLES_RETURN_IF_ERROR(
                          CheckPaths(read.files, size, read.strict_sealed, read.strict_cache));
                      if (!strict) return absl::OkStatus();
                      return strict(read.id, read.sector, read.files, size);
                    }});
  }
  const std::vector<storage::ReadResult> results =
      storage::ReadMany(std::move(readers), std::move(many), read_limits);
  DAMOCLES_DCHECK(results.size() == health.size());
  for (std::size_t i = 0; i < results.size(); ++i) {
    switch (results[i].end) {
      case storage::ReadEnd::kReturned:
        health[i].health = HealthOf(results[i].status);
        health[i].missing = absl::IsNotFound(results[i].status);
        health[i].reason = std::string(results[i].status.message());
        break;
      case storage::ReadEnd::kSilent:
        health[i].health = Health::kUnreadable;
        health[i].reason = results[i].reason;
        break;
      case storage::ReadEnd::kNoTurn:
        health[i].health = Health::kUnknown;
        health[i].reason = results[i].reason;
        break;
    }
  }
  return health;
}

}  // namespace damocles::sector
