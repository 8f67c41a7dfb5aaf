// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "lib/devnet/wallet.h"

#include <secp256k1.h>
#include <secp256k1_recovery.h>

#include <vector>

#include "absl/strings/str_format.h"

#include "damocles/base/check.h"
#include "damocles/hash/blake2b.h"

namespace damocles::devnet::internal {

using filecoin::Address;
using filecoin::Signature;

namespace {

// The flags have a bit in common.  NOLINTNEXTLINE(misc-redundant-expression)
constexpr unsigned int kSignAndVerify = SECP256K1_CONTEXT_SIGN | SECP256K1_CONTEXT_VERIFY;
constexpr std::size_t kPublicKeyBytes = 65;
constexpr std::size_t kSignatureBytes = 65;

Address AddressOf(const secp256k1_context* context, const secp256k1_pubkey& key) {
  std::uint8_t bytes[kPublicKeyBytes];
  std::size_t length = sizeof(bytes);
  secp256k1_ec_pubkey_serialize(context, bytes, &length, &key, SECP256K1_EC_UNCOMPRESSED);
  return Address::FromSecp256k1PublicKey({bytes, length});
}

}  // namespace

Wallet::Wallet() : context_(secp256k1_context_create(kSignAndVerify)) {
  DAMOCLES_CHECK(context_ != nullptr);
}

Wallet::~Wallet() {
  secp256k1_context_destroy(context_);
}

Address Wallet::MakeKey(std::uint64_t seed, std::uint64_t number) {
  // Nearly every digest is a key; the attempt counter covers the others.
  for (std::uint64_t attempt = 0;; ++attempt) {
    const ByteSpan label = AsBytes("damocles devnet key");
    Bytes input(label.begin(), label.end());
    AppendBe64(input, seed);
    AppendBe64(input, number);
    AppendBe64(input, attempt);
    const Bytes32 secret = hash::Blake2b256Of(input);
    secp256k1_pubkey key;
    if (secp256k1_ec_pubkey_create(context_, &key, secret.data()) == 0) continue;
    Address address = AddressOf(context_, key);
    keys_.insert_or_assign(address, secret);
    return address;
  }
}

std::vector<Address> Wallet::List() const {
  std::vector<Address> list;
  for (const auto& [address, secret] : keys_) list.push_back(address);
  return list;
}

absl::StatusOr<Signature> Wallet::Sign(const Address& address, ByteSpan data) const {
  const auto found = keys_.find(address);
  if (found == keys_.end()) {
    return absl::NotFoundError(
        absl::StrFormat("key %s is not in the wallet of this node", address.ToString()));
  }
  const Bytes32 digest = hash::Blake2b256Of(data);
  secp256k1_ecdsa_recoverable_signature signature;
  DAMOCLES_CHECK(secp256k1_ecdsa_sign_recoverable(context_, &signature, digest.data(),
                                                  found->second.data(), nullptr, nullptr) == 1);
  Signature result{.type = filecoin::SignatureType::kSecp256k1, .data = Bytes(kSignatureBytes)};
  int recovery = 0;
  secp256k1_ecdsa_recoverable_signature_serialize_compact(context_, result.data.data(), &recovery,
                                                          &signature);
  result.data.back() = static_cast<std::uint8_t>(recovery);
  return result;
}

absl::Status Wallet::Verify(const Address& address, ByteSpan data,
                            const Signature& signature) const {
  if (signature.type != filecoin::SignatureType::kSecp256k1 ||
      signature.data.size() != kSignatureBytes || signature.data.back() > 3) {
    return absl::InvalidArgumentError("signature: not one of a secp256k1 key (65 bytes: r, s, v)");
  }
  secp256k1_ecdsa_recoverable_signature parsed;
  secp256k1_pubkey key;
  const Bytes32 digest = hash::Blake2b256Of(data);
  if (secp256k1_ecdsa_recoverable_signature_parse_compact(context_, &parsed, signature.data.data(),
                                                          signature.data.back()) == 0 ||
      secp256k1_ecdsa_recover(context_, &key, &parsed, digest.data()) == 0 ||
      AddressOf(context_, key) != address) {
    return absl::InvalidArgumentError(
        absl::StrFormat("signature: not by the key of %s", address.ToString()));
  }
  return absl::OkStatus();
}

}  // namespace damocles::devnet::internal
