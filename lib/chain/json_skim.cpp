// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "lib/chain/json_skim.h"

#include <nlohmann/json.hpp>
#include <optional>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_format.h"

#include "damocles/base/status.h"
#include "damocles/chain/lotus_json.h"

namespace damocles::chain::internal {
namespace {

constexpr std::size_t kCut = std::string_view::npos;

bool IsSpace(char c) {
  return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

std::size_t SkipSpace(std::string_view text, std::size_t at) {
  while (at < text.size() && IsSpace(text[at])) ++at;
  return at;
}

// `at` is behind the opening quote; returns the position behind the closing one.
std::size_t SkipString(std::string_view text, std::size_t at) {
  for (; at < text.size(); ++at) {
    if (text[at] == '\\') {
      ++at;
    } else if (text[at] == '"') {
      return at + 1;
    }
  }
  return kCut;
}

// `at` is the first character of a value; returns the position behind its last one.
std::size_t SkipValue(std::string_view text, std::size_t at) {
  int depth = 0;
  while (at < text.size()) {
    const char c = text[at];
    if (c == '"') {
      at = SkipString(text, at + 1);
      if (at == kCut) return kCut;
    } else if (c == '{' || c == '[') {
      if (++depth > kJsonDepthMax) return kCut;
      ++at;
      continue;
    } else if (c == '}' || c == ']') {
      if (depth == 0) return at;  // the end of what this value lies in
      --depth;
      ++at;
    } else if (depth == 0) {
      // A number or a word: up to what cannot belong to one.
      const std::size_t end = text.find_first_of(" \t\r\n,:]}\"[{", at);
      if (end == at) return kCut;
      return end == kCut ? text.size() : end;
    } else {
      ++at;
      continue;
    }
    if (depth == 0) return at;
  }
  return kCut;
}

absl::Status Broken(std::string_view what) {
  return absl::InvalidArgumentError(absl::StrFormat("not readable as JSON: %s", what));
}

std::optional<std::string> Unquote(std::string_view quoted) {
  if (quoted.size() < 2 || quoted.front() != '"') return std::nullopt;
  if (quoted.find('\\') == kCut) return std::string(quoted.substr(1, quoted.size() - 2));
  const auto value = nlohmann::json::parse(quoted, nullptr, false);
  if (!value.is_string()) return std::nullopt;
  return value.get<std::string>();
}

// Calls `take(text, at)`, which returns the position behind one element, for each element between
// the brackets.
template <typename Take>
absl::Status ForEach(std::string_view text, char open, char close, Take take) {
  std::size_t at = SkipSpace(text, 0);
  if (at >= text.size() || text[at] != open) {
    return Broken(open == '{' ? "an object is wanted" : "a list is wanted");
  }
  at = SkipSpace(text, at + 1);
  if (at < text.size() && text[at] == close) return absl::OkStatus();
  while (true) {
    at = take(at);
    if (at == kCut) return Broken("cut short or nested too deep");
    at = SkipSpace(text, at);
    if (at >= text.size()) return Broken("cut short");
    if (text[at] == close) return absl::OkStatus();
    if (text[at] != ',') return Broken("a comma is missing");
    at = SkipSpace(text, at + 1);
  }
}

}  // namespace

absl::StatusOr<std::string_view> FirstValue(std::string_view text) {
  const std::size_t begin = SkipSpace(text, 0);
  const std::size_t end = begin < text.size() ? SkipValue(text, begin) : kCut;
  if (end == kCut || end == begin) return Broken("cut short or nested too deep");
  return text.substr(begin, end - begin);
}

absl::StatusOr<std::vector<std::pair<std::string, std::string_view>>> Members(
    std::string_view text) {
  std::vector<std::pair<std::string, std::string_view>> out;
  DAMOCLES_RETURN_IF_ERROR(ForEach(text, '{', '}', [&](std::size_t at) {
    if (at >= text.size() || text[at] != '"') return kCut;
    const std::size_t name_end = SkipString(text, at + 1);
    if (name_end == kCut) return kCut;
    std::optional<std::string> name = Unquote(text.substr(at, name_end - at));
    const std::size_t colon = SkipSpace(text, name_end);
    if (!name || colon >= text.size() || text[colon] != ':') return kCut;
    const std::size_t begin = SkipSpace(text, colon + 1);
    const std::size_t end = begin < text.size() ? SkipValue(text, begin) : kCut;
    if (end == kCut || end == begin) return kCut;
    out.emplace_back(std::move(*name), text.substr(begin, end - begin));
    return end;
  }));
  return out;
}

absl::StatusOr<std::vector<std::string_view>> Elements(std::string_view text) {
  std::vector<std::string_view> out;
  DAMOCLES_RETURN_IF_ERROR(ForEach(text, '[', ']', [&](std::size_t at) {
    const std::size_t end = at < text.size() ? SkipValue(text, at) : kCut;
    if (end == kCut || end == at) return kCut;
    out.push_back(text.substr(at, end - at));
    return end;
  }));
  return out;
}

std::string_view Member(const std::vector<std::pair<std::string, std::string_view>>& members,
                        std::string_view name) {
  std::string_view found;
  for (const auto& [key, value] : members) {
    if (absl::EqualsIgnoreCase(key, {name.data(), name.size()})) found = value;
  }
  return found;
}

}  // namespace damocles::chain::internal
