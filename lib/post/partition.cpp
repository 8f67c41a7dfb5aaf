// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/post/partition.h"

#include <algorithm>
#include <map>

#include "absl/strings/str_format.h"

#include "damocles/base/check.h"
#include "damocles/base/hex.h"
#include "damocles/base/status.h"
#include "damocles/post/challenge.h"

namespace damocles::post {

filecoin::ProofPartitions PartitionCount(const CircuitShape& circuit, std::uint64_t sectors) {
  // The one sector of a winning proof fills its circuit.
  const bool winning = circuit.kind == PostKind::kWinning;
  return filecoin::ProofPartitionsFor(winning ? 1 : sectors, winning ? 1 : circuit.sectors);
}

absl::StatusOr<std::vector<ChallengedSector>> ChallengeSectors(
    const CircuitShape& circuit, ApiVersion version, const Bytes32& randomness,
    std::span<const SectorCommitment> sectors) {
  DAMOCLES_RETURN_IF_ERROR(CheckRandomness(randomness));
  if (sectors.empty()) return absl::InvalidArgumentError("there is no sector to prove");
  std::map<std::uint64_t, Bytes32> unique;
  for (const SectorCommitment& sector : sectors) {
    const auto [place, added] = unique.emplace(sector.number, sector.comm_r);
    if (!added && place->second != sector.comm_r) {
      return absl::InvalidArgumentError(
          absl::StrFormat("sector %d is given with two commitments, %s and %s", sector.number,
                          ToHex(place->second), ToHex(sector.comm_r)));
    }
  }
  if (circuit.kind == PostKind::kWinning) {
    if (unique.size() != 1) {
      return absl::InvalidArgumentError(
          absl::StrFormat("a winning proof is for one sector, %d are given", unique.size()));
    }
    if (version == ApiVersion::kV1_2) {
      return absl::InvalidArgumentError("api version V1_2 is for window proofs only: want V1_1");
    }
  }
  std::vector<ChallengedSector> out;
  out.reserve(unique.size());
  for (const auto& [number, bytes] : unique) {
    const absl::StatusOr<Fr> comm_r = CommRFromBytes(bytes);
    if (!comm_r.ok()) return Annotate(comm_r.status(), absl::StrFormat("sector %d", number));
    out.push_back(
        {number, *comm_r,
         SectorChallenges(circuit.kind, version, randomness, number, out.size(), circuit.tree)});
  }
  return out;
}

std::span<const ChallengedSector> PartitionOf(const CircuitShape& circuit,
                                              std::span<const ChallengedSector> all,
                                              std::uint64_t index) {
  if (circuit.kind == PostKind::kWinning) return all;
  const std::uint64_t first = index * circuit.sectors;
  DAMOCLES_CHECK(first < all.size());
  return all.subspan(first, std::min<std::uint64_t>(circuit.sectors, all.size() - first));
}

std::vector<ChallengedSector> CircuitSectors(const CircuitShape& circuit,
                                             std::span<const ChallengedSector> real) {
  DAMOCLES_CHECK(!real.empty() && real.size() <= circuit.sectors);
  std::vector<ChallengedSector> out;
  out.reserve(circuit.sectors);
  if (circuit.kind == PostKind::kWinning) {
    DAMOCLES_CHECK(real.size() == 1 && real[0].challenges.size() == circuit.sectors);
    for (std::uint64_t challenge : real[0].challenges) {
      out.push_back({real[0].sector, real[0].comm_r, {challenge}});
    }
    return out;
  }
  out.assign(real.begin(), real.end());
  out.resize(circuit.sectors, real.back());
  return out;
}

}  // namespace damocles::post
