// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// G2: the points of order r of y^2 = x^3 + 4 (u + 1) over Fp2, and their bytes (those of Zcash:
// draft-irtf-cfrg-pairing-friendly-curves).

#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "absl/status/statusor.h"

#include "damocles/base/bytes.h"
#include "damocles/bls12_381/curve.h"
#include "damocles/bls12_381/fp_tower.h"
#include "damocles/bls12_381/g1.h"

namespace damocles::bls12_381 {

using G2Affine = Affine<Fp2>;
using G2 = Jacobian<Fp2>;

inline constexpr std::size_t kG2CompressedBytes = 96;
inline constexpr std::size_t kG2UncompressedBytes = 192;

G2Affine G2Generator();
bool IsOnCurve(const G2Affine& point);
// Whether the order divides r; the point must be on the curve.
bool IsInSubgroup(const G2Affine& point);

// As for G1 (g1.h), each coordinate written c1 then c0.  The sign is that of y.c1, or of y.c0 where
// y.c1 is zero.
absl::StatusOr<G2Affine> G2FromUncompressed(ByteSpan bytes, PointCheck check);
absl::StatusOr<G2Affine> G2FromCompressed(ByteSpan bytes, PointCheck check);

std::array<std::uint8_t, kG2UncompressedBytes> ToUncompressed(const G2Affine& point);
std::array<std::uint8_t, kG2CompressedBytes> ToCompressed(const G2Affine& point);

// Affine forms of all the points with one inversion.
std::vector<G2Affine> BatchToAffine(std::span<const G2> points);

}  // namespace damocles::bls12_381
