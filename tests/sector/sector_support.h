// SPDX-License-Identifier: Apache-2.0 OR MIT

#pragma once

#include <filesystem>
#include <fstream>
#include <string>

#include "damocles/base/check.h"
#include "damocles/storage/sector_paths.h"

namespace damocles::sector {

inline void MakeFile(const std::string& path, std::uint64_t bytes) {
  std::filesystem::create_directories(std::filesystem::path(path).parent_path());
  std::ofstream(path).close();
  std::filesystem::resize_file(path, bytes);
}

// A sector of the right shape, all zeros and sparse, in the store folder at `root`; the cache in
// that at `cache_root`.
inline void MakeSector(const std::string& root, const std::string& cache_root,
                       filecoin::SectorId sector, filecoin::SectorSize size,
                       storage::Variant variant = storage::Variant::kSealed) {
  MakeFile(storage::ReplicaPath(root, sector, variant), filecoin::ToBytes(size));
  const std::string cache = storage::CachePath(cache_root, sector, variant);
  for (const storage::CacheFile& file : storage::RequiredCacheFiles(size)) {
    MakeFile(cache + "/" + file.name, file.sizes[file.sizes.size() > 2 ? 1 : 0]);
  }
}

}  // namespace damocles::sector
