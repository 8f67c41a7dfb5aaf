// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// G1: the points of order r of y^2 = x^3 + 4 over Fp, and their bytes (those of Zcash:
// draft-irtf-cfrg-pairing-friendly-curves).

#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "absl/status/statusor.h"

#include "damocles/base/bytes.h"
#include "damocles/bls12_381/curve.h"
#include "damocles/bls12_381/fp.h"

namespace damocles::bls12_381 {

using G1Affine = Affine<Fp>;
using G1 = Jacobian<Fp>;

inline constexpr std::size_t kG1CompressedBytes = 48;
inline constexpr std::size_t kG1UncompressedBytes = 96;

// What a decoder makes sure of, after the form of the bytes.
enum class PointCheck {
  kOnCurve,   // the point satisfies the curve's equation
  kSubgroup,  // and has order r (or is infinity)
};

G1Affine G1Generator();
// Infinity is on the curve and in the subgroup.
bool IsOnCurve(const G1Affine& point);
// Whether the order divides r; the point must be on the curve.
bool IsInSubgroup(const G1Affine& point);

// Big-endian x and y, 48 bytes each; the three top bits of byte 0 are flags: 0x80 compressed,
// 0x40 infinity (then nothing else is set), 0x20 y is the larger root (compressed only).
//
// INVALID_ARGUMENT with the reason for a wrong length, a wrong flag, a coordinate not below p,
// x = 0 (no such point has order r), a point off the curve or, if asked, out of the subgroup.
// Infinity is read as such: who may not have it refuses it with IsInfinity().
absl::StatusOr<G1Affine> G1FromUncompressed(ByteSpan bytes, PointCheck check);
absl::StatusOr<G1Affine> G1FromCompressed(ByteSpan bytes, PointCheck check);

std::array<std::uint8_t, kG1UncompressedBytes> ToUncompressed(const G1Affine& point);
std::array<std::uint8_t, kG1CompressedBytes> ToCompressed(const G1Affine& point);

// Affine forms of all the points with one inversion.
std::vector<G1Affine> BatchToAffine(std::span<const G1> points);

}  // namespace damocles::bls12_381
