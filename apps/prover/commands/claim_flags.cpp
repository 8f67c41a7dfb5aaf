// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "apps/prover/commands/claim_flags.h"

#include <algorithm>
#include <charconv>
#include <stop_token>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_format.h"

#include "damocles/base/hex.h"
#include "damocles/base/status.h"
#include "damocles/filecoin/proof_type.h"
#include "damocles/merkle/p_aux.h"
#include "damocles/post/challenge.h"
#include "damocles/prover/local_prover.h"
#include "damocles/storage/genesis_file.h"
#include "damocles/storage/sector_paths.h"

namespace damocles::prover_app {
namespace {

bool IsNumber(const std::string& text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), absl::ascii_isdigit);
}

absl::StatusOr<filecoin::PoStProofType> ParseProofType(const char* flag, const std::string& text) {
  std::int64_t number = 0;
  const char* const end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data(), end, number);
  const auto type = parsed.ec == std::errc() && parsed.ptr == end
                        ? filecoin::PoStProofTypeFromNumber(number)
                        : filecoin::ParsePoStProofType(text);
  if (!type.ok()) {
    return cli::UsageError(
        absl::StrFormat("%s %s: %s", flag, text, std::string(type.status().message())));
  }
  return *type;
}

absl::StatusOr<post::ApiVersion> ParseVersion(const std::string& text, post::PostKind kind) {
  if (text.empty()) {
    return kind == post::PostKind::kWindow ? post::ApiVersion::kV1_2 : post::ApiVersion::kV1_1;
  }
  const auto version = post::ApiVersionFromName(text);
  if (!version.ok()) {
    return cli::UsageError(absl::StrFormat(
        "--api-version %s: write V1_0, V1_1 or V1_2, or the number of a registered proof", text));
  }
  return *version;
}

}  // namespace

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
  prover::PostClaim claim;
  if (!randomness.empty()) {
    const auto bytes = FromHex32(randomness);
    if (!bytes.ok()) {
      return cli::UsageError("--randomness: write 64 hexadecimal digits without 0x");
    }
    claim.randomness = post::MaskRandomness(*bytes);
  }
  std::uint64_t bytes = size;
  const bool by_number = IsNumber(api_version);
  if (!proof_type.empty() || by_number) {
    const char* const flag = by_number ? "--api-version" : "--proof-type";
    const std::string& text = by_number ? api_version : proof_type;
    DAMOCLES_ASSIGN_OR_RETURN(const filecoin::PoStProofType type, ParseProofType(flag, text));
    DAMOCLES_ASSIGN_OR_RETURN(const prover::PostClaim registered,
                              prover::ClaimOf(type, claim.randomness));
    if (registered.circuit.kind != kind) {
      return cli::UsageError(absl::StrFormat("%s %s is not a %s proof", flag, text, kind_name));
    }
    if (size != 0 && size != registered.circuit.tree.sector_bytes) {
      return cli::UsageError(absl::StrFormat("%s %s is of %s sectors, --size says %s", flag, text,
                                             merkle::SizeName(registered.circuit.tree.sector_bytes),
                                             merkle::SizeName(size)));
    }
    bytes = registered.circuit.tree.sector_bytes;
    claim.version = registered.version;
  } else {
    DAMOCLES_ASSIGN_OR_RETURN(claim.version, ParseVersion(api_version, kind));
  }
  if (bytes == 0) return cli::UsageError("name the sector size with --size or --proof-type");
  if (kind == post::PostKind::kWinning && claim.version == post::ApiVersion::kV1_2) {
    return cli::UsageError("--api-version V1_2 is for window proofs; winning ones have V1_1");
  }
  if (kind == post::PostKind::kWinning && sectors_per_partition != 0) {
    return cli::UsageError("--sectors-per-partition is for window proofs");
  }
  const auto tree = merkle::ShapeOf(bytes);
  if (!tree.ok()) {
    return cli::UsageError(absl::StrFormat("--size: %s", std::string(tree.status().message())));
  }
  claim.circuit = post::CircuitShapeOf(kind, *tree,
                                       kind == post::PostKind::kWindow ? sectors_per_partition : 0);
  return claim;
}

absl::StatusOr<post::SectorCommitment> ParseCommitment(const char* flag, const std::string& text) {
  const std::size_t colon = text.find(':');
  post::SectorCommitment sector;
  const char* const end = text.data() + std::min(colon, text.size());
  const auto number = std::from_chars(text.data(), end, sector.sector);
  const auto comm_r = FromHex32(colon == std::string::npos ? "" : text.substr(colon + 1));
  if (number.ec != std::errc() || number.ptr != end || !comm_r.ok()) {
    return cli::UsageError(absl::StrFormat(
        "%s \"%s\": write the number, a colon and comm_r as 64 hexadecimal digits", flag, text));
  }
  sector.comm_r = *comm_r;
  return sector;
}

void CommRFlags::Add(CLI::App& command) {
  command.add_option("--comm-r", comm_r,
                     "NUMBER:COMM_R as the chain knows it, once a sector; without it and --genesis "
                     "comm_r is believed to p_aux");
  cli::AddPath(command, "--genesis", genesis, "Take comm_r of the sectors from this genesis file");
}

absl::StatusOr<std::map<std::uint64_t, Bytes32>> CommRFlags::Read(
    std::uint64_t miner, const std::vector<std::uint64_t>& numbers) const {
  std::map<std::uint64_t, Bytes32> known;
  for (const std::string& text : comm_r) {
    DAMOCLES_ASSIGN_OR_RETURN(const post::SectorCommitment sector,
                              ParseCommitment("--comm-r", text));
    if (!std::ranges::binary_search(numbers, sector.sector)) {
      return cli::UsageError(
          absl::StrFormat("--comm-r %s: --sector does not name this sector", text));
    }
    if (!known.emplace(sector.sector, sector.comm_r).second) {
      return cli::UsageError(absl::StrFormat("--comm-r names sector %d twice", sector.sector));
    }
  }
  if (genesis.empty()) return known;
  DAMOCLES_ASSIGN_OR_RETURN(const auto entries, storage::ReadGenesisFile(genesis));
  for (const storage::GenesisSector& entry : entries) {
    if (entry.miner != miner || !std::ranges::binary_search(numbers, entry.number)) continue;
    const auto [place, added] = known.emplace(entry.number, entry.comm_r);
    if (!added && place->second != entry.comm_r) {
      return cli::UsageError(
          absl::StrFormat("sector %d: --comm-r is not the comm_r in %s", entry.number, genesis));
    }
  }
  for (const std::uint64_t number : numbers) {
    if (!known.contains(number)) {
      return absl::NotFoundError(
          absl::StrFormat("%s: does not know sector f0%d/%d", genesis, miner, number));
    }
  }
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
  DAMOCLES_ASSIGN_OR_RETURN(const std::vector<std::uint64_t> numbers, cli::ParseNumbers(sectors));
  std::vector<std::uint64_t> upgraded_numbers;
  if (!upgraded.empty()) {
    DAMOCLES_ASSIGN_OR_RETURN(upgraded_numbers, cli::ParseNumbers(upgraded));
  }
  if (!std::ranges::includes(numbers, upgraded_numbers)) {
    return cli::UsageError(
        absl::StrFormat("--upgraded %s: --sector does not name all of these", upgraded));
  }
  DAMOCLES_ASSIGN_OR_RETURN(const auto known, comm_r.Read(miner, numbers));
  std::vector<prover::SectorToProve> found;
  std::vector<prover::UnprovableSector> faults;
  for (const std::uint64_t number : numbers) {
    const storage::Variant variant = std::ranges::binary_search(upgraded_numbers, number)
                                         ? storage::Variant::kUpgraded
                                         : storage::Variant::kSealed;
    const filecoin::SectorId id{miner, number};
    prover::SectorToProve sector{.number = number,
                                 .comm_r = {},
                                 .sealed_path = storage::ReplicaPath(store, id, variant),
                                 .cache_dir = storage::CachePath(store, id, variant)};
    if (const auto comm = known.find(number); comm != known.end()) {
      sector.comm_r = comm->second;
    } else {
      const auto p_aux = merkle::ReadPAux(sector.cache_dir);
      if (!p_aux.ok()) {
        faults.push_back({number, std::string(p_aux.status().message())});
        continue;
      }
      sector.comm_r = bls12_381::ToBytesLe(p_aux->CommR());
    }
    found.push_back(std::move(sector));
  }
  prover::VanillaOutcome outcome;
  const std::stop_token never{};
  if (!found.empty()) {
    DAMOCLES_ASSIGN_OR_RETURN(outcome, prover::ProveVanilla(claim, found, pool, never));
  }
  if (faults.empty()) return outcome;
  outcome.proofs.clear();
  outcome.faults.insert(outcome.faults.end(), faults.begin(), faults.end());
  std::ranges::sort(outcome.faults, {}, &prover::UnprovableSector::number);
  return outcome;
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
  folder = prover::ParameterStore::DefaultFolder();
  cli::AddPath(command, "--params", folder,
               "Folder of the parameter files (default: FIL_PROOFS_PARAMETER_CACHE or "
               "/var/tmp/filecoin-proof-parameters)");
}

absl::Status CheckKind(const std::string& kind_name) {
  if (post::KindFromName(kind_name).ok()) return absl::OkStatus();
  return cli::UsageError(
      absl::StrFormat("\"%s\" is no kind of proof; write window or winning", kind_name));
}

nlohmann::json FaultsJson(const std::vector<prover::UnprovableSector>& faults) {
  nlohmann::json list = nlohmann::json::array();
  for (const prover::UnprovableSector& fault : faults) {
    list.push_back({{"sector", fault.number}, {"reason", fault.reason}});
  }
  return list;
}

nlohmann::json ClaimJson(const prover::PostClaim& claim, std::uint64_t miner) {
  return {
      {"kind", post::KindName(claim.circuit.kind)},
      {"sector_size", merkle::SizeName(claim.circuit.tree.sector_bytes)},
      {"api_version", post::ApiVersionName(claim.version)},
      {"circuit", {{"sectors", claim.circuit.sectors}, {"challenges", claim.circuit.challenges}}},
      {"miner", miner},
      {"randomness", ToHex(claim.randomness)}};
}

}  // namespace damocles::prover_app
