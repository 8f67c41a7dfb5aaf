// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/storage/sector_paths.h"

#include "absl/strings/numbers.h"
#include "absl/strings/str_format.h"

#include "damocles/filecoin/number_limits.h"

namespace damocles::storage {
namespace {

constexpr std::uint64_t kPAuxBytes = 64;
constexpr std::uint64_t kNodeBytes = 32;

// Base trees are 8-ary; a sector has several of them where a power of eight does not fit it.
struct Trees {
  unsigned depth;
  unsigned count;
};

Trees TreesOf(filecoin::SectorSize size) {
  std::uint64_t leaves = filecoin::ToBytes(size) / kNodeBytes;
  unsigned depth = 0;
  // 8^depth leaves each, the depth that the network chose for the size's family: 2 up to 32 KiB,
  // 6 up to 16 MiB, 8 up to 1 GiB, else 9.
  if (filecoin::ToBytes(size) <= filecoin::ToBytes(filecoin::SectorSize::k32KiB)) {
    depth = 2;
  } else if (filecoin::ToBytes(size) <= filecoin::ToBytes(filecoin::SectorSize::k16MiB)) {
    depth = 6;
  } else if (filecoin::ToBytes(size) <= filecoin::ToBytes(filecoin::SectorSize::k1GiB)) {
    depth = 8;
  } else {
    depth = 9;
  }
  return {depth, static_cast<unsigned>(leaves >> (3 * depth))};
}

// Rows discarded + 1 to the root: 32 * (8^(d - D) - 1) / 7 bytes.
std::uint64_t TreeFileBytes(unsigned depth, unsigned discarded) {
  return kNodeBytes * (((std::uint64_t{1} << (3 * (depth - discarded))) - 1) / 7);
}

std::string Join(std::string_view store_path, std::string_view folder, filecoin::SectorId sector) {
  while (store_path.size() > 1 && store_path.ends_with('/')) store_path.remove_suffix(1);
  return absl::StrFormat("%s/%s/%s", store_path, folder, SectorFileName(sector));
}

}  // namespace

std::string SectorFileName(filecoin::SectorId sector) {
  return absl::StrFormat("s-t0%d-%d", sector.miner, sector.number);
}

std::optional<filecoin::SectorId> ParseSectorFileName(std::string_view name) {
  constexpr std::string_view kHead = "s-t0";
  if (!name.starts_with(kHead)) return std::nullopt;
  const std::string_view rest = name.substr(kHead.size());
  const std::size_t dash = rest.find('-');
  if (dash == std::string_view::npos) return std::nullopt;
  const std::string miner(rest.substr(0, dash));
  const std::string number(rest.substr(dash + 1));
  filecoin::SectorId sector;
  if (!absl::SimpleAtoi(miner, &sector.miner) || !absl::SimpleAtoi(number, &sector.number)) {
    return std::nullopt;
  }
  // One spelling only: no leading zeros, signs or blanks.
  if (SectorFileName(sector) != name || !filecoin::IsSectorId(sector)) return std::nullopt;
  return sector;
}

std::string_view ReplicaFolder(Variant variant) {
  return variant == Variant::kSealed ? "sealed" : "update";
}

std::string_view CacheFolder(Variant variant) {
  return variant == Variant::kSealed ? "cache" : "update-cache";
}

std::string ReplicaPath(std::string_view store_path, filecoin::SectorId sector, Variant variant) {
  return Join(store_path, ReplicaFolder(variant), sector);
}

std::string CachePath(std::string_view store_path, filecoin::SectorId sector, Variant variant) {
  return Join(store_path, CacheFolder(variant), sector);
}

std::vector<CacheFile> RequiredCacheFiles(filecoin::SectorSize size) {
  const Trees trees = TreesOf(size);
  std::vector<std::uint64_t> sizes;
  for (unsigned discarded = 0; discarded < trees.depth; ++discarded) {
    sizes.push_back(TreeFileBytes(trees.depth, discarded));
  }
  // All rows, leaves included.
  sizes.push_back(kNodeBytes * (((std::uint64_t{1} << (3 * (trees.depth + 1))) - 1) / 7));

  std::vector<CacheFile> files;
  files.push_back({.name = "p_aux", .sizes = {kPAuxBytes}});
  for (unsigned tree = 0; tree < trees.count; ++tree) {
    files.push_back({.name = trees.count == 1
                                 ? "sc-02-data-tree-r-last.dat"
                                 : absl::StrFormat("sc-02-data-tree-r-last-%d.dat", tree),
                     .sizes = sizes});
  }
  return files;
}

}  // namespace damocles::storage
