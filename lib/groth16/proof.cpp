// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/groth16/proof.h"

#include <algorithm>

#include "absl/strings/str_format.h"

#include "damocles/base/status.h"

namespace damocles::groth16 {
namespace {

using bls12_381::kG1CompressedBytes;
using bls12_381::kG2CompressedBytes;
using bls12_381::PointCheck;
static_assert(kProofBytes == 2 * kG1CompressedBytes + kG2CompressedBytes);

template <typename Point>
absl::StatusOr<Point> Finite(absl::StatusOr<Point> point, std::string_view name) {
  if (!point.ok()) return Annotate(point.status(), name);
  if (point->IsInfinity()) {
    return absl::InvalidArgumentError(
        absl::StrFormat("%s: the point is infinity", std::string(name)));
  }
  return point;
}

}  // namespace

std::array<std::uint8_t, kProofBytes> ToBytes(const Proof& proof) {
  std::array<std::uint8_t, kProofBytes> out;
  auto at = std::ranges::copy(bls12_381::ToCompressed(proof.a), out.begin()).out;
  at = std::ranges::copy(bls12_381::ToCompressed(proof.b), at).out;
  std::ranges::copy(bls12_381::ToCompressed(proof.c), at);
  return out;
}

absl::StatusOr<Proof> ProofFromBytes(ByteSpan bytes) {
  if (bytes.size() != kProofBytes) {
    return absl::InvalidArgumentError(
        absl::StrFormat("a proof is %d bytes, want %d", bytes.size(), kProofBytes));
  }
  Proof proof;
  const ByteSpan a = bytes.first(kG1CompressedBytes);
  const ByteSpan b = bytes.subspan(kG1CompressedBytes, kG2CompressedBytes);
  const ByteSpan c = bytes.last(kG1CompressedBytes);
  DAMOCLES_ASSIGN_OR_RETURN(
      proof.a, Finite(bls12_381::G1FromCompressed(a, PointCheck::kSubgroup), "proof A"));
  DAMOCLES_ASSIGN_OR_RETURN(
      proof.b, Finite(bls12_381::G2FromCompressed(b, PointCheck::kSubgroup), "proof B"));
  DAMOCLES_ASSIGN_OR_RETURN(
      proof.c, Finite(bls12_381::G1FromCompressed(c, PointCheck::kSubgroup), "proof C"));
  return proof;
}

absl::StatusOr<std::vector<Proof>> ProofsFromBytes(ByteSpan bytes, std::size_t count) {
  if (bytes.size() != count * kProofBytes) {
    return absl::InvalidArgumentError(absl::StrFormat("the proof is %d bytes, want %d times %d",
                                                      bytes.size(), count, kProofBytes));
  }
  std::vector<Proof> proofs;
  proofs.reserve(count);
  for (std::size_t i = 0; i < count; ++i) {
    auto proof = ProofFromBytes(bytes.subspan(i * kProofBytes, kProofBytes));
    if (!proof.ok()) return Annotate(proof.status(), absl::StrFormat("partition %d", i));
    proofs.push_back(*proof);
  }
  return proofs;
}

}  // namespace damocles::groth16
