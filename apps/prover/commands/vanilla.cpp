// SPDX-License-Identifier: Apache-2.0 OR MIT

#include <memory>

#include "absl/strings/str_format.h"
#include "apps/prover/commands/claim_flags.h"
#include "apps/prover/commands/commands.h"

#include "damocles/base/file.h"
#include "damocles/base/status.h"
#include "damocles/practice/report.h"

namespace damocles::prover_app {
namespace {

struct VanillaFlags {
  std::string kind = "window";
  ClaimFlags claim;
  SectorFlags sectors;
  std::string out;
  std::uint64_t threads = 0;
  bool json = false;
};

absl::StatusOr<int> RunVanilla(const VanillaFlags& flags) {
  DAMOCLES_ASSIGN_OR_RETURN(const prover::PostClaim claim, flags.claim.Claim(flags.kind));
  ThreadPool pool(flags.threads == 0 ? ProcessorCount() : flags.threads);
  DAMOCLES_ASSIGN_OR_RETURN(const prover::VanillaOutcome outcome, flags.sectors.Prove(claim, pool));
  std::vector<std::string> files;
  if (!flags.out.empty()) {
    DAMOCLES_RETURN_IF_ERROR(MakeFolders(flags.out));
    for (const post::FallbackSectorProof& proof : outcome.proofs) {
      const std::string size = merkle::SizeName(claim.circuit.tree.sector_bytes);
      files.push_back(
          absl::StrFormat("%s/%s-%s-%d.vproof", flags.out, flags.kind, size, proof.sector));
      DAMOCLES_RETURN_IF_ERROR(WriteFileAtomically(
          files.back(), AsText(post::EncodeVanillaProof(proof, claim.circuit.tree))));
    }
  }
  PrintFaults(outcome.faults);
  const auto report =
      nlohmann::json::parse(practice::VanillaReport(claim, flags.sectors.miner, outcome, files));
  if (flags.json) {
    cli::PrintJson(report);
  } else {
    for (const nlohmann::json& entry : report["vanilla"]) {
      cli::PrintLine(
          absl::StrFormat("%d: %d bytes, sha256 %s", entry["sector"].get<std::uint64_t>(),
                          entry["bytes"].get<std::uint64_t>(), entry["sha256"].get<std::string>()));
    }
  }
  return outcome.faults.empty() ? cli::kExitDone : cli::kExitFailed;
}

}  // namespace

void AddVanilla(cli::Program& program) {
  CLI::App& command =
      *program.App().add_subcommand("vanilla", "Make the vanilla proofs (Merkle paths) of sectors");
  auto flags = std::make_shared<VanillaFlags>();
  command.add_option("--kind", flags->kind, "window or winning")->capture_default_str();
  flags->claim.Add(command);
  flags->sectors.Add(command);
  cli::AddPath(command, "--out", flags->out, "Folder for the proofs, one file a sector");
  AddThreads(command, flags->threads);
  cli::AddJsonFlag(command, &flags->json);
  program.SetAction(
      command, [flags] { return RunVanilla(*flags); },
      "damocles-prover vanilla --size 2KiB --store sectors --sector 7,11 --out proofs --randomness "
      "fd60799789d58905e7b637894df8e843fccff4497fbab080bd4658087ad2202d");
}

}  // namespace damocles::prover_app
