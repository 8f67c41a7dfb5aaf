// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "lib/config/common.h"

#include <filesystem>
#include <system_error>

#include "absl/strings/str_format.h"

#include "damocles/base/text.h"

namespace damocles::config {

namespace fs = std::filesystem;

void WantFolder(TableReader& table, std::string_view key, const std::string& path) {
  std::error_code error;
  if (fs::is_directory(path, error)) return;
  table.Problem(key, fs::exists(path, error) ? absl::StrFormat("%s is not a folder", path)
                                             : absl::StrFormat("folder %s does not exist", path));
}

void WantPrintable(TableReader& table, std::string_view key, std::string_view name) {
  if (!HasControlCharacter(name)) return;
  table.Problem(key, absl::StrFormat("\"%s\" holds a control character: write a name without",
                                     Printable(name)));
}

std::string Quote(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      out.push_back('\\');
      out.push_back(c);
    } else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
      out += absl::StrFormat("\\u%04x", static_cast<unsigned>(static_cast<unsigned char>(c)));
    } else {
      out.push_back(c);
    }
  }
  return out + "\"";
}

}  // namespace damocles::config
