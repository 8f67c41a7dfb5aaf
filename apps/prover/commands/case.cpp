// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/practice/case.h"

#include <memory>

#include "apps/prover/commands/claim_flags.h"
#include "apps/prover/commands/commands.h"

#include "damocles/base/file.h"
#include "damocles/base/status.h"

namespace damocles::prover_app {
namespace {

struct CaseFlags {
  std::string in;
  std::string store;
  std::string params;
  std::uint64_t threads = 0;
};

absl::StatusOr<int> RunCase(const CaseFlags& flags) {
  DAMOCLES_ASSIGN_OR_RETURN(const std::string text, cli::ReadInput(flags.in));
  Machine machine(flags.threads);
  const practice::CaseOptions options{
      .store = flags.store, .parameters = flags.params, .progress = cli::PrintNote};
  DAMOCLES_ASSIGN_OR_RETURN(
      const std::string result,
      practice::RunCase(text, options, *machine.backend, machine.pool, SystemRandom()));
  cli::PrintLine(result);
  return cli::kExitDone;
}

}  // namespace

void AddCase(cli::Program& program) {
  CLI::App& command = *program.App().add_subcommand(
      "case", "Compute a whole golden case from its inputs and print it as JSON");
  auto flags = std::make_shared<CaseFlags>();
  cli::AddPath(command, "--in", flags->in, "The case as JSON (- for standard input)")->required();
  cli::AddPath(command, "--store", flags->store, "Folder with the sectors: sealed/ and cache/")
      ->required();
  AddParamsFolder(command, flags->params, /*required=*/true);
  AddThreads(command, flags->threads);
  cli::AddJsonFlag(command);  // it prints nothing else
  program.SetAction(
      command, [flags] { return RunCase(*flags); },
      "damocles-prover case --in window-2KiB-V1_2-7_11.json --store sectors/2KiB --params params");
}

}  // namespace damocles::prover_app
