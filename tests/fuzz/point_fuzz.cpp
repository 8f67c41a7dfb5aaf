// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// Bytes that are read as a point are its only encoding, and the point is what was promised.

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "damocles/base/check.h"
#include "damocles/bls12_381/g1.h"
#include "damocles/bls12_381/g2.h"

namespace damocles::bls12_381 {
namespace {

// What must hold of `point`, read from `bytes`.  `encoded` is what the encoder makes of it.
template <typename F, typename Encoded>
void Check(ByteSpan bytes, const Affine<F>& point, PointCheck check, const Encoded& encoded) {
  DAMOCLES_CHECK(IsOnCurve(point));
  DAMOCLES_CHECK(std::equal(bytes.begin(), bytes.end(), encoded.begin(), encoded.end()));
  const bool in_subgroup = MulInteger(Jacobian<F>::From(point), FrParams::kModulus).IsInfinity();
  DAMOCLES_CHECK(IsInSubgroup(point) == in_subgroup);
  DAMOCLES_CHECK(check == PointCheck::kOnCurve || in_subgroup);
}

}  // namespace
}  // namespace damocles::bls12_381

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace damocles::bls12_381;  // NOLINT(google-build-using-namespace): the whole target
  const damocles::ByteSpan bytes(data, size);
  for (const PointCheck check : {PointCheck::kOnCurve, PointCheck::kSubgroup}) {
    if (const auto p = G1FromCompressed(bytes, check); p.ok()) {
      Check(bytes, *p, check, ToCompressed(*p));
      DAMOCLES_CHECK(*G1FromUncompressed(ToUncompressed(*p), check) == *p);
    }
    if (const auto p = G1FromUncompressed(bytes, check); p.ok()) {
      Check(bytes, *p, check, ToUncompressed(*p));
      DAMOCLES_CHECK(*G1FromCompressed(ToCompressed(*p), check) == *p);
    }
    if (const auto p = G2FromCompressed(bytes, check); p.ok()) {
      Check(bytes, *p, check, ToCompressed(*p));
      DAMOCLES_CHECK(*G2FromUncompressed(ToUncompressed(*p), check) == *p);
    }
    if (const auto p = G2FromUncompressed(bytes, check); p.ok()) {
      Check(bytes, *p, check, ToUncompressed(*p));
      DAMOCLES_CHECK(*G2FromCompressed(ToCompressed(*p), check) == *p);
    }
  }
  return 0;
}
