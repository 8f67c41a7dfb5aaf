// SPDX-License-Identifier: Apache-2.0 OR MIT

#include <charconv>
#include <memory>

#include "absl/strings/str_format.h"
#include "apps/prover/commands/claim_flags.h"
#include "apps/prover/commands/commands.h"

#include "damocles/base/hex.h"
#include "damocles/base/status.h"

namespace damocles::prover_app {
namespace {

struct Flags {
  std::string kind;
  std::string in;
  ClaimFlags claim;
  std::vector<std::string> sectors;  // "7:comm_r"
  std::string proof;
  std::string params;
  std::uint64_t threads = 0;
  bool json = false;
};

std::string TextOf(const nlohmann::json& object, const char* member) {
  return object.is_object() && object.contains(member) && object[member].is_string()
             ? object[member].get<std::string>()
             : "";
}

std::uint64_t NumberOf(const nlohmann::json& object, const char* member) {
  return object.is_object() && object.contains(member) && object[member].is_number_unsigned()
             ? object[member].get<std::uint64_t>()
             : 0;
}

// Takes from a case what no flag has set.
absl::Status FillFromCase(const nlohmann::json& root, Flags& flags) {
  if (!root.is_object()) {
    return absl::InvalidArgumentError(absl::StrFormat("%s: is no JSON object", flags.in));
  }
  if (const std::string kind = TextOf(root, "kind"); kind != flags.kind) {
    return absl::InvalidArgumentError(
        absl::StrFormat("%s: holds a proof of kind \"%s\", not %s", flags.in, kind, flags.kind));
  }
  if (flags.claim.size == 0 && flags.claim.proof_type.empty()) {
    DAMOCLES_ASSIGN_OR_RETURN(flags.claim.size, cli::ParseSize(TextOf(root, "sector_size")));
  }
  if (flags.claim.api_version.empty()) flags.claim.api_version = TextOf(root, "api_version");
  if (flags.claim.sectors_per_partition == 0 && root.contains("circuit")) {
    flags.claim.sectors_per_partition = NumberOf(root["circuit"], "sectors");
  }
  if (flags.claim.randomness.empty()) flags.claim.randomness = TextOf(root, "randomness");
  if (flags.proof.empty()) flags.proof = TextOf(root, "proof");
  if (!flags.sectors.empty() || !root.contains("sectors") || !root["sectors"].is_array()) {
    return absl::OkStatus();
  }
  for (const nlohmann::json& sector : root["sectors"]) {
    flags.sectors.push_back(
        absl::StrFormat("%d:%s", NumberOf(sector, "sector"), TextOf(sector, "comm_r")));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<post::SectorCommitment>> ParseSectors(
    const std::vector<std::string>& texts) {
  if (texts.empty()) return cli::UsageError("name the sectors with --in or --sector N:COMM_R");
  std::vector<post::SectorCommitment> sectors;
  for (const std::string& text : texts) {
    const std::size_t colon = text.find(':');
    post::SectorCommitment sector;
    const char* const end = text.data() + std::min(colon, text.size());
    const auto number = std::from_chars(text.data(), end, sector.sector);
    const auto comm_r = FromHex32(colon == std::string::npos ? "" : text.substr(colon + 1));
    if (number.ec != std::errc() || number.ptr != end || !comm_r.ok()) {
      return cli::UsageError(
          absl::StrFormat("--sector \"%s\": write the number, a colon and comm_r as 64 hexadecimal "
                          "digits",
                          text));
    }
    sector.comm_r = *comm_r;
    sectors.push_back(sector);
  }
  return sectors;
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

absl::StatusOr<int> Run(Flags flags) {
  if (!flags.in.empty()) {
    DAMOCLES_ASSIGN_OR_RETURN(const nlohmann::json root, cli::ReadJsonFile(flags.in));
    DAMOCLES_RETURN_IF_ERROR(FillFromCase(root, flags));
  }
  if (flags.claim.randomness.empty()) {
    return cli::UsageError("name the randomness with --in or --randomness");
  }
  if (flags.proof.empty()) return cli::UsageError("give the proof with --in or --proof");
  DAMOCLES_ASSIGN_OR_RETURN(const prover::PostClaim claim, flags.claim.Claim(flags.kind));
  DAMOCLES_ASSIGN_OR_RETURN(const std::vector<post::SectorCommitment> sectors,
                            ParseSectors(flags.sectors));
  ThreadPool pool(flags.threads == 0 ? ProcessorCount() : flags.threads);
  prover::ParameterStore parameters(flags.params);
  DAMOCLES_ASSIGN_OR_RETURN(const auto vk, parameters.Vk(claim.circuit));
  const auto proof = FromHex(flags.proof);
  if (!proof.ok()) return Print(flags.json, "malformed", std::string(proof.status().message()));
  const auto valid = prover::VerifyPost(claim, sectors, *proof, vk->verifier, SystemRandom(), pool);
  if (absl::IsInvalidArgument(valid.status())) {
    return Print(flags.json, "malformed", std::string(valid.status().message()));
  }
  if (!valid.ok()) return valid.status();
  return Print(flags.json, *valid ? "valid" : "invalid", "");
}

void AddOne(cli::Program& program, CLI::App& group, const char* kind, const char* description,
            const char* example) {
  CLI::App& command = *group.add_subcommand(kind, description);
  auto flags = std::make_shared<Flags>();
  flags->kind = kind;
  cli::AddPath(command, "--in", flags->in,
               "What is proven, and the proof, as `prove` writes it or as a case (- for standard "
               "input); flags take precedence");
  flags->claim.Add(command, /*with_randomness=*/false);
  command.add_option("--randomness", flags->claim.randomness, "32 bytes in hexadecimal");
  command.add_option("--sector", flags->sectors, "NUMBER:COMM_R, once a sector");
  command.add_option("--proof", flags->proof, "The proof in hexadecimal");
  AddParamsFolder(command, flags->params);
  AddThreads(command, flags->threads);
  cli::AddJsonFlag(command, &flags->json);
  program.SetAction(
      command, [flags] { return Run(*flags); }, example);
}

}  // namespace

void AddVerify(cli::Program& program) {
  CLI::App& group = *program.App()
                         .add_subcommand("verify",
                                         "Verify a proof: prints valid, invalid or "
                                         "malformed: why")
                         ->require_subcommand(1);
  AddOne(program, group, "window", "A WindowPoSt",
         "damocles-prover verify window --in proof.json --params params");
  AddOne(program, group, "winning", "A WinningPoSt",
         "damocles-prover verify winning --in proof.json --params params");
}

}  // namespace damocles::prover_app
