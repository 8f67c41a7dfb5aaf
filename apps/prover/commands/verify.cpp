// SPDX-License-Identifier: Apache-2.0 OR MIT

#include <memory>

#include "absl/strings/str_format.h"
#include "apps/prover/commands/claim_flags.h"
#include "apps/prover/commands/commands.h"

#include "damocles/base/hex.h"
#include "damocles/base/status.h"
#include "damocles/practice/case.h"

namespace damocles::prover_app {
namespace {

struct VerifyFlags {
  std::string kind;
  std::string in;
  ClaimFlags claim;
  std::vector<std::string> sectors;  // "7:comm_r"
  std::string proof;
  std::string params;
  std::uint64_t threads = 0;
  bool json = false;
};

absl::StatusOr<std::vector<post::SectorCommitment>> Sectors(const VerifyFlags& flags) {
  std::vector<post::SectorCommitment> sectors;
  for (const std::string& text : flags.sectors) {
    const auto sector = practice::ReadCommitment(text);
    if (!sector.ok()) return Misused("--sector", sector.status());
    sectors.push_back(*sector);
  }
  return sectors;
}

// What is to be judged, as flags alone say it.
absl::StatusOr<practice::ProofCase> FromFlags(const VerifyFlags& flags) {
  if (flags.claim.randomness.empty()) {
    return cli::UsageError("name the randomness with --in or --randomness");
  }
  if (flags.proof.empty()) return cli::UsageError("give the proof with --in or --proof");
  if (flags.sectors.empty()) {
    return cli::UsageError("name the sectors with --in or --sector N:COMM_R");
  }
  practice::ProofCase read;
  DAMOCLES_ASSIGN_OR_RETURN(read.claim, flags.claim.Claim(flags.kind));
  // Judged as it stands: what is not below r is no randomness.
  DAMOCLES_ASSIGN_OR_RETURN(read.claim.randomness, FromHex32(flags.claim.randomness));
  DAMOCLES_ASSIGN_OR_RETURN(read.sectors, Sectors(flags));
  const auto proof = FromHex(flags.proof);
  if (!proof.ok()) return Annotate(proof.status(), "--proof");
  read.proof = *proof;
  return read;
}

// Puts what flags say in place of what the case says.
absl::Status Override(const VerifyFlags& flags, nlohmann::json& root) {
  const ClaimFlags& claim = flags.claim;
  if (claim.size != 0 || !claim.proof_type.empty()) {
    DAMOCLES_ASSIGN_OR_RETURN(const prover::PostClaim named, claim.Claim(flags.kind));
    root["sector_size"] = merkle::SizeName(named.circuit.tree.sector_bytes);
    if (!claim.proof_type.empty()) root["api_version"] = post::ApiVersionName(named.version);
  }
  if (!claim.api_version.empty()) root["api_version"] = claim.api_version;
  if (claim.sectors_per_partition != 0) {
    root["circuit"] = {{"sectors", claim.sectors_per_partition},
                       {"challenges", post::kWindowChallenges}};
  }
  if (!claim.randomness.empty()) root["randomness"] = claim.randomness;
  if (!flags.proof.empty()) root["proof"] = flags.proof;
  if (flags.sectors.empty()) return absl::OkStatus();
  root["sectors"] = nlohmann::json::array();
  DAMOCLES_ASSIGN_OR_RETURN(const std::vector<post::SectorCommitment> sectors, Sectors(flags));
  for (const post::SectorCommitment& sector : sectors) {
    root["sectors"].push_back({{"sector", sector.number}, {"comm_r", ToHex(sector.comm_r)}});
  }
  return absl::OkStatus();
}

absl::StatusOr<practice::ProofCase> FromCase(const VerifyFlags& flags) {
  DAMOCLES_ASSIGN_OR_RETURN(nlohmann::json root, cli::ReadJsonFile(flags.in));
  if (!root.is_object()) {
    return absl::InvalidArgumentError(absl::StrFormat("%s: is no JSON object", flags.in));
  }
  DAMOCLES_RETURN_IF_ERROR(Override(flags, root));
  DAMOCLES_ASSIGN_OR_RETURN(practice::ProofCase read, practice::ReadProofCase(root.dump()));
  if (const std::string kind = post::KindName(read.claim.circuit.kind); kind != flags.kind) {
    return absl::InvalidArgumentError(
        absl::StrFormat("%s: holds a %s proof, not a %s proof", flags.in, kind, flags.kind));
  }
  return read;
}

int Print(bool json, const char* verdict, const std::string& reason) {
  if (json) {
    nlohmann::json result = {{"verdict", verdict}};
    if (!reason.empty()) result["reason"] = reason;
    cli::PrintJson(result);
  } else {
    cli::PrintLine(reason.empty() ? verdict : absl::StrFormat("%s: %s", verdict, reason));
  }
  return std::string_view(verdict) == "valid" ? cli::kExitDone : cli::kExitFailed;
}

absl::StatusOr<int> RunVerify(const VerifyFlags& flags) {
  const auto read = flags.in.empty() ? FromFlags(flags) : FromCase(flags);
  if (absl::IsInvalidArgument(read.status()) && !cli::IsUsageError(read.status())) {
    return Print(flags.json, "malformed", std::string(read.status().message()));
  }
  DAMOCLES_RETURN_IF_ERROR(read.status());
  ThreadPool pool(flags.threads == 0 ? ProcessorCount() : flags.threads);
  params::ParameterStore parameters(flags.params);
  DAMOCLES_ASSIGN_OR_RETURN(const auto vk, parameters.Vk(read->claim.circuit));
  const auto valid = prover::VerifyPost(read->claim, read->sectors, read->proof, vk->verifier,
                                        SystemRandom(), pool);
  if (absl::IsInvalidArgument(valid.status())) {
    return Print(flags.json, "malformed", std::string(valid.status().message()));
  }
  if (!valid.ok()) return valid.status();
  return Print(flags.json, *valid ? "valid" : "invalid", "");
}

void AddOneVerify(cli::Program& program, CLI::App& group, const char* kind, const char* description,
                  const char* example) {
  CLI::App& command = *group.add_subcommand(kind, description);
  auto flags = std::make_shared<VerifyFlags>();
  flags->kind = kind;
  cli::AddPath(command, "--in", flags->in,
               "What is proven, and the proof, as `prove` writes it or as a case (- for standard "
               "input); flags take precedence");
  flags->claim.Add(command, /*with_randomness=*/false);
  AddRandomness(command, flags->claim.randomness,
                "32 bytes in hexadecimal, as they entered the proof: nothing is cleared");
  command.add_option("--sector", flags->sectors, "NUMBER:COMM_R, once a sector");
  command.add_option("--proof", flags->proof, "The proof in hexadecimal");
  AddParamsFolder(command, flags->params);
  AddThreads(command, flags->threads);
  cli::AddJsonFlag(command, &flags->json);
  program.SetAction(
      command, [flags] { return RunVerify(*flags); }, example);
}

}  // namespace

void AddVerify(cli::Program& program) {
  CLI::App& group = *program.App()
                         .add_subcommand("verify",
                                         "Verify a proof: prints valid, invalid or "
                                         "malformed: why")
                         ->require_subcommand(1);
  const char* const example = "damocles-prover verify window --in proof.json --params params";
  cli::Program::SetExample(group, example);
  AddOneVerify(program, group, "window", "A WindowPoSt", example);
  AddOneVerify(program, group, "winning", "A WinningPoSt",
               "damocles-prover verify winning --in proof.json --params params");
}

}  // namespace damocles::prover_app
