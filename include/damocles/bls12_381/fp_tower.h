// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// The extension fields: Fp2 = Fp[u] / (u^2 + 1), Fp6 = Fp2[v] / (v^3 - (u + 1)),
// Fp12 = Fp6[w] / (w^2 - v).

#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>

#include "damocles/base/target.h"
#include "damocles/bls12_381/fp.h"

namespace damocles::bls12_381 {

// c0 + c1 u.
struct Fp2 {
  Fp c0;
  Fp c1;

  static DAMOCLES_HD constexpr Fp2 Zero() { return {Fp::Zero(), Fp::Zero()}; }
  static DAMOCLES_HD constexpr Fp2 One() { return {Fp::One(), Fp::Zero()}; }
  DAMOCLES_HD constexpr bool IsZero() const { return c0.IsZero() && c1.IsZero(); }

  friend DAMOCLES_HD constexpr bool operator==(const Fp2& a, const Fp2& b) {
    return a.c0 == b.c0 && a.c1 == b.c1;
  }
  friend DAMOCLES_HD constexpr Fp2 operator+(const Fp2& a, const Fp2& b) {
    return {a.c0 + b.c0, a.c1 + b.c1};
  }
  friend DAMOCLES_HD constexpr Fp2 operator-(const Fp2& a, const Fp2& b) {
    return {a.c0 - b.c0, a.c1 - b.c1};
  }
  friend DAMOCLES_HD constexpr Fp2 operator-(const Fp2& a) { return {-a.c0, -a.c1}; }
  friend DAMOCLES_HD constexpr Fp2 operator*(const Fp2& a, const Fp2& b) {
    const Fp low = a.c0 * b.c0;
    const Fp high = a.c1 * b.c1;
    return {low - high, (a.c0 + a.c1) * (b.c0 + b.c1) - low - high};
  }
  friend DAMOCLES_HD constexpr Fp2 operator*(const Fp2& a, const Fp& b) {
    return {a.c0 * b, a.c1 * b};
  }
  DAMOCLES_HD constexpr Fp2& operator+=(const Fp2& other) { return *this = *this + other; }
  DAMOCLES_HD constexpr Fp2& operator-=(const Fp2& other) { return *this = *this - other; }
  DAMOCLES_HD constexpr Fp2& operator*=(const Fp2& other) { return *this = *this * other; }

  DAMOCLES_HD constexpr Fp2 Square() const { return {(c0 + c1) * (c0 - c1), (c0 * c1).Double()}; }
  DAMOCLES_HD constexpr Fp2 Double() const { return {c0.Double(), c1.Double()}; }
  // c0 - c1 u, which is also the p-th power.
  DAMOCLES_HD constexpr Fp2 Conjugate() const { return {c0, -c1}; }
  // this * (1 + u): the non-residue that Fp6 is built on.
  DAMOCLES_HD constexpr Fp2 TimesNonResidue() const { return {c0 - c1, c0 + c1}; }
  // Zero gives zero.
  DAMOCLES_HD constexpr Fp2 Inverse() const {
    const Fp norm_inverse = (c0.Square() + c1.Square()).Inverse();
    return {c0 * norm_inverse, -(c1 * norm_inverse)};
  }
};

// A root of x^2 = value, or nothing if there is none.
std::optional<Fp2> Sqrt(const Fp2& value);
// The sign of compressed points: that of c1, or of c0 where c1 is zero.
bool IsLexicographicallyLargest(const Fp2& value);

// c0 + c1 v + c2 v^2.
struct Fp6 {
  Fp2 c0;
  Fp2 c1;
  Fp2 c2;

  static constexpr Fp6 Zero() { return {Fp2::Zero(), Fp2::Zero(), Fp2::Zero()}; }
  static constexpr Fp6 One() { return {Fp2::One(), Fp2::Zero(), Fp2::Zero()}; }
  constexpr bool IsZero() const { return c0.IsZero() && c1.IsZero() && c2.IsZero(); }

  friend constexpr bool operator==(const Fp6& a, const Fp6& b) {
    return a.c0 == b.c0 && a.c1 == b.c1 && a.c2 == b.c2;
  }
  friend constexpr Fp6 operator+(const Fp6& a, const Fp6& b) {
    return {a.c0 + b.c0, a.c1 + b.c1, a.c2 + b.c2};
  }
  friend constexpr Fp6 operator-(const Fp6& a, const Fp6& b) {
    return {a.c0 - b.c0, a.c1 - b.c1, a.c2 - b.c2};
  }
  friend constexpr Fp6 operator-(const Fp6& a) { return {-a.c0, -a.c1, -a.c2}; }
  friend Fp6 operator*(const Fp6& a, const Fp6& b);

  Fp6 Square() const;
  Fp6 Inverse() const;  // zero gives zero
  // this * v.
  constexpr Fp6 TimesV() const { return {c2.TimesNonResidue(), c0, c1}; }
  // The p-th power.
  Fp6 Frobenius() const;
  // this * (b0 + b1 v).
  Fp6 TimesSparse(const Fp2& b0, const Fp2& b1) const;
};

// c0 + c1 w.
struct Fp12 {
  Fp6 c0;
  Fp6 c1;

  static constexpr Fp12 One() { return {Fp6::One(), Fp6::Zero()}; }
  constexpr bool IsOne() const { return *this == One(); }

  friend constexpr bool operator==(const Fp12& a, const Fp12& b) {
    return a.c0 == b.c0 && a.c1 == b.c1;
  }
  friend Fp12 operator*(const Fp12& a, const Fp12& b);
  Fp12& operator*=(const Fp12& other) { return *this = *this * other; }

  Fp12 Square() const;
  Fp12 Inverse() const;  // zero gives zero
  // c0 - c1 w, the p^6-th power: the inverse of an element of Gt.
  constexpr Fp12 Conjugate() const { return {c0, -c1}; }
  // The p-th power.
  Fp12 Frobenius() const;
  // The square, for elements of the cyclotomic subgroup (order divides p^4 - p^2 + 1) only.
  Fp12 CyclotomicSquare() const;
  // this * (b0 + b1 v + b4 v w): the shape of a line of the Miller loop.
  Fp12 TimesLine(const Fp2& b0, const Fp2& b1, const Fp2& b4) const;
};

}  // namespace damocles::bls12_381
