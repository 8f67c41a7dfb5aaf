// SPDX-License-Identifier: Apache-2.0 OR MIT

#include <memory>

#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "apps/prover/commands/claim_flags.h"
#include "apps/prover/commands/commands.h"

#include "damocles/base/status.h"
#include "damocles/post/challenge.h"

namespace damocles::prover_app {
namespace {

struct ChallengesFlags {
  std::string kind = "window";
  ClaimFlags claim;
  std::uint64_t miner = 1000;
  std::string sectors;
  std::uint64_t eligible = 0;
  bool json = false;
};

// Which of the eligible sectors a winning proof must show.
absl::StatusOr<int> RunEligible(const ChallengesFlags& flags, const prover::PostClaim& claim) {
  DAMOCLES_ASSIGN_OR_RETURN(const std::uint64_t index,
                            post::WinningSectorChallenge(post::ProverId(flags.miner),
                                                         claim.randomness, 0, flags.eligible));
  if (flags.json) {
    cli::PrintJson({{"miner", flags.miner}, {"eligible", flags.eligible}, {"index", index}});
  } else {
    cli::PrintLine(absl::StrFormat("%d", index));
  }
  return cli::kExitDone;
}

absl::StatusOr<int> RunChallenges(const ChallengesFlags& flags) {
  DAMOCLES_ASSIGN_OR_RETURN(const prover::PostClaim claim, flags.claim.Claim(flags.kind));
  if (flags.eligible != 0) {
    if (claim.circuit.kind != post::PostKind::kWinning) {
      return cli::UsageError("--eligible is for winning proofs: add --kind winning");
    }
    return RunEligible(flags, claim);
  }
  if (flags.sectors.empty()) {
    return cli::UsageError("name the sectors with --sector, or their number with --eligible");
  }
  DAMOCLES_ASSIGN_OR_RETURN(const std::vector<std::uint64_t> numbers,
                            cli::ParseNumbers(flags.sectors));
  nlohmann::json list = nlohmann::json::array();
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    const std::vector<std::uint64_t> challenges = post::SectorChallenges(
        claim.circuit.kind, claim.version, claim.randomness, numbers[i], i, claim.circuit.tree);
    if (flags.json) {
      list.push_back({{"sector", numbers[i]}, {"challenges", challenges}});
    } else {
      cli::PrintLine(absl::StrFormat("%d: %s", numbers[i], absl::StrJoin(challenges, " ")));
    }
  }
  if (flags.json) cli::PrintJson(list);
  return cli::kExitDone;
}

}  // namespace

void AddChallenges(cli::Program& program) {
  CLI::App& command =
      *program.App().add_subcommand("challenges", "Which leaves of which sector have to be shown");
  auto flags = std::make_shared<ChallengesFlags>();
  command.add_option("--kind", flags->kind, "window or winning")->capture_default_str();
  flags->claim.Add(command);
  command.add_option("--miner", flags->miner, "Actor id, for --eligible")
      ->capture_default_str()
      ->check(cli::WholeNumber());
  CLI::Option* const sector = command.add_option(
      "--sector", flags->sectors,
      "All sectors of the proof, since the older versions count positions: 7,11");
  command
      .add_option("--eligible", flags->eligible,
                  "Winning: print which of so many eligible sectors is to be proven")
      ->check(cli::WholeNumber())
      ->check(CLI::Range(std::uint64_t{1}, ~std::uint64_t{0}))
      ->excludes(sector);
  cli::AddJsonFlag(command, &flags->json);
  program.SetAction(
      command, [flags] { return RunChallenges(*flags); },
      "damocles-prover challenges --size 2KiB --sector 7,11 --randomness fd60799789d58905e7b637894d"
      "f8e843fccff4497fbab080bd4658087ad2202d");
}

}  // namespace damocles::prover_app
