// SPDX-License-Identifier: Apache-2.0 OR MIT

#pragma once

#include <string>

#include "absl/status/status.h"

#include "damocles/filecoin/proof_type.h"
#include "damocles/storage/sector_paths.h"

namespace damocles::sector {

constexpr storage::Variant VariantOf(bool upgraded) {
  return upgraded ? storage::Variant::kUpgraded : storage::Variant::kSealed;
}

// Whether the replica has the sector's length and the cache has every file of it with a right
// length.  `strict`: symbolic links do not count as files.  The first reason against it otherwise.
absl::Status CheckReplica(const std::string& path, filecoin::SectorSize size, bool strict);
absl::Status CheckCache(const std::string& folder, filecoin::SectorSize size, bool strict);

}  // namespace damocles::sector
