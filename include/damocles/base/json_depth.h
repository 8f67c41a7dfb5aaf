// SPDX-License-Identifier: Apache-2.0 OR MIT

#pragma once

#include <string_view>

#include "absl/status/status.h"

namespace damocles {

// No file of ours nests deeper than 6.
inline constexpr int kJsonFileDepthMax = 64;

// INVALID_ARGUMENT if lists and objects of this JSON text lie deeper than `depth_max` in one
// another.  To be asked before a text from elsewhere is parsed: what copies or prints the value
// calls itself at each level, and a text of brackets would take the whole stack.  Says nothing
// about whether the text is JSON.
absl::Status CheckJsonDepth(std::string_view text, int depth_max = kJsonFileDepthMax);

}  // namespace damocles
