// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "lib/sector/search.h"

#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_format.h"
#include "absl/time/time.h"
#include "lib/sector/check.h"
#include "lib/sector/files.h"

#include "damocles/storage/sector_paths.h"

namespace damocles::sector {
namespace {

// A file system that lives shows whether a few files are there in milliseconds.
constexpr absl::Duration kSearchPatience = absl::Seconds(10);

void Look(StoreView& view, filecoin::ActorId miner, filecoin::SectorSize size,
          const std::vector<ProvableSector>& wanted) {
  const storage::PersistStore& store = view.store;
  view.sight = storage::LookAtStore(store.path);
  for (const ProvableSector& sector : wanted) {
    const filecoin::SectorId id{.miner = miner, .number = sector.number};
    const storage::Variant variant = VariantOf(sector.upgraded);
    view.replica.push_back(
        CheckReplica(storage::ReplicaPath(store.path, id, variant), size, store.strict).ok());
    view.cache.push_back(
        CheckCache(storage::CachePath(store.path, id, variant), size, store.strict).ok());
  }
}

}  // namespace

std::vector<std::shared_ptr<const StoreView>> SearchStores(
    const std::shared_ptr<storage::Readers>& readers, const storage::StoreRegistry& stores,
    filecoin::ActorId miner, filecoin::SectorSize size, const std::vector<ProvableSector>& wanted,
    const CheckLimits& limits) {
  std::vector<std::shared_ptr<StoreView>> asked;  // each written by its read, as long as that lasts
  std::vector<storage::Read> reads;
  for (const storage::PersistStore& store : stores.Stores()) {
    // One that owes answers gives none to this question either.
    if (readers->Owed(PlaceOf({store.name, store.name})) > 0) continue;
    const auto view = std::make_shared<StoreView>();
    view->store = store;
    asked.push_back(view);
    reads.push_back(
        {absl::StrFormat("the folders of store \"%s\"", store.name), [view, wanted, miner, size] {
           Look(*view, miner, size, wanted);
           return absl::OkStatus();
         }});
  }
  storage::ReadLimits patience{.parallel = 0, .single = kSearchPatience, .total = {}};
  if (limits.total > absl::ZeroDuration()) patience.total = limits.total / 2;
  const auto ends = storage::ReadMany(readers, std::move(reads), patience);
  std::vector<std::shared_ptr<const StoreView>> views;
  for (std::size_t i = 0; i < asked.size(); ++i) {
    if (ends[i].end == storage::ReadEnd::kReturned) views.push_back(std::move(asked[i]));
  }
  return views;
}

std::optional<Place> PlaceOfSector(const std::vector<std::shared_ptr<const StoreView>>& views,
                                   std::size_t wanted) {
  Place place{.replica = nullptr, .cache = nullptr};
  for (const auto& view : views) {
    const bool both = view->replica[wanted] && view->cache[wanted];
    if (both) return Place{.replica = &view->store, .cache = &view->store};
    if (view->replica[wanted] && place.replica == nullptr) place.replica = &view->store;
    if (view->cache[wanted] && place.cache == nullptr) place.cache = &view->store;
  }
  if (place.replica == nullptr || place.cache == nullptr) return std::nullopt;
  return place;
}

}  // namespace damocles::sector
