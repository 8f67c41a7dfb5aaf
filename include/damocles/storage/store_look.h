// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// Whether a store's folder shows its sectors.  A mount that is gone leaves an empty folder, one
// that is dead leaves a call that never returns: neither says anything about the sectors.

#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "absl/time/time.h"

namespace damocles::storage {

enum class StoreCondition {
  kShowsSectors,
  kEmpty,         // the folder is there, but no file of a sector: not mounted, or new
  kAbsent,        // there is no such folder
  kUnreadable,    // an error in looking at it
  kNotAnswering,  // no answer within the patience
};

struct StoreSight {
  StoreCondition condition = StoreCondition::kUnreadable;
  std::string error;  // of kUnreadable
};

// May block for ever.
StoreSight LookAtStore(const std::string& path);

using StoreLook = std::function<StoreSight(const std::string& path)>;

// `look`, but not again at a folder whose last look has not returned: that is kNotAnswering at
// once.  A dead mount keeps one thread, however often it is asked for.
StoreLook OneLookAtATime(StoreLook look = LookAtStore);

// All of them at a time, by path; takes about `patience` at most.  A look that hangs is left
// behind.
std::map<std::string, StoreSight> LookAtStores(const std::vector<std::string>& paths,
                                               absl::Duration patience,
                                               const StoreLook& look = LookAtStore);

// What an operator reads of a store at `path` that shows nothing, with the remedy: "... is empty:
// mount it".  Empty for one that shows its sectors.
std::string DescribeSight(const StoreSight& sight, const std::string& path);

}  // namespace damocles::storage
