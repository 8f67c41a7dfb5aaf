// SPDX-License-Identifier: Apache-2.0 OR MIT

#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "damocles/base/bytes.h"
#include "damocles/base/check.h"
#include "damocles/base/file.h"
#include "damocles/base/hex.h"
#include "damocles/filecoin/address.h"
#include "damocles/filecoin/bitfield.h"
#include "damocles/filecoin/cid.h"

namespace damocles::filecoin::testing {

using Json = nlohmann::json;

inline std::string ReadGolden(const std::string& name) {
  absl::StatusOr<std::string> text = ReadFile(std::string(DAMOCLES_GOLDEN_DIR) + "/chain/" + name);
  DAMOCLES_CHECK(text.ok());
  return *text;
}

inline Json LoadGolden(const std::string& name) {
  return Json::parse(ReadGolden(name));
}

inline Bytes Hex(const Json& text) {
  absl::StatusOr<Bytes> bytes = FromHex(text.get<std::string>());
  DAMOCLES_CHECK(bytes.ok());
  return *bytes;
}

inline Bytes32 Hex32(const Json& text) {
  absl::StatusOr<Bytes32> bytes = FromHex32(text.get<std::string>());
  DAMOCLES_CHECK(bytes.ok());
  return *bytes;
}

// Go writes a nil slice as null.
inline Bytes Base64(const Json& text) {
  if (text.is_null()) return {};
  absl::StatusOr<Bytes> bytes = FromBase64(text.get<std::string>());
  DAMOCLES_CHECK(bytes.ok());
  return *bytes;
}

// A number, also one written as text because it is above 2^53.
inline std::uint64_t U64(const Json& number) {
  return number.is_string() ? std::stoull(number.get<std::string>()) : number.get<std::uint64_t>();
}

inline Address AddressOf(const Json& text) {
  absl::StatusOr<Address> address = Address::Parse(text.get<std::string>());
  DAMOCLES_CHECK(address.ok());
  return *address;
}

// {"/": "bafy..."}
inline Cid CidOfLink(const Json& link) {
  absl::StatusOr<Cid> cid = Cid::Parse(link.at("/").get<std::string>());
  DAMOCLES_CHECK(cid.ok());
  return *cid;
}

inline BitField BitsOf(const Json& run_lengths) {
  absl::StatusOr<BitField> field =
      BitField::FromRunLengths(run_lengths.get<std::vector<std::uint64_t>>());
  DAMOCLES_CHECK(field.ok());
  return *field;
}

}  // namespace damocles::filecoin::testing
