// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "lib/filecoin/base32.h"

#include "absl/strings/str_format.h"

namespace damocles::filecoin {
namespace {

constexpr std::string_view kAlphabet = "abcdefghijklmnopqrstuvwxyz234567";

}  // namespace

std::string ToBase32(ByteSpan bytes) {
  std::string text;
  text.reserve((bytes.size() * 8 + 4) / 5);
  std::uint32_t pending = 0;
  unsigned pending_bits = 0;
  for (const std::uint8_t byte : bytes) {
    pending = (pending << 8 | byte) & 0xfff;  // at most 4 bits wait
    pending_bits += 8;
    for (; pending_bits >= 5; pending_bits -= 5) {
      text.push_back(kAlphabet[pending >> (pending_bits - 5) & 31]);
    }
  }
  if (pending_bits > 0) text.push_back(kAlphabet[pending << (5 - pending_bits) & 31]);
  return text;
}

absl::StatusOr<Bytes> FromBase32(std::string_view text) {
  Bytes bytes;
  bytes.reserve(text.size() * 5 / 8);
  std::uint32_t pending = 0;
  unsigned pending_bits = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\n' || text[i] == '\r') continue;  // no such text comes out of ToBase32
    const std::size_t value = kAlphabet.find(text[i]);
    if (value == std::string_view::npos) {
      return absl::InvalidArgumentError(absl::StrFormat("illegal base32 data at input byte %d", i));
    }
    pending = (pending << 5 | static_cast<std::uint32_t>(value)) & 0xfff;
    pending_bits += 5;
    if (pending_bits >= 8) {
      pending_bits -= 8;
      bytes.push_back(static_cast<std::uint8_t>(pending >> pending_bits));
    }
  }
  if (ToBase32(bytes) != text) return absl::InvalidArgumentError("invalid encoding");
  return bytes;
}

}  // namespace damocles::filecoin
