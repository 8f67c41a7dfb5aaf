// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// Which leaves, and for winning proofs which sector, have to be shown (docs/post.md 2).
//
// Randomness and prover id are given as on the wire; the caller has masked the randomness
// (byte 31 &= 0x3f), these functions refuse what is not below r and never mask.

#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "absl/status/statusor.h"

#include "damocles/base/bytes.h"
#include "damocles/post/types.h"

namespace damocles::post {

// Clears the two top bits of byte 31, as every caller of the network's proofs library does.
Bytes32 MaskRandomness(Bytes32 randomness);

// INVALID_ARGUMENT unless `randomness` is a canonical field element.
absl::Status CheckRandomness(const Bytes32& randomness);

// The prover id of an actor: its number as LEB128, zero padded.
Bytes32 ProverId(std::uint64_t actor_id);

// The leaf that challenge `index` names in a sector of `nodes` leaves (a power of two).
std::uint64_t LeafChallenge(const Bytes32& randomness, std::uint64_t sector, std::uint64_t index,
                            std::uint64_t nodes);

// The challenges of one sector in a window proof.  `position` is its place in the ascending list of
// all sectors of the proof (over all partitions); V1_2 does not look at it.
std::vector<std::uint64_t> WindowChallenges(ApiVersion version, const Bytes32& randomness,
                                            std::uint64_t sector, std::uint64_t position,
                                            const merkle::TreeShape& tree);

// The 66 challenges of the one sector in a winning proof.
std::vector<std::uint64_t> WinningChallenges(const Bytes32& randomness, std::uint64_t sector,
                                             const merkle::TreeShape& tree);

// WindowChallenges or WinningChallenges, by the kind.
std::vector<std::uint64_t> SectorChallenges(PostKind kind, ApiVersion version,
                                            const Bytes32& randomness, std::uint64_t sector,
                                            std::uint64_t position, const merkle::TreeShape& tree);

// The index into the list of `sectors` eligible sectors whose sector has to be shown;
// INVALID_ARGUMENT if the list is empty.  n = 0 on the network.
absl::StatusOr<std::uint64_t> WinningSectorChallenge(const Bytes32& prover_id,
                                                     const Bytes32& randomness, std::uint64_t n,
                                                     std::uint64_t sectors);

}  // namespace damocles::post
