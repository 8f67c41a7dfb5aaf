// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "lib/worker/job_files.h"

#include <set>

#include "absl/strings/match.h"
#include "absl/strings/str_format.h"

#include "damocles/base/status.h"
#include "damocles/storage/sector_paths.h"
#include "damocles/storage/store_look.h"

namespace damocles::worker {
namespace {

std::string Describe(const StoreFolders& stores) {
  std::string names;
  for (const auto& [name, path] : stores) {
    if (!names.empty()) names += ", ";
    names += name;
  }
  return names.empty() ? "none" : names;
}

// A file system that lives lists a folder in milliseconds.
constexpr absl::Duration kLookPatience = absl::Seconds(3);

bool ShowsSectors(const std::string& folder) {
  return storage::LookAtStores({folder}, kLookPatience).at(folder).condition ==
         storage::StoreCondition::kShowsSectors;
}

}  // namespace

absl::StatusOr<prover::WindowPostTask> MapTask(const job::JobSpec& spec, const StoreFolders& stores,
                                               const std::string& worker) {
  prover::WindowPostTask task{.proof_type = spec.proof_type,
                              .miner = spec.miner,
                              .randomness = spec.randomness,
                              .sectors = {}};
  const auto folder_of = [&](const std::string& store) -> absl::StatusOr<std::string> {
    const auto found = stores.find(store);
    if (found != stores.end()) return found->second;
    return absl::NotFoundError(
        absl::StrFormat("store \"%s\" is not attached at worker \"%s\" (attached: %s)", store,
                        worker, Describe(stores)));
  };
  for (const job::JobSector& sector : spec.sectors) {
    DAMOCLES_ASSIGN_OR_RETURN(const std::string sealed_folder, folder_of(sector.sealed_store));
    DAMOCLES_ASSIGN_OR_RETURN(const std::string cache_folder, folder_of(sector.cache_store));
    const storage::Variant variant =
        sector.upgraded ? storage::Variant::kUpgraded : storage::Variant::kSealed;
    const filecoin::SectorId id{.miner = spec.miner, .number = sector.number};
    task.sectors.push_back({.number = sector.number,
                            .comm_r = sector.comm_r,
                            .sealed_path = storage::ReplicaPath(sealed_folder, id, variant),
                            .cache_dir = storage::CachePath(cache_folder, id, variant)});
  }
  return task;
}

std::string UnseenStore(const job::JobSpec& spec, const StoreFolders& stores,
                        const std::vector<prover::UnprovableSector>& faults) {
  std::map<filecoin::SectorNumber, std::string> unseen;  // with the reason
  for (const prover::UnprovableSector& fault : faults) {
    if (fault.kind != prover::FaultKind::kWrong) unseen.emplace(fault.number, fault.reason);
  }
  if (unseen.empty()) return "";
  struct Count {
    std::size_t sectors = 0;
    std::size_t unseen = 0;
    std::string reason;
  };
  std::map<std::string, Count> counts;  // by store
  for (const job::JobSector& sector : spec.sectors) {
    for (const std::string& store :
         std::set<std::string>{sector.sealed_store, sector.cache_store}) {
      Count& count = counts[store];
      ++count.sectors;
      const auto fault = unseen.find(sector.number);
      const auto folder = stores.find(store);
      if (fault == unseen.end() || folder == stores.end()) continue;
      // The sector may have files in two stores: the reason names the one that misses it.
      if (!absl::StrContains(fault->second, folder->second)) continue;
      ++count.unseen;
      if (count.reason.empty()) count.reason = fault->second;
    }
  }
  for (const auto& [store, count] : counts) {
    const auto folder = stores.find(store);
    if (count.unseen < count.sectors || folder == stores.end()) continue;
    // A single sector may well be gone; the folder tells whether more is.
    if (count.sectors == 1 && ShowsSectors(folder->second)) continue;
    return absl::StrFormat(
        "store \"%s\" at %s shows none of the job's %d sectors that lie in it: is it mounted? (%s)",
        store, folder->second, count.sectors, count.reason);
  }
  return "";
}

}  // namespace damocles::worker
