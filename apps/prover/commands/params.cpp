// SPDX-License-Identifier: Apache-2.0 OR MIT

#include <memory>

#include "absl/strings/str_format.h"
#include "apps/prover/commands/claim_flags.h"
#include "apps/prover/commands/commands.h"

#include "damocles/base/status.h"
#include "damocles/params/parameter_store.h"

namespace damocles::prover_app {
namespace {

struct ParamsFlags {
  std::string path;
  std::uint64_t threads = 0;
  bool json = false;
};

nlohmann::json ReportJson(const params::ParameterReport& report) {
  nlohmann::json counts = {{"ic", report.counts.ic}};
  if (!report.is_vk) {
    counts.update({{"h", report.counts.h},
                   {"l", report.counts.l},
                   {"a", report.counts.a},
                   {"b_g1", report.counts.b_g1},
                   {"b_g2", report.counts.b_g2}});
  }
  return {{"file", report.file},     {"verdict", report.verdict},
          {"kind", report.kind},     {"sector_size", report.sector_size},
          {"bytes", report.bytes},   {"counts", counts},
          {"sha256", report.sha256}, {"blake2b", report.blake2b}};
}

void PrintReport(const params::ParameterReport& report, bool details) {
  cli::PrintLine(absl::StrFormat("%s: %s", report.file, report.verdict));
  if (!details) return;
  const groth16::QueryCounts& counts = report.counts;
  if (!report.kind.empty()) {
    cli::PrintLine(absl::StrFormat("  circuit  %s %s", report.sector_size, report.kind));
  }
  cli::PrintLine(absl::StrFormat("  bytes    %d", report.bytes));
  cli::PrintLine(report.is_vk
                     ? absl::StrFormat("  points   ic %d", counts.ic)
                     : absl::StrFormat("  points   ic %d, h %d, l %d, a %d, b_g1 %d, b_g2 %d",
                                       counts.ic, counts.h, counts.l, counts.a, counts.b_g1,
                                       counts.b_g2));
  cli::PrintLine(absl::StrFormat("  sha256   %s", report.sha256));
  cli::PrintLine(absl::StrFormat("  blake2b  %s", report.blake2b));
}

absl::StatusOr<int> RunParams(const ParamsFlags& flags, bool check) {
  ThreadPool pool(flags.threads == 0 ? ProcessorCount() : flags.threads);
  DAMOCLES_ASSIGN_OR_RETURN(const std::vector<params::ParameterReport> reports,
                            params::InspectParameters(flags.path, /*all_points=*/check, pool));
  bool sound = true;
  nlohmann::json list = nlohmann::json::array();
  for (const params::ParameterReport& report : reports) {
    sound = sound && !report.verdict.starts_with("corrupt");
    if (flags.json) {
      list.push_back(ReportJson(report));
    } else {
      PrintReport(report, /*details=*/!check);
    }
  }
  if (flags.json) cli::PrintJson(list);
  if (reports.empty()) {
    return absl::NotFoundError(absl::StrFormat("%s: holds no .params or .vk file", flags.path));
  }
  return sound ? cli::kExitDone : cli::kExitFailed;
}

void AddOneParams(cli::Program& program, CLI::App& group, const char* name, const char* description,
                  bool check, const char* example) {
  CLI::App& command = *group.add_subcommand(name, description);
  auto flags = std::make_shared<ParamsFlags>();
  cli::AddPath(command, "path", flags->path, "Folder, .params or .vk file")->required();
  AddThreads(command, flags->threads);
  cli::AddJsonFlag(command, &flags->json);
  program.SetAction(
      command, [flags, check] { return RunParams(*flags, check); }, example);
}

}  // namespace

void AddParams(cli::Program& program) {
  CLI::App& group =
      *program.App().add_subcommand("params", "Look at parameter files")->require_subcommand(1);
  cli::Program::SetExample(group, "damocles-prover params check ~/params");
  AddOneParams(program, group, "inspect", "Counts, sizes and digests; verdict by form and digest",
               false, "damocles-prover params inspect ~/params --json");
  AddOneParams(program, group, "check",
               "Verdict on each file, every point included: published, local or corrupt", true,
               "damocles-prover params check ~/params");
}

}  // namespace damocles::prover_app
