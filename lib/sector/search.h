// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// Sectors that are looked for in every store, whatever the index says.

#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <vector>

#include "damocles/filecoin/proof_type.h"
#include "damocles/filecoin/sector.h"
#include "damocles/sector/tracker.h"
#include "damocles/storage/many_reads.h"
#include "damocles/storage/persist_store.h"
#include "damocles/storage/store_look.h"

namespace damocles::sector {

// What one store shows.
struct StoreView {
  storage::PersistStore store;
  storage::StoreSight sight;
  // In the order of the sectors that were looked for: are the files of it there.
  std::vector<bool> replica;
  std::vector<bool> cache;
};

// One view for each store that answered in time; blocks for at most half of `limits.total`.  A
// store that owes answers is not asked.
std::vector<std::shared_ptr<const StoreView>> SearchStores(
    const std::shared_ptr<storage::Readers>& readers, const storage::StoreRegistry& stores,
    filecoin::ActorId miner, filecoin::SectorSize size, const std::vector<ProvableSector>& wanted,
    const CheckLimits& limits);

// A store that has all of a sector goes before two that have a half each.  Nothing: nowhere.
struct Place {
  const storage::PersistStore* replica;  // of the views
  const storage::PersistStore* cache;
};
std::optional<Place> PlaceOfSector(const std::vector<std::shared_ptr<const StoreView>>& views,
                                   std::size_t wanted);

}  // namespace damocles::sector
