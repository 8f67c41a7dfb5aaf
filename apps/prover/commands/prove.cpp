// SPDX-License-Identifier: Apache-2.0 OR MIT

#include <memory>
#include <stop_token>

#include "absl/strings/str_format.h"
#include "apps/prover/commands/claim_flags.h"
#include "apps/prover/commands/commands.h"

#include "damocles/base/file.h"
#include "damocles/base/hex.h"
#include "damocles/base/status.h"
#include "damocles/params/parameter_store.h"
#include "damocles/practice/report.h"
#include "damocles/practice/words.h"

namespace damocles::prover_app {
namespace {

struct ProveFlags {
  std::string kind;
  ClaimFlags claim;
  SectorFlags sectors;
  std::vector<std::string> vanilla;
  std::string params;
  std::string blinding;
  std::string out;
  std::uint64_t threads = 0;
  bool json = false;
};

// The vanilla proofs: read from files, or made from the sectors.
absl::StatusOr<prover::VanillaOutcome> Vanilla(const ProveFlags& flags,
                                               const prover::PostClaim& claim, ThreadPool& pool) {
  if (flags.vanilla.empty()) {
    if (flags.sectors.store.empty() || flags.sectors.sectors.empty()) {
      return cli::UsageError("name the sectors with --store and --sector, or give --vanilla files");
    }
    return flags.sectors.Prove(claim, pool);
  }
  std::vector<std::string> encoded;
  for (const std::string& path : flags.vanilla) {
    DAMOCLES_ASSIGN_OR_RETURN(encoded.emplace_back(), ReadFile(ExpandHome(path)));
  }
  return practice::TakeVanilla(claim, encoded, pool);
}

absl::StatusOr<int> RunProve(const ProveFlags& flags) {
  DAMOCLES_ASSIGN_OR_RETURN(const prover::PostClaim claim, flags.claim.Claim(flags.kind));
  std::vector<groth16::Blinding> blindings;
  if (!flags.blinding.empty()) {
    auto read = practice::ReadBlindings(flags.blinding);
    if (!read.ok()) return Misused("--unsafe-blinding", read.status());
    blindings = *std::move(read);
    cli::PrintNote("WARNING: a proof with known blinding gives its witness away; for tests only");
  }
  Machine machine(flags.threads);
  DAMOCLES_ASSIGN_OR_RETURN(const prover::VanillaOutcome vanilla,
                            Vanilla(flags, claim, machine.pool));
  const auto report = [&](ByteSpan proof) {
    return practice::ProofReport(claim, flags.sectors.miner, vanilla, proof);
  };
  if (!vanilla.faults.empty()) {
    PrintFaults(vanilla.faults);
    if (flags.json) cli::PrintJson(nlohmann::json::parse(report({})));
    return cli::kExitFailed;
  }
  params::ParameterStore parameters(flags.params);
  prover::PostProver prover(parameters, *machine.backend, machine.pool, SystemRandom());
  const std::stop_token never{};
  DAMOCLES_ASSIGN_OR_RETURN(const std::vector<prover::PartitionProof> partitions,
                            prover.Prove(claim, vanilla.challenged, vanilla.proofs,
                                         {.blindings = std::move(blindings)}, never));
  const Bytes proof = prover::Join(partitions);
  if (!flags.out.empty()) {
    DAMOCLES_RETURN_IF_ERROR(WriteFileAtomically(flags.out, report(proof) + "\n"));
  }
  if (flags.json) {
    cli::PrintJson(nlohmann::json::parse(report(proof)));
  } else {
    cli::PrintLine(ToHex(proof));
  }
  return cli::kExitDone;
}

void AddOneProve(cli::Program& program, CLI::App& group, const char* kind, const char* description,
                 const char* example) {
  CLI::App& command = *group.add_subcommand(kind, description);
  auto flags = std::make_shared<ProveFlags>();
  flags->kind = kind;
  flags->claim.Add(command);
  flags->sectors.Add(command, /*required=*/false);
  command
      .add_option("--vanilla", flags->vanilla,
                  "Vanilla proofs made before, one file a sector, in place of --store")
      ->excludes("--store");
  AddParamsFolder(command, flags->params);
  command.add_option("--unsafe-blinding", flags->blinding,
                     "r:s,... in place of random blinding, one pair a partition; for tests");
  cli::AddPath(command, "--out", flags->out, "Also write the JSON to this file");
  AddThreads(command, flags->threads);
  cli::AddJsonFlag(command, &flags->json);
  program.SetAction(
      command, [flags] { return RunProve(*flags); }, example);
}

}  // namespace

void AddProve(cli::Program& program) {
  CLI::App& group =
      *program.App().add_subcommand("prove", "Make a proof and verify it")->require_subcommand(1);
  const char* const example =
      "damocles-prover prove window --size 2KiB --store sectors --sector 7,11 --params params "
      "--out proof.json --randomness "
      "fd60799789d58905e7b637894df8e843fccff4497fbab080bd4658087ad2202d";
  cli::Program::SetExample(group, example);
  AddOneProve(program, group, "window", "A WindowPoSt of any number of sectors", example);
  AddOneProve(
      program, group, "winning", "A WinningPoSt of one sector",
      "damocles-prover prove winning --size 2KiB --store sectors --sector 7 --params params "
      "--json --randomness fd60799789d58905e7b637894df8e843fccff4497fbab080bd4658087ad2202d");
}

}  // namespace damocles::prover_app
