// SPDX-License-Identifier: Apache-2.0 OR MIT

#include <filesystem>
#include <memory>

#include "absl/strings/str_format.h"
#include "apps/prover/commands/claim_flags.h"
#include "apps/prover/commands/commands.h"

#include "damocles/base/file.h"
#include "damocles/base/hex.h"
#include "damocles/base/status.h"
#include "damocles/hash/sha256.h"

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
  nlohmann::json list = nlohmann::json::array();
  if (!flags.out.empty()) DAMOCLES_RETURN_IF_ERROR(MakeFolders(flags.out));
  for (std::size_t i = 0; i < outcome.proofs.size(); ++i) {
    const Bytes bytes = post::EncodeVanillaProof(outcome.proofs[i], claim.circuit.tree);
    nlohmann::json entry = {{"sector", outcome.proofs[i].sector},
                            {"comm_r", ToHex(bls12_381::ToBytesLe(outcome.proofs[i].comm_r))},
                            {"challenges", outcome.challenged[i].challenges},
                            {"bytes", bytes.size()},
                            {"sha256", ToHex(hash::Sha256Of(bytes))}};
    if (!flags.out.empty()) {
      const std::string path = (std::filesystem::path(flags.out) /
                                absl::StrFormat("%s-%s-%d.vproof", flags.kind,
                                                merkle::SizeName(claim.circuit.tree.sector_bytes),
                                                outcome.proofs[i].sector))
                                   .string();
      DAMOCLES_RETURN_IF_ERROR(WriteFileAtomically(path, AsText(bytes)));
      entry["file"] = path;
    }
    if (!flags.json) {
      cli::PrintLine(absl::StrFormat("%d: %d bytes, sha256 %s", outcome.proofs[i].sector,
                                     bytes.size(), entry["sha256"].get<std::string>()));
    }
    list.push_back(std::move(entry));
  }
  for (const prover::UnprovableSector& fault : outcome.faults) {
    cli::PrintNote(absl::StrFormat("sector %d cannot be proven: %s", fault.number, fault.reason));
  }
  if (flags.json) {
    nlohmann::json result = ClaimJson(claim, flags.sectors.miner);
    result["vanilla"] = list;
    result["faults"] = FaultsJson(outcome.faults);
    cli::PrintJson(result);
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
