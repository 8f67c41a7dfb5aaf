// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// What a proof-of-spacetime is made for.

#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "damocles/filecoin/proof_type.h"
#include "damocles/merkle/shape.h"

namespace damocles::post {

using bls12_381::Fr;

enum class PostKind { kWindow, kWinning };

// How leaf challenges are numbered.  V1_0 and V1_1 agree: by the sector's position among all that
// are proven; V1_2, which the chain calls V1_1, by the challenge alone and for window proofs only.
using filecoin::ApiVersion;

inline constexpr std::uint64_t kWindowChallenges = 10;
inline constexpr std::uint64_t kWinningChallenges = 66;
// At 10000 sectors of 64 GiB with 10 challenges the circuit's variables still have 31-bit numbers.
inline constexpr std::uint64_t kCircuitSectorsMax = 10000;
inline constexpr std::uint64_t kCircuitChallengesMax = 10;

// "window", "winning"; "V1_0", "V1_1", "V1_2"; and back (INVALID_ARGUMENT).
std::string KindName(PostKind kind);
std::string ApiVersionName(ApiVersion version);
absl::StatusOr<PostKind> KindFromName(std::string_view name);
absl::StatusOr<ApiVersion> ApiVersionFromName(std::string_view name);

// What a circuit is built from.  A window circuit has `sectors` sectors of 10 challenges; a winning
// circuit has 66 "sectors" of 1 challenge, all the same real sector.
struct CircuitShape {
  PostKind kind = PostKind::kWindow;
  merkle::TreeShape tree;
  std::uint64_t sectors = 0;
  std::uint64_t challenges = 0;

  // Challenges of one real sector: 10 or 66.
  std::uint64_t ChallengesPerSector() const {
    return kind == PostKind::kWindow ? challenges : sectors * challenges;
  }
  friend bool operator==(const CircuitShape&, const CircuitShape&) = default;
};

// The network's circuit.  `sectors_per_partition` replaces the network's number if it is not 0
// (window only; for tests and tools).
CircuitShape CircuitShapeOf(PostKind kind, const merkle::TreeShape& tree,
                            std::uint64_t sectors_per_partition = 0);

// INVALID_ARGUMENT unless there is a circuit of this shape: its sectors and challenges have the
// maxima above.
absl::Status CheckCircuit(const CircuitShape& circuit);

}  // namespace damocles::post
