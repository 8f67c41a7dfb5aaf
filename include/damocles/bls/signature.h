// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// BLS signatures as the chain's f3 addresses make them: public keys in G1, signatures in G2
// (draft-irtf-cfrg-bls-signature-05, "basic" scheme of the minimal public keys; hash to the curve
// by RFC 9380 with the suite BLS12381G2_XMD:SHA-256_SSWU_RO_).
//
// Nothing here takes constant time: for the keys of a devnet and for checking what others signed,
// not for keys that guard money while others can time us.

#pragma once

#include <array>
#include <span>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "damocles/base/bytes.h"
#include "damocles/base/random.h"
#include "damocles/bls12_381/fr.h"
#include "damocles/bls12_381/g1.h"
#include "damocles/bls12_381/g2.h"

namespace damocles::bls {

// The chain's domain separation tag.
inline constexpr std::string_view kChainTag = "BLS_SIG_BLS12381G2_XMD:SHA-256_SSWU_RO_NUL_";

using PublicKey = std::array<std::uint8_t, bls12_381::kG1CompressedBytes>;
using Signature = std::array<std::uint8_t, bls12_381::kG2CompressedBytes>;

// RFC 9380, 3: a point of the subgroup, as a random function of `message` would give it.  `tag` has
// 1 to 255 bytes.
bls12_381::G2Affine HashToG2(ByteSpan message, std::string_view tag = kChainTag);

// The object is wiped when it goes; what is computed with it stays on the stack for a while.
class SecretKey {
 public:
  // 32 bytes, least significant first, as a node exports it.  INVALID_ARGUMENT unless it is in
  // [1, r).
  static absl::StatusOr<SecretKey> FromBytesLe(ByteSpan bytes);
  static SecretKey Generate(Random& random);
  SecretKey(const SecretKey&) = default;
  SecretKey& operator=(const SecretKey&) = default;
  ~SecretKey();

  PublicKey Public() const;
  Signature Sign(ByteSpan message) const;
  Bytes32 ToBytesLe() const;

 private:
  explicit SecretKey(const bls12_381::Fr& secret) : secret_(secret) {}
  bls12_381::Fr secret_;
};

// OK, or INVALID_ARGUMENT with the reason: a key or a signature that does not decode (the identity
// is no key), or one that does not fit the message.
absl::Status Verify(ByteSpan public_key, ByteSpan message, ByteSpan signature);

// The sum of signatures, of none the identity; INVALID_ARGUMENT if one does not decode.
absl::StatusOr<Signature> Aggregate(std::span<const Signature> signatures);

struct Signed {
  PublicKey public_key{};
  Bytes message;
};
// Whether `aggregate` is the sum of one signature for each of `signed_by`; as Verify.  Of nobody it
// is the identity, as in a block without such messages.  Two equal messages are refused: with a key
// made for it, anybody could sign for both (the draft, 3.1).
absl::Status VerifyAggregate(std::span<const Signed> signed_by, ByteSpan aggregate);

}  // namespace damocles::bls
