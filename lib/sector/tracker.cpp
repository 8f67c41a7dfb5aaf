// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/sector/tracker.h"

#include <utility>

#include "absl/strings/str_format.h"
#include "lib/sector/check.h"
#include "lib/sector/readers.h"

#include "damocles/base/status.h"

namespace damocles::sector {
namespace {

using storage::Variant;

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

}  // namespace

Tracker::Tracker(const Locator& locator, const storage::StoreRegistry& stores)
    : locator_(locator), stores_(stores), readers_(std::make_shared<Readers>()) {}

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
  std::vector<SectorHealth> result(sectors.size());
  std::vector<SectorRead> reads;
  std::vector<std::size_t> result_of;  // of each read
  for (std::size_t i = 0; i < sectors.size(); ++i) result[i].number = sectors[i].number;
  // One question each to the index, which may be another manager's.
  for (const bool upgraded : {false, true}) {
    std::vector<std::size_t> asked;
    std::vector<filecoin::SectorId> ids;
    for (std::size_t i = 0; i < sectors.size(); ++i) {
      if (sectors[i].upgraded != upgraded) continue;
      asked.push_back(i);
      ids.push_back({.miner = miner, .number = sectors[i].number});
    }
    if (ids.empty()) continue;
    const auto locations = locator_.FindMany(ids, VariantOf(upgraded));
    for (std::size_t k = 0; k < asked.size(); ++k) {
      SectorHealth& health = result[asked[k]];
      // That the index does not know a sector speaks against the sector; that it could not be asked
      // does not.
      if (!locations.ok() || locations->size() != asked.size()) {
        health.reason = locations.ok() ? "the index gave a wrong number of answers"
                                       : std::string(locations.status().message());
        continue;
      }
      const auto& location = (*locations)[k];
      auto files = location.has_value() ? FilesOf(ids[k], *location, upgraded)
                                        : NotIndexed(ids[k], upgraded);
      if (!files.ok()) {
        health.health = Health::kBad;
        health.reason = std::string(files.status().message());
        continue;
      }
      const bool strict_sealed = IsStrict(files->location.sealed_store);
      const bool strict_cache = IsStrict(files->location.cache_store);
      reads.push_back({.id = ids[k],
                       .sector = sectors[asked[k]],
                       .files = *std::move(files),
                       .strict_sealed = strict_sealed,
                       .strict_cache = strict_cache});
      result_of.push_back(asked[k]);
    }
  }
  if (reads.empty()) return result;
  std::vector<SectorHealth> read = ReadAll(readers_, std::move(reads), size, limits, strict);
  for (std::size_t i = 0; i < read.size(); ++i) result[result_of[i]] = std::move(read[i]);
  return result;
}

}  // namespace damocles::sector
