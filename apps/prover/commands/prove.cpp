// SPDX-License-Identifier: Apache-2.0 OR MIT

#include <algorithm>
#include <memory>
#include <stop_token>

#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "apps/prover/commands/claim_flags.h"
#include "apps/prover/commands/commands.h"

#include "damocles/base/file.h"
#include "damocles/base/hex.h"
#include "damocles/base/status.h"

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

absl::StatusOr<bls12_381::Fr> Element(const std::string& hex) {
  const auto bytes = FromHex32(hex);
  if (bytes.ok()) {
    const auto value = bls12_381::FrFromBytesLe(*bytes);
    if (value.ok()) return *value;
  }
  return cli::UsageError(absl::StrFormat(
      "--unsafe-blinding: \"%s\" is not 64 hexadecimal digits of a number below r", hex));
}

// "r:s,r:s", one pair a partition.
absl::StatusOr<std::vector<groth16::Blinding>> ParseBlinding(const std::string& text) {
  std::vector<groth16::Blinding> blindings;
  if (text.empty()) return blindings;
  cli::PrintNote("WARNING: a proof with known blinding gives its witness away; for tests only");
  for (const auto pair : absl::StrSplit(text, ',')) {
    const std::vector<std::string> parts = absl::StrSplit(pair, ':');
    if (parts.size() != 2) return cli::UsageError("--unsafe-blinding: write r:s,r:s");
    groth16::Blinding blinding;
    DAMOCLES_ASSIGN_OR_RETURN(blinding.r, Element(parts[0]));
    DAMOCLES_ASSIGN_OR_RETURN(blinding.s, Element(parts[1]));
    blindings.push_back(blinding);
  }
  return blindings;
}

// The vanilla proofs: read from files, or made from the sectors.
absl::StatusOr<prover::VanillaOutcome> Vanilla(const ProveFlags& flags,
                                               const prover::PostClaim& claim, ThreadPool& pool) {
  if (flags.vanilla.empty()) {
    if (flags.sectors.store.empty() || flags.sectors.sectors.empty()) {
      return cli::UsageError("name the sectors with --store and --sector, or give --vanilla files");
    }
    return flags.sectors.Prove(claim, pool);
  }
  prover::VanillaOutcome outcome;
  std::vector<post::SectorCommitment> commitments;
  for (const std::string& path : flags.vanilla) {
    DAMOCLES_ASSIGN_OR_RETURN(const std::string bytes, ReadFile(ExpandHome(path)));
    auto proof = post::DecodeVanillaProof(AsBytes(bytes), claim.circuit.tree);
    if (!proof.ok()) return Annotate(proof.status(), path);
    commitments.push_back({proof->sector, bls12_381::ToBytesLe(proof->comm_r)});
    outcome.proofs.push_back(*std::move(proof));
  }
  std::ranges::sort(outcome.proofs, {}, &post::FallbackSectorProof::sector);
  DAMOCLES_ASSIGN_OR_RETURN(
      outcome.challenged,
      post::ChallengeSectors(claim.circuit, claim.version, claim.randomness, commitments));
  DAMOCLES_RETURN_IF_ERROR(prover::CheckVanilla(claim, outcome.challenged, outcome.proofs, pool));
  return outcome;
}

absl::StatusOr<int> RunProve(const ProveFlags& flags) {
  DAMOCLES_ASSIGN_OR_RETURN(const prover::PostClaim claim, flags.claim.Claim(flags.kind));
  DAMOCLES_ASSIGN_OR_RETURN(std::vector<groth16::Blinding> blindings,
                            ParseBlinding(flags.blinding));
  Machine machine(flags.threads);
  DAMOCLES_ASSIGN_OR_RETURN(const prover::VanillaOutcome vanilla,
                            Vanilla(flags, claim, machine.pool));
  nlohmann::json result = ClaimJson(claim, flags.sectors.miner);
  if (!vanilla.faults.empty()) {
    for (const prover::UnprovableSector& fault : vanilla.faults) {
      cli::PrintNote(absl::StrFormat("sector %d cannot be proven: %s", fault.number, fault.reason));
    }
    result["faults"] = FaultsJson(vanilla.faults);
    if (flags.json) cli::PrintJson(result);
    return cli::kExitFailed;
  }
  prover::ParameterStore parameters(flags.params);
  prover::PostProver prover(parameters, *machine.backend, machine.pool, SystemRandom());
  const std::stop_token never{};
  DAMOCLES_ASSIGN_OR_RETURN(const std::vector<prover::PartitionProof> partitions,
                            prover.Prove(claim, vanilla.challenged, vanilla.proofs,
                                         {.blindings = std::move(blindings)}, never));
  const Bytes proof = prover::Join(partitions);
  result["proof"] = ToHex(proof);
  result["sectors"] = nlohmann::json::array();
  for (const post::ChallengedSector& sector : vanilla.challenged) {
    result["sectors"].push_back({{"sector", sector.sector},
                                 {"comm_r", ToHex(bls12_381::ToBytesLe(sector.comm_r))},
                                 {"challenges", sector.challenges}});
  }
  if (!flags.out.empty()) {
    DAMOCLES_RETURN_IF_ERROR(WriteFileAtomically(flags.out, result.dump(1) + "\n"));
  }
  if (flags.json) {
    cli::PrintJson(result);
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
