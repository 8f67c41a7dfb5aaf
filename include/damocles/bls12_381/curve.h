// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// Points of y^2 = x^3 + b over a field F, in three forms; one set of formulas for G1 (F = Fp), G2
// (F = Fp2), host and device.  Every operation is right for all inputs: infinity, equal and
// opposite points included.  None is constant time.
//
// No point of either curve has order two (x^3 + b has no root), so that doubling needs no case for
// y = 0.

#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "damocles/base/target.h"
#include "damocles/bls12_381/fr.h"

namespace damocles::bls12_381 {

// (x, y), or infinity, written x = y = 0, which is on neither curve.  An aggregate of plain words.
template <typename F>
struct Affine {
  using Coordinate = F;

  F x;
  F y;

  static DAMOCLES_HD constexpr Affine Infinity() { return {F::Zero(), F::Zero()}; }
  DAMOCLES_HD constexpr bool IsInfinity() const { return x.IsZero() && y.IsZero(); }

  friend DAMOCLES_HD constexpr Affine operator-(const Affine& a) { return {a.x, -a.y}; }
  friend DAMOCLES_HD constexpr bool operator==(const Affine& a, const Affine& b) {
    return a.x == b.x && a.y == b.y;
  }
};

// The point (x / z^2, y / z^3); z = 0 is infinity.
template <typename F>
struct Jacobian {
  using Coordinate = F;
  using AffinePoint = Affine<F>;

  F x;
  F y;
  F z;

  static DAMOCLES_HD constexpr Jacobian Infinity() { return {F::One(), F::One(), F::Zero()}; }
  static DAMOCLES_HD constexpr Jacobian From(const Affine<F>& a) {
    return a.IsInfinity() ? Infinity() : Jacobian{a.x, a.y, F::One()};
  }
  DAMOCLES_HD constexpr bool IsInfinity() const { return z.IsZero(); }

  DAMOCLES_HD constexpr Jacobian Double() const {
    const F a = x.Square();
    const F b = y.Square();
    const F c = b.Square();
    const F d = ((x + b).Square() - a - c).Double();
    const F e = a.Double() + a;
    const F x3 = e.Square() - d.Double();
    const F y3 = e * (d - x3) - c.Double().Double().Double();
    return {x3, y3, (y * z).Double()};  // z = 0 stays 0
  }

  friend DAMOCLES_HD constexpr Jacobian operator-(const Jacobian& a) { return {a.x, -a.y, a.z}; }

  friend DAMOCLES_HD constexpr Jacobian operator+(const Jacobian& a, const Affine<F>& b) {
    if (b.IsInfinity()) return a;
    if (a.IsInfinity()) return From(b);
    const F zz = a.z.Square();
    const F h = b.x * zz - a.x;
    const F s = b.y * a.z * zz - a.y;
    if (h.IsZero()) return s.IsZero() ? a.Double() : Infinity();
    const F hh = h.Square();
    const F i = hh.Double().Double();
    const F j = h * i;
    const F r = s.Double();
    const F v = a.x * i;
    const F x3 = r.Square() - j - v.Double();
    const F y3 = r * (v - x3) - (a.y * j).Double();
    return {x3, y3, (a.z + h).Square() - zz - hh};
  }

  friend DAMOCLES_HD constexpr Jacobian operator+(const Jacobian& a, const Jacobian& b) {
    if (b.IsInfinity()) return a;
    if (a.IsInfinity()) return b;
    const F zz1 = a.z.Square();
    const F zz2 = b.z.Square();
    const F u1 = a.x * zz2;
    const F h = b.x * zz1 - u1;
    const F s1 = a.y * b.z * zz2;
    const F s = b.y * a.z * zz1 - s1;
    if (h.IsZero()) return s.IsZero() ? a.Double() : Infinity();
    const F i = h.Double().Square();
    const F j = h * i;
    const F r = s.Double();
    const F v = u1 * i;
    const F x3 = r.Square() - j - v.Double();
    const F y3 = r * (v - x3) - (s1 * j).Double();
    return {x3, y3, ((a.z + b.z).Square() - zz1 - zz2) * h};
  }

  friend DAMOCLES_HD constexpr Jacobian operator-(const Jacobian& a, const Jacobian& b) {
    return a + -b;
  }
  friend DAMOCLES_HD constexpr Jacobian operator-(const Jacobian& a, const Affine<F>& b) {
    return a + -b;
  }
  DAMOCLES_HD constexpr Jacobian& operator+=(const Jacobian& other) {
    return *this = *this + other;
  }
  DAMOCLES_HD constexpr Jacobian& operator+=(const Affine<F>& other) {
    return *this = *this + other;
  }

  // The same point, whatever its z.
  friend DAMOCLES_HD constexpr bool operator==(const Jacobian& a, const Jacobian& b) {
    if (a.IsInfinity() || b.IsInfinity()) return a.IsInfinity() == b.IsInfinity();
    const F zz1 = a.z.Square();
    const F zz2 = b.z.Square();
    return a.x * zz2 == b.x * zz1 && a.y * zz2 * b.z == b.y * zz1 * a.z;
  }
};

// The point (x / zz, y / zzz) with zz^3 = zzz^2; zz = 0 is infinity.  The form of sums of many
// affine points: a mixed addition costs 8M + 2S.
template <typename F>
struct Xyzz {
  using Coordinate = F;

  F x;
  F y;
  F zz;
  F zzz;

  static DAMOCLES_HD constexpr Xyzz Infinity() {
    return {F::Zero(), F::Zero(), F::Zero(), F::Zero()};
  }
  static DAMOCLES_HD constexpr Xyzz From(const Affine<F>& a) {
    return a.IsInfinity() ? Infinity() : Xyzz{a.x, a.y, F::One(), F::One()};
  }
  DAMOCLES_HD constexpr bool IsInfinity() const { return zz.IsZero(); }
  // With z = zz: x / zz = (x zz) / z^2, and y / zzz = (y zzz) / z^3 since zz^3 = zzz^2.
  DAMOCLES_HD constexpr Jacobian<F> ToJacobian() const { return {x * zz, y * zzz, zz}; }

  DAMOCLES_HD constexpr Xyzz Double() const {
    const F u = y.Double();
    const F v = u.Square();
    const F w = u * v;
    const F s = x * v;
    const F a = x.Square();
    const F m = a.Double() + a;
    const F x3 = m.Square() - s.Double();
    return {x3, m * (s - x3) - w * y, v * zz, w * zzz};
  }

  DAMOCLES_HD constexpr Xyzz& operator+=(const Affine<F>& b) {
    if (b.IsInfinity()) return *this;
    if (IsInfinity()) return *this = From(b);
    const F p = b.x * zz - x;
    const F r = b.y * zzz - y;
    if (p.IsZero()) return *this = r.IsZero() ? Double() : Infinity();
    const F pp = p.Square();
    const F ppp = p * pp;
    const F q = x * pp;
    const F x3 = r.Square() - ppp - q.Double();
    y = r * (q - x3) - y * ppp;
    x = x3;
    zz = zz * pp;
    zzz = zzz * ppp;
    return *this;
  }

  DAMOCLES_HD constexpr Xyzz& operator+=(const Xyzz& b) {
    if (b.IsInfinity()) return *this;
    if (IsInfinity()) return *this = b;
    const F u1 = x * b.zz;
    const F s1 = y * b.zzz;
    const F p = b.x * zz - u1;
    const F r = b.y * zzz - s1;
    if (p.IsZero()) return *this = r.IsZero() ? Double() : Infinity();
    const F pp = p.Square();
    const F ppp = p * pp;
    const F q = u1 * pp;
    x = r.Square() - ppp - q.Double();
    y = r * (q - x) - s1 * ppp;
    zz = zz * b.zz * pp;
    zzz = zzz * b.zzz * ppp;
    return *this;
  }
};

// scalar * point, the integer in [0, r) taken from Montgomery form; any point of the curve.
template <typename F>
Jacobian<F> Mul(const Jacobian<F>& point, const Fr& scalar);
template <typename F>
Jacobian<F> Mul(const Affine<F>& point, const Fr& scalar);
// The same for a plain integer, little-endian limbs.
template <typename F>
Jacobian<F> MulInteger(const Jacobian<F>& point, std::span<const std::uint64_t> limbs);

template <typename F>
Affine<F> ToAffine(const Jacobian<F>& point);
}  // namespace damocles::bls12_381
