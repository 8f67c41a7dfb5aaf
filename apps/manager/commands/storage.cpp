// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// util storage attach | find | gen-sectorstore-json | list

#include <filesystem>
#include <memory>
#include <string>
#include <system_error>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "apps/manager/commands/common.h"

#include "damocles/base/file.h"
#include "damocles/base/random.h"
#include "damocles/base/status.h"
#include "damocles/base/text.h"
#include "damocles/manager/view.h"
#include "damocles/storage/persist_store.h"

namespace damocles::manager {
namespace {

std::string Percent(std::uint64_t part, std::uint64_t whole) {
  if (whole == 0) return "-";
  return absl::StrFormat("%.1f%%", 100.0 * static_cast<double>(part) / static_cast<double>(whole));
}

std::string SpaceText(const rpc::StoreInfo& store, std::uint64_t bytes) {
  return store.status.ok() ? cli::FormatSpace(bytes) : "-";
}

ExitCode ListStores(rpc::ManagerClient& manager, bool json) {
  DAMOCLES_CO_ASSIGN_OR_RETURN(const auto stores, co_await manager.Stores());
  if (json) {
    cli::PrintLine(StoresJson(stores));
    co_return cli::kExitDone;
  }
  using Row = const rpc::StoreInfo&;
  const std::vector<Column<rpc::StoreInfo>> columns = {
      {"Name", [](Row store) { return store.name; }},
      {"Path", [](Row store) { return OrDash(store.path); }},
      {"ReadOnly", [](Row store) { return store.read_only ? "yes" : "no"; }},
      {"Sectors", [](Row store) { return absl::StrCat(store.sectors); }},
      {"Total", [](Row store) { return SpaceText(store, store.total_bytes); }},
      {"Free", [](Row store) { return SpaceText(store, store.free_bytes); }},
      {"UsedPercent",
       [](Row store) { return Percent(store.total_bytes - store.free_bytes, store.total_bytes); }},
      {"Error", [](Row store) {
         return OrDash(store.trouble.empty() ? std::string(store.status.message()) : store.trouble);
       }}};
  PrintTable(stores, columns);
  co_return cli::kExitDone;
}

ExitCode Find(rpc::ManagerClient& manager, filecoin::SectorId sector, bool json) {
  DAMOCLES_CO_ASSIGN_OR_RETURN(const rpc::FoundSector found, co_await manager.FindSector(sector));
  if (json) {
    cli::PrintLine(SectorJson(sector, found));
  } else {
    const auto print = [](std::string_view what, const std::optional<rpc::SectorPlace>& place) {
      if (!place) return;
      cli::PrintLine(absl::StrFormat("%s: sealed file in store %s, cache folder in store %s", what,
                                     Printable(place->sealed_store),
                                     Printable(place->cache_store)));
    };
    print("sealed", found.sealed);
    print("upgraded", found.upgraded);
    for (const std::string& trouble : found.troubles) cli::PrintNote(trouble);
  }
  if (!found.sealed && !found.upgraded) {
    co_return absl::NotFoundError(
        absl::StrFormat("sector %s is not in the index; put its store under "
                        "[[Common.PersistStores]] and run util storage attach PATH",
                        filecoin::ToString(sector)));
  }
  co_return cli::kExitDone;
}

ExitCode Attach(rpc::ManagerClient& manager, std::string path, bool replace, bool json) {
  std::function<void(std::uint64_t, std::uint64_t)> progress = [](std::uint64_t done,
                                                                  std::uint64_t total) {
    cli::PrintNote(absl::StrFormat("%d of %d entries looked at", done, total));
  };
  DAMOCLES_CO_ASSIGN_OR_RETURN(const rpc::AttachSummary summary,
                               co_await manager.Attach(path, replace, std::move(progress)));
  if (json) {
    cli::PrintLine(AttachJson(summary));
  } else {
    for (const std::string& problem : summary.problems) cli::PrintNote(problem);
    cli::PrintLine(absl::StrFormat("store %s: %d sectors added, %d known already, %d problems",
                                   summary.store, summary.added, summary.known,
                                   summary.problems.size()));
  }
  co_return cli::kExitDone;
}

struct MarkFlags {
  std::string path;
  storage::PersistStore store;
  std::string plugin;
  bool json = false;
};

// Makes a folder a store that ScanPersistStores finds.  Works without a manager.
absl::StatusOr<int> MarkStore(const MarkFlags& flags) {
  if (!flags.plugin.empty()) {
    return cli::UsageError("--plugin-name: object stores by plugin are not part of this version");
  }
  if (HasControlCharacter(flags.store.name)) {
    return cli::UsageError("--name holds a control character: give a name without");
  }
  const std::string folder = ExpandHome(flags.path);
  std::error_code error;
  if (!std::filesystem::is_directory(folder, error)) {
    return absl::NotFoundError(absl::StrFormat("%s is not a folder: make or mount it", folder));
  }
  const std::string file = absl::StrFormat("%s/%s", folder, storage::kSectorStoreFile);
  if (PathExists(file)) {
    return absl::AlreadyExistsError(
        absl::StrFormat("%s exists already and was left as it is: edit it, or move it away", file));
  }
  storage::PersistStore store = flags.store;
  if (store.name.empty()) {
    store.name = std::filesystem::path(AbsolutePath(folder)).filename().string();
  }
  if (store.name.empty() || HasControlCharacter(store.name)) {
    return cli::UsageError(
        absl::StrFormat("%s has no name that a store could have: give one with --name", folder));
  }
  const std::string content = storage::EncodeSectorStoreJson(store, SystemRandom().Hex(16));
  DAMOCLES_RETURN_IF_ERROR(WriteFileAtomically(file, content));
  if (flags.json) {
    cli::PrintJson({{"file", file}, {"store", nlohmann::json::parse(content)}});
  } else {
    cli::PrintLine(absl::StrFormat("wrote %s: store \"%s\"", file, store.name));
  }
  return cli::kExitDone;
}

// "1000,f01001": no empty list comes of it, which would be no filter.
void AddMiners(CLI::App& command, const std::string& flag, std::vector<filecoin::ActorId>& miners) {
  command.add_option_function<std::string>(
      flag,
      [&miners, flag](const std::string& text) {
        for (const absl::string_view part : absl::StrSplit(text, ',')) {
          const auto miner = ParseMiner(std::string(part));
          if (!miner.ok()) {
            throw CLI::ValidationError(flag, std::string(miner.status().message()));
          }
          miners.push_back(*miner);
        }
      },
      "For new sectors: 1000,f01001");
}

void AddMarkCommand(cli::Program& program, CLI::App& storage) {
  const auto flags = std::make_shared<MarkFlags>();
  CLI::App* mark = storage.add_subcommand(
      "gen-sectorstore-json",
      "Writes the sectorstore.json by which ScanPersistStores finds a folder; never overwrites");
  mark->add_option("PATH", flags->path, "Folder of the store")->required();
  mark->add_option("--name", flags->store.name, "Name of the store (default: that of the folder)");
  mark->add_flag("--strict", flags->store.strict, "Symbolic links do not count as sector files");
  mark->add_flag("--readonly,--read-only", flags->store.read_only, "Nothing new is placed there");
  mark->add_option("--weight", flags->store.weight, "Share of new sectors")
      ->check(cli::WholeNumber())
      ->capture_default_str();
  AddMiners(*mark, "--allow-miners", flags->store.allow_miners);
  AddMiners(*mark, "--deny-miners", flags->store.deny_miners);
  mark->add_option("--plugin-name", flags->plugin, "Object stores: not part of this version");
  mark->add_flag("--json", flags->json, "As JSON");
  program.SetAction(
      *mark, [flags] { return MarkStore(*flags); },
      "damocles-manager util storage gen-sectorstore-json --name store-1 --readonly /mnt/store-1");
}

}  // namespace

void AddStorageCommands(cli::Program& program, CLI::App& util, Globals& globals) {
  struct Flags {
    bool json = false;
    std::string miner;
    std::uint64_t number = 0;
    std::string path;
    bool replace = false;
  };
  const auto flags = std::make_shared<Flags>();
  CLI::App* storage = util.add_subcommand("storage", "Stores and the sector index");
  storage->require_subcommand(1);

  AddMarkCommand(program, *storage);
  AddCommand(program, *storage,
             {"list",
              "Lists the stores of the configuration and of the index, and what is wrong with them",
              "damocles-manager util storage list"},
             globals,
             [flags](rpc::ManagerClient& manager) { return ListStores(manager, flags->json); })
      ->add_flag("--json", flags->json, "As JSON");

  CLI::App* find = AddCommand(
      program, *storage,
      {"find", "Says which stores hold a sector", "damocles-manager util storage find f01000 7"},
      [flags, &globals]() -> absl::StatusOr<int> {
        DAMOCLES_ASSIGN_OR_RETURN(const std::uint64_t miner, ParseMiner(flags->miner));
        const filecoin::SectorId sector{.miner = miner, .number = flags->number};
        return WithManager(globals, [flags, sector](rpc::ManagerClient& manager) {
          return Find(manager, sector, flags->json);
        });
      });
  find->add_option("MINER", flags->miner, "f01000, t01000 or 1000")->required();
  find->add_option("NUMBER", flags->number, "Sector number")->required()->check(cli::WholeNumber());
  find->add_flag("--json", flags->json, "As JSON");

  CLI::App* attach = AddCommand(
      program, *storage,
      {"attach", "Adds the sectors found in a store to the index, through the running manager",
       "damocles-manager util storage attach /mnt/store-1"},
      globals, [flags](rpc::ManagerClient& manager) {
        // The manager's working folder is another one.
        return Attach(manager, AbsolutePath(flags->path), flags->replace, flags->json);
      });
  attach->add_option("PATH", flags->path, "Folder of a store under [[Common.PersistStores]]")
      ->required();
  attach->add_flag("--replace", flags->replace,
                   "Takes this store also for sectors that another store still holds");
  attach->add_flag("--json", flags->json, "As JSON");
}

}  // namespace damocles::manager
