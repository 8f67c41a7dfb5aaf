// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/base/text.h"

#include "absl/strings/str_format.h"

namespace damocles {
namespace {

// Bytes of the control character at the start of `text`; 0: it begins with another.
std::size_t ControlAt(std::string_view text) {
  const auto first = static_cast<unsigned char>(text[0]);
  if (first < 0x20 || first == 0x7f) return 1;
  if (first != 0xc2 || text.size() < 2) return 0;
  const auto second = static_cast<unsigned char>(text[1]);
  return second >= 0x80 && second <= 0x9f ? 2 : 0;
}

}  // namespace

bool HasControlCharacter(std::string_view text) {
  for (; !text.empty(); text.remove_prefix(1)) {
    if (ControlAt(text) != 0) return true;
  }
  return false;
}

std::string Printable(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const std::size_t control = ControlAt(text);
    if (control == 0) {
      out.push_back(text[0]);
    } else {
      out += absl::StrFormat("\\x%02x", static_cast<unsigned char>(text[control - 1]));
    }
    text.remove_prefix(control == 0 ? 1 : control);
  }
  return out;
}

}  // namespace damocles
