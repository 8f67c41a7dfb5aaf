// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/base/hex.h"

#include <algorithm>
#include <optional>

#include "absl/strings/escaping.h"
#include "absl/strings/str_format.h"

#include "damocles/base/status.h"

namespace damocles {
namespace {

std::optional<std::uint8_t> Digit(char c) {
  if (c >= '0' && c <= '9') return static_cast<std::uint8_t>(c - '0');
  if (c >= 'a' && c <= 'f') return static_cast<std::uint8_t>(c - 'a' + 10);
  if (c >= 'A' && c <= 'F') return static_cast<std::uint8_t>(c - 'A' + 10);
  return std::nullopt;
}

}  // namespace

std::string ToHex(ByteSpan bytes) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string out;
  out.reserve(2 * bytes.size());
  for (const std::uint8_t b : bytes) {
    out.push_back(kDigits[b >> 4]);
    out.push_back(kDigits[b & 15]);
  }
  return out;
}

absl::StatusOr<Bytes> FromHex(std::string_view text) {
  if (text.size() % 2 != 0) {
    return absl::InvalidArgumentError(
        absl::StrFormat("hex text has an odd number of digits (%d)", text.size()));
  }
  Bytes out;
  out.reserve(text.size() / 2);
  for (std::size_t i = 0; i < text.size(); i += 2) {
    const auto high = Digit(text[i]);
    const auto low = Digit(text[i + 1]);
    if (!high || !low) {
      return absl::InvalidArgumentError(
          absl::StrFormat("hex text has a character that is no hex digit at position %d", i));
    }
    out.push_back(static_cast<std::uint8_t>(*high << 4 | *low));
  }
  return out;
}

absl::StatusOr<Bytes32> FromHex32(std::string_view text) {
  DAMOCLES_ASSIGN_OR_RETURN(const Bytes bytes, FromHex(text));
  if (bytes.size() != 32) {
    return absl::InvalidArgumentError(
        absl::StrFormat("hex text is %d bytes long, want 32", bytes.size()));
  }
  Bytes32 out;
  std::copy(bytes.begin(), bytes.end(), out.begin());
  return out;
}

std::string ToBase64(ByteSpan bytes) {
  const std::string_view text = AsText(bytes);
  return absl::Base64Escape(absl::string_view(text.data(), text.size()));
}

absl::StatusOr<Bytes> FromBase64(std::string_view text) {
  std::string out;
  if (!absl::Base64Unescape(absl::string_view(text.data(), text.size()), &out)) {
    return absl::InvalidArgumentError("text is not base64");
  }
  const ByteSpan bytes = AsBytes(out);
  return Bytes(bytes.begin(), bytes.end());
}

}  // namespace damocles
