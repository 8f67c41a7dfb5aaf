// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// The index against the stores of the configuration: which sectors lie where nothing can be seen.

#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

#include "damocles/sector/index.h"
#include "damocles/storage/persist_store.h"
#include "damocles/storage/store_look.h"

namespace damocles::sector {

struct StoreFinding {
  std::string name;
  std::string path;           // empty if it is not configured
  std::uint64_t sectors = 0;  // that have their replica or their cache there, each counted once
  bool configured = false;
  storage::StoreSight sight;  // of a configured one

  // Sectors are expected there and this machine does not see them.
  bool IsMissing() const {
    return sectors > 0 &&
           (!configured || sight.condition != storage::StoreCondition::kShowsSectors);
  }
};

// "12 sectors lie in store "a", which is not configured: ..."; with the remedy.  Empty unless the
// finding IsMissing.
std::string Describe(const StoreFinding& finding);

// Every store that the index or the configuration names, by name.  Blocks: reads the whole index,
// and looks at the folders for about `patience`.
absl::StatusOr<std::vector<StoreFinding>> SurveyStores(
    const Index& index, const storage::StoreRegistry& stores, absl::Duration patience,
    const storage::StoreLook& look = storage::LookAtStore);

}  // namespace damocles::sector
