// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// Vanilla proofs: the Merkle paths of one sector that the SNARK then proves (docs/post.md 3).

#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "absl/status/statusor.h"

#include "damocles/base/bytes.h"
#include "damocles/merkle/inclusion_proof.h"
#include "damocles/merkle/sector_tree.h"
#include "damocles/post/types.h"

namespace damocles::post {

// Paths from challenged leaves to comm_r_last, in the order of the challenges.
struct SectorProof {
  std::vector<merkle::InclusionProof> inclusion_proofs;
  Fr comm_c{};
  Fr comm_r_last{};

  friend bool operator==(const SectorProof&, const SectorProof&) = default;
};

// The unit that is exchanged: one real sector.
struct FallbackSectorProof {
  std::uint64_t sector = 0;
  Fr comm_r{};
  SectorProof proof;

  friend bool operator==(const FallbackSectorProof&, const FallbackSectorProof&) = default;
};

// comm_r from its 32 bytes; INVALID_ARGUMENT if not canonical or all zeros (nobody's commitment).
absl::StatusOr<Fr> CommRFromBytes(const Bytes32& bytes);

// Reads the sector's files and proves the challenged leaves.  NOT_FOUND and DATA_LOSS are faults of
// the sector: a file that is missing, short or corrupt (named), or p_aux that does not make
// `comm_r`.  Other statuses are this machine's: no descriptor left, no right, a device that fails.
// From any thread; creates no files.
absl::StatusOr<FallbackSectorProof> GenerateVanillaProof(const merkle::TreeShape& tree,
                                                         std::uint64_t sector, const Fr& comm_r,
                                                         const merkle::SectorFiles& files,
                                                         std::span<const std::uint64_t> challenges);

// Whether `proof` shows the challenged leaves under `comm_r`: INVALID_ARGUMENT says what is wrong.
absl::Status VerifySectorProof(const SectorProof& proof, const merkle::TreeShape& tree,
                               const Fr& comm_r, std::span<const std::uint64_t> challenges);

// The bincode form of rust-fil-proofs (storage-proofs-post, fallback/vanilla.rs).  The number of
// base levels makes the variant: see the shape.
Bytes EncodeVanillaProof(const FallbackSectorProof& proof, const merkle::TreeShape& tree);

// Strict: INVALID_ARGUMENT with the position unless every length, tag and index is what `tree` has,
// every element is canonical, there is one to kWinningChallenges inclusion proofs and nothing is
// left over.  Says nothing about the hashes.
absl::StatusOr<FallbackSectorProof> DecodeVanillaProof(ByteSpan bytes,
                                                       const merkle::TreeShape& tree);

// Bytes of the bincode form of a sector with so many inclusion proofs.
std::uint64_t VanillaProofBytes(const merkle::TreeShape& tree, std::uint64_t inclusion_proofs);

}  // namespace damocles::post
