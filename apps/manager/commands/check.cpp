// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// util check

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_format.h"
#include "apps/manager/commands/common.h"

namespace damocles::manager {
namespace {

nlohmann::json FindingJson(const rpc::Finding& finding) {
  return {
      {"kind", finding.kind},       {"severity", finding.costs_window ? "costs_window" : "warning"},
      {"subject", finding.subject}, {"what", finding.what},
      {"detail", finding.detail},   {"remedy", finding.remedy}};
}

async::Task<absl::StatusOr<int>> Check(rpc::ManagerClient& manager, bool json) {
  DAMOCLES_CO_ASSIGN_OR_RETURN(const rpc::CheckReport report, co_await manager.Check());
  const bool costly = std::any_of(report.findings.begin(), report.findings.end(),
                                  [](const auto& finding) { return finding.costs_window; });
  if (json) {
    nlohmann::json findings = nlohmann::json::array();
    for (const rpc::Finding& finding : report.findings) findings.push_back(FindingJson(finding));
    cli::PrintJson({{"at", JsonTime(report.at)},
                    {"costs_window", costly},
                    {"findings", findings},
                    {"in_order", report.in_order},
                    {"not_learnt", report.not_learnt}});
  } else {
    std::vector<std::vector<std::string>> rows = {{"Severity", "Subject", "What", "Do"}};
    for (const rpc::Finding& finding : report.findings) {
      rows.push_back({finding.costs_window ? "COSTS A WINDOW" : "warning", finding.subject,
                      finding.detail.empty()
                          ? finding.what
                          : absl::StrFormat("%s (%s)", finding.what, finding.detail),
                      finding.remedy.empty() ? "-" : finding.remedy});
    }
    for (const std::string& fine : report.in_order) {
      const std::size_t colon = fine.find(": ");
      const bool parted = colon != std::string::npos;
      rows.push_back({"ok", parted ? fine.substr(0, colon) : fine,
                      parted ? fine.substr(colon + 2) : "-", "-"});
    }
    PrintTable(rows);
  }
  co_return costly ? cli::kExitFailed : cli::kExitDone;
}

}  // namespace

void AddCheckCommand(cli::Program& program, CLI::App& util, Globals& globals) {
  const auto json = std::make_shared<bool>(false);
  CLI::App* check = util.add_subcommand(
      "check",
      "Looks now at everything the next windows need: nodes, senders, index, stores, parameters, "
      "workers, disks; exits with 1 if something would cost a window");
  check->add_flag("--json", *json, "As JSON");
  program.SetAction(
      *check,
      [json, &globals] {
        return WithManager(globals,
                           [json](rpc::ManagerClient& manager) { return Check(manager, *json); });
      },
      "damocles-manager util check");
}

}  // namespace damocles::manager
