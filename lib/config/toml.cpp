// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// The only file that sees the TOML library: header only, without exceptions (the library that
// Debian builds has the throwing functions, so it is not linked).

// The library (3.3) asserts that a key begins well before it says so politely ("[=" aborts), and
// turns its asserts into assumptions under NDEBUG.  Behind each there is an error path: without the
// asserts it is taken.  Found by tests/fuzz/toml_fuzz.
#undef NDEBUG
#define TOML_ASSERT(expr) static_assert(true)
#define TOML_HEADER_ONLY 1
#define TOML_EXCEPTIONS 0
#include <toml++/toml.h>

#include "absl/strings/str_format.h"
#include "lib/config/node.h"

namespace damocles::config {
namespace {

// Some 250 values deep is what the library allows; ours are three.
constexpr std::size_t kConfigBytesMax = std::size_t{4} << 20;

Node Convert(const toml::node& from, const toml::source_region& place) {
  Node to;
  to.line = place.begin.line;
  to.column = place.begin.column;
  switch (from.type()) {
    case toml::node_type::table:
      to.kind = Node::Kind::kTable;
      for (const auto& [key, value] : *from.as_table()) {
        to.members.push_back({std::string(key.str()), Convert(value, key.source())});
      }
      break;
    case toml::node_type::array:
      to.kind = Node::Kind::kArray;
      for (const toml::node& item : *from.as_array()) {
        to.items.push_back(Convert(item, item.source()));
      }
      break;
    case toml::node_type::string:
      to.kind = Node::Kind::kString;
      to.text = from.as_string()->get();
      break;
    case toml::node_type::integer:
      to.kind = Node::Kind::kInteger;
      to.integer = from.as_integer()->get();
      break;
    case toml::node_type::floating_point:
      to.kind = Node::Kind::kFloat;
      to.real = from.as_floating_point()->get();
      break;
    case toml::node_type::boolean:
      to.kind = Node::Kind::kBool;
      to.boolean = from.as_boolean()->get();
      break;
    default:
      to.kind = Node::Kind::kTime;
      break;
  }
  return to;
}

}  // namespace

absl::StatusOr<Node> ParseToml(std::string_view text, std::string_view file) {
  if (text.size() > kConfigBytesMax) {
    return absl::InvalidArgumentError(absl::StrFormat(
        "%s: is %d bytes, a configuration has at most %d", file, text.size(), kConfigBytesMax));
  }
  const toml::parse_result result = toml::parse(text, file);
  if (!result) {
    const toml::parse_error& error = result.error();
    std::string why(error.description());
    // "...: '123456' is not representable in 64 bits": a token without its quotes may look so.
    const std::size_t quote = why.find(": '");
    if (quote != std::string::npos && why.rfind('\'') > quote + 2) {
      why.erase(quote + 2, why.rfind('\'') + 2 - (quote + 2));
      why.insert(quote + 2, "the value ");
    }
    return absl::InvalidArgumentError(absl::StrFormat(
        "%s:%d:%d: %s", file, error.source().begin.line, error.source().begin.column, why));
  }
  const toml::source_region start{{1, 1}, {1, 1}, nullptr};
  return Convert(result.table(), start);
}

}  // namespace damocles::config
