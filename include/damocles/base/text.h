// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// Texts of others on the way to a terminal.

#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace damocles {

// What must not reach a terminal or a log as it came: control characters of ASCII (0x7f too) and
// of the second set (U+0080 to U+009F), bytes that are no UTF-8, and characters that are not seen
// but change how the others are: those that turn the direction of writing, those without a width,
// separators of lines and paragraphs, and what belongs to no text (tags, noncharacters).

// Whether `text` holds any of these.
bool HasControlCharacter(std::string_view text);

// `text` with each of these as "\x1b" (control characters and bytes) or "\u202e".
std::string Printable(std::string_view text);

// The same of at most `bytes_max` bytes of `text`; if there were more, "... (N bytes more)" behind.
std::string Printable(std::string_view text, std::size_t bytes_max);

}  // namespace damocles
