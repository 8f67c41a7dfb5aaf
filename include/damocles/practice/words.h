// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// What is to be proven as a person writes it.

#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

#include "damocles/base/bytes.h"
#include "damocles/groth16/prover.h"
#include "damocles/post/types.h"
#include "damocles/prover/post_prover.h"

namespace damocles::practice {

struct ClaimWords {
  std::uint64_t sector_bytes = 0;  // or by the registered proof
  // "V1_0" to "V1_2", or the number of a registered proof; empty: the newest.
  std::string api_version = {};
  std::string proof_type = {};              // a registered proof, number or name
  std::uint64_t sectors_per_partition = 0;  // 0: the network's; another for window proofs only
  Bytes32 randomness{};                     // as nodes give it; the claim's is masked
};

// INVALID_ARGUMENT says which word is wrong or does not go with another.
absl::StatusOr<prover::PostClaim> ReadClaim(post::PostKind kind, const ClaimWords& words);

// "r:s,r:s", a pair for each partition, 64 hexadecimal digits each.
absl::StatusOr<std::vector<groth16::Blinding>> ReadBlindings(const std::string& text);

}  // namespace damocles::practice
