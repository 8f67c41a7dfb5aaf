// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// The rules behind the multi-exponentiation vectors and the reading of proof bytes, shared by the
// kept vectors and the golden file.

#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"

#include "damocles/base/bytes.h"
#include "damocles/base/status.h"
#include "damocles/bls12_381/fr.h"
#include "damocles/bls12_381/g1.h"
#include "damocles/bls12_381/g2.h"
#include "damocles/hash/sha256.h"

namespace damocles::bls12_381 {

inline Fr H32(std::string_view salt, std::string_view what, std::uint64_t i) {
  Bytes preimage;
  Append(preimage, AsBytes(salt));
  Append(preimage, AsBytes(what));
  AppendLe64(preimage, i);
  Bytes32 digest = hash::Sha256Of(preimage);
  digest[31] &= 0x3f;
  return FrFromBytesLe(digest).value();
}

struct MsmTerms {
  std::vector<Fr> scalars;
  std::vector<Fr> logarithms;  // the points are these times the generator
};

inline MsmTerms MsmTermsOf(std::string_view salt, std::size_t count) {
  MsmTerms terms;
  for (std::size_t i = 0; i < count; ++i) {
    Fr scalar = H32(salt, "/curve/scalar", i);
    if (i % 7 == 5) scalar = Fr::Zero();
    if (i % 7 == 6) scalar = Fr::One();
    if (i % 7 == 4) scalar = -Fr::One();
    terms.scalars.push_back(scalar);
    terms.logarithms.push_back(H32(salt, "/curve/point", i % 11 == 10 ? 0 : i));
  }
  return terms;
}

// The rule of groth16/proof.h.
inline absl::Status ReadProof(ByteSpan proof) {
  if (proof.size() != 192) return absl::InvalidArgumentError("length");
  DAMOCLES_ASSIGN_OR_RETURN(const G1Affine a,
                            G1FromCompressed(proof.subspan(0, 48), PointCheck::kSubgroup));
  DAMOCLES_ASSIGN_OR_RETURN(const G2Affine b,
                            G2FromCompressed(proof.subspan(48, 96), PointCheck::kSubgroup));
  DAMOCLES_ASSIGN_OR_RETURN(const G1Affine c,
                            G1FromCompressed(proof.subspan(144, 48), PointCheck::kSubgroup));
  if (a.IsInfinity() || b.IsInfinity() || c.IsInfinity()) {
    return absl::InvalidArgumentError("infinity");
  }
  return absl::OkStatus();
}

}  // namespace damocles::bls12_381
