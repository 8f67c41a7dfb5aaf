// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// A TOML document as a plain tree, so that the TOML library stays in one file.

#pragma once

#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"

#include "damocles/config/toml.h"

namespace damocles::config {

struct Node {
  struct Member;
  enum class Kind { kTable, kArray, kString, kInteger, kFloat, kBool, kTime };

  Kind kind = Kind::kTable;
  std::uint32_t line = 0;  // of the key, or of the value in an array
  std::uint32_t column = 0;
  std::string text;
  std::int64_t integer = 0;
  double real = 0;
  bool boolean = false;
  std::vector<Node> items;      // kArray
  std::vector<Member> members;  // kTable, in order of the file

  const Member* Find(std::string_view key, KeyCase spelling) const;
  // Whether there is a value anywhere below, or only tables.
  bool HasValues() const;
};

struct Node::Member {
  std::string key;
  Node node;
};

// INVALID_ARGUMENT "file:line:column: why".
absl::StatusOr<Node> ParseToml(std::string_view text, std::string_view file);

// How many single-letter changes lie between two keys, capitals ignored.
std::size_t EditDistance(std::string_view a, std::string_view b);

// What the readers of one document have in common.
struct TableReader::State {
  struct Note {
    std::uint32_t line;
    std::uint32_t column;
    std::string text;
    bool is_warning;
  };
  struct Asked {
    std::set<std::string, std::less<>> keys;
    bool all = false;  // free keys
    std::string path;
  };

  void Add(const Node* at, std::string text, bool is_warning) {
    notes.push_back({at == nullptr ? 1 : at->line, at == nullptr ? 1 : at->column, std::move(text),
                     is_warning});
  }

  std::string file;
  KeyCase spelling = KeyCase::kExact;
  std::set<std::string> ignored;  // paths that a warning has named
  std::vector<Note> notes;
  std::vector<std::pair<const Node*, Asked>> asked;
  std::set<std::string> known_paths;  // of all keys that were asked for, present or not
  std::vector<std::string> warnings;

  Asked& AskedOf(const Node* table, const std::string& path) {
    for (auto& [node, what] : asked) {
      if (node == table) return what;
    }
    asked.emplace_back(table, Asked{.keys = {}, .all = false, .path = path});
    return asked.back().second;
  }
};

}  // namespace damocles::config
