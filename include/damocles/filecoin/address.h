// SPDX-License-Identifier: Apache-2.0 OR MIT

#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/statusor.h"

#include "damocles/base/bytes.h"
#include "damocles/filecoin/cbor.h"
#include "damocles/filecoin/sector.h"

namespace damocles::filecoin {

// The letter in front of the text: f on mainnet, t elsewhere.  Input may have either.
enum class Network { kMainnet, kTestnet };

enum class AddressProtocol : std::uint8_t {
  kId = 0,
  kSecp256k1 = 1,
  kActor = 2,
  kBls = 3,
  kDelegated = 4,
};

// The address of an actor: the protocol byte and its payload, or undefined.
// A value; ordered by its bytes.
class Address {
 public:
  // The undefined address: its text is "<empty>", it has no CBOR form.
  Address() = default;
  // f0: `id` < 2^63.
  static Address FromId(ActorId id);
  // f1: of the 65-byte uncompressed public key.
  static Address FromSecp256k1PublicKey(ByteSpan public_key);
  // f2: of the data that names the actor.
  static Address FromActorData(ByteSpan data);
  // f3: the 48-byte compressed public key.
  static absl::StatusOr<Address> FromBlsPublicKey(ByteSpan public_key);
  // f4: `namespace_id` < 2^63, at most 54 bytes.  f410f is an Ethereum address.
  static absl::StatusOr<Address> FromDelegated(ActorId namespace_id, ByteSpan subaddress);

  // Accepts either network letter; "" and "<empty>" are undefined.  INVALID_ARGUMENT says what is
  // wrong in the words of the network's own code.
  static absl::StatusOr<Address> Parse(std::string_view text);
  // Protocol byte and payload; no bytes are undefined.
  static absl::StatusOr<Address> FromBytes(ByteSpan bytes);

  bool IsUndefined() const { return bytes_.empty(); }
  // Not for the undefined address.
  AddressProtocol Protocol() const;
  bool IsId() const { return !IsUndefined() && Protocol() == AddressProtocol::kId; }
  // The number of an ID address.
  std::optional<ActorId> Id() const;
  // Everything behind the protocol byte; for f4 with the namespace.
  ByteSpan Payload() const;
  const Bytes& ToBytes() const { return bytes_; }
  std::string ToString(Network network = Network::kMainnet) const;

  // The undefined address must not be written: it is no address to the chain either.
  void WriteCbor(cbor::Writer& writer) const;
  static absl::StatusOr<Address> ReadCbor(cbor::Reader& reader);

  friend auto operator<=>(const Address&, const Address&) = default;
  template <typename H>
  friend H AbslHashValue(H h, const Address& address) {
    return H::combine(std::move(h), address.bytes_);
  }

 private:
  explicit Address(Bytes bytes) : bytes_(std::move(bytes)) {}
  Bytes bytes_;
};

}  // namespace damocles::filecoin
