// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// Where a sector's files lie in a store, as Lotus and its kin lay them out:
//
//   <store>/sealed/s-t01000-7          the replica, sector size bytes
//   <store>/cache/s-t01000-7/          p_aux, sc-02-data-tree-r-last*.dat
//   <store>/update/s-t01000-7          the same for an upgraded ("snapped") sector
//   <store>/update-cache/s-t01000-7/
//
// The replica and its cache may lie in two stores.

#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "damocles/filecoin/proof_type.h"
#include "damocles/filecoin/sector.h"

namespace damocles::storage {

// Which pair of folders: the first sealing or the upgrade.
enum class Variant { kSealed, kUpgraded };

// "s-t01000-7"
std::string SectorFileName(filecoin::SectorId sector);

// The other way; nullopt for any other name.
std::optional<filecoin::SectorId> ParseSectorFileName(std::string_view name);

// "sealed" or "update"; "cache" or "update-cache".
std::string_view ReplicaFolder(Variant variant);
std::string_view CacheFolder(Variant variant);

// `store_path` joined with folder and name.
std::string ReplicaPath(std::string_view store_path, filecoin::SectorId sector, Variant variant);
std::string CachePath(std::string_view store_path, filecoin::SectorId sector, Variant variant);

// A file that must be in the cache folder.
struct CacheFile {
  std::string name;
  // The lengths that are right: 64 for p_aux; for a tree file one for each number of discarded rows
  // that a prover may have chosen (docs/post.md 1).
  std::vector<std::uint64_t> sizes;
};

// What a WindowPoSt reads from the cache of a sector of this size: p_aux and one tree file for each
// base tree.  t_aux is not needed.
std::vector<CacheFile> RequiredCacheFiles(filecoin::SectorSize size);

}  // namespace damocles::storage
