// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// Texts of others on the way to a terminal.

#pragma once

#include <string>
#include <string_view>

namespace damocles {

// Whether `text` holds a control character: of ASCII, or of the second set that UTF-8 writes as C2
// 80 to C2 9F.  A terminal obeys either.
bool HasControlCharacter(std::string_view text);

// `text` with each control character as "\x1b".
std::string Printable(std::string_view text);

}  // namespace damocles
