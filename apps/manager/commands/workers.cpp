// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// util worker list

#include <string>
#include <vector>

#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "apps/manager/commands/common.h"

#include "damocles/base/clock_skew.h"
#include "damocles/manager/view.h"

namespace damocles::manager {
namespace {

// How far it is ahead of the manager's.
std::string ClockOf(const worker::Hub::WorkerInfo& info) {
  if (!info.clock_ahead) return "-";
  if (absl::AbsDuration(*info.clock_ahead) <= kClocksAgree) return "ok";
  return absl::StrFormat("%+.0fs", absl::ToDoubleSeconds(*info.clock_ahead));
}

async::Task<absl::StatusOr<int>> ListWorkers(rpc::ManagerClient& manager, bool json) {
  DAMOCLES_CO_ASSIGN_OR_RETURN(const auto workers, co_await manager.Workers());
  const absl::Time now = absl::Now();
  if (json) {
    cli::PrintLine(WorkersJson(workers));
    co_return cli::kExitDone;
  }
  std::vector<std::vector<std::string>> rows = {
      {"Name", "Address", "State", "LastSeen", "Slots", "Running", "Stores", "Clock", "Software"}};
  for (const auto& info : workers) {
    const auto running = RunningIds(info);
    const auto& stores = info.capabilities.stores;
    rows.push_back({info.capabilities.name, info.address, info.connected ? "connected" : "away",
                    FormatElapsed(now - info.last_seen),
                    absl::StrFormat("%d", info.capabilities.slots),
                    running.empty() ? "-" : absl::StrJoin(running, ","),
                    stores.empty() ? "-" : absl::StrJoin(stores, ","), ClockOf(info),
                    info.capabilities.software});
  }
  PrintTable(rows);
  co_return cli::kExitDone;
}

}  // namespace

void AddWorkerCommands(cli::Program& program, CLI::App& util_worker, Globals& globals) {
  const auto json = std::make_shared<bool>(false);
  CLI::App* list =
      util_worker.add_subcommand("list", "Lists the workers that have connected since the start");
  list->add_flag("--json", *json, "As JSON");
  program.SetAction(
      *list,
      [json, &globals] {
        return WithManager(
            globals, [json](rpc::ManagerClient& manager) { return ListWorkers(manager, *json); });
      },
      "damocles-manager util worker list --json");
}

}  // namespace damocles::manager
