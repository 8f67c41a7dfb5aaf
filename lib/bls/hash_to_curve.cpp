// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// RFC 9380, suite BLS12381G2_XMD:SHA-256_SSWU_RO_ (8.8.2): a message becomes two elements of Fp2,
// each a point of a curve 3-isogenous to E2, their sum a point of E2, and its multiple by the
// effective cofactor one of the subgroup.

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "damocles/base/bytes.h"
#include "damocles/base/check.h"
#include "damocles/bls/signature.h"
#include "damocles/bls12_381/curve.h"
#include "damocles/bls12_381/fp.h"
#include "damocles/bls12_381/fp_tower.h"
#include "damocles/hash/sha256.h"

namespace damocles::bls {
namespace {

using bls12_381::Fp;
using bls12_381::Fp2;
using bls12_381::G2;
using bls12_381::G2Affine;

constexpr std::size_t kDigest = 32;
constexpr std::size_t kBlock = 64;              // of SHA-256
constexpr std::size_t kElement = 64;            // L: bytes for one element of Fp, 128 bits to spare
constexpr std::size_t kUniform = 4 * kElement;  // two elements of Fp2

// 5.3.1: expand_message_xmd.
std::array<std::uint8_t, kUniform> Expand(ByteSpan message, std::string_view tag) {
  DAMOCLES_CHECK(!tag.empty() && tag.size() <= 255);
  Bytes tag_prime(tag.begin(), tag.end());
  tag_prime.push_back(static_cast<std::uint8_t>(tag.size()));
  const std::array<std::uint8_t, kBlock> pad{};
  const std::array<std::uint8_t, 3> length = {kUniform >> 8, kUniform & 0xff, 0};
  const Bytes32 b0 =
      hash::Sha256().Update(pad).Update(message).Update(length).Update(tag_prime).Finish();
  std::array<std::uint8_t, kUniform> out;
  Bytes32 before{};
  for (std::size_t i = 0; i < kUniform / kDigest; ++i) {
    Bytes32 mixed;
    for (std::size_t k = 0; k < kDigest; ++k) mixed[k] = b0[k] ^ before[k];
    const std::array<std::uint8_t, 1> index = {static_cast<std::uint8_t>(i + 1)};
    before = hash::Sha256().Update(mixed).Update(index).Update(tag_prime).Finish();
    std::copy(before.begin(), before.end(), out.begin() + static_cast<std::ptrdiff_t>(i * kDigest));
  }
  return out;
}

// 64 bytes, most significant first, modulo p.
Fp Reduce(const std::uint8_t* bytes) {
  const Fp shift = Fp::FromU64(std::uint64_t{1} << 32).Square();  // 2^64
  Fp value = Fp::Zero();
  for (std::size_t at = 0; at < kElement; at += 8) {
    value = value * shift + Fp::FromU64(LoadBe64(bytes + at));
  }
  return value;
}

Fp Of(const Fp::Limbs& limbs) {
  return Fp::FromCanonical(limbs);
}

// 4.1: sgn0 of an element of Fp2.
bool Sign(const Fp2& value) {
  return value.c0.IsZero() ? (value.c1.Canonical()[0] & 1) != 0
                           : (value.c0.Canonical()[0] & 1) != 0;
}

// y^2 = x^3 + A x + B with A = 240 u, B = 1012 (1 + u), and Z = -(2 + u).
struct Isogenous {
  Fp2 a{Fp::Zero(), Fp::FromU64(240)};
  Fp2 b{Fp::FromU64(1012), Fp::FromU64(1012)};
  Fp2 z{-Fp::FromU64(2), -Fp::One()};

  Fp2 Right(const Fp2& x) const { return (x.Square() + a) * x + b; }
};

// 6.6.2: the simplified map of Shallue, van de Woestijne and Ulas.
G2Affine MapToIsogenous(const Fp2& u) {
  static const Isogenous curve;
  const Fp2 zu = curve.z * u.Square();
  const Fp2 denominator = zu.Square() + zu;
  Fp2 x = denominator.IsZero()
              ? curve.b * (curve.z * curve.a).Inverse()
              : -curve.b * curve.a.Inverse() * (Fp2::One() + denominator.Inverse());
  std::optional<Fp2> y = Sqrt(curve.Right(x));
  if (!y.has_value()) {
    x = zu * x;
    y = Sqrt(curve.Right(x));  // one of the two is a square: that is what Z is for
  }
  DAMOCLES_CHECK(y.has_value());
  return {x, Sign(u) == Sign(*y) ? *y : -*y};
}

Fp2 Evaluate(std::span<const Fp2> coefficients, const Fp2& x) {
  Fp2 value = Fp2::Zero();
  for (std::size_t i = coefficients.size(); i-- > 0;) value = value * x + coefficients[i];
  return value;
}

// Appendix E.3: the 3-isogeny onto E2, coefficients from the lowest.  Small ones are written as
// what they are modulo p.
struct Isogeny {
  Fp2 x_numerator[4];
  Fp2 x_denominator[3];
  Fp2 y_numerator[4];
  Fp2 y_denominator[4];

  Isogeny() {
    const Fp a = Of({0x6238aaaaaaaa97d6, 0x5c2638e343d9c71c, 0x88b58423c50ae15d, 0x32c52d39fd3a042a,
                     0xbb5b7a9a47d7ed85, 0x05c759507e8e333e});
    const Fp b = Of({0x26a9ffffffffc71a, 0x1472aaa9cb8d5555, 0x9a208c6b4f20a418, 0x984f87adf7ae0c7f,
                     0x32126fced787c88f, 0x11560bf17baa99bc});
    const Fp c = Of({0x9354ffffffffe38d, 0x0a395554e5c6aaaa, 0xcd104635a790520c, 0xcc27c3d6fbd7063f,
                     0x190937e76bc3e447, 0x08ab05f8bdd54cde});
    const Fp d = Of({0x88e2aaaaaaaa5ed1, 0x7098e38d0f671c71, 0x22d6108f142b8575, 0xcb14b4e7f4e810aa,
                     0xed6dea691f5fb614, 0x171d6541fa38ccfa});
    const Fp e = Of({0x12cfc71c71c6d706, 0xfc8c25ebf8c92f68, 0xf54439d87d27e500, 0x0f7da5d4a07f649b,
                     0x59a4c18b076d1193, 0x1530477c7ab4113b});
    const Fp f = Of({0xe1b371c71c718b10, 0x4e79097a56dc4bd9, 0xb0e977c69aa27452, 0x761b0f37a1e26286,
                     0xfbf7043de3811ad0, 0x124c9ad43b6cf79b});
    const auto small = [](std::uint64_t value) { return Fp::FromU64(value); };
    x_numerator[0] = {a, a};
    x_numerator[1] = {Fp::Zero(), b};
    x_numerator[2] = {b + small(4), c};
    x_numerator[3] = {d, Fp::Zero()};
    x_denominator[0] = {Fp::Zero(), -small(72)};
    x_denominator[1] = {small(12), -small(12)};
    x_denominator[2] = Fp2::One();
    y_numerator[0] = {e, e};
    y_numerator[1] = {Fp::Zero(), a - small(24)};
    y_numerator[2] = {b + small(2), c + small(2)};
    y_numerator[3] = {f, Fp::Zero()};
    y_denominator[0] = {-small(432), -small(432)};
    y_denominator[1] = {Fp::Zero(), -small(216)};
    y_denominator[2] = {small(18), -small(18)};
    y_denominator[3] = Fp2::One();
  }
};

G2Affine ToE2(const G2Affine& point) {
  static const Isogeny isogeny;
  const Fp2 x_denominator = Evaluate(isogeny.x_denominator, point.x);
  const Fp2 y_denominator = Evaluate(isogeny.y_denominator, point.x);
  // What is mapped to infinity: nobody will find a message for it, but the RFC says so.
  if (x_denominator.IsZero() || y_denominator.IsZero()) return G2Affine::Infinity();
  return {Evaluate(isogeny.x_numerator, point.x) * x_denominator.Inverse(),
          point.y * Evaluate(isogeny.y_numerator, point.x) * y_denominator.Inverse()};
}

// 8.8.2: h_eff.
constexpr std::array<std::uint64_t, 10> kCofactor = {
    0xe8020005aaa95551, 0x59894c0adebbf6b4, 0xe954cbc06689f6a3, 0x2ec0ec69d7477c1a,
    0x6d82bf015d1212b0, 0x329c2f178731db95, 0x9986ff031508ffe1, 0x88e2a8e9145ad768,
    0x584c6a0ea91b3528, 0x0bc69f08f2ee75b3};

}  // namespace

G2Affine HashToG2(ByteSpan message, std::string_view tag) {
  const std::array<std::uint8_t, kUniform> uniform = Expand(message, tag);
  G2 sum = G2::Infinity();
  for (std::size_t at = 0; at < kUniform; at += 2 * kElement) {
    sum += ToE2(MapToIsogenous({Reduce(&uniform[at]), Reduce(&uniform[at + kElement])}));
  }
  return bls12_381::ToAffine(bls12_381::MulInteger(sum, std::span<const std::uint64_t>(kCofactor)));
}

}  // namespace damocles::bls
