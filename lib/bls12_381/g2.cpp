// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/bls12_381/g2.h"

#include "lib/bls12_381/encoding.h"

namespace damocles::bls12_381 {
namespace {

struct G2Encoding {
  using Coordinate = Fp2;
  static constexpr std::size_t kCoordinateBytes = 96;
  static constexpr const char* kName = "G2";
  static constexpr Fp2 B() { return {Fp::FromU64(4), Fp::FromU64(4)}; }
  static absl::StatusOr<Fp2> Read(const std::uint8_t* bytes) {
    Fp2 value;
    DAMOCLES_ASSIGN_OR_RETURN(value.c1,
                              FpFromBytesBe(std::span<const std::uint8_t, 48>(bytes, 48)));
    DAMOCLES_ASSIGN_OR_RETURN(value.c0,
                              FpFromBytesBe(std::span<const std::uint8_t, 48>(bytes + 48, 48)));
    return value;
  }
  static void Write(const Fp2& value, std::uint8_t* out) {
    StoreBe(value.c1, std::span<std::uint8_t, 48>(out, 48));
    StoreBe(value.c0, std::span<std::uint8_t, 48>(out + 48, 48));
  }
};
using Encoding = internal::Encoding<G2Encoding>;

// 1 / (1 + u)^((p - 1) / 3) and 1 / (1 + u)^((p - 1) / 2): the p-th power on the curve over Fp12,
// brought to the twist.
constexpr Fp2 kPsiX{Fp::Zero(),
                    {{0x890dc9e4867545c3, 0x2af322533285a5d5, 0x50880866309b7e2c,
                      0xa20d1b8c7e881024, 0x14e4f04fe2db9068, 0x14e56d3f1564853a}}};
constexpr Fp2 kPsiY{{{0x3e2f585da55c9ad1, 0x4294213d86c18183, 0x382844c88b623732,
                      0x92ad2afd19103e18, 0x1d794e4fac7cf0b9, 0x0bd592fc7d825ec8}},
                    {{0x7bcfa7a25aa30fda, 0xdc17dec12a927e7c, 0x2f088dd86b4ebef1,
                      0xd1ca2087da74d4a7, 0x2da2596696cebc1d, 0x0e2b7eedbbfd87d2}}};

}  // namespace

G2Affine G2Generator() {
  return {{{{0xf5f28fa202940a10, 0xb3f5fb2687b4961a, 0xa1a893b53e2ae580, 0x9894999d1a3caee9,
             0x6f67b7631863366b, 0x058191924350bcd7}},
           {{0xa5a9c0759e23f606, 0xaaa0c59dbccd60c3, 0x3bb17e18e2867806, 0x1b1ab6cc8541b367,
             0xc2b6ed0ef2158547, 0x11922a097360edf3}}},
          {{{0x4c730af860494c4a, 0x597cfa1f5e369c5a, 0xe7e6856caa0a635a, 0xbbefb5e96e0d495f,
             0x07d3a975f0ef25a2, 0x0083fd8e7e80dae5}},
           {{0xadc0fc92df64b05d, 0x18aa270a2b1461dc, 0x86adac6a3be4eba0, 0x79495c4ec93da33a,
             0xe7175850a43ccaed, 0x0b2bc2a163de1bf2}}}};
}

bool IsOnCurve(const G2Affine& point) {
  return Encoding::IsOnCurve(point);
}

bool IsInSubgroup(const G2Affine& point) {
  // psi, the p-th power map brought to the twist, satisfies psi^2 - (x + 1) psi + p = 0 there.  So
  // psi(Q) = x Q gives (p - x) Q = 0, and gcd(p - x, number of points of the twist) = r.
  if (point.IsInfinity()) return true;
  constexpr std::uint64_t kX[1] = {internal::kAbsX};
  const G2 times_x = -MulInteger(G2::From(point), kX);  // x is negative
  return times_x == G2::From({point.x.Conjugate() * kPsiX, point.y.Conjugate() * kPsiY});
}

absl::StatusOr<G2Affine> G2FromUncompressed(ByteSpan bytes, PointCheck check) {
  return Encoding::FromUncompressed(bytes, check);
}
absl::StatusOr<G2Affine> G2FromCompressed(ByteSpan bytes, PointCheck check) {
  return Encoding::FromCompressed(bytes, check);
}
std::array<std::uint8_t, kG2UncompressedBytes> ToUncompressed(const G2Affine& point) {
  return Encoding::ToUncompressed(point);
}
std::array<std::uint8_t, kG2CompressedBytes> ToCompressed(const G2Affine& point) {
  return Encoding::ToCompressed(point);
}

}  // namespace damocles::bls12_381
