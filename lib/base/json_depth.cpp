// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/base/json_depth.h"

#include <cstddef>

#include "absl/strings/str_format.h"

namespace damocles {

absl::Status CheckJsonDepth(std::string_view text, int depth_max) {
  int depth = 0;
  bool in_string = false;
  for (std::size_t at = 0; at < text.size(); ++at) {
    const char c = text[at];
    if (in_string) {
      if (c == '\\') ++at;
      in_string = c != '"';
    } else if (c == '"') {
      in_string = true;
    } else if (c == '[' || c == '{') {
      if (++depth > depth_max) {
        return absl::InvalidArgumentError(absl::StrFormat(
            "lists and objects lie more than %d deep in one another at byte %d", depth_max, at));
      }
    } else if (c == ']' || c == '}') {
      --depth;
    }
  }
  return absl::OkStatus();
}

}  // namespace damocles
