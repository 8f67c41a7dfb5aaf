// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/sector/tracker.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_format.h"
#include "lib/sector/check.h"
#include "lib/sector/files.h"
#include "lib/sector/search.h"

#include "damocles/base/log.h"
#include "damocles/base/status.h"
#include "damocles/storage/store_look.h"

namespace damocles::sector {
namespace {

std::string Name(filecoin::SectorId sector) {
  return absl::StrFormat("sector f0%d/%d", sector.miner, sector.number);
}

absl::Status NotIndexed(filecoin::SectorId sector, bool upgraded) {
  return absl::NotFoundError(absl::StrFormat(
      "%s is not in the index%s: attach the store that holds it (util storage attach)",
      Name(sector), upgraded ? " of upgraded sectors" : ""));
}

// A file that is missing says something of its sector only where its store shows others; what is
// not seen because its whole store is not says so, with the remedy.
void BlameStores(const std::vector<std::shared_ptr<const StoreView>>& views, SectorHealth& health) {
  if (!health.missing || !health.location) return;
  for (const std::string& name : {health.location->sealed_store, health.location->cache_store}) {
    const auto view = std::find_if(views.begin(), views.end(),
                                   [&](const auto& v) { return v->store.name == name; });
    if (view != views.end()) {
      const std::string why = storage::DescribeSight((*view)->sight, (*view)->store.path);
      if (why.empty()) continue;
      if (health.missing) health.reason = absl::StrFormat("store \"%s\": %s", name, why);
    }
    health.missing = false;
  }
}

}  // namespace

Tracker::Tracker(const Locator& locator, const storage::StoreRegistry& stores, Learn learn)
    : locator_(locator),
      stores_(stores),
      learn_(std::move(learn)),
      readers_(std::make_shared<storage::Readers>()) {}

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
      health.location = (*locations)[k];
      auto files = health.location ? FilesOf(ids[k], *health.location, upgraded)
                                   : NotIndexed(ids[k], upgraded);
      if (!files.ok()) {
        health.health = Health::kUnreadable;
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
  const auto began = storage::Readers::Clock::now();
  std::vector<SectorHealth> read = ReadAll(readers_, std::move(reads), size, limits, strict);
  for (std::size_t i = 0; i < read.size(); ++i) result[result_of[i]] = std::move(read[i]);
  CheckLimits left = limits;
  if (limits.total > absl::ZeroDuration()) {
    left.total -= absl::FromChrono(storage::Readers::Clock::now() - began);
    if (left.total <= absl::ZeroDuration()) return result;
  }
  LookElsewhere(miner, size, sectors, left, strict, result);
  return result;
}

void Tracker::LookElsewhere(filecoin::ActorId miner, filecoin::SectorSize size,
                            const std::vector<ProvableSector>& sectors, const CheckLimits& limits,
                            const StrictCheck& strict, std::vector<SectorHealth>& health) const {
  std::vector<std::size_t> lost;
  std::vector<ProvableSector> wanted;
  for (std::size_t i = 0; i < health.size(); ++i) {
    if (health[i].health != Health::kWrong && health[i].health != Health::kUnreadable) continue;
    lost.push_back(i);
    wanted.push_back(sectors[i]);
  }
  if (lost.empty()) return;
  const auto views = SearchStores(readers_, stores_, miner, size, wanted, limits);
  for (const std::size_t i : lost) BlameStores(views, health[i]);
  std::vector<SectorRead> found;
  std::vector<std::size_t> health_of;  // of each found one
  for (std::size_t k = 0; k < lost.size(); ++k) {
    const std::optional<Place> place = PlaceOfSector(views, k);
    if (!place) continue;
    const filecoin::SectorId id{.miner = miner, .number = wanted[k].number};
    auto files = FilesOf(id, {place->replica->name, place->cache->name}, wanted[k].upgraded);
    if (!files.ok() || files->location == health[lost[k]].location) continue;
    found.push_back({.id = id,
                     .sector = wanted[k],
                     .files = *std::move(files),
                     .strict_sealed = place->replica->strict,
                     .strict_cache = place->cache->strict});
    health_of.push_back(lost[k]);
  }
  CheckLimits rest = limits;
  rest.total = limits.total / 2;
  std::vector<SectorHealth> checked = ReadAll(readers_, std::move(found), size, rest, strict);
  for (std::size_t i = 0; i < checked.size(); ++i) {
    if (checked[i].health != Health::kGood) continue;  // what the index says stands
    const std::size_t at = health_of[i];
    Learnt({.miner = miner, .number = sectors[at].number}, sectors[at].upgraded,
           health[at].location, *checked[i].location);
    health[at] = std::move(checked[i]);
  }
}

void Tracker::Learnt(filecoin::SectorId sector, bool upgraded,
                     const std::optional<Location>& instead_of, const Location& place) const {
  LogInfo("sector", "found_elsewhere",
          {{"sector", Name(sector)},
           {"in", PlaceOf(place)},
           {"instead_of", instead_of ? PlaceOf(*instead_of) : "nowhere"}});
  if (!learn_) return;
  const absl::Status learnt =
      learn_({.sector = sector, .variant = VariantOf(upgraded), .location = place});
  if (!learnt.ok()) LogWarning("sector", "not_learnt", {{"error", learnt}});
}

}  // namespace damocles::sector
