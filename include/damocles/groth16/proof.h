// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// Proofs as bytes: A, B, C compressed, 48 + 96 + 48 (docs/post.md 6).

#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"

#include "damocles/base/bytes.h"
#include "damocles/bls12_381/g1.h"
#include "damocles/bls12_381/g2.h"

namespace damocles::groth16 {

inline constexpr std::size_t kProofBytes =
    2 * bls12_381::kG1CompressedBytes + bls12_381::kG2CompressedBytes;

struct Proof {
  bls12_381::G1Affine a;
  bls12_381::G2Affine b;
  bls12_381::G1Affine c;
};

std::array<std::uint8_t, kProofBytes> ToBytes(const Proof& proof);

// INVALID_ARGUMENT with the reason unless there are kProofBytes with three points in canonical
// form, in their subgroups, none infinity.
absl::StatusOr<Proof> ProofFromBytes(ByteSpan bytes);

// `count` proofs one after the other, nothing else.
absl::StatusOr<std::vector<Proof>> ProofsFromBytes(ByteSpan bytes, std::size_t count);

}  // namespace damocles::groth16
