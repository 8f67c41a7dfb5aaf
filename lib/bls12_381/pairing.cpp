// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/bls12_381/pairing.h"

#include <array>
#include <vector>

namespace damocles::bls12_381 {
namespace {

constexpr std::uint64_t kAbsX = 0xd201000000010000;  // the curve's parameter is -kAbsX

// One pair on its way through the Miller loop: `t` is a multiple of q.
struct Step {
  G1Affine p;
  G2Affine q;
  G2 t;
};

// The twist maps (x, y) to (x / w^2, y / w^3).  A line through a point (x_t, y_t) with slope l,
// both on the twist, then takes at p, times w^3, the value
//   (l x_t - y_t) + (-l x_p) v + y_p v w.
// Factors in Fp2 do not matter (the final exponentiation kills them): they clear denominators.

// f *= the tangent at t; t = 2t.
void Double(Step& step, Fp12& f) {
  G2& t = step.t;
  const Fp2 a = t.x.Square();
  const Fp2 b = t.y.Square();
  const Fp2 c = b.Square();
  const Fp2 zz = t.z.Square();
  const Fp2 d = ((t.x + b).Square() - a - c).Double();
  const Fp2 e = a.Double() + a;
  const Fp2 line0 = e * t.x - b.Double();
  t.z = (t.y + t.z).Square() - b - zz;
  t.x = e.Square() - d.Double();
  t.y = e * (d - t.x) - c.Double().Double().Double();
  f = f.TimesLine(line0, -(e * zz) * step.p.x, (t.z * zz) * step.p.y);
}

// f *= the line through t and q; t = t + q.  In the loop t is never q or -q: q has order r, and t
// is k q with 1 < k < |x|.
void Add(Step& step, Fp12& f) {
  G2& t = step.t;
  const G2Affine& q = step.q;
  const Fp2 zz = t.z.Square();
  const Fp2 h = q.x * zz - t.x;
  const Fp2 s = q.y * t.z * zz - t.y;
  const Fp2 hh = h.Square();
  const Fp2 hhh = hh * h;
  const Fp2 v = t.x * hh;
  t.z = t.z * h;
  t.x = s.Square() - hhh - v.Double();
  t.y = s * (v - t.x) - t.y * hhh;
  f = f.TimesLine(s * q.x - q.y * t.z, -s * step.p.x, t.z * step.p.y);
}

// element^x, for an element of the cyclotomic subgroup.
Fp12 PowX(const Fp12& element) {
  Fp12 result = element;
  for (unsigned bit = 63; bit-- > 0;) {
    result = result.CyclotomicSquare();
    if ((kAbsX >> bit) & 1) result *= element;
  }
  return result.Conjugate();  // x is negative
}

}  // namespace

Fp12 MillerLoop(std::span<const PairingPair> pairs) {
  std::vector<Step> steps;
  steps.reserve(pairs.size());
  for (const auto& [p, q] : pairs) {
    if (!p.IsInfinity() && !q.IsInfinity()) steps.push_back({p, q, G2::From(q)});
  }
  Fp12 f = Fp12::One();
  for (unsigned bit = 63; bit-- > 0;) {
    f = f.Square();
    for (Step& step : steps) Double(step, f);
    if ((kAbsX >> bit) & 1) {
      for (Step& step : steps) Add(step, f);
    }
  }
  return f.Conjugate();  // x is negative
}

Gt FinalExponentiation(const Fp12& miller) {
  // The easy part: (p^6 - 1) (p^2 + 1).
  Fp12 f = miller.Conjugate() * miller.Inverse();
  f = f.Frobenius().Frobenius() * f;
  // The hard part, cubed: 3 (p^4 - p^2 + 1) / r = (x - 1)^2 (x + p) (x^2 + p^2 - 1) + 3.
  Fp12 t = PowX(f) * f.Conjugate();
  t = PowX(t) * t.Conjugate();
  t = PowX(t) * t.Frobenius();
  t = PowX(PowX(t)) * t.Frobenius().Frobenius() * t.Conjugate();
  return t * f.CyclotomicSquare() * f;
}

Gt Pairing(const G1Affine& p, const G2Affine& q) {
  const std::array<PairingPair, 1> pair = {PairingPair{p, q}};
  return FinalExponentiation(MillerLoop(pair));
}

bool PairingProductIsOne(std::span<const PairingPair> pairs) {
  return FinalExponentiation(MillerLoop(pairs)).IsOne();
}

Gt Pow(const Gt& element, const Fr& scalar) {
  const Fr::Limbs exponent = scalar.Canonical();
  Gt result = Gt::One();
  for (std::size_t bit = 256; bit-- > 0;) {
    result = result.CyclotomicSquare();
    if ((exponent[bit / 64] >> (bit % 64)) & 1) result *= element;
  }
  return result;
}

}  // namespace damocles::bls12_381
