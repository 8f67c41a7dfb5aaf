// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/bls12_381/fp.h"

#include "absl/strings/str_format.h"

namespace damocles::bls12_381 {
namespace {

// (p + 1) / 4: p is 3 mod 4, so that this power of a square is a root of it.
constexpr Fp::Limbs SqrtExponent() {
  Fp::Limbs exponent{};
  for (std::size_t i = 0; i < Fp::kLimbs; ++i) {
    // p + 1 changes the lowest limb only: it does not end in all ones.
    const std::uint64_t low = FpParams::kModulus[i] + (i == 0 ? 1 : 0);
    const std::uint64_t high = i + 1 < Fp::kLimbs ? FpParams::kModulus[i + 1] : 0;
    exponent[i] = low >> 2 | high << 62;
  }
  return exponent;
}

// (p - 1) / 2.
constexpr Fp::Limbs HalfModulus() {
  Fp::Limbs half{};
  for (std::size_t i = 0; i < Fp::kLimbs; ++i) {
    const std::uint64_t high = i + 1 < Fp::kLimbs ? FpParams::kModulus[i + 1] : 0;
    half[i] = FpParams::kModulus[i] >> 1 | high << 63;
  }
  return half;
}

// a < b as integers.
bool IsBelow(const Fp::Limbs& a, const Fp::Limbs& b) {
  for (std::size_t i = Fp::kLimbs; i-- > 0;) {
    if (a[i] != b[i]) return a[i] < b[i];
  }
  return false;
}

}  // namespace

void StoreBe(const Fp& value, std::span<std::uint8_t, 48> out) {
  const Fp::Limbs plain = value.Canonical();
  for (std::size_t i = 0; i < plain.size(); ++i) {
    StoreBe64(plain[plain.size() - 1 - i], out.data() + 8 * i);
  }
}

absl::StatusOr<Fp> FpFromBytesBe(std::span<const std::uint8_t, 48> bytes) {
  Fp::Limbs plain;
  for (std::size_t i = 0; i < plain.size(); ++i) {
    plain[plain.size() - 1 - i] = LoadBe64(bytes.data() + 8 * i);
  }
  constexpr Fp::Limbs kModulus = std::to_array(FpParams::kModulus);
  if (!IsBelow(plain, kModulus)) {
    return absl::InvalidArgumentError("a coordinate is not canonical: it is not below p");
  }
  return Fp::FromCanonical(plain);
}

std::optional<Fp> Sqrt(const Fp& value) {
  constexpr Fp::Limbs kExponent = SqrtExponent();
  const Fp root = value.Pow(kExponent);
  if (root.Square() == value) return root;
  return std::nullopt;
}

bool IsLexicographicallyLargest(const Fp& value) {
  constexpr Fp::Limbs kHalf = HalfModulus();
  return IsBelow(kHalf, value.Canonical());
}

}  // namespace damocles::bls12_381
