// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/bls12_381/fp_tower.h"

namespace damocles::bls12_381 {
namespace {

// (1 + u)^((p - 1) / 6): w^p = kFrobenius1 w, for w^6 = 1 + u.
constexpr Fp2 kFrobenius1{{{0x07089552b319d465, 0xc6695f92b50a8313, 0x97e83cccd117228f,
                            0xa35baecab2dc29ee, 0x1ce393ea5daace4d, 0x08f2220fb0fb66eb}},
                          {{0xb2f66aad4ce5d646, 0x5842a06bfc497cec, 0xcf4895d42599d394,
                            0xc11b9cba40a8e8d0, 0x2e3813cbe5a0de89, 0x110eefda88847faf}}};
constexpr Fp2 kFrobenius2 = kFrobenius1.Square();
constexpr Fp2 kFrobenius4 = kFrobenius2.Square();

}  // namespace

std::optional<Fp2> Sqrt(const Fp2& value) {
  if (value.c1.IsZero()) {
    if (const auto root = Sqrt(value.c0)) return Fp2{*root, Fp::Zero()};
    // -1 is no square in Fp: one of c0 and -c0 is.
    const auto root = Sqrt(-value.c0);
    if (!root) return std::nullopt;
    return Fp2{Fp::Zero(), *root};
  }
  // (x + y u)^2 = value: x^2 + y^2 = norm, x^2 - y^2 = c0, 2 x y = c1.
  const auto norm = Sqrt(value.c0.Square() + value.c1.Square());
  if (!norm) return std::nullopt;
  constexpr Fp kHalf = Fp::FromU64(2).Inverse();
  auto x = Sqrt((value.c0 + *norm) * kHalf);
  if (!x) x = Sqrt((value.c0 - *norm) * kHalf);
  if (!x) return std::nullopt;
  const Fp2 root{*x, value.c1 * kHalf * x->Inverse()};
  if (root.Square() == value) return root;
  return std::nullopt;
}

bool IsLexicographicallyLargest(const Fp2& value) {
  return IsLexicographicallyLargest(value.c1.IsZero() ? value.c0 : value.c1);
}

Fp6 operator*(const Fp6& a, const Fp6& b) {
  const Fp2 t0 = a.c0 * b.c0;
  const Fp2 t1 = a.c1 * b.c1;
  const Fp2 t2 = a.c2 * b.c2;
  return {t0 + ((a.c1 + a.c2) * (b.c1 + b.c2) - t1 - t2).TimesNonResidue(),
          (a.c0 + a.c1) * (b.c0 + b.c1) - t0 - t1 + t2.TimesNonResidue(),
          (a.c0 + a.c2) * (b.c0 + b.c2) - t0 - t2 + t1};
}

Fp6 Fp6::Square() const {
  const Fp2 s0 = c0.Square();
  const Fp2 s1 = (c0 * c1).Double();
  const Fp2 s2 = (c0 - c1 + c2).Square();
  const Fp2 s3 = (c1 * c2).Double();
  const Fp2 s4 = c2.Square();
  return {s0 + s3.TimesNonResidue(), s1 + s4.TimesNonResidue(), s1 + s2 + s3 - s0 - s4};
}

Fp6 Fp6::Inverse() const {
  const Fp2 t0 = c0.Square() - (c1 * c2).TimesNonResidue();
  const Fp2 t1 = c2.Square().TimesNonResidue() - c0 * c1;
  const Fp2 t2 = c1.Square() - c0 * c2;
  const Fp2 norm = c0 * t0 + (c2 * t1 + c1 * t2).TimesNonResidue();
  const Fp2 inverse = norm.Inverse();
  return {t0 * inverse, t1 * inverse, t2 * inverse};
}

Fp6 Fp6::Frobenius() const {
  return {c0.Conjugate(), c1.Conjugate() * kFrobenius2, c2.Conjugate() * kFrobenius4};
}

Fp6 Fp6::TimesSparse(const Fp2& b0, const Fp2& b1) const {
  const Fp2 t0 = c0 * b0;
  const Fp2 t1 = c1 * b1;
  return {t0 + (c2 * b1).TimesNonResidue(), (c0 + c1) * (b0 + b1) - t0 - t1, c2 * b0 + t1};
}

Fp12 operator*(const Fp12& a, const Fp12& b) {
  const Fp6 t0 = a.c0 * b.c0;
  const Fp6 t1 = a.c1 * b.c1;
  return {t0 + t1.TimesV(), (a.c0 + a.c1) * (b.c0 + b.c1) - t0 - t1};
}

Fp12 Fp12::Square() const {
  const Fp6 t = c0 * c1;
  return {(c0 + c1) * (c0 + c1.TimesV()) - t - t.TimesV(), t + t};
}

Fp12 Fp12::Inverse() const {
  const Fp6 inverse = (c0.Square() - c1.Square().TimesV()).Inverse();
  return {c0 * inverse, -(c1 * inverse)};
}

Fp12 Fp12::Frobenius() const {
  const Fp6 high = c1.Frobenius();
  return {c0.Frobenius(), {high.c0 * kFrobenius1, high.c1 * kFrobenius1, high.c2 * kFrobenius1}};
}

Fp12 Fp12::CyclotomicSquare() const {
  // Granger and Scott: Fp12 over Fp4 = Fp2[s] / (s^2 - (1 + u)); three squares in Fp4, each of two
  // coefficients that stand next to each other below.
  struct Fp4 {
    Fp2 low;
    Fp2 high;
  };
  const auto square = [](const Fp2& a, const Fp2& b) {
    const Fp2 aa = a.Square();
    const Fp2 bb = b.Square();
    return Fp4{aa + bb.TimesNonResidue(), (a + b).Square() - aa - bb};
  };
  const auto plus = [](const Fp2& t, const Fp2& z) { return (t + z).Double() + t; };
  const auto minus = [](const Fp2& t, const Fp2& z) { return (t - z).Double() + t; };
  const Fp4 s0 = square(c0.c0, c1.c1);
  const Fp4 s1 = square(c1.c0, c0.c2);
  const Fp4 s2 = square(c0.c1, c1.c2);
  return {{minus(s0.low, c0.c0), minus(s1.low, c0.c1), minus(s2.low, c0.c2)},
          {plus(s2.high.TimesNonResidue(), c1.c0), plus(s0.high, c1.c1), plus(s1.high, c1.c2)}};
}

Fp12 Fp12::TimesLine(const Fp2& b0, const Fp2& b1, const Fp2& b4) const {
  const Fp6 t0 = c0.TimesSparse(b0, b1);
  // c1 * (b4 v)
  const Fp6 t1 = Fp6{c1.c0 * b4, c1.c1 * b4, c1.c2 * b4}.TimesV();
  return {t0 + t1.TimesV(), (c0 + c1).TimesSparse(b0, b1 + b4) - t0 - t1};
}

}  // namespace damocles::bls12_381
