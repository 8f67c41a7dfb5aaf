// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// util worker list

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
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

ExitCode ListWorkers(rpc::ManagerClient& manager, bool json) {
  DAMOCLES_CO_ASSIGN_OR_RETURN(const auto workers, co_await manager.Workers());
  if (json) {
    cli::PrintLine(WorkersJson(workers));
    co_return cli::kExitDone;
  }
  const absl::Time now = absl::Now();
  using Row = const worker::Hub::WorkerInfo&;
  const std::vector<Column<worker::Hub::WorkerInfo>> columns = {
      {"Name", [](Row one) { return one.capabilities.name; }},
      {"Address", [](Row one) { return one.address; }},
      {"State", [](Row one) { return one.connected ? "connected" : "away"; }},
      {"LastSeen", [now](Row one) { return FormatElapsed(now - one.last_seen); }},
      {"Slots", [](Row one) { return absl::StrCat(one.capabilities.slots); }},
      {"Running", [](Row one) { return OrDash(absl::StrJoin(RunningIds(one), ",")); }},
      {"Stores", [](Row one) { return OrDash(absl::StrJoin(one.capabilities.stores, ",")); }},
      {"Clock", ClockOf},
      {"Software", [](Row one) { return one.capabilities.software; }}};
  PrintTable(workers, columns);
  co_return cli::kExitDone;
}

}  // namespace

void AddWorkerCommands(cli::Program& program, CLI::App& util_worker, Globals& globals) {
  const auto json = std::make_shared<bool>(false);
  AddCommand(program, util_worker,
             {"list", "Lists the workers that have connected since the start",
              "damocles-manager util worker list --json"},
             globals, [json](rpc::ManagerClient& manager) { return ListWorkers(manager, *json); })
      ->add_flag("--json", *json, "As JSON");
}

}  // namespace damocles::manager
