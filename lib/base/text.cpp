// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/base/text.h"

#include <algorithm>
#include <cstdint>
#include <optional>

#include "absl/strings/str_format.h"

namespace damocles {
namespace {

// A character of UTF-8 and how many bytes it takes.
struct Character {
  std::uint32_t code = 0;
  std::size_t bytes = 1;
};

// The one at the start of `text`; none if the bytes there are no UTF-8 in its shortest form.
std::optional<Character> FirstOf(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned first = byte(0);
  if (first < 0x80) return Character{.code = first, .bytes = 1};
  const std::size_t bytes = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  if (first < 0xc2 || first > 0xf4 || text.size() < bytes) return std::nullopt;
  std::uint32_t code = first & (0x7fU >> bytes);
  for (std::size_t i = 1; i < bytes; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return std::nullopt;
    code = code << 6 | (byte(i) & 0x3f);
  }
  constexpr std::uint32_t kLeast[] = {0, 0, 0x80, 0x800, 0x10000};
  if (code < kLeast[bytes] || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff)) {
    return std::nullopt;
  }
  return Character{.code = code, .bytes = bytes};
}

bool IsControl(std::uint32_t code) {
  return code < 0x20 || (code >= 0x7f && code <= 0x9f);
}

bool IsUnseen(std::uint32_t code) {
  constexpr std::pair<std::uint32_t, std::uint32_t> kRanges[] = {
      {0x00ad, 0x00ad},    // soft hyphen
      {0x061c, 0x061c},    // Arabic letter mark
      {0x180e, 0x180e},    // Mongolian vowel separator
      {0x200b, 0x200f},    // without width; marks of direction
      {0x2028, 0x202e},    // separators; embeddings and overrides of direction
      {0x2060, 0x206f},    // joiners, isolates of direction
      {0xfeff, 0xfeff},    // byte order mark
      {0xfff0, 0xfffb},    // specials; FFFC and FFFD are seen
      {0xfffe, 0xffff},    // noncharacters
      {0xe0000, 0xe0fff},  // tags
  };
  return std::any_of(std::begin(kRanges), std::end(kRanges), [code](const auto& range) {
    return code >= range.first && code <= range.second;
  });
}

}  // namespace

bool HasControlCharacter(std::string_view text) {
  // Names of workers come by the megabyte from who means harm.
  const auto is_plain = [](char c) { return c >= ' ' && c <= '~'; };
  while (true) {
    text.remove_prefix(static_cast<std::size_t>(
        std::find_if_not(text.begin(), text.end(), is_plain) - text.begin()));
    if (text.empty()) return false;
    const std::optional<Character> character = FirstOf(text);
    if (!character || IsControl(character->code) || IsUnseen(character->code)) return true;
    text.remove_prefix(character->bytes);
  }
}

std::string Printable(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const std::optional<Character> character = FirstOf(text);
    if (!character) {
      out += absl::StrFormat("\\x%02x", static_cast<unsigned char>(text[0]));
    } else if (IsControl(character->code)) {
      out += absl::StrFormat("\\x%02x", character->code);
    } else if (IsUnseen(character->code)) {
      out += absl::StrFormat("\\u%04x", character->code);
    } else {
      out += text.substr(0, character->bytes);
    }
    text.remove_prefix(character ? character->bytes : 1);
  }
  return out;
}

std::string Printable(std::string_view text, std::size_t bytes_max) {
  if (text.size() <= bytes_max) return Printable(text);
  std::size_t end = bytes_max;
  // Not through the middle of a character.
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) --end;
  return Printable(text.substr(0, end)) + absl::StrFormat("... (%d bytes more)", text.size() - end);
}

}  // namespace damocles
