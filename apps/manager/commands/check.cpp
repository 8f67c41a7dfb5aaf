// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// util check

#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_format.h"
#include "apps/manager/commands/common.h"

#include "damocles/manager/view.h"

namespace damocles::manager {
namespace {

ExitCode Check(rpc::ManagerClient& manager, bool json) {
  DAMOCLES_CO_ASSIGN_OR_RETURN(const rpc::CheckReport report, co_await manager.Check());
  if (json) {
    cli::PrintLine(CheckJson(report));
  } else {
    std::vector<std::vector<std::string>> rows = {{"Severity", "Subject", "What", "Do"}};
    for (const rpc::Finding& finding : report.findings) {
      rows.push_back({finding.costs_window ? "COSTS A WINDOW" : "warning", finding.subject,
                      finding.detail.empty()
                          ? finding.what
                          : absl::StrFormat("%s (%s)", finding.what, finding.detail),
                      OrDash(finding.remedy)});
    }
    for (const std::string& fine : report.in_order) {
      const std::size_t colon = fine.find(": ");
      const bool parted = colon != std::string::npos;
      rows.push_back({"ok", parted ? fine.substr(0, colon) : fine,
                      parted ? fine.substr(colon + 2) : "-", "-"});
    }
    PrintTable(rows);
  }
  co_return CostsAWindow(report) ? cli::kExitFailed : cli::kExitDone;
}

}  // namespace

void AddCheckCommand(cli::Program& program, CLI::App& util, Globals& globals) {
  const auto json = std::make_shared<bool>(false);
  AddCommand(
      program, util,
      {"check",
       "Looks now at everything the next windows need: nodes, senders, index, stores, parameters, "
       "workers, disks; exits with 1 if something would cost a window",
       "damocles-manager util check"},
      globals, [json](rpc::ManagerClient& manager) { return Check(manager, *json); })
      ->add_flag("--json", *json, "As JSON");
}

}  // namespace damocles::manager
