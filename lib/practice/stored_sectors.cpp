// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/practice/stored_sectors.h"

#include <algorithm>
#include <charconv>
#include <stop_token>
#include <utility>

#include "absl/strings/str_format.h"

#include "damocles/base/hex.h"
#include "damocles/base/status.h"
#include "damocles/merkle/p_aux.h"
#include "damocles/storage/genesis_file.h"
#include "damocles/storage/sector_paths.h"

namespace damocles::practice {

merkle::SectorFiles FilesIn(const std::string& store, const filecoin::SectorId& id, bool upgraded) {
  const storage::Variant variant =
      upgraded ? storage::Variant::kUpgraded : storage::Variant::kSealed;
  return {storage::ReplicaPath(store, id, variant), storage::CachePath(store, id, variant)};
}

absl::StatusOr<prover::VanillaOutcome> ProveStored(const prover::PostClaim& claim,
                                                   const StoredSectors& sectors, ThreadPool& pool) {
  if (!std::ranges::includes(sectors.numbers, sectors.upgraded)) {
    return absl::InvalidArgumentError("an upgraded sector is named that is not to be proven");
  }
  std::vector<prover::SectorToProve> found;
  std::vector<prover::UnprovableSector> faults;
  for (const filecoin::SectorNumber number : sectors.numbers) {
    const merkle::SectorFiles files = FilesIn(sectors.store, {sectors.miner, number},
                                              std::ranges::binary_search(sectors.upgraded, number));
    prover::SectorToProve sector{.number = number,
                                 .comm_r = {},
                                 .sealed_path = files.sealed_path,
                                 .cache_dir = files.cache_folder};
    if (const auto known = sectors.comm_r.find(number); known != sectors.comm_r.end()) {
      sector.comm_r = known->second;
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

absl::StatusOr<prover::VanillaOutcome> TakeVanilla(const prover::PostClaim& claim,
                                                   const std::vector<std::string>& encoded,
                                                   ThreadPool& pool) {
  prover::VanillaOutcome outcome;
  std::vector<post::SectorCommitment> commitments;
  for (std::size_t i = 0; i < encoded.size(); ++i) {
    auto proof = post::DecodeVanillaProof(AsBytes(encoded[i]), claim.circuit.tree);
    if (!proof.ok()) return Annotate(proof.status(), absl::StrFormat("vanilla proof %d", i + 1));
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

absl::StatusOr<post::SectorCommitment> ReadCommitment(std::string_view text) {
  const std::size_t colon = text.find(':');
  post::SectorCommitment sector;
  const char* const end = text.data() + std::min(colon, text.size());
  const auto number = std::from_chars(text.data(), end, sector.number);
  const auto comm_r = FromHex32(colon == std::string_view::npos ? "" : text.substr(colon + 1));
  if (number.ec != std::errc() || number.ptr != end || !comm_r.ok()) {
    return absl::InvalidArgumentError(
        absl::StrFormat("\"%s\": write the number, a colon and comm_r as 64 hexadecimal digits",
                        std::string(text)));
  }
  sector.comm_r = *comm_r;
  return sector;
}

absl::StatusOr<Commitments> ReadCommitments(const std::vector<std::string>& texts,
                                            const std::vector<filecoin::SectorNumber>& numbers) {
  Commitments known;
  for (const std::string& text : texts) {
    DAMOCLES_ASSIGN_OR_RETURN(const post::SectorCommitment sector, ReadCommitment(text));
    if (!std::ranges::binary_search(numbers, sector.number)) {
      return absl::InvalidArgumentError(
          absl::StrFormat("%s: this sector is not one of those that are named", text));
    }
    if (!known.emplace(sector.number, sector.comm_r).second) {
      return absl::InvalidArgumentError(absl::StrFormat("sector %d is given twice", sector.number));
    }
  }
  return known;
}

absl::Status AddFromGenesis(const std::string& path, filecoin::ActorId miner,
                            const std::vector<filecoin::SectorNumber>& numbers,
                            Commitments& known) {
  DAMOCLES_ASSIGN_OR_RETURN(const auto entries, storage::ReadGenesisFile(path));
  for (const storage::GenesisSector& entry : entries) {
    if (entry.miner != miner || !std::ranges::binary_search(numbers, entry.number)) continue;
    const auto [place, added] = known.emplace(entry.number, entry.comm_r);
    if (!added && place->second != entry.comm_r) {
      return absl::FailedPreconditionError(absl::StrFormat(
          "sector %d: the comm_r that is given is not the one in %s", entry.number, path));
    }
  }
  for (const filecoin::SectorNumber number : numbers) {
    if (!known.contains(number)) {
      return absl::NotFoundError(
          absl::StrFormat("%s: does not know sector f0%d/%d", path, miner, number));
    }
  }
  return absl::OkStatus();
}

}  // namespace damocles::practice
