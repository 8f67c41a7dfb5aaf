// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/bls12_381/curve.h"

#include <vector>

#include "damocles/bls12_381/g1.h"
#include "damocles/bls12_381/g2.h"

namespace damocles::bls12_381 {
namespace {

constexpr unsigned kWindowBits = 4;

// BatchToAffine for either group: prefix products of the z, then one inversion.
template <typename F>
std::vector<Affine<F>> ToAffineAll(std::span<const Jacobian<F>> points) {
  std::vector<Affine<F>> out(points.size());
  // The product of the non-zero z before each point waits in out[i].x.
  F product = F::One();
  for (std::size_t i = 0; i < points.size(); ++i) {
    out[i].x = product;
    if (!points[i].IsInfinity()) product *= points[i].z;
  }
  F inverse = product.Inverse();
  for (std::size_t i = points.size(); i-- > 0;) {
    if (points[i].IsInfinity()) {
      out[i] = Affine<F>::Infinity();
      continue;
    }
    const F z_inverse = inverse * out[i].x;
    inverse *= points[i].z;
    const F zz_inverse = z_inverse.Square();
    out[i] = {points[i].x * zz_inverse, points[i].y * zz_inverse * z_inverse};
  }
  return out;
}

}  // namespace

template <typename F>
Jacobian<F> MulInteger(const Jacobian<F>& point, std::span<const std::uint64_t> limbs) {
  std::size_t bits = 64 * limbs.size();
  while (bits > 0 && ((limbs[(bits - 1) / 64] >> ((bits - 1) % 64)) & 1) == 0) --bits;
  if (bits == 0 || point.IsInfinity()) return Jacobian<F>::Infinity();
  std::array<Jacobian<F>, 1 << kWindowBits> multiples;  // k * point
  multiples[0] = Jacobian<F>::Infinity();
  for (std::size_t k = 1; k < multiples.size(); ++k) {
    multiples[k] = k % 2 == 0 ? multiples[k / 2].Double() : multiples[k - 1] + point;
  }
  Jacobian<F> sum = Jacobian<F>::Infinity();
  for (std::size_t window = (bits + kWindowBits - 1) / kWindowBits; window-- > 0;) {
    for (unsigned i = 0; i < kWindowBits; ++i) sum = sum.Double();
    const std::size_t at = window * kWindowBits;  // 4 divides 64: a digit lies in one limb
    const std::size_t digit = (limbs[at / 64] >> (at % 64)) & (multiples.size() - 1);
    if (digit != 0) sum += multiples[digit];
  }
  return sum;
}

template <typename F>
Jacobian<F> Mul(const Jacobian<F>& point, const Fr& scalar) {
  const Fr::Limbs plain = scalar.Canonical();
  return MulInteger(point, std::span<const std::uint64_t>(plain));
}

template <typename F>
Jacobian<F> Mul(const Affine<F>& point, const Fr& scalar) {
  return Mul(Jacobian<F>::From(point), scalar);
}

template <typename F>
Affine<F> ToAffine(const Jacobian<F>& point) {
  if (point.IsInfinity()) return Affine<F>::Infinity();
  const F z_inverse = point.z.Inverse();
  const F zz_inverse = z_inverse.Square();
  return {point.x * zz_inverse, point.y * zz_inverse * z_inverse};
}

std::vector<G1Affine> BatchToAffine(std::span<const G1> points) {
  return ToAffineAll<Fp>(points);
}
std::vector<G2Affine> BatchToAffine(std::span<const G2> points) {
  return ToAffineAll<Fp2>(points);
}

template G1 MulInteger(const G1& point, std::span<const std::uint64_t> limbs);
template G2 MulInteger(const G2& point, std::span<const std::uint64_t> limbs);
template G1 Mul(const G1& point, const Fr& scalar);
template G2 Mul(const G2& point, const Fr& scalar);
template G1 Mul(const G1Affine& point, const Fr& scalar);
template G2 Mul(const G2Affine& point, const Fr& scalar);
template G1Affine ToAffine(const G1& point);
template G2Affine ToAffine(const G2& point);

}  // namespace damocles::bls12_381
