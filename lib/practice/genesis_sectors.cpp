// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/practice/genesis_sectors.h"

#include <algorithm>

#include "absl/strings/str_format.h"

#include "damocles/base/status.h"
#include "damocles/merkle/p_aux.h"
#include "damocles/storage/genesis_file.h"
#include "damocles/storage/sector_paths.h"

namespace damocles::practice {
namespace {

absl::StatusOr<storage::GenesisEdit> OpenFor(const PracticeOrder& order, const std::string& path) {
  std::vector<PracticeSector> planned;  // commitments are not known yet, and not compared
  DAMOCLES_ASSIGN_OR_RETURN(storage::GenesisEdit genesis, storage::GenesisEdit::Open(path));
  const auto is_there = [&](filecoin::SectorNumber number) {
    return std::ranges::any_of(genesis.Sectors(), [&](const storage::GenesisSector& entry) {
      return entry.miner == order.miner && entry.number == number;
    });
  };
  for (const filecoin::SectorNumber number : order.numbers) {
    const filecoin::SectorId id{order.miner, number};
    if (!is_there(number)) {
      planned.push_back({.id = id, .p_aux = {}, .comm_r = {}});
      continue;
    }
    const std::string cache = storage::CachePath(order.store_path, id, storage::Variant::kSealed);
    if (!merkle::ReadPAux(cache).ok()) {
      return absl::AlreadyExistsError(absl::StrFormat(
          "%s: sector f0%d/%d is there but not in %s: remove it or take another number", path,
          order.miner, number, order.store_path));
    }
  }
  DAMOCLES_ASSIGN_OR_RETURN(const auto entries, GenesisSectorsOf(order.size, planned));
  DAMOCLES_RETURN_IF_ERROR(genesis.CheckAdd(entries));
  return genesis;
}

}  // namespace

absl::StatusOr<std::vector<PracticeSector>> MakeGenesisSectors(
    ThreadPool& pool, Random& random, PracticeOrder order, const std::string& genesis,
    std::optional<std::uint64_t> deadline) {
  order.keep_existing = true;
  DAMOCLES_ASSIGN_OR_RETURN(storage::GenesisEdit edit, OpenFor(order, genesis));
  auto sectors = MakePracticeSectors(pool, random, order);
  if (!sectors.ok()) return sectors;
  DAMOCLES_ASSIGN_OR_RETURN(auto entries, GenesisSectorsOf(order.size, *sectors));
  for (storage::GenesisSector& entry : entries) entry.deadline = deadline;
  DAMOCLES_RETURN_IF_ERROR(edit.Add(entries));
  return sectors;
}

}  // namespace damocles::practice
