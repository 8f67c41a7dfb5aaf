// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// How sectors are spread over the partitions of a proof, which are those of the circuit: see
// filecoin/partition.h.

#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "absl/status/statusor.h"

#include "damocles/base/bytes.h"
#include "damocles/filecoin/partition.h"
#include "damocles/filecoin/sector.h"
#include "damocles/post/types.h"
#include "damocles/post/vanilla.h"

namespace damocles::post {

// What is public of one sector, and which of its leaves have to be shown.
struct ChallengedSector {
  std::uint64_t sector = 0;
  Fr comm_r{};
  std::vector<std::uint64_t> challenges;

  friend bool operator==(const ChallengedSector&, const ChallengedSector&) = default;
};

// A sector as the chain names it: whoever verifies a proof needs no more.
struct SectorCommitment {
  filecoin::SectorNumber number = 0;
  Bytes32 comm_r{};  // the Fr of the sealed CID, little-endian
};

// Of a proof over so many sectors: as ProofPartitionsFor says for window, 1 for winning.
filecoin::ProofPartitions PartitionCount(const CircuitShape& circuit, std::uint64_t sectors);

// Sorts by number, drops repeated sectors and computes every sector's challenges.
// INVALID_ARGUMENT: no sector, more than one for winning, V1_2 for winning, one number with two
// commitments, a commitment or a randomness that is not canonical.
absl::StatusOr<std::vector<ChallengedSector>> ChallengeSectors(
    const CircuitShape& circuit, ApiVersion version, const Bytes32& randomness,
    std::span<const SectorCommitment> sectors);

// The real sectors of partition `index`, at most circuit.sectors (window) or one (winning).
std::span<const ChallengedSector> PartitionOf(const CircuitShape& circuit,
                                              std::span<const ChallengedSector> all,
                                              std::uint64_t index);

// The circuit's sectors of one partition: exactly circuit.sectors blocks of circuit.challenges
// each. Window: the real ones, the last repeated up to the number; winning: the one sector's
// challenges, one in each block.
std::vector<ChallengedSector> CircuitSectors(const CircuitShape& circuit,
                                             std::span<const ChallengedSector> real);

}  // namespace damocles::post
