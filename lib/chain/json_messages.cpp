// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "absl/strings/str_format.h"
#include "lib/chain/json_shapes.h"

namespace damocles::chain::internal {
namespace {

template <typename V, typename S>
void VisitMessage(V& v, S& s) {
  v("Version", s.version);
  v("To", s.to);
  v("From", s.from);
  v("Nonce", s.nonce);
  v("Value", s.value);
  v("GasLimit", s.gas_limit);
  v("GasFeeCap", s.gas_fee_cap);
  v("GasPremium", s.gas_premium);
  v("Method", s.method);
  v("Params", s.params);
}

template <typename V, typename S>
void VisitSigned(V& v, S& s) {
  v("Message", s.message);
  v("Signature", s.signature);
}

bool HasCid(const filecoin::Message& message) {
  return !message.to.IsUndefined() && !message.from.IsUndefined();
}

}  // namespace

Json Codec<filecoin::Message>::Write(const filecoin::Message& value) {
  ShapeWriter writer;
  VisitMessage(writer, value);
  writer("CID", HasCid(value) ? CidOf(value) : filecoin::Cid());
  return writer.Take();
}
absl::Status Codec<filecoin::Message>::Read(const Json& json, filecoin::Message& out) {
  if (json.is_null()) return absl::OkStatus();
  if (!json.is_object()) return WrongKind(json, "a message");
  ShapeReader reader(json);
  VisitMessage(reader, out);
  return reader.status();
}

Json Codec<filecoin::SignedMessage>::Write(const filecoin::SignedMessage& value) {
  ShapeWriter writer;
  VisitSigned(writer, value);
  writer("CID", HasCid(value.message) ? CidOf(value) : filecoin::Cid());
  return writer.Take();
}
absl::Status Codec<filecoin::SignedMessage>::Read(const Json& json, filecoin::SignedMessage& out) {
  if (json.is_null()) return absl::OkStatus();
  if (!json.is_object()) return WrongKind(json, "a signed message");
  ShapeReader reader(json);
  VisitSigned(reader, out);
  return reader.status();
}

}  // namespace damocles::chain::internal

namespace damocles::chain {

DAMOCLES_JSON_TYPE(filecoin::Signature)
DAMOCLES_JSON_TYPE(std::optional<filecoin::Signature>)
DAMOCLES_JSON_TYPE(filecoin::Message)
DAMOCLES_JSON_TYPE(filecoin::SignedMessage)
DAMOCLES_JSON_TYPE(std::vector<filecoin::SignedMessage>)
DAMOCLES_JSON_TYPE(MessageReceipt)
DAMOCLES_JSON_TYPE(MsgLookup)
DAMOCLES_JSON_TYPE(std::optional<MsgLookup>)
DAMOCLES_JSON_TYPE(MessageSendSpec)
DAMOCLES_JSON_TYPE(std::optional<MessageSendSpec>)
DAMOCLES_JSON_TYPE(InvocResult)
DAMOCLES_JSON_TYPE(MpoolConfig)

}  // namespace damocles::chain
