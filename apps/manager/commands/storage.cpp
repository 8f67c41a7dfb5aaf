// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// util storage attach | find | list

#include <string>
#include <vector>

#include "absl/strings/str_format.h"
#include "apps/manager/commands/common.h"

#include "damocles/base/file.h"

namespace damocles::manager {
namespace {

std::string Percent(std::uint64_t part, std::uint64_t whole) {
  if (whole == 0) return "-";
  return absl::StrFormat("%.1f%%", 100.0 * static_cast<double>(part) / static_cast<double>(whole));
}

async::Task<absl::StatusOr<int>> List(rpc::ManagerClient& manager, bool json) {
  DAMOCLES_CO_ASSIGN_OR_RETURN(const auto stores, co_await manager.Stores());
  if (json) {
    nlohmann::json out = nlohmann::json::array();
    for (const auto& store : stores) {
      out.push_back({{"name", store.name},
                     {"path", store.path},
                     {"read_only", store.read_only},
                     {"total_bytes", store.total_bytes},
                     {"free_bytes", store.free_bytes},
                     {"sectors", store.sectors},
                     {"error", std::string(store.status.message())}});
    }
    cli::PrintJson(out);
    co_return cli::kExitDone;
  }
  std::vector<std::vector<std::string>> rows = {
      {"Name", "Path", "ReadOnly", "Sectors", "Total", "Free", "UsedPercent", "Error"}};
  for (const auto& store : stores) {
    const std::string error(store.status.message());
    rows.push_back({store.name, store.path, store.read_only ? "yes" : "no",
                    absl::StrFormat("%d", store.sectors), cli::FormatSize(store.total_bytes),
                    cli::FormatSize(store.free_bytes),
                    Percent(store.total_bytes - store.free_bytes, store.total_bytes),
                    error.empty() ? "-" : error});
  }
  PrintTable(rows);
  co_return cli::kExitDone;
}

nlohmann::json PlaceJson(const std::optional<rpc::SectorPlace>& place) {
  if (!place) return nullptr;
  return {{"sealed_store", place->sealed_store}, {"cache_store", place->cache_store}};
}

async::Task<absl::StatusOr<int>> Find(rpc::ManagerClient& manager, filecoin::SectorId sector,
                                      bool json) {
  DAMOCLES_CO_ASSIGN_OR_RETURN(const rpc::FoundSector found, co_await manager.FindSector(sector));
  if (json) {
    cli::PrintJson({{"miner", sector.miner},
                    {"number", sector.number},
                    {"sealed", PlaceJson(found.sealed)},
                    {"upgraded", PlaceJson(found.upgraded)}});
  } else {
    const auto print = [](std::string_view what, const std::optional<rpc::SectorPlace>& place) {
      if (!place) return;
      cli::PrintLine(absl::StrFormat("%s: sealed file in store %s, cache folder in store %s", what,
                                     place->sealed_store, place->cache_store));
    };
    print("sealed", found.sealed);
    print("upgraded", found.upgraded);
  }
  if (!found.sealed && !found.upgraded) {
    co_return absl::NotFoundError(
        absl::StrFormat("sector %s is not in the index; put its store under "
                        "[[Common.PersistStores]] and run util storage attach PATH",
                        filecoin::ToString(sector)));
  }
  co_return cli::kExitDone;
}

async::Task<absl::StatusOr<int>> Attach(rpc::ManagerClient& manager, std::string path, bool json) {
  std::function<void(std::uint64_t, std::uint64_t)> progress = [](std::uint64_t done,
                                                                  std::uint64_t total) {
    cli::PrintNote(absl::StrFormat("%d of %d entries looked at", done, total));
  };
  DAMOCLES_CO_ASSIGN_OR_RETURN(const rpc::AttachSummary summary,
                               co_await manager.Attach(path, std::move(progress)));
  if (json) {
    cli::PrintJson({{"store", summary.store},
                    {"added", summary.added},
                    {"known", summary.known},
                    {"problems", summary.problems}});
  } else {
    for (const std::string& problem : summary.problems) cli::PrintNote(problem);
    cli::PrintLine(absl::StrFormat("store %s: %d sectors added, %d known already, %d problems",
                                   summary.store, summary.added, summary.known,
                                   summary.problems.size()));
  }
  co_return cli::kExitDone;
}

}  // namespace

void AddStorageCommands(cli::Program& program, CLI::App& util, Globals& globals) {
  struct Flags {
    bool json = false;
    std::string miner;
    std::uint64_t number = 0;
    std::string path;
  };
  const auto flags = std::make_shared<Flags>();
  CLI::App* storage = util.add_subcommand("storage", "Stores and the sector index");
  storage->require_subcommand(1);

  CLI::App* list = storage->add_subcommand("list", "Lists the stores of the configuration");
  list->add_flag("--json", flags->json, "As JSON");
  program.SetAction(
      *list,
      [flags, &globals] {
        return WithManager(
            globals, [flags](rpc::ManagerClient& manager) { return List(manager, flags->json); });
      },
      "damocles-manager util storage list");

  CLI::App* find = storage->add_subcommand("find", "Says which stores hold a sector");
  find->add_option("MINER", flags->miner, "f01000, t01000 or 1000")->required();
  find->add_option("NUMBER", flags->number, "Sector number")->required();
  find->add_flag("--json", flags->json, "As JSON");
  program.SetAction(
      *find,
      [flags, &globals]() -> absl::StatusOr<int> {
        DAMOCLES_ASSIGN_OR_RETURN(const std::uint64_t miner, ParseMiner(flags->miner));
        const filecoin::SectorId sector{.miner = miner, .number = flags->number};
        return WithManager(globals, [flags, sector](rpc::ManagerClient& manager) {
          return Find(manager, sector, flags->json);
        });
      },
      "damocles-manager util storage find f01000 7");

  CLI::App* attach = storage->add_subcommand(
      "attach", "Adds the sectors found in a store to the index, through the running manager");
  attach->add_option("PATH", flags->path, "Folder of a store under [[Common.PersistStores]]")
      ->required();
  attach->add_flag("--json", flags->json, "As JSON");
  program.SetAction(
      *attach,
      [flags, &globals]() -> absl::StatusOr<int> {
        // The manager's working folder is another one.
        const std::string path = AbsolutePath(flags->path);
        return WithManager(globals, [flags, path](rpc::ManagerClient& manager) {
          return Attach(manager, path, flags->json);
        });
      },
      "damocles-manager util storage attach /mnt/store-1");
}

}  // namespace damocles::manager
