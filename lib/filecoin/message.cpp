// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/filecoin/message.h"

#include "absl/strings/str_format.h"

#include "damocles/base/status.h"

namespace damocles::filecoin {

void Message::WriteCbor(cbor::Writer& writer) const {
  writer.Array(10);
  writer.Uint(version);
  to.WriteCbor(writer);
  from.WriteCbor(writer);
  writer.Uint(nonce);
  value.WriteCbor(writer);
  writer.Int(gas_limit);
  gas_fee_cap.WriteCbor(writer);
  gas_premium.WriteCbor(writer);
  writer.Uint(method);
  writer.ByteString(params);
}

absl::StatusOr<Message> Message::ReadCbor(cbor::Reader& reader) {
  Message message;
  DAMOCLES_RETURN_IF_ERROR(reader.ExpectArray(10, "a message"));
  DAMOCLES_ASSIGN_OR_RETURN(message.version, reader.ReadUint());
  DAMOCLES_ASSIGN_OR_RETURN(message.to, Address::ReadCbor(reader));
  DAMOCLES_ASSIGN_OR_RETURN(message.from, Address::ReadCbor(reader));
  DAMOCLES_ASSIGN_OR_RETURN(message.nonce, reader.ReadUint());
  DAMOCLES_ASSIGN_OR_RETURN(message.value, BigInt::ReadCbor(reader));
  DAMOCLES_ASSIGN_OR_RETURN(message.gas_limit, reader.ReadInt());
  DAMOCLES_ASSIGN_OR_RETURN(message.gas_fee_cap, BigInt::ReadCbor(reader));
  DAMOCLES_ASSIGN_OR_RETURN(message.gas_premium, BigInt::ReadCbor(reader));
  DAMOCLES_ASSIGN_OR_RETURN(message.method, reader.ReadUint());
  DAMOCLES_ASSIGN_OR_RETURN(message.params, reader.ReadByteString());
  return message;
}

Cid CidOf(const Message& message) {
  return Cid::OfDagCbor(cbor::Encode(message));
}

Bytes SigningBytes(const Message& message) {
  return CidOf(message).ToBytes();
}

void Signature::WriteCbor(cbor::Writer& writer) const {
  Bytes content{static_cast<std::uint8_t>(type)};
  Append(content, data);
  writer.ByteString(content);
}

absl::StatusOr<Signature> Signature::ReadCbor(cbor::Reader& reader) {
  DAMOCLES_ASSIGN_OR_RETURN(const Bytes content, reader.ReadByteString(kBytesMax));
  if (content.empty()) return absl::InvalidArgumentError("signature without a type");
  const std::uint8_t type = content[0];
  if (type < static_cast<std::uint8_t>(SignatureType::kSecp256k1) ||
      type > static_cast<std::uint8_t>(SignatureType::kDelegated)) {
    return absl::InvalidArgumentError(absl::StrFormat("signature of unknown type %d", type));
  }
  return Signature{static_cast<SignatureType>(type), Bytes(content.begin() + 1, content.end())};
}

void SignedMessage::WriteCbor(cbor::Writer& writer) const {
  writer.Array(2);
  message.WriteCbor(writer);
  signature.WriteCbor(writer);
}

absl::StatusOr<SignedMessage> SignedMessage::ReadCbor(cbor::Reader& reader) {
  SignedMessage result;
  DAMOCLES_RETURN_IF_ERROR(reader.ExpectArray(2, "a signed message"));
  DAMOCLES_ASSIGN_OR_RETURN(result.message, Message::ReadCbor(reader));
  DAMOCLES_ASSIGN_OR_RETURN(result.signature, Signature::ReadCbor(reader));
  return result;
}

Cid CidOf(const SignedMessage& message) {
  if (message.signature.type == SignatureType::kBls) return CidOf(message.message);
  return Cid::OfDagCbor(cbor::Encode(message));
}

}  // namespace damocles::filecoin
