// SPDX-License-Identifier: Apache-2.0 OR MIT

#include <algorithm>
#include <memory>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "lib/config/node.h"

#include "damocles/base/status.h"
#include "damocles/config/toml.h"

namespace damocles::config {
namespace {

char Lower(char c) {
  return absl::ascii_tolower(static_cast<unsigned char>(c));
}

// The key that was probably meant, or "".
std::string Suggest(const std::string& key, const std::set<std::string, std::less<>>& siblings,
                    const std::set<std::string>& known_paths) {
  std::string best;
  std::size_t best_distance = std::max<std::size_t>(2, key.size() / 3) + 1;
  for (const std::string& sibling : siblings) {
    const std::size_t distance = EditDistance(key, sibling);
    if (distance < best_distance) {
      best = sibling;
      best_distance = distance;
    }
  }
  if (!best.empty()) return best;
  // The right key in the wrong table?
  for (const std::string& path : known_paths) {
    const std::size_t dot = path.rfind('.');
    if (dot != std::string::npos && EditDistance(path.substr(dot + 1), key) == 0) return path;
  }
  return "";
}

}  // namespace

std::size_t EditDistance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t above = row[j];
      row[j] = std::min(
          {row[j] + 1, row[j - 1] + 1, diagonal + (Lower(a[i - 1]) == Lower(b[j - 1]) ? 0 : 1)});
      diagonal = above;
    }
  }
  return row[b.size()];
}

Document::Document() = default;
Document::Document(Document&&) noexcept = default;
Document& Document::operator=(Document&&) noexcept = default;
Document::~Document() = default;

absl::StatusOr<Document> Document::Parse(std::string_view text, std::string_view file,
                                         KeyCase spelling) {
  DAMOCLES_ASSIGN_OR_RETURN(Node root, ParseToml(text, file));
  Document document;
  document.root_ = std::make_unique<Node>(std::move(root));
  document.state_ = std::make_unique<TableReader::State>();
  document.state_->file = std::string(file);
  document.state_->spelling = spelling;
  document.state_->AskedOf(document.root_.get(), "");
  return document;
}

TableReader Document::Root() {
  return TableReader(root_.get(), "", state_.get());
}

const std::vector<std::string>& Document::Warnings() const {
  return state_->warnings;
}

absl::Status Document::Finish(UnknownKeys unknown) {
  for (std::size_t i = 0; i < state_->asked.size(); ++i) {
    const auto& [table, asked] = state_->asked[i];
    if (asked.all) continue;
    for (const auto& [key, value] : table->members) {
      if (asked.keys.contains(key)) continue;
      const std::string path = asked.path.empty() ? key : absl::StrFormat("%s.%s", asked.path, key);
      const std::string meant = Suggest(key, asked.keys, state_->known_paths);
      state_->Add(&value,
                  absl::StrFormat("%s: unknown key%s", path,
                                  meant.empty() ? "" : " (did you mean \"" + meant + "\"?)"),
                  unknown == UnknownKeys::kWarn);
    }
  }
  std::stable_sort(state_->notes.begin(), state_->notes.end(), [](const auto& a, const auto& b) {
    return std::pair(a.line, a.column) < std::pair(b.line, b.column);
  });
  std::vector<std::string> problems;
  for (const auto& note : state_->notes) {
    (note.is_warning ? state_->warnings : problems)
        .push_back(
            absl::StrFormat("%s:%d:%d: %s", state_->file, note.line, note.column, note.text));
  }
  state_->notes.clear();
  if (problems.empty()) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrJoin(problems, "\n"));
}

}  // namespace damocles::config
