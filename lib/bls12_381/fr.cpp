// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/bls12_381/fr.h"

#include "absl/strings/str_format.h"
#include "lib/bls12_381/batch_inverse.h"
#include "lib/bls12_381/kernels/kernels.h"

#include "damocles/base/check.h"

namespace damocles::bls12_381 {

Bytes32 ToBytesLe(const Fr& value) {
  const Fr::Limbs plain = value.Canonical();
  Bytes32 out;
  for (std::size_t i = 0; i < plain.size(); ++i) StoreLe64(plain[i], out.data() + 8 * i);
  return out;
}

absl::StatusOr<Fr> FrFromBytesLe(ByteSpan bytes) {
  if (bytes.size() != 32) {
    return absl::InvalidArgumentError(
        absl::StrFormat("a field element is %d bytes long, want 32", bytes.size()));
  }
  Fr::Limbs plain;
  internal::CarryFlag borrow = 0;
  for (std::size_t i = 0; i < plain.size(); ++i) {
    plain[i] = LoadLe64(bytes.data() + 8 * i);
    internal::SubBorrow(plain[i], FrParams::kModulus[i], borrow);
  }
  if (borrow == 0) {
    return absl::InvalidArgumentError("a field element is not canonical: it is not below r");
  }
  return Fr::FromCanonical(plain);
}

Fr RandomFr(Random& random) {
  while (true) {
    Bytes32 bytes;
    random.Fill(bytes);
    bytes[31] &= 0x7f;  // r has 255 bits: every second try or better is accepted
    if (const auto value = FrFromBytesLe(bytes); value.ok()) return *value;
  }
}

void BatchInverse(std::span<Fr> values) {
  internal::InvertAll(values);
}

void MultiplySubtractScale(std::span<Fr> a, std::span<const Fr> b, std::span<const Fr> c,
                           const Fr& factor) {
  DAMOCLES_CHECK(a.size() == b.size() && a.size() == c.size());
  kernels::Chosen().multiply_subtract_scale(a.data(), b.data(), c.data(), a.size(), factor);
}

}  // namespace damocles::bls12_381
