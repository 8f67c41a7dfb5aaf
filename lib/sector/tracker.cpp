// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/sector/tracker.h"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <thread>
#include <utility>

#include "absl/strings/str_format.h"
#include "lib/sector/files.h"

#include "damocles/base/status.h"

namespace damocles::sector {
namespace {

using storage::Variant;
using SteadyClock = std::chrono::steady_clock;

constexpr std::size_t kCheckThreadsMax = 256;

Variant VariantOf(bool upgraded) {
  return upgraded ? Variant::kUpgraded : Variant::kSealed;
}

std::string Name(filecoin::SectorId sector) {
  return absl::StrFormat("sector f0%d/%d", sector.miner, sector.number);
}

absl::Status NotIndexed(filecoin::SectorId sector, bool upgraded) {
  return absl::NotFoundError(absl::StrFormat(
      "%s is not in the index%s: attach the store that holds it (util storage attach)",
      Name(sector), upgraded ? " of upgraded sectors" : ""));
}

// One sector's part of a check: everything the reading thread needs, so that it may outlive the
// call and the tracker.
struct Part {
  filecoin::SectorId id;
  ProvableSector sector;
  SectorFiles files;
  bool strict_sealed = false;
  bool strict_cache = false;
  // Guarded by Job::mutex.
  bool resolved = false;  // `files` are known; otherwise there is nothing to read
  bool started = false;
  bool finished = false;
  bool given_up = false;
  SteadyClock::time_point started_at;
  SectorHealth health;
};

// A check under way.  Owned by the caller and by each of its threads: a thread that hangs in a dead
// network mount keeps it alive and harms nobody.
struct Job {
  std::mutex mutex;
  std::condition_variable changed;
  std::vector<Part> parts;
  std::size_t next = 0;
  std::size_t open = 0;  // parts that are neither finished nor given up
  bool stopped = false;
  std::size_t threads = 0;  // that may still take work
  filecoin::SectorSize size{};
  StrictCheck strict;
};

absl::Status CheckPaths(const SectorFiles& files, filecoin::SectorSize size, bool strict_sealed,
                        bool strict_cache) {
  DAMOCLES_RETURN_IF_ERROR(CheckReplica(files.sealed_path, size, strict_sealed));
  return CheckCache(files.cache_dir, size, strict_cache);
}

void Work(const std::shared_ptr<Job>& job) {
  std::unique_lock<std::mutex> lock(job->mutex);
  while (!job->stopped) {
    while (job->next < job->parts.size() && !job->parts[job->next].resolved) ++job->next;
    if (job->next == job->parts.size()) break;
    Part& part = job->parts[job->next++];
    part.started = true;
    part.started_at = SteadyClock::now();
    lock.unlock();
    absl::Status status = CheckPaths(part.files, job->size, part.strict_sealed, part.strict_cache);
    if (status.ok() && job->strict) {
      status = job->strict(part.id, part.sector, part.files, job->size);
    }
    lock.lock();
    if (part.given_up) return;  // another thread has taken this one's place
    part.finished = true;
    part.health.health = status.ok() ? Health::kGood : Health::kBad;
    part.health.reason = std::string(status.message());
    --job->open;
    job->changed.notify_all();
  }
  --job->threads;
}

void StartThread(const std::shared_ptr<Job>& job) {
  ++job->threads;
  std::thread([job] { Work(job); }).detach();
}

SteadyClock::duration ToChrono(absl::Duration duration) {
  return std::chrono::duration_cast<SteadyClock::duration>(absl::ToChronoNanoseconds(duration));
}

// Waits for all parts, giving up on those that take too long.  Holds the lock.
void Supervise(const std::shared_ptr<Job>& job, std::unique_lock<std::mutex>& lock,
               const CheckLimits& limits, SteadyClock::time_point begun) {
  const bool has_single = limits.single > absl::ZeroDuration();
  const bool has_total = limits.total > absl::ZeroDuration();
  const auto end = begun + ToChrono(has_total ? limits.total : absl::Hours(24 * 365));
  while (job->open > 0) {
    const auto now = SteadyClock::now();
    if (now >= end) break;
    auto wake = end;
    for (Part& part : job->parts) {
      if (!has_single || !part.started || part.finished || part.given_up) continue;
      const auto limit = part.started_at + ToChrono(limits.single);
      if (limit > now) {
        wake = std::min(wake, limit);
        continue;
      }
      part.given_up = true;
      part.health.health = Health::kBad;
      part.health.reason = absl::StrFormat("its files did not answer within %s",
                                           absl::FormatDuration(limits.single));
      --job->open;
      // Its thread hangs: the others' turn must not.
      --job->threads;
      StartThread(job);
    }
    if (job->open > 0) job->changed.wait_until(lock, wake);
  }
  job->stopped = true;
}

}  // namespace

absl::StatusOr<Location> Tracker::Locate(filecoin::SectorId sector, bool upgraded) const {
  DAMOCLES_ASSIGN_OR_RETURN(auto location, locator_.Find(sector, VariantOf(upgraded)));
  if (!location.has_value()) return NotIndexed(sector, upgraded);
  return *std::move(location);
}

absl::StatusOr<SectorFiles> Tracker::Resolve(filecoin::SectorId sector, bool upgraded) const {
  DAMOCLES_ASSIGN_OR_RETURN(Location location, Locate(sector, upgraded));
  return FilesOf(sector, std::move(location), upgraded);
}

absl::StatusOr<SectorFiles> Tracker::FilesOf(filecoin::SectorId sector, Location location,
                                             bool upgraded) const {
  const auto sealed = stores_.PathOf(location.sealed_store);
  if (!sealed.ok()) return Annotate(sealed.status(), Name(sector));
  const auto cache = stores_.PathOf(location.cache_store);
  if (!cache.ok()) return Annotate(cache.status(), Name(sector));
  return SectorFiles{.location = std::move(location),
                     .sealed_path = storage::ReplicaPath(*sealed, sector, VariantOf(upgraded)),
                     .cache_dir = storage::CachePath(*cache, sector, VariantOf(upgraded))};
}

bool Tracker::IsStrict(std::string_view store_name) const {
  const storage::PersistStore* store = stores_.Find(store_name);
  return store != nullptr && store->strict;
}

absl::Status Tracker::CheckFiles(const SectorFiles& files, filecoin::SectorSize size) const {
  return CheckPaths(files, size, IsStrict(files.location.sealed_store),
                    IsStrict(files.location.cache_store));
}

std::vector<SectorHealth> Tracker::Check(filecoin::ActorId miner, filecoin::SectorSize size,
                                         const std::vector<ProvableSector>& sectors,
                                         const CheckLimits& limits,
                                         const StrictCheck& strict) const {
  const auto begun = SteadyClock::now();
  auto job = std::make_shared<Job>();
  job->size = size;
  job->strict = strict;
  job->parts.resize(sectors.size());
  for (std::size_t i = 0; i < sectors.size(); ++i) {
    Part& part = job->parts[i];
    part.id = {.miner = miner, .number = sectors[i].number};
    part.sector = sectors[i];
    part.health.number = sectors[i].number;
    part.health.reason = "time ran out before its turn";
  }
  // One question each to the index, which may be another manager's.
  for (const bool upgraded : {false, true}) {
    std::vector<Part*> asked;
    std::vector<filecoin::SectorId> ids;
    for (Part& part : job->parts) {
      if (part.sector.upgraded != upgraded) continue;
      asked.push_back(&part);
      ids.push_back(part.id);
    }
    if (ids.empty()) continue;
    const auto locations = locator_.FindMany(ids, VariantOf(upgraded));
    for (std::size_t i = 0; i < asked.size(); ++i) {
      Part& part = *asked[i];
      // That the index does not know a sector speaks against the sector; that it could not be asked
      // does not.
      if (!locations.ok() || locations->size() != asked.size()) {
        part.health.reason = locations.ok() ? "the index gave a wrong number of answers"
                                            : std::string(locations.status().message());
        continue;
      }
      const auto& location = (*locations)[i];
      auto files = location.has_value() ? FilesOf(part.id, *location, upgraded)
                                        : NotIndexed(part.id, upgraded);
      if (!files.ok()) {
        part.health.health = Health::kBad;
        part.health.reason = std::string(files.status().message());
        continue;
      }
      part.files = *std::move(files);
      part.strict_sealed = IsStrict(part.files.location.sealed_store);
      part.strict_cache = IsStrict(part.files.location.cache_store);
      part.resolved = true;
      ++job->open;
    }
  }

  std::unique_lock<std::mutex> lock(job->mutex);
  const std::size_t wanted = limits.parallel == 0 ? kCheckThreadsMax : limits.parallel;
  const std::size_t threads = std::min({wanted, job->open, kCheckThreadsMax});
  for (std::size_t i = 0; i < threads; ++i) StartThread(job);
  Supervise(job, lock, limits, begun);
  std::vector<SectorHealth> result;
  result.reserve(job->parts.size());
  for (const Part& part : job->parts) {
    SectorHealth health = part.health;
    if (part.started && !part.finished && !part.given_up) {
      health.reason = "time ran out while it was read";
    }
    result.push_back(std::move(health));
  }
  return result;
}

}  // namespace damocles::sector
