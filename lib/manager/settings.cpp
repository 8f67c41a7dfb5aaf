// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/manager/settings.h"

#include <algorithm>
#include <filesystem>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <stop_token>
#include <system_error>
#include <utility>

#include "absl/strings/str_format.h"

#include "damocles/base/file.h"
#include "damocles/base/log.h"
#include "damocles/base/patience.h"
#include "damocles/base/random.h"
#include "damocles/base/status.h"
#include "damocles/prover/local_prover.h"

namespace damocles::manager {
namespace {

// The subscription may die without a word; a head that is not seen for this long costs a window
// nothing.
constexpr absl::Duration kPollMax = absl::Seconds(15);

// One challenge of the sector, read for real; not for miners with StrictCheck = false.
sector::StrictCheck MakeStrictCheck(const config::ManagerConfig& config,
                                    std::shared_ptr<ThreadPool> pool) {
  std::set<filecoin::ActorId> lenient;
  for (const config::MinerConfig& miner : config.miners) {
    if (!miner.strict_check) lenient.insert(miner.policy.miner);
  }
  return [pool = std::move(pool), lenient](
             filecoin::SectorId id, const sector::ProvableSector& sector,
             const sector::SectorFiles& files, filecoin::SectorSize size) -> absl::Status {
    if (lenient.contains(id.miner)) return absl::OkStatus();
    const auto type = filecoin::WindowProofOf(size);
    if (!type) return absl::OkStatus();  // a size that no chain proves
    Bytes32 randomness;
    SystemRandom().Fill(randomness);
    randomness[31] &= 0x3f;
    DAMOCLES_ASSIGN_OR_RETURN(prover::PostClaim claim, prover::ClaimOf(*type, randomness));
    claim.circuit.challenges = 1;
    const prover::SectorToProve read{.number = id.number,
                                     .comm_r = sector.comm_r,
                                     .sealed_path = files.sealed_path,
                                     .cache_dir = files.cache_dir};
    const std::stop_token never{};
    const auto outcome =
        prover::ProveVanilla(claim, std::span<const prover::SectorToProve>(&read, 1), *pool, never);
    DAMOCLES_RETURN_IF_ERROR(outcome.status());
    if (outcome->faults.empty()) return absl::OkStatus();
    const prover::UnprovableSector& fault = outcome->faults.front();
    switch (fault.kind) {
      case prover::FaultKind::kWrong:
        return absl::DataLossError(fault.reason);
      case prover::FaultKind::kMissing:
        return absl::NotFoundError(fault.reason);
      case prover::FaultKind::kUnreadable:
        break;
    }
    return absl::UnavailableError(fault.reason);
  };
}

// Its folder can be looked at, whatever is in it.
bool InSight(storage::StoreCondition condition) {
  return condition == storage::StoreCondition::kShowsSectors ||
         condition == storage::StoreCondition::kEmpty;
}

// One folder, also by another way: a link, a second mount of the same disk.
bool IsOneFolder(const std::string& a, const std::string& b, const std::set<std::string>& unseen) {
  if (a == b) return true;
  if (unseen.contains(a) || unseen.contains(b)) return false;
  std::error_code error;
  return std::filesystem::equivalent(a, b, error);
}

// What stands in the configuration is meant, whatever a scan finds.
void AddFound(std::vector<storage::PersistStore> found, const std::string& place,
              const std::set<std::string>& unseen, std::vector<storage::PersistStore>& stores) {
  for (storage::PersistStore& store : found) {
    bool one_folder = false;
    const auto same = std::ranges::find_if(stores, [&](const storage::PersistStore& other) {
      one_folder = IsOneFolder(other.path, store.path, unseen);
      return one_folder || other.name == store.name;
    });
    if (same == stores.end()) {
      stores.push_back(std::move(store));
      continue;
    }
    LogWarning(
        "storage", "store_left_out",
        {{"key", absl::StrFormat("%s: Common.ScanPersistStores", place)},
         {"store", store.name},
         {"path", store.path},
         {"why", one_folder
                     ? absl::StrFormat("its folder is that of store \"%s\" already", same->name)
                     : absl::StrFormat("its name is that of %s: give it another", same->path)}});
  }
}

}  // namespace

std::vector<poster::MinerPolicy> MinerPoliciesOf(const config::ManagerConfig& config) {
  std::vector<poster::MinerPolicy> policies;
  policies.reserve(config.miners.size());
  for (const config::MinerConfig& miner : config.miners) policies.push_back(miner.policy);
  return policies;
}

absl::StatusOr<storage::StoreRegistry> OpenStores(const config::ManagerConfig& config,
                                                  const StoreLook& how) {
  std::vector<storage::PersistStore> stores = config.persist_stores;
  using Scan = storage::StoreScan;
  std::optional<Scan> scan = Within<Scan>(how.patience, [globs = config.scan_persist_stores] {
    return storage::ScanPersistStores(globs);
  });
  if (scan.has_value()) {
    // One bad file is one store.
    for (const std::string& problem : scan->problems) {
      LogError("storage", "store_left_out",
               {{"key", absl::StrFormat("%s: Common.ScanPersistStores", config.scan_place)},
                {"why", problem},
                {"now", "without it: mend that, then restart the manager"}});
    }
    for (const std::string& note : scan->notes) {
      LogWarning("storage", "scan_note",
                 {{"key", absl::StrFormat("%s: Common.ScanPersistStores", config.scan_place)},
                  {"text", note}});
    }
  } else {
    LogError("storage", "scan_not_answering",
             {{"key", "Common.ScanPersistStores"}, {"now", "without these stores"}});
  }
  std::vector<storage::PersistStore> found;
  if (scan.has_value()) found = std::move(scan->stores);
  std::vector<std::string> paths;
  for (std::vector<storage::PersistStore>* list : {&stores, &found}) {
    for (storage::PersistStore& store : *list) {
      store.path = AbsolutePath(store.path);
      paths.push_back(store.path);
    }
  }
  const std::map<std::string, storage::StoreSight> sights =
      storage::LookAtStores(paths, how.patience, how.look);
  std::set<std::string> unseen;
  for (const auto& [path, sight] : sights) {
    if (!InSight(sight.condition)) unseen.insert(path);
  }
  AddFound(std::move(found), config.scan_place, unseen, stores);
  // Whether it is not mounted yet or the path is wrong, the others are to be proven; what reads a
  // sector looks again each time.
  for (const storage::PersistStore& store : stores) {
    if (!unseen.contains(store.path)) continue;
    const storage::StoreSight& sight = sights.at(store.path);
    const bool hangs = sight.condition == storage::StoreCondition::kNotAnswering;
    LogError("storage", hangs ? "store_not_answering" : "store_not_there",
             {{"store", store.name},
              {"path", store.path},
              {"why", storage::DescribeSight(sight, store.path)},
              {"now", "without it until it is there"}});
  }
  DAMOCLES_ASSIGN_OR_RETURN(storage::StoreRegistry registry,
                            storage::StoreRegistry::Open(std::move(stores), unseen));
  for (const std::string& problem : registry.Problems()) {
    LogError("storage", "store_trouble",
             {{"why", problem}, {"now", "it is taken as it is configured"}});
  }
  return registry;
}

poster::RunnerOptions RunnerOptionsOf(const config::ManagerConfig& config) {
  poster::RunnerOptions options;
  options.poll_interval = std::min(config.chain_event_interval, kPollMax);
  return options;
}

poster::SectorCheckOptions CheckOptionsOf(const config::ManagerConfig& config,
                                          std::shared_ptr<ThreadPool> pool) {
  poster::SectorCheckOptions check;
  check.limits = config.checks;
  check.strict = MakeStrictCheck(config, std::move(pool));
  return check;
}

std::vector<std::string> NeedRestart(const config::ManagerConfig& started,
                                     const config::ManagerConfig& loaded) {
  std::vector<std::string> keys;
  const auto compare = [&keys](bool same, const char* key) {
    if (!same) keys.emplace_back(key);
  };
  compare(started.chain == loaded.chain, "Common.API.Chain");
  compare(started.chain_event_interval == loaded.chain_event_interval,
          "Common.API.ChainEventInterval");
  compare(started.require_token == loaded.require_token, "Common.RPC.RequireToken");
  compare(started.persist_stores == loaded.persist_stores, "Common.PersistStores");
  compare(started.scan_persist_stores == loaded.scan_persist_stores, "Common.ScanPersistStores");
  return keys;
}

}  // namespace damocles::manager
