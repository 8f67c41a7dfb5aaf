// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/config/ext_prover.h"

#include "absl/strings/str_format.h"
#include "lib/config/common.h"

#include "damocles/base/file.h"
#include "damocles/base/status.h"

namespace damocles::config {
namespace {

void ReadChildren(TableReader& root, std::string_view kind, std::vector<ExtProverChild>& children) {
  for (TableReader& table : root.Tables(kind)) {
    ExtProverChild child;
    table.Read("Bin", child.bin);
    child.bin = ExpandHome(child.bin);
    table.Read("Args", child.args);
    if (child.bin.empty() && !child.args.empty()) {
      table.Problem("Args", "only count together with Bin: name the program or leave them out");
    }
    // Zero children-at-work or no weight would be a child that never gets a task.
    table.Read("Concurrent", child.concurrent, {1, 10'000});
    table.Read("Weight", child.weight, {1, 10'000});
    std::uint32_t seconds = 5;
    table.Read("ReadyTimeoutSecs", seconds, {1, 3600});
    child.ready_timeout = absl::Seconds(seconds);
    table.Read("Envs", child.envs);
    children.push_back(std::move(child));
  }
}

}  // namespace

absl::StatusOr<ExtProverConfig> ParseExtProverConfig(std::string_view text, std::string_view file,
                                                     const LoadOptions& options) {
  DAMOCLES_ASSIGN_OR_RETURN(Document document, Document::Parse(text, file, KeyCase::kAny));
  ExtProverConfig config;
  TableReader root = document.Root();
  ReadChildren(root, "WdPost", config.window_post);
  ReadChildren(root, "WinPost", config.winning_post);
  DAMOCLES_RETURN_IF_ERROR(document.Finish(options.unknown));
  config.warnings = document.Warnings();
  return config;
}

absl::StatusOr<ExtProverConfig> LoadExtProverConfig(const std::string& path,
                                                    const LoadOptions& options) {
  const std::string expanded = ExpandHome(path);
  auto text = ReadFile(expanded, std::uint64_t{4} << 20);
  if (absl::IsNotFound(text.status())) {
    return absl::NotFoundError(
        absl::StrFormat("%s does not exist: `damocles-manager daemon init` makes one", expanded));
  }
  DAMOCLES_RETURN_IF_ERROR(text.status());
  return ParseExtProverConfig(*text, expanded, options);
}

}  // namespace damocles::config
