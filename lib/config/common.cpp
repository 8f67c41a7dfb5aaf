// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "lib/config/common.h"

#include <filesystem>
#include <optional>
#include <system_error>

#include "absl/strings/str_format.h"

#include "damocles/base/patience.h"
#include "damocles/base/text.h"

namespace damocles::config {

namespace fs = std::filesystem;

namespace {

// A file system that lives answers in milliseconds.
constexpr absl::Duration kFolderPatience = absl::Seconds(1);

}  // namespace

void LookForFolder(TableReader& table, std::string_view key, const std::string& path) {
  // A dead mount must not hold up the start: whoever uses the folder says that it does not answer.
  const std::optional<fs::file_type> type = Within<fs::file_type>(kFolderPatience, [path] {
    std::error_code error;
    return fs::status(path, error).type();
  });
  if (!type || *type == fs::file_type::directory) return;
  const bool absent = *type == fs::file_type::not_found || *type == fs::file_type::none;
  table.Warn(key, absl::StrFormat("%s: mount its disk, or correct the path; the other stores are "
                                  "proven meanwhile",
                                  absent ? absl::StrFormat("folder %s does not exist", path)
                                         : absl::StrFormat("%s is not a folder", path)));
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
