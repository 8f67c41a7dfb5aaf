// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/filecoin/address.h"

#include <algorithm>

#include "absl/strings/str_format.h"
#include "lib/filecoin/base32.h"
#include "lib/filecoin/varint.h"

#include "damocles/base/check.h"
#include "damocles/base/hex.h"
#include "damocles/base/status.h"
#include "damocles/hash/blake2b.h"

namespace damocles::filecoin {
namespace {

constexpr std::string_view kUndefinedText = "<empty>";
constexpr std::size_t kHashBytes = 20;
constexpr std::size_t kBlsKeyBytes = 48;
constexpr std::size_t kSubaddressBytesMax = 54;
constexpr std::size_t kChecksumBytes = 4;
constexpr std::size_t kIdDigitsMax = 19;
constexpr std::size_t kAddressTextMax = 115;
constexpr std::uint64_t kIdMax = (std::uint64_t{1} << 63) - 1;
constexpr std::size_t kCborBytesMax = 64;

// The words are those of the network's own code: operators search for them.
absl::Status InvalidLength() {
  return absl::InvalidArgumentError("invalid address length");
}
absl::Status InvalidPayload() {
  return absl::InvalidArgumentError("invalid address payload");
}

Bytes WithProtocol(AddressProtocol protocol, ByteSpan payload) {
  Bytes bytes{static_cast<std::uint8_t>(protocol)};
  Append(bytes, payload);
  return bytes;
}

Bytes ChecksumOf(ByteSpan address) {
  return hash::Blake2bOf(address, kChecksumBytes);
}

// Decimal digits only, leading zeros too, below 2^63.
absl::StatusOr<std::uint64_t> ParseDecimal(std::string_view text) {
  if (text.empty()) return InvalidPayload();
  std::uint64_t value = 0;
  for (const char digit : text) {
    if (digit < '0' || digit > '9') return InvalidPayload();
    const auto d = static_cast<std::uint64_t>(digit - '0');
    if (value > (kIdMax - d) / 10) return InvalidPayload();
    value = value * 10 + d;
  }
  return value;
}

// The bytes of base32 text with a checksum behind them; `in_front` is hashed before them.
absl::StatusOr<Bytes> ParseChecked(std::string_view text, ByteSpan in_front,
                                   std::size_t payload_bytes_max, bool is_exact) {
  DAMOCLES_ASSIGN_OR_RETURN(Bytes bytes, FromBase32(text));
  if (bytes.size() < kChecksumBytes) return InvalidLength();
  const std::size_t payload_bytes = bytes.size() - kChecksumBytes;
  if (payload_bytes > payload_bytes_max || (is_exact && payload_bytes != payload_bytes_max)) {
    return InvalidLength();
  }
  Bytes address(in_front.begin(), in_front.end());
  Append(address, ByteSpan(bytes).first(payload_bytes));
  const Bytes checksum = ChecksumOf(address);
  if (!std::equal(checksum.begin(), checksum.end(), bytes.end() - kChecksumBytes)) {
    return absl::InvalidArgumentError("invalid address checksum");
  }
  return address;
}

}  // namespace

Address Address::FromId(ActorId id) {
  DAMOCLES_CHECK(id <= kIdMax);
  Bytes bytes{static_cast<std::uint8_t>(AddressProtocol::kId)};
  AppendUvarint(bytes, id);
  return Address(std::move(bytes));
}

Address Address::FromSecp256k1PublicKey(ByteSpan public_key) {
  return Address(
      WithProtocol(AddressProtocol::kSecp256k1, hash::Blake2bOf(public_key, kHashBytes)));
}

Address Address::FromActorData(ByteSpan data) {
  return Address(WithProtocol(AddressProtocol::kActor, hash::Blake2bOf(data, kHashBytes)));
}

absl::StatusOr<Address> Address::FromBlsPublicKey(ByteSpan public_key) {
  return FromBytes(WithProtocol(AddressProtocol::kBls, public_key));
}

absl::StatusOr<Address> Address::FromDelegated(ActorId namespace_id, ByteSpan subaddress) {
  if (namespace_id > kIdMax) return InvalidPayload();
  Bytes bytes{static_cast<std::uint8_t>(AddressProtocol::kDelegated)};
  AppendUvarint(bytes, namespace_id);
  Append(bytes, subaddress);
  return FromBytes(bytes);
}

absl::StatusOr<Address> Address::Parse(std::string_view text) {
  if (text.empty() || text == kUndefinedText) return Address();
  if (text.size() > kAddressTextMax || text.size() < 3) return InvalidLength();
  if (text[0] != 'f' && text[0] != 't') {
    return absl::InvalidArgumentError("unknown address network");
  }
  if (text[1] < '0' || text[1] > '4') {
    return absl::InvalidArgumentError("unknown address protocol");
  }
  const auto protocol = static_cast<AddressProtocol>(text[1] - '0');
  const std::string_view rest = text.substr(2);
  Bytes in_front{static_cast<std::uint8_t>(protocol)};
  switch (protocol) {
    case AddressProtocol::kId: {
      if (rest.size() > kIdDigitsMax) return InvalidLength();
      DAMOCLES_ASSIGN_OR_RETURN(const std::uint64_t id, ParseDecimal(rest));
      return FromId(id);
    }
    case AddressProtocol::kDelegated: {
      const std::size_t separator = rest.find('f');
      if (separator == std::string_view::npos) return InvalidPayload();
      if (separator > kIdDigitsMax) return InvalidLength();
      DAMOCLES_ASSIGN_OR_RETURN(const std::uint64_t namespace_id,
                                ParseDecimal(rest.substr(0, separator)));
      AppendUvarint(in_front, namespace_id);
      DAMOCLES_ASSIGN_OR_RETURN(Bytes bytes, ParseChecked(rest.substr(separator + 1), in_front,
                                                          kSubaddressBytesMax, false));
      return Address(std::move(bytes));
    }
    default: {
      const std::size_t payload_bytes =
          protocol == AddressProtocol::kBls ? kBlsKeyBytes : kHashBytes;
      DAMOCLES_ASSIGN_OR_RETURN(Bytes bytes, ParseChecked(rest, in_front, payload_bytes, true));
      return Address(std::move(bytes));
    }
  }
}

absl::StatusOr<Address> Address::FromBytes(ByteSpan bytes) {
  if (bytes.empty()) return Address();
  if (bytes.size() == 1) return InvalidLength();
  if (bytes[0] > static_cast<std::uint8_t>(AddressProtocol::kDelegated)) {
    return absl::InvalidArgumentError("unknown address protocol");
  }
  const auto protocol = static_cast<AddressProtocol>(bytes[0]);
  const ByteSpan payload = bytes.subspan(1);
  switch (protocol) {
    case AddressProtocol::kId:
    case AddressProtocol::kDelegated: {
      const absl::StatusOr<Uvarint> number = ReadUvarint(payload);
      if (!number.ok()) {
        return absl::InvalidArgumentError(absl::StrFormat(
            "could not decode: %s: invalid address payload", number.status().message()));
      }
      const std::size_t behind = payload.size() - number->bytes;
      const std::size_t behind_max = protocol == AddressProtocol::kId ? 0 : kSubaddressBytesMax;
      if (behind > behind_max) return InvalidLength();
      break;
    }
    case AddressProtocol::kSecp256k1:
    case AddressProtocol::kActor:
      if (payload.size() != kHashBytes) return InvalidLength();
      break;
    case AddressProtocol::kBls:
      if (payload.size() != kBlsKeyBytes) return InvalidLength();
      break;
  }
  return Address(Bytes(bytes.begin(), bytes.end()));
}

AddressProtocol Address::Protocol() const {
  DAMOCLES_CHECK(!IsUndefined());
  return static_cast<AddressProtocol>(bytes_[0]);
}

std::optional<ActorId> Address::Id() const {
  if (!IsId()) return std::nullopt;
  return ReadUvarint(Payload())->value;
}

ByteSpan Address::Payload() const {
  DAMOCLES_CHECK(!IsUndefined());
  return ByteSpan(bytes_).subspan(1);
}

std::string Address::ToString(Network network) const {
  if (IsUndefined()) return std::string(kUndefinedText);
  std::string text(network == Network::kMainnet ? "f" : "t");
  text.push_back(static_cast<char>('0' + bytes_[0]));
  std::size_t in_front = 1;  // bytes that the base32 text does not hold
  if (IsId() || Protocol() == AddressProtocol::kDelegated) {
    const Uvarint number = *ReadUvarint(Payload());
    text += std::to_string(number.value);
    if (IsId()) return text;
    text.push_back('f');
    in_front += number.bytes;
  }
  Bytes content(bytes_.begin() + static_cast<std::ptrdiff_t>(in_front), bytes_.end());
  Append(content, ChecksumOf(bytes_));
  return text + ToBase32(content);
}

void Address::WriteCbor(cbor::Writer& writer) const {
  DAMOCLES_CHECK(!IsUndefined());
  writer.ByteString(bytes_);
}

absl::StatusOr<Address> Address::ReadCbor(cbor::Reader& reader) {
  DAMOCLES_ASSIGN_OR_RETURN(const Bytes bytes, reader.ReadByteString(kCborBytesMax));
  if (bytes.empty()) return absl::InvalidArgumentError("CBOR holds an empty address");
  return FromBytes(bytes);
}

}  // namespace damocles::filecoin
