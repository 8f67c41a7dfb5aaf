// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/bls/signature.h"

#include <set>
#include <utility>

#include "absl/strings/str_format.h"

#include "damocles/base/status.h"
#include "damocles/base/wipe.h"
#include "damocles/bls12_381/curve.h"
#include "damocles/bls12_381/pairing.h"

namespace damocles::bls {
namespace {

using bls12_381::Fr;
using bls12_381::G1Affine;
using bls12_381::G2;
using bls12_381::G2Affine;
using bls12_381::PairingPair;
using bls12_381::PointCheck;

absl::StatusOr<G1Affine> ReadKey(ByteSpan bytes) {
  auto key = bls12_381::G1FromCompressed(bytes, PointCheck::kSubgroup);
  if (!key.ok()) return Annotate(key.status(), "public key");
  if (key->IsInfinity()) return absl::InvalidArgumentError("public key: it is the identity");
  return key;
}

absl::StatusOr<G2Affine> ReadSignature(ByteSpan bytes) {
  auto signature = bls12_381::G2FromCompressed(bytes, PointCheck::kSubgroup);
  if (!signature.ok()) return Annotate(signature.status(), "signature");
  return signature;
}

// e(-g, signature) * product of e(key, hash) = 1.
absl::Status Check(std::vector<PairingPair> pairs, const G2Affine& signature) {
  pairs.emplace_back(-bls12_381::G1Generator(), signature);
  if (bls12_381::PairingProductIsOne(pairs)) return absl::OkStatus();
  return absl::InvalidArgumentError("the signature is not one of this key for this message");
}

}  // namespace

absl::StatusOr<SecretKey> SecretKey::FromBytesLe(ByteSpan bytes) {
  DAMOCLES_ASSIGN_OR_RETURN(const Fr secret, bls12_381::FrFromBytesLe(bytes));
  if (secret.IsZero()) return absl::InvalidArgumentError("a secret key is not zero");
  return SecretKey(secret);
}

SecretKey SecretKey::Generate(Random& random) {
  Fr secret = Fr::Zero();
  while (secret.IsZero()) secret = bls12_381::RandomFr(random);
  return SecretKey(secret);
}

SecretKey::~SecretKey() {
  WipeWords(secret_.limb);
}

PublicKey SecretKey::Public() const {
  return bls12_381::ToCompressed(
      bls12_381::ToAffine(bls12_381::Mul(bls12_381::G1Generator(), secret_)));
}

Signature SecretKey::Sign(ByteSpan message) const {
  return bls12_381::ToCompressed(bls12_381::ToAffine(bls12_381::Mul(HashToG2(message), secret_)));
}

Bytes32 SecretKey::ToBytesLe() const {
  return bls12_381::ToBytesLe(secret_);
}

absl::Status Verify(ByteSpan public_key, ByteSpan message, ByteSpan signature) {
  DAMOCLES_ASSIGN_OR_RETURN(const G1Affine key, ReadKey(public_key));
  DAMOCLES_ASSIGN_OR_RETURN(const G2Affine point, ReadSignature(signature));
  return Check({{key, HashToG2(message)}}, point);
}

absl::StatusOr<Signature> Aggregate(std::span<const Signature> signatures) {
  G2 sum = G2::Infinity();
  for (std::size_t i = 0; i < signatures.size(); ++i) {
    auto point = ReadSignature(signatures[i]);
    if (!point.ok()) return Annotate(point.status(), absl::StrFormat("signature %d", i));
    sum += *point;
  }
  return bls12_381::ToCompressed(bls12_381::ToAffine(sum));
}

absl::Status VerifyAggregate(std::span<const Signed> signed_by, ByteSpan aggregate) {
  DAMOCLES_ASSIGN_OR_RETURN(const G2Affine point, ReadSignature(aggregate));
  std::set<Bytes> messages;
  std::vector<PairingPair> pairs;
  pairs.reserve(signed_by.size() + 1);
  for (const Signed& one : signed_by) {
    DAMOCLES_ASSIGN_OR_RETURN(const G1Affine key, ReadKey(one.public_key));
    if (!messages.insert(one.message).second) {
      return absl::InvalidArgumentError("two of those who signed have one message");
    }
    pairs.emplace_back(key, HashToG2(one.message));
  }
  return Check(std::move(pairs), point);
}

}  // namespace damocles::bls
