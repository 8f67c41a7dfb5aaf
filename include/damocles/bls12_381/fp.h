// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// The base field: integers modulo p = 0x1a0111ea397fe69a4b1ba7b6434bacd764774b84f38512bf
// 6730d2a0f6b0f6241eabfffeb153ffffb9feffffffffaaab.

#pragma once

#include <array>
#include <optional>
#include <span>

#include "absl/status/statusor.h"

#include "damocles/base/bytes.h"
#include "damocles/bls12_381/field.h"

namespace damocles::bls12_381 {

struct FpParams {
  static constexpr std::size_t kLimbs = 6;
  static constexpr std::uint64_t kModulus[6] = {0xb9feffffffffaaab, 0x1eabfffeb153ffff,
                                                0x6730d2a0f6b0f624, 0x64774b84f38512bf,
                                                0x4b1ba7b6434bacd7, 0x1a0111ea397fe69a};
  static constexpr std::uint64_t kInverse = 0x89f3fffcfffcfffd;  // -1 / modulus mod 2^64
  static constexpr std::uint64_t kR[6] = {0x760900000002fffd, 0xebf4000bc40c0002,
                                          0x5f48985753c758ba, 0x77ce585370525745,
                                          0x5c071a97a256ec6d, 0x15f65ec3fa80e493};  // 2^384
  static constexpr std::uint64_t kRSquared[6] = {0xf4df1f341c341746, 0x0a76e6a609d104f1,
                                                 0x8de5476c4c95b6d5, 0x67eb88a9939d83c0,
                                                 0x9a793e85b519952d, 0x11988fe592cae3aa};  // 2^768
};

using Fp = Field<FpParams>;

// 48 bytes, canonical, most significant first.
void StoreBe(const Fp& value, std::span<std::uint8_t, 48> out);
// INVALID_ARGUMENT unless the integer is below p.
absl::StatusOr<Fp> FpFromBytesBe(std::span<const std::uint8_t, 48> bytes);

// A root of x^2 = value, or nothing if there is none.  Variable time.
std::optional<Fp> Sqrt(const Fp& value);

// Whether the integer is above (p - 1) / 2: the sign that compressed points carry.
bool IsLexicographicallyLargest(const Fp& value);

}  // namespace damocles::bls12_381
