// SPDX-License-Identifier: Apache-2.0 OR MIT

#include <sys/prctl.h>

#include <memory>
#include <optional>

#include "absl/strings/str_format.h"
#include "apps/prover/commands/claim_flags.h"
#include "apps/prover/commands/commands.h"

#include "damocles/base/file.h"
#include "damocles/base/status.h"
#include "damocles/params/parameter_store.h"
#include "damocles/practice/case.h"

namespace damocles::prover_app {
namespace {

struct SetupFlags {
  std::string kind;
  ClaimFlags claim;
  std::string params;
  std::string secrets;
  bool overwrite = false;
  std::uint64_t threads = 0;
  bool json = false;
};

absl::StatusOr<int> RunSetup(const SetupFlags& flags) {
  DAMOCLES_ASSIGN_OR_RETURN(const prover::PostClaim claim, flags.claim.Claim(flags.kind));
  // No core file and no debugger: the secrets are in memory.
  if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0) {
    return absl::InternalError("core files cannot be turned off for this process");
  }
  std::optional<groth16::SetupSecrets> secrets;
  if (!flags.secrets.empty()) {
    DAMOCLES_ASSIGN_OR_RETURN(const std::string text, ReadFile(flags.secrets));
    DAMOCLES_ASSIGN_OR_RETURN(secrets, practice::ReadSecrets(text));
    cli::PrintNote(
        "WARNING: parameters from known secrets: whoever has the file can prove what is not true. "
        "For tests and devnets only; manager and worker refuse them elsewhere.");
  }
  Machine machine(flags.threads);
  DAMOCLES_RETURN_IF_ERROR(params::MakeParameterFiles(flags.params, claim.circuit, secrets,
                                                      SystemRandom(), machine.pool, flags.overwrite,
                                                      cli::PrintNote));
  params::ParameterStore store(flags.params);
  DAMOCLES_ASSIGN_OR_RETURN(const auto vk, store.Vk(claim.circuit));
  if (flags.json) {
    cli::PrintJson({{"params", store.ParamsPath(claim.circuit)},
                    {"vk", store.VkPath(claim.circuit)},
                    {"meta", store.MetaPath(claim.circuit)},
                    {"vk_sha256", vk->sha256},
                    {"origin", secrets ? "known-secrets" : "local"}});
  } else {
    cli::PrintLine(store.ParamsPath(claim.circuit));
    cli::PrintLine(store.VkPath(claim.circuit));
  }
  return cli::kExitDone;
}

}  // namespace

void AddSetup(cli::Program& program) {
  CLI::App& command = *program.App().add_subcommand(
      "setup", "Make parameters on this machine, for sizes without published ones and for tests");
  auto flags = std::make_shared<SetupFlags>();
  command.add_option("--kind", flags->kind, "window or winning")->required();
  flags->claim.Add(command, /*with_randomness=*/false);
  AddParamsFolder(command, flags->params);
  cli::AddPath(command, "--secrets", flags->secrets,
               "JSON with alpha, beta, gamma, delta, tau, or a case with them: repeatable "
               "parameters for tests; unsafe");
  command.add_flag("--overwrite", flags->overwrite, "Replace files that exist");
  AddThreads(command, flags->threads);
  cli::AddJsonFlag(command, &flags->json);
  program.SetAction(
      command, [flags] { return RunSetup(*flags); },
      "damocles-prover setup --kind window --size 2KiB --params ~/params");
}

}  // namespace damocles::prover_app
