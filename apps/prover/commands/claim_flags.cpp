// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "apps/prover/commands/claim_flags.h"

#include <algorithm>

#include "absl/strings/str_format.h"

#include "damocles/base/hex.h"
#include "damocles/base/status.h"
#include "damocles/params/parameter_store.h"
#include "damocles/practice/words.h"

namespace damocles::prover_app {
CLI::Option* AddRandomness(CLI::App& command, std::string& randomness,
                           const std::string& description) {
  return command.add_option("--randomness", randomness, description)
      ->check([](const std::string& text) -> std::string {
        return FromHex32(text).ok() ? "" : "write 64 hexadecimal digits without 0x";
      });
}

void ClaimFlags::Add(CLI::App& command, bool with_randomness) {
  CLI::Option* const size_option =
      cli::AddSize(command, "--size", size, "Sector size: 2KiB ... 64GiB");
  CLI::Option* const version_option = command.add_option(
      "--api-version", api_version,
      "V1_0, V1_1 or V1_2, as in the proofs library (what the chain calls V1_1 is "
      "V1_2; default: V1_2 for window, V1_1 for winning); or the number of a registered proof");
  command
      .add_option("--proof-type", proof_type,
                  "Registered proof, number or name, in place of --size and --api-version")
      ->excludes(size_option)
      ->excludes(version_option);
  command
      .add_option("--sectors-per-partition", sectors_per_partition,
                  "Window circuits only: another number than the network's (for tests)")
      ->check(CLI::Range(std::uint64_t{1}, post::kCircuitSectorsMax));
  if (with_randomness) {
    AddRandomness(command, randomness,
                  "32 bytes in hexadecimal; the two top bits are cleared, as nodes do")
        ->required();
  }
}

absl::StatusOr<prover::PostClaim> ClaimFlags::Claim(const std::string& kind_name) const {
  DAMOCLES_RETURN_IF_ERROR(CheckKind(kind_name));
  DAMOCLES_ASSIGN_OR_RETURN(const post::PostKind kind, post::KindFromName(kind_name));
  practice::ClaimWords words{.sector_bytes = size,
                             .api_version = api_version,
                             .proof_type = proof_type,
                             .sectors_per_partition = sectors_per_partition,
                             .randomness = {}};
  if (!randomness.empty()) {
    DAMOCLES_ASSIGN_OR_RETURN(words.randomness, FromHex32(randomness));
  }
  if (const auto tree = merkle::ShapeOf(size); size != 0 && !tree.ok()) {
    return Misused("--size", tree.status());
  }
  const auto claim = practice::ReadClaim(kind, words);
  if (!claim.ok()) return cli::UsageError(std::string(claim.status().message()));
  return claim;
}

absl::Status Misused(const char* flag, const absl::Status& why) {
  return cli::UsageError(absl::StrFormat("%s: %s", flag, std::string(why.message())));
}

void CommRFlags::Add(CLI::App& command) {
  command.add_option("--comm-r", comm_r,
                     "NUMBER:COMM_R as the chain knows it, once a sector; without it and --genesis "
                     "comm_r is believed to p_aux");
  cli::AddPath(command, "--genesis", genesis, "Take comm_r of the sectors from this genesis file");
}

absl::StatusOr<practice::Commitments> CommRFlags::Read(
    std::uint64_t miner, const std::vector<std::uint64_t>& numbers) const {
  auto known = practice::ReadCommitments(comm_r, numbers);
  if (!known.ok()) return Misused("--comm-r", known.status());
  if (genesis.empty()) return known;
  const absl::Status added = practice::AddFromGenesis(genesis, miner, numbers, *known);
  if (absl::IsFailedPrecondition(added)) return Misused("--comm-r", added);
  if (!added.ok()) return added;
  return known;
}

void SectorFlags::Add(CLI::App& command, bool required) {
  cli::AddPath(command, "--store", store, "Folder with sealed/ and cache/, as Lotus lays them out")
      ->required(required);
  command.add_option("--miner", miner, "Actor id: 1000 for f01000")
      ->capture_default_str()
      ->check(cli::WholeNumber());
  command.add_option("--sector", sectors, "Sector numbers: 7 or 7,11 or 0-9")->required(required);
  command.add_option("--upgraded", upgraded,
                     "Which of them to take from update/ and update-cache/");
  comm_r.Add(command);
}

absl::StatusOr<prover::VanillaOutcome> SectorFlags::Prove(const prover::PostClaim& claim,
                                                          ThreadPool& pool) const {
  practice::StoredSectors stored{
      .store = store, .miner = miner, .numbers = {}, .upgraded = {}, .comm_r = {}};
  DAMOCLES_ASSIGN_OR_RETURN(stored.numbers, cli::ParseNumbers(sectors));
  if (!upgraded.empty()) {
    DAMOCLES_ASSIGN_OR_RETURN(stored.upgraded, cli::ParseNumbers(upgraded));
  }
  if (!std::ranges::includes(stored.numbers, stored.upgraded)) {
    return cli::UsageError(
        absl::StrFormat("--upgraded %s: --sector does not name all of these", upgraded));
  }
  DAMOCLES_ASSIGN_OR_RETURN(stored.comm_r, comm_r.Read(miner, stored.numbers));
  return practice::ProveStored(claim, stored, pool);
}

Machine::Machine(std::uint64_t threads)
    : pool(threads == 0 ? ProcessorCount() : threads), backend(groth16::MakeCpuBackend(pool)) {}

void AddThreads(CLI::App& command, std::uint64_t& threads) {
  command.add_option("--threads", threads, "Threads to use (default: one a processor)")
      ->check(CLI::Range(1, 1024));
}

void AddParamsFolder(CLI::App& command, std::string& folder, bool required) {
  if (required) {
    cli::AddPath(command, "--params", folder, "Folder of the parameter files")->required();
    return;
  }
  folder = params::ParameterStore::DefaultFolder();
  cli::AddPath(command, "--params", folder,
               "Folder of the parameter files (default: FIL_PROOFS_PARAMETER_CACHE or "
               "/var/tmp/filecoin-proof-parameters)");
}

absl::Status CheckKind(const std::string& kind_name) {
  if (post::KindFromName(kind_name).ok()) return absl::OkStatus();
  return cli::UsageError(
      absl::StrFormat("\"%s\" is no kind of proof; write window or winning", kind_name));
}

void PrintFaults(const std::vector<prover::UnprovableSector>& faults) {
  for (const prover::UnprovableSector& fault : faults) {
    cli::PrintNote(absl::StrFormat("sector %d cannot be proven: %s", fault.number, fault.reason));
  }
}

}  // namespace damocles::prover_app
