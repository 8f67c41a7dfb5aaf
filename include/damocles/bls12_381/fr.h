// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// The scalar field: integers modulo
// r = 0x73eda753299d7d483339d80809a1d80553bda402fffe5bfeffffffff00000001.

#pragma once

#include <span>
#include <string>

#include "absl/status/statusor.h"

#include "damocles/base/bytes.h"
#include "damocles/base/random.h"
#include "damocles/bls12_381/field.h"

namespace damocles::bls12_381 {

struct FrParams {
  static constexpr std::size_t kLimbs = 4;
  static constexpr std::uint64_t kModulus[4] = {0xffffffff00000001, 0x53bda402fffe5bfe,
                                                0x3339d80809a1d805, 0x73eda753299d7d48};
  static constexpr std::uint64_t kInverse = 0xfffffffeffffffff;  // -1 / modulus mod 2^64
  static constexpr std::uint64_t kR[4] = {0x00000001fffffffe, 0x5884b7fa00034802,
                                          0x998c4fefecbc4ff5, 0x1824b159acc5056f};  // 2^256
  static constexpr std::uint64_t kRSquared[4] = {0xc999e990f3f29c6d, 0x2b6cedcb87925c23,
                                                 0x05d314967254398f, 0x0748d9d99f59ff11};  // 2^512
};

using Fr = Field<FrParams>;

// 2^32 divides r - 1.
inline constexpr unsigned kFrTwoAdicity = 32;
// 7^((r - 1) / 2^32), of order 2^32; in Montgomery form.
inline constexpr Fr kFrRootOfUnity{
    {0xb9b58d8c5f0e466a, 0x5b1b4c801819d7ec, 0x0af53ae352a31e64, 0x5bf3adda19e9b27b}};
// The coset shift of the quotient's evaluation domain (docs/post.md 6).
inline constexpr std::uint64_t kFrMultiplicativeGenerator = 7;

// 32 bytes, canonical, least significant first: the form on disk and on the wire everywhere.
Bytes32 ToBytesLe(const Fr& value);
// INVALID_ARGUMENT unless there are 32 bytes whose integer is below r; never reduces.
absl::StatusOr<Fr> FrFromBytesLe(ByteSpan bytes);

// Uniform in Fr.
Fr RandomFr(Random& random);

// Replaces every element by its inverse, zeros staying zero: three products an element.
void BatchInverse(std::span<Fr> values);

// a[i] = (a[i] * b[i] - c[i]) * factor; the spans have one length (checked).
void MultiplySubtractScale(std::span<Fr> a, std::span<const Fr> b, std::span<const Fr> c,
                           const Fr& factor);

}  // namespace damocles::bls12_381
