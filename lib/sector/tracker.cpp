// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/sector/tracker.h"

#include <map>
#include <utility>

#include "absl/strings/str_format.h"
#include "lib/sector/check.h"
#include "lib/sector/files.h"

#include "damocles/base/log.h"
#include "damocles/base/status.h"
#include "damocles/storage/store_look.h"

namespace damocles::sector {
namespace {

using storage::Variant;

// A file system that lives shows whether a few files are there in milliseconds.
constexpr absl::Duration kSearchPatience = absl::Seconds(10);

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
  for (std::size_t i = 0; i < health.size(); ++i) {
    if (health[i].health == Health::kWrong || health[i].health == Health::kUnreadable) {
      lost.push_back(i);
    }
  }
  if (lost.empty()) return;
  // By store, written by its read: which of `lost` have their replica there, and their cache.
  struct Seen {
    std::vector<bool> replica;
    std::vector<bool> cache;
    storage::StoreSight sight;
  };
  std::vector<ProvableSector> wanted;
  wanted.reserve(lost.size());
  for (const std::size_t i : lost) wanted.push_back(sectors[i]);
  std::vector<const storage::PersistStore*> searched;
  std::vector<std::shared_ptr<Seen>> seen;
  std::vector<storage::Read> reads;
  for (const storage::PersistStore& store : stores_.Stores()) {
    // One that owes answers gives none to this question either.
    if (readers_->Owed(PlaceOf({store.name, store.name})) > 0) continue;
    searched.push_back(&store);
    seen.push_back(std::make_shared<Seen>());
    reads.push_back(
        {absl::StrFormat("the folders of store \"%s\"", store.name),
         [found = seen.back(), store, wanted, miner, size] {
           found->sight = storage::LookAtStore(store.path);
           for (const ProvableSector& sector : wanted) {
             const filecoin::SectorId id{.miner = miner, .number = sector.number};
             const Variant variant = VariantOf(sector.upgraded);
             found->replica.push_back(
                 CheckReplica(storage::ReplicaPath(store.path, id, variant), size, store.strict)
                     .ok());
             found->cache.push_back(
                 CheckCache(storage::CachePath(store.path, id, variant), size, store.strict).ok());
           }
           return absl::OkStatus();
         }});
  }
  storage::ReadLimits patience{.parallel = 0, .single = kSearchPatience, .total = {}};
  if (limits.total > absl::ZeroDuration()) patience.total = limits.total / 2;
  const auto ends = storage::ReadMany(readers_, std::move(reads), patience);
  // What is not seen because its whole store is not says so, with the remedy.
  std::map<std::string, std::string> unseen_stores;  // why
  for (std::size_t s = 0; s < seen.size(); ++s) {
    if (ends[s].end != storage::ReadEnd::kReturned) continue;
    const storage::PersistStore& store = *searched[s];
    unseen_stores[store.name] = storage::DescribeSight(seen[s]->sight, store.path);
  }
  for (const std::size_t i : lost) {
    if (!health[i].missing || !health[i].location) continue;
    for (const std::string& name :
         {health[i].location->sealed_store, health[i].location->cache_store}) {
      const auto why = unseen_stores.find(name);
      if (why != unseen_stores.end() && why->second.empty()) continue;  // it shows others
      if (health[i].missing && why != unseen_stores.end()) {
        health[i].reason = absl::StrFormat("store \"%s\": %s", name, why->second);
      }
      health[i].missing = false;
    }
  }
  std::vector<SectorRead> found;
  std::vector<std::size_t> health_of;  // of each found one
  for (std::size_t k = 0; k < lost.size(); ++k) {
    const storage::PersistStore* replica = nullptr;
    const storage::PersistStore* cache = nullptr;
    for (std::size_t s = 0; s < seen.size(); ++s) {
      if (ends[s].end != storage::ReadEnd::kReturned) continue;
      const storage::PersistStore* store = searched[s];
      const bool both = seen[s]->replica[k] && seen[s]->cache[k];
      if (seen[s]->replica[k] && (replica == nullptr || both)) replica = store;
      if (seen[s]->cache[k] && (cache == nullptr || both)) cache = store;
      if (both) break;
    }
    if (replica == nullptr || cache == nullptr) continue;
    const filecoin::SectorId id{.miner = miner, .number = wanted[k].number};
    auto files = FilesOf(id, {replica->name, cache->name}, wanted[k].upgraded);
    if (!files.ok() || files->location == health[lost[k]].location) continue;
    found.push_back({.id = id,
                     .sector = wanted[k],
                     .files = *std::move(files),
                     .strict_sealed = replica->strict,
                     .strict_cache = cache->strict});
    health_of.push_back(lost[k]);
  }
  CheckLimits rest = limits;
  rest.total = limits.total / 2;
  std::vector<SectorHealth> checked = ReadAll(readers_, std::move(found), size, rest, strict);
  for (std::size_t i = 0; i < checked.size(); ++i) {
    if (checked[i].health != Health::kGood) continue;  // what the index says stands
    const std::size_t at = health_of[i];
    LogInfo("sector", "found_elsewhere",
            {{"sector", Name({.miner = miner, .number = sectors[at].number})},
             {"in", PlaceOf(*checked[i].location)},
             {"instead_of", health[at].location ? PlaceOf(*health[at].location) : "nowhere"}});
    if (learn_) {
      const absl::Status learnt = learn_({.sector = {.miner = miner, .number = sectors[at].number},
                                          .variant = VariantOf(sectors[at].upgraded),
                                          .location = *checked[i].location});
      if (!learnt.ok()) LogWarning("sector", "not_learnt", {{"error", learnt}});
    }
    health[at] = std::move(checked[i]);
  }
}

}  // namespace damocles::sector
