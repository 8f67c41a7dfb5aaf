// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "lib/chain/json_values.h"

#include <array>
#include <limits>

#include "absl/strings/str_format.h"

#include "damocles/base/hex.h"

namespace damocles::chain::internal {
namespace {

constexpr std::string_view kBase64 =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

template <typename T>
absl::Status ReadInteger(const Json& json, T& out) {
  if (json.is_null()) return absl::OkStatus();  // Go leaves a number as it is
  if (json.is_number_unsigned()) {
    const auto value = json.get<std::uint64_t>();
    if (value > static_cast<std::uint64_t>(std::numeric_limits<T>::max())) {
      return absl::InvalidArgumentError(absl::StrFormat("%d is too large", value));
    }
    out = static_cast<T>(value);
    return absl::OkStatus();
  }
  if (json.is_number_integer()) {
    const auto value = json.get<std::int64_t>();
    if (value < 0 && std::is_unsigned_v<T>) {
      return absl::InvalidArgumentError(absl::StrFormat("%d is negative", value));
    }
    out = static_cast<T>(value);
    return absl::OkStatus();
  }
  if (json.is_number()) {
    return absl::InvalidArgumentError("a whole number of at most 64 bits is wanted");
  }
  return WrongKind(json, "a number");
}

absl::Status ReadText(const Json& json, const std::string*& out) {
  if (!json.is_string()) return WrongKind(json, "a text");
  out = json.get_ptr<const std::string*>();
  return absl::OkStatus();
}

// With padding, standard letters; line ends are skipped and spare bits ignored, as Go does.
absl::Status ReadBase64(std::string_view text, Bytes& out) {
  const auto bad = [](std::size_t at) {
    return absl::InvalidArgumentError(absl::StrFormat("no base64 at character %d", at));
  };
  std::uint32_t group = 0;
  unsigned letters = 0;
  unsigned padding = 0;
  out.reserve(text.size() / 4 * 3);
  for (std::size_t at = 0; at < text.size(); ++at) {
    const char c = text[at];
    if (c == '\n' || c == '\r') continue;
    std::size_t digit = 0;
    if (c == '=') {
      if (letters < 2 || padding == 2) return bad(at);
      ++padding;
    } else {
      digit = kBase64.find(c);
      if (digit == std::string_view::npos || padding > 0) return bad(at);
    }
    group = group << 6 | static_cast<std::uint32_t>(digit);
    if (++letters < 4) continue;
    for (unsigned i = 0; i + padding < 3; ++i) {
      out.push_back(static_cast<std::uint8_t>(group >> (16 - 8 * i)));
    }
    group = 0;
    letters = 0;
    if (padding > 0) {
      // Nothing but line ends may follow.
      for (++at; at < text.size(); ++at) {
        if (text[at] != '\n' && text[at] != '\r') return bad(at);
      }
    }
  }
  return letters == 0 ? absl::OkStatus() : bad(text.size());
}

}  // namespace

Json Codec<bool>::Write(const bool& value) {
  return value;
}
absl::Status Codec<bool>::Read(const Json& json, bool& out) {
  if (json.is_null()) return absl::OkStatus();
  if (!json.is_boolean()) return WrongKind(json, "true or false");
  out = json.get<bool>();
  return absl::OkStatus();
}

Json Codec<std::int64_t>::Write(const std::int64_t& value) {
  return value;
}
absl::Status Codec<std::int64_t>::Read(const Json& json, std::int64_t& out) {
  return ReadInteger(json, out);
}
Json Codec<std::uint64_t>::Write(const std::uint64_t& value) {
  return value;
}
absl::Status Codec<std::uint64_t>::Read(const Json& json, std::uint64_t& out) {
  return ReadInteger(json, out);
}
Json Codec<std::uint32_t>::Write(const std::uint32_t& value) {
  return value;
}
absl::Status Codec<std::uint32_t>::Read(const Json& json, std::uint32_t& out) {
  return ReadInteger(json, out);
}

Json Codec<double>::Write(const double& value) {
  return value;
}
absl::Status Codec<double>::Read(const Json& json, double& out) {
  if (json.is_null()) return absl::OkStatus();
  if (!json.is_number()) return WrongKind(json, "a number");
  out = json.get<double>();
  return absl::OkStatus();
}

Json Codec<std::string>::Write(const std::string& value) {
  return value;
}
absl::Status Codec<std::string>::Read(const Json& json, std::string& out) {
  if (json.is_null()) return absl::OkStatus();
  const std::string* text = nullptr;
  DAMOCLES_RETURN_IF_ERROR(ReadText(json, text));
  out = *text;
  return absl::OkStatus();
}

Json Codec<Bytes>::Write(const Bytes& value) {
  return value.empty() ? Json(nullptr) : Json(ToBase64(value));
}
absl::Status Codec<Bytes>::Read(const Json& json, Bytes& out) {
  out.clear();
  if (json.is_null()) return absl::OkStatus();
  if (json.is_array()) {
    out.reserve(json.size());
    for (const Json& item : json) {
      std::uint64_t value = 0;
      DAMOCLES_RETURN_IF_ERROR(ReadInteger(item, value));
      if (value > 255) return absl::InvalidArgumentError(absl::StrFormat("%d is no byte", value));
      out.push_back(static_cast<std::uint8_t>(value));
    }
    return absl::OkStatus();
  }
  const std::string* text = nullptr;
  DAMOCLES_RETURN_IF_ERROR(ReadText(json, text));
  return ReadBase64(*text, out);
}

Json Codec<Bytes32>::Write(const Bytes32& value) {
  return ToBase64(value);
}
absl::Status Codec<Bytes32>::Read(const Json& json, Bytes32& out) {
  Bytes bytes;
  DAMOCLES_RETURN_IF_ERROR(Codec<Bytes>::Read(json, bytes));
  if (bytes.size() != out.size()) {
    return absl::InvalidArgumentError(
        absl::StrFormat("32 bytes are wanted, there are %d", bytes.size()));
  }
  std::copy(bytes.begin(), bytes.end(), out.begin());
  return absl::OkStatus();
}

Json Codec<Uuid>::Write(const Uuid& value) {
  std::string text = ToHex(value);
  for (const std::size_t at : {20u, 16u, 12u, 8u}) text.insert(at, 1, '-');
  return text;
}
absl::Status Codec<Uuid>::Read(const Json& json, Uuid& out) {
  if (json.is_null()) return absl::OkStatus();
  const std::string* text = nullptr;
  DAMOCLES_RETURN_IF_ERROR(ReadText(json, text));
  const auto bad = [&]() {
    return absl::InvalidArgumentError(
        absl::StrFormat("invalid UUID of %d characters", text->size()));
  };
  // 8-4-4-4-12 digits, also in braces or behind urn:uuid:, or 32 digits.
  std::string digits = *text;
  if (digits.size() == 45 && absl::StartsWithIgnoreCase(digits, "urn:uuid:")) digits.erase(0, 9);
  if (digits.size() == 38 && digits.front() == '{' && digits.back() == '}') {
    digits = digits.substr(1, 36);
  }
  if (digits.size() == 36) {
    for (const std::size_t at : {23u, 18u, 13u, 8u}) {
      if (digits[at] != '-') return bad();
      digits.erase(at, 1);
    }
  }
  const auto bytes = FromHex(digits);
  if (digits.size() != 32 || !bytes.ok()) return bad();
  std::copy(bytes->begin(), bytes->end(), out.begin());
  return absl::OkStatus();
}

Json Codec<absl::Time>::Write(const absl::Time& value) {
  return absl::FormatTime("%Y-%m-%d%ET%H:%M:%E*SZ", value, absl::UTCTimeZone());
}
absl::Status Codec<absl::Time>::Read(const Json& json, absl::Time& out) {
  if (json.is_null()) return absl::OkStatus();
  const std::string* text = nullptr;
  DAMOCLES_RETURN_IF_ERROR(ReadText(json, text));
  std::string why;
  if (!absl::ParseTime(absl::RFC3339_full, *text, &out, &why)) {
    return absl::InvalidArgumentError(absl::StrFormat("no time: %s", why));
  }
  return absl::OkStatus();
}

Json Codec<absl::Duration>::Write(const absl::Duration& value) {
  return absl::ToInt64Nanoseconds(value);
}
absl::Status Codec<absl::Duration>::Read(const Json& json, absl::Duration& out) {
  std::int64_t nanoseconds = 0;
  DAMOCLES_RETURN_IF_ERROR(ReadInteger(json, nanoseconds));
  out = absl::Nanoseconds(nanoseconds);
  return absl::OkStatus();
}

Json Codec<filecoin::ChainEpoch>::Write(const filecoin::ChainEpoch& value) {
  return value.Value();
}
absl::Status Codec<filecoin::ChainEpoch>::Read(const Json& json, filecoin::ChainEpoch& out) {
  std::int64_t value = 0;
  DAMOCLES_RETURN_IF_ERROR(ReadInteger(json, value));
  out = filecoin::ChainEpoch(value);
  return absl::OkStatus();
}
Json Codec<filecoin::EpochDelta>::Write(const filecoin::EpochDelta& value) {
  return value.Count();
}
absl::Status Codec<filecoin::EpochDelta>::Read(const Json& json, filecoin::EpochDelta& out) {
  std::int64_t value = 0;
  DAMOCLES_RETURN_IF_ERROR(ReadInteger(json, value));
  out = filecoin::EpochDelta(value);
  return absl::OkStatus();
}

Json Codec<filecoin::PoStProofType>::Write(const filecoin::PoStProofType& value) {
  return ToNumber(value);
}
absl::Status Codec<filecoin::PoStProofType>::Read(const Json& json, filecoin::PoStProofType& out) {
  std::int64_t number = 0;
  DAMOCLES_RETURN_IF_ERROR(ReadInteger(json, number));
  out = static_cast<filecoin::PoStProofType>(number);
  return absl::OkStatus();
}
Json Codec<filecoin::SealProofType>::Write(const filecoin::SealProofType& value) {
  return ToNumber(value);
}
absl::Status Codec<filecoin::SealProofType>::Read(const Json& json, filecoin::SealProofType& out) {
  std::int64_t number = 0;
  DAMOCLES_RETURN_IF_ERROR(ReadInteger(json, number));
  out = static_cast<filecoin::SealProofType>(number);
  return absl::OkStatus();
}
Json Codec<filecoin::SignatureType>::Write(const filecoin::SignatureType& value) {
  return static_cast<unsigned>(value);
}
absl::Status Codec<filecoin::SignatureType>::Read(const Json& json, filecoin::SignatureType& out) {
  std::uint64_t number = 0;
  DAMOCLES_RETURN_IF_ERROR(ReadInteger(json, number));
  if (number > 255) return absl::InvalidArgumentError("a type of signature is one byte");
  out = static_cast<filecoin::SignatureType>(number);
  return absl::OkStatus();
}

Json Codec<filecoin::Address>::Write(const filecoin::Address& value) {
  return value.ToString();
}
absl::Status Codec<filecoin::Address>::Read(const Json& json, filecoin::Address& out) {
  out = filecoin::Address();
  if (json.is_null()) return absl::OkStatus();
  const std::string* text = nullptr;
  DAMOCLES_RETURN_IF_ERROR(ReadText(json, text));
  DAMOCLES_ASSIGN_OR_RETURN(out, filecoin::Address::Parse(*text));
  return absl::OkStatus();
}

Json Codec<filecoin::Cid>::Write(const filecoin::Cid& value) {
  if (value.IsUndefined()) return nullptr;
  return Json{{"/", value.ToString()}};
}
absl::Status Codec<filecoin::Cid>::Read(const Json& json, filecoin::Cid& out) {
  out = filecoin::Cid();
  if (json.is_null()) return absl::OkStatus();
  if (!json.is_object()) return WrongKind(json, "an object {\"/\": CID}");
  const Json* link = FindMember(json, "/");
  if (link == nullptr || !link->is_string()) {
    return absl::InvalidArgumentError("a CID is an object {\"/\": text}");
  }
  DAMOCLES_ASSIGN_OR_RETURN(out, filecoin::Cid::Parse(*link->get_ptr<const std::string*>()));
  return absl::OkStatus();
}

Json Codec<filecoin::BigInt>::Write(const filecoin::BigInt& value) {
  return value.ToString();
}
absl::Status Codec<filecoin::BigInt>::Read(const Json& json, filecoin::BigInt& out) {
  const std::string* text = nullptr;
  DAMOCLES_RETURN_IF_ERROR(ReadText(json, text));
  std::string_view digits = *text;
  // Go takes a plus and zeros in front.
  if (digits.size() > 1 && digits.front() == '+') {
    if (digits[1] == '-') return absl::InvalidArgumentError("two signs in front of a number");
    digits.remove_prefix(1);
  }
  // 128 bytes have at most 309 digits: much longer texts only cost time.
  if (digits.size() > 1000) return absl::InvalidArgumentError("a number of over 1000 digits");
  const bool negative = digits.starts_with('-');
  if (negative) digits.remove_prefix(1);
  if (digits.starts_with('-')) return absl::InvalidArgumentError("two signs in front of a number");
  while (digits.size() > 1 && digits.front() == '0') digits.remove_prefix(1);
  const bool minus = negative && digits != "0";
  DAMOCLES_ASSIGN_OR_RETURN(
      out, filecoin::BigInt::Parse(absl::StrFormat("%s%s", minus ? "-" : "", digits)));
  return absl::OkStatus();
}

Json Codec<filecoin::BitField>::Write(const filecoin::BitField& value) {
  return value.ToRunLengths();
}
absl::Status Codec<filecoin::BitField>::Read(const Json& json, filecoin::BitField& out) {
  std::vector<std::uint64_t> lengths;
  DAMOCLES_RETURN_IF_ERROR(Codec<std::vector<std::uint64_t>>::Read(json, lengths));
  DAMOCLES_ASSIGN_OR_RETURN(out, filecoin::BitField::FromRunLengths(lengths));
  return absl::OkStatus();
}

Json Codec<filecoin::TipSetKey>::Write(const filecoin::TipSetKey& value) {
  Json out = Json::array();
  for (const filecoin::Cid& cid : value.Cids()) out.push_back(Codec<filecoin::Cid>::Write(cid));
  return out;
}
absl::Status Codec<filecoin::TipSetKey>::Read(const Json& json, filecoin::TipSetKey& out) {
  std::vector<filecoin::Cid> cids;
  DAMOCLES_RETURN_IF_ERROR(Codec<std::vector<filecoin::Cid>>::Read(json, cids));
  std::erase_if(cids, [](const filecoin::Cid& cid) { return cid.IsUndefined(); });
  out = filecoin::TipSetKey(std::move(cids));
  return absl::OkStatus();
}

}  // namespace damocles::chain::internal

namespace damocles::chain {

DAMOCLES_JSON_TYPE(bool)
DAMOCLES_JSON_TYPE(std::int64_t)
DAMOCLES_JSON_TYPE(std::uint64_t)
DAMOCLES_JSON_TYPE(std::uint32_t)
DAMOCLES_JSON_TYPE(double)
DAMOCLES_JSON_TYPE(std::string)
DAMOCLES_JSON_TYPE(Bytes)
DAMOCLES_JSON_TYPE(Bytes32)
DAMOCLES_JSON_TYPE(Uuid)
DAMOCLES_JSON_TYPE(filecoin::ChainEpoch)
DAMOCLES_JSON_TYPE(filecoin::PoStProofType)
DAMOCLES_JSON_TYPE(filecoin::Address)
DAMOCLES_JSON_TYPE(std::optional<filecoin::Address>)
DAMOCLES_JSON_TYPE(std::vector<filecoin::Address>)
DAMOCLES_JSON_TYPE(filecoin::Cid)
DAMOCLES_JSON_TYPE(filecoin::BigInt)
DAMOCLES_JSON_TYPE(filecoin::BitField)
DAMOCLES_JSON_TYPE(std::optional<filecoin::BitField>)
DAMOCLES_JSON_TYPE(filecoin::TipSetKey)

}  // namespace damocles::chain
