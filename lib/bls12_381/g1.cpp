// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/bls12_381/g1.h"

#include "lib/bls12_381/encoding.h"

namespace damocles::bls12_381 {
namespace {

struct G1Encoding {
  using Coordinate = Fp;
  static constexpr std::size_t kCoordinateBytes = 48;
  static constexpr const char* kName = "G1";
  static constexpr Fp B() { return Fp::FromU64(4); }
  static absl::StatusOr<Fp> Read(const std::uint8_t* bytes) {
    return FpFromBytesBe(std::span<const std::uint8_t, 48>(bytes, 48));
  }
  static void Write(const Fp& value, std::uint8_t* out) {
    StoreBe(value, std::span<std::uint8_t, 48>(out, 48));
  }
};
using Encoding = internal::Encoding<G1Encoding>;

// A cube root of one; (x, y) -> (kBeta x, y) multiplies the points of G1 by -x^2.
constexpr Fp kBeta{{0x30f1361b798a64e8, 0xf3b8ddab7ece5a2a, 0x16a8ca3ac61577f7, 0xc26a2ff874fd029b,
                    0x3636b76660701c6e, 0x051ba4ab241b6160}};

}  // namespace

G1Affine G1Generator() {
  return {{{0x5cb38790fd530c16, 0x7817fc679976fff5, 0x154f95c7143ba1c1, 0xf0ae6acdf3d0e747,
            0xedce6ecc21dbf440, 0x120177419e0bfb75}},
          {{0xbaac93d50ce72271, 0x8c22631a7918fd8e, 0xdd595f13570725ce, 0x51ac582950405194,
            0x0e1c8c3fad0059c0, 0x0bbc3efc5008a26a}}};
}

bool IsOnCurve(const G1Affine& point) {
  return Encoding::IsOnCurve(point);
}

bool IsInSubgroup(const G1Affine& point) {
  // The endomorphism f: (x, y) -> (kBeta x, y) satisfies f^2 + f + 1 = 0 on the whole curve.  So
  // f(P) = -x^2 P gives (x^4 - x^2 + 1) P = 0, which is r P = 0; and on G1 it always holds.
  if (point.IsInfinity()) return true;
  constexpr std::uint64_t kX[1] = {internal::kAbsX};
  const G1 times_xx = MulInteger(MulInteger(G1::From(point), kX), kX);
  return times_xx == G1::From({point.x * kBeta, -point.y});
}

absl::StatusOr<G1Affine> G1FromUncompressed(ByteSpan bytes, PointCheck check) {
  return Encoding::FromUncompressed(bytes, check);
}
absl::StatusOr<G1Affine> G1FromCompressed(ByteSpan bytes, PointCheck check) {
  return Encoding::FromCompressed(bytes, check);
}
std::array<std::uint8_t, kG1UncompressedBytes> ToUncompressed(const G1Affine& point) {
  return Encoding::ToUncompressed(point);
}
std::array<std::uint8_t, kG1CompressedBytes> ToCompressed(const G1Affine& point) {
  return Encoding::ToCompressed(point);
}

}  // namespace damocles::bls12_381
