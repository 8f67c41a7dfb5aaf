// SPDX-License-Identifier: Apache-2.0 OR MIT

#pragma once

#include <cstdint>

#include "absl/status/statusor.h"

#include "damocles/base/bytes.h"
#include "damocles/filecoin/address.h"
#include "damocles/filecoin/cbor.h"
#include "damocles/filecoin/cid.h"
#include "damocles/filecoin/token_amount.h"

namespace damocles::filecoin {

using MethodNumber = std::uint64_t;
inline constexpr MethodNumber kMethodSend = 0;
// Signed message as the mempool takes it.
inline constexpr std::size_t kMessageBytesMax = std::size_t{64} << 10;

// An unsigned message.  An absent parameter list and an empty one are the same.
struct Message {
  std::uint64_t version = 0;
  Address to;
  Address from;
  std::uint64_t nonce = 0;
  TokenAmount value;
  std::int64_t gas_limit = 0;
  TokenAmount gas_fee_cap;
  TokenAmount gas_premium;
  MethodNumber method = 0;
  Bytes params;

  // Both addresses are defined.
  void WriteCbor(cbor::Writer& writer) const;
  static absl::StatusOr<Message> ReadCbor(cbor::Reader& reader);
  friend bool operator==(const Message&, const Message&) = default;
};

Cid CidOf(const Message& message);

// What a BLS or secp256k1 key signs: the 38 bytes of the message's CID (secp256k1 signs their
// BLAKE2b-256).  A delegated (Ethereum) sender signs something else.
Bytes SigningBytes(const Message& message);

enum class SignatureType : std::uint8_t {
  kSecp256k1 = 1,
  kBls = 2,
  kDelegated = 3,
};
struct Signature {
  static constexpr std::size_t kBytesMax = 200;

  SignatureType type = SignatureType::kSecp256k1;
  Bytes data;

  // A byte string: the type, then the data.
  void WriteCbor(cbor::Writer& writer) const;
  static absl::StatusOr<Signature> ReadCbor(cbor::Reader& reader);
  friend bool operator==(const Signature&, const Signature&) = default;
};

struct SignedMessage {
  Message message;
  Signature signature;

  void WriteCbor(cbor::Writer& writer) const;
  static absl::StatusOr<SignedMessage> ReadCbor(cbor::Reader& reader);
  friend bool operator==(const SignedMessage&, const SignedMessage&) = default;
};

// Of the message alone where BLS signatures are aggregated, else with its signature.
Cid CidOf(const SignedMessage& message);

}  // namespace damocles::filecoin
