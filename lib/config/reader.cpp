// SPDX-License-Identifier: Apache-2.0 OR MIT

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>

#include "absl/strings/ascii.h"
#include "absl/strings/str_format.h"
#include "lib/config/node.h"

#include "damocles/base/endpoint.h"
#include "damocles/config/toml.h"

namespace damocles::config {
namespace {

std::string_view KindName(Node::Kind kind) {
  switch (kind) {
    case Node::Kind::kTable:
      return "a table";
    case Node::Kind::kArray:
      return "a list";
    case Node::Kind::kString:
      return "a string";
    case Node::Kind::kInteger:
      return "an integer";
    case Node::Kind::kFloat:
      return "a number with a point";
    case Node::Kind::kBool:
      return "true or false";
    case Node::Kind::kTime:
      return "a date or time";
  }
  return "?";
}

bool SameLetters(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](char x, char y) {
    return absl::ascii_tolower(static_cast<unsigned char>(x)) ==
           absl::ascii_tolower(static_cast<unsigned char>(y));
  });
}

bool ParseNumber(std::string_view digits, std::uint64_t& out) {
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), out);
  return !digits.empty() && error == std::errc() && end == digits.data() + digits.size();
}

std::string Strip(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c != ' ' && c != '_') out.push_back(c);
  }
  return out;
}

}  // namespace

const Node::Member* Node::Find(std::string_view key, KeyCase spelling) const {
  const Member* other = nullptr;
  for (const Member& member : members) {
    if (member.key == key) return &member;
    if (spelling == KeyCase::kAny && other == nullptr && SameLetters(member.key, key)) {
      other = &member;
    }
  }
  return other;
}

bool Node::HasValues() const {
  if (kind == Kind::kTable) {
    return std::any_of(members.begin(), members.end(),
                       [](const Member& member) { return member.node.HasValues(); });
  }
  // A list of tables, or a list: an empty one says something.
  if (kind != Kind::kArray || items.empty()) return true;
  return std::any_of(items.begin(), items.end(), [](const Node& item) { return item.HasValues(); });
}

std::string TableReader::PathTo(std::string_view key) const {
  return path_.empty() ? std::string(key) : absl::StrFormat("%s.%s", path_, key);
}

const Node* TableReader::Find(std::string_view key) const {
  const Node::Member* member = node_ == nullptr ? nullptr : node_->Find(key, state_->spelling);
  return member == nullptr ? nullptr : &member->node;
}

const Node* TableReader::Take(std::string_view key) {
  state_->known_paths.insert(PathTo(key));
  if (node_ == nullptr) return nullptr;
  auto& keys = state_->AskedOf(node_, path_).keys;
  keys.emplace(key);
  const Node::Member* member = node_->Find(key, state_->spelling);
  if (member == nullptr) return nullptr;
  keys.emplace(member->key);
  return &member->node;
}

bool TableReader::Has(std::string_view key) const {
  return Find(key) != nullptr;
}

bool TableReader::HasValues() const {
  return node_ != nullptr && node_->HasValues();
}

bool TableReader::HasEmptyList(std::string_view key) const {
  const Node* node = Find(key);
  return node != nullptr && node->kind == Node::Kind::kArray && node->items.empty();
}

std::vector<std::string> TableReader::Keys() const {
  std::vector<std::string> keys;
  if (node_ == nullptr) return keys;
  for (const auto& [key, value] : node_->members) keys.push_back(key);
  return keys;
}

void TableReader::WrongType(std::string_view key, const Node& node, std::string_view want) {
  state_->Add(&node, absl::StrFormat("%s: is %s, want %s", PathTo(key), KindName(node.kind), want),
              false);
}

void TableReader::Read(std::string_view key, bool& out) {
  const Node* node = Take(key);
  if (node == nullptr) return;
  if (node->kind != Node::Kind::kBool) return WrongType(key, *node, "true or false");
  out = node->boolean;
}

void TableReader::Read(std::string_view key, std::uint64_t& out, Range<std::uint64_t> range) {
  const Node* node = Take(key);
  if (node == nullptr) return;
  if (node->kind != Node::Kind::kInteger) return WrongType(key, *node, "an integer");
  const bool fits = node->integer >= 0 && static_cast<std::uint64_t>(node->integer) >= range.min &&
                    static_cast<std::uint64_t>(node->integer) <= range.max;
  if (!fits) {
    return state_->Add(
        node,
        range.max >= static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())
            ? absl::StrFormat("%s: is %d, want at least %d", PathTo(key), node->integer, range.min)
            : absl::StrFormat("%s: is %d, want %d to %d", PathTo(key), node->integer, range.min,
                              range.max),
        false);
  }
  out = static_cast<std::uint64_t>(node->integer);
}

void TableReader::Read(std::string_view key, std::uint32_t& out, Range<std::uint32_t> range) {
  std::uint64_t wide = out;
  Read(key, wide, Range<std::uint64_t>{range.min, range.max});
  out = static_cast<std::uint32_t>(wide);
}

void TableReader::Read(std::string_view key, double& out, Range<double> range) {
  const Node* node = Take(key);
  if (node == nullptr) return;
  double value = 0;
  if (node->kind == Node::Kind::kFloat) {
    value = node->real;
  } else if (node->kind == Node::Kind::kInteger) {
    value = static_cast<double>(node->integer);
  } else {
    return WrongType(key, *node, "a number");
  }
  if (!(value >= range.min && value <= range.max)) {  // not a number fails too
    return state_->Add(
        node, absl::StrFormat("%s: is %g, want %g to %g", PathTo(key), value, range.min, range.max),
        false);
  }
  out = value;
}

void TableReader::Read(std::string_view key, std::string& out) {
  const Node* node = Take(key);
  if (node == nullptr) return;
  if (node->kind != Node::Kind::kString) return WrongType(key, *node, "a string");
  out = node->text;
}

void TableReader::Read(std::string_view key, Secret& out) {
  std::string text;
  Read(key, text);
  if (text.empty()) return;
  // It goes into an HTTP header; the text itself is in no message.
  if (!MayBeToken(text)) return Problem(key, kNoToken);
  out = Secret(std::move(text));
}

void TableReader::Read(std::string_view key, std::vector<std::string>& out) {
  const Node* node = Take(key);
  if (node == nullptr) return;
  if (node->kind != Node::Kind::kArray) return WrongType(key, *node, "a list of strings");
  std::vector<std::string> list;
  for (const Node& item : node->items) {
    if (item.kind != Node::Kind::kString) return WrongType(key, item, "a list of strings");
    list.push_back(item.text);
  }
  out = std::move(list);
}

void TableReader::ReadOneOrMany(std::string_view key, std::vector<std::string>& out) {
  if (const Node* node = Find(key); node != nullptr && node->kind == Node::Kind::kString) {
    Take(key);
    out = {node->text};
    return;
  }
  Read(key, out);
}

void TableReader::Read(std::string_view key, std::vector<std::uint64_t>& out) {
  const Node* node = Take(key);
  if (node == nullptr) return;
  if (node->kind != Node::Kind::kArray) return WrongType(key, *node, "a list of integers");
  std::vector<std::uint64_t> list;
  for (const Node& item : node->items) {
    if (item.kind != Node::Kind::kInteger) return WrongType(key, item, "a list of integers");
    if (item.integer < 0) {
      return state_->Add(&item, absl::StrFormat("%s: %d is negative", PathTo(key), item.integer),
                         false);
    }
    list.push_back(static_cast<std::uint64_t>(item.integer));
  }
  out = std::move(list);
}

void TableReader::ReadMiners(std::string_view key, std::vector<std::uint64_t>& out) {
  const Node* node = Take(key);
  if (node == nullptr) return;
  constexpr std::string_view kWant = "a list of miners: 1000 or \"f01000\"";
  if (node->kind != Node::Kind::kArray) return WrongType(key, *node, kWant);
  std::vector<std::uint64_t> list;
  for (const Node& item : node->items) {
    std::string_view digits = item.text;
    if (digits.starts_with("f0") || digits.starts_with("t0")) digits.remove_prefix(2);
    std::uint64_t miner = 0;
    if (item.kind == Node::Kind::kInteger && item.integer >= 0) {
      miner = static_cast<std::uint64_t>(item.integer);
    } else if (item.kind == Node::Kind::kInteger) {
      return state_->Add(&item, absl::StrFormat("%s: %d is negative", PathTo(key), item.integer),
                         false);
    } else if (item.kind != Node::Kind::kString || !ParseNumber(digits, miner)) {
      return WrongType(key, item, kWant);
    }
    list.push_back(miner);
  }
  out = std::move(list);
}

void TableReader::Read(std::string_view key, std::map<std::string, std::string>& out) {
  const Node* node = Take(key);
  if (node == nullptr) return;
  if (node->kind != Node::Kind::kTable) return WrongType(key, *node, "a table of strings");
  state_->AskedOf(node, PathTo(key)).all = true;
  std::map<std::string, std::string> map;
  for (const auto& [name, value] : node->members) {
    if (value.kind != Node::Kind::kString) {
      return WrongType(absl::StrFormat("%s.%s", key, name), value, "a string");
    }
    map[name] = value.text;
  }
  out = std::move(map);
}

void TableReader::Read(std::string_view key, filecoin::TokenAmount& out) {
  if (!Has(key)) return static_cast<void>(Take(key));
  std::string text;
  Read(key, text);
  if (text.empty()) return;
  auto amount = filecoin::ParseFil(text);
  if (!amount.ok()) return Problem(key, std::string(amount.status().message()));
  if (amount->Sign() < 0) return Problem(key, "an amount of FIL is not negative");
  out = *std::move(amount);
}

void TableReader::Read(std::string_view key, filecoin::Address& out) {
  if (!Has(key)) return static_cast<void>(Take(key));
  std::string text;
  Read(key, text);
  if (text.empty()) return;
  auto address = filecoin::Address::Parse(text);
  if (!address.ok()) {
    return Problem(
        key, absl::StrFormat("\"%s\" is not an address: %s", text, address.status().message()));
  }
  out = *std::move(address);
}

void TableReader::Read(std::string_view key, std::vector<filecoin::Address>& out) {
  if (!Has(key)) return static_cast<void>(Take(key));
  std::vector<std::string> texts;
  Read(key, texts);
  std::vector<filecoin::Address> addresses;
  for (const std::string& text : texts) {
    auto address = filecoin::Address::Parse(text);
    if (!address.ok() || address->IsUndefined()) {
      return Problem(key, absl::StrFormat("\"%s\" is not an address: %s", text,
                                          address.ok() ? "it is empty"
                                                       : std::string(address.status().message())));
    }
    addresses.push_back(*std::move(address));
  }
  if (!texts.empty()) out = std::move(addresses);
}

void TableReader::Read(std::string_view key, std::vector<filecoin::SectorSize>& out) {
  if (!Has(key)) return static_cast<void>(Take(key));
  std::vector<std::string> texts;
  Read(key, texts);
  std::vector<filecoin::SectorSize> sizes;
  for (const std::string& text : texts) {
    // Sizes that the proofs know but that no network has would filter nothing at all.
    const auto size = filecoin::ParseSectorSize(Strip(text));
    if (!size.ok() || !filecoin::WindowProofOf(*size)) {
      return Problem(key,
                     absl::StrFormat("\"%s\" is no size of sectors that a network proves: want "
                                     "2KiB, 8MiB, 512MiB, 32GiB or 64GiB",
                                     text));
    }
    sizes.push_back(*size);
  }
  out = std::move(sizes);
}

void TableReader::Read(std::string_view key, absl::Duration& out, Range<absl::Duration> range) {
  const Node* node = Take(key);
  if (node == nullptr) return;
  absl::Duration value;
  if (node->kind == Node::Kind::kInteger) {
    value = absl::Nanoseconds(node->integer);
  } else if (node->kind == Node::Kind::kString) {
    auto parsed = ParseGoDuration(node->text);
    if (!parsed.ok()) parsed = ParseHumanDuration(node->text);
    if (!parsed.ok()) {
      return Problem(
          key, absl::StrFormat("\"%s\" is not a duration such as \"1m30s\" or \"1h\"", node->text));
    }
    value = *parsed;
  } else {
    return WrongType(key, *node, "a duration such as \"1m30s\"");
  }
  if (value < range.min || value > range.max) {
    return Problem(
        key, absl::StrFormat(
                 "is %s, want %s to %s%s", FormatGoDuration(value), FormatGoDuration(range.min),
                 FormatGoDuration(range.max),
                 node->kind == Node::Kind::kInteger ? " (an integer counts nanoseconds)" : ""));
  }
  out = value;
}

TableReader TableReader::Table(std::string_view key) {
  const Node* node = Take(key);
  if (node != nullptr && node->kind != Node::Kind::kTable) {
    WrongType(key, *node, absl::StrFormat("a table [%s]", PathTo(key)));
    node = nullptr;
  }
  if (node != nullptr) state_->AskedOf(node, PathTo(key));
  return TableReader(node, PathTo(key), state_);
}

std::vector<TableReader> TableReader::Tables(std::string_view key) {
  const Node* node = Take(key);
  std::vector<TableReader> readers;
  if (node == nullptr) return readers;
  const std::string want = absl::StrFormat("tables [[%s]]", PathTo(key));
  if (node->kind != Node::Kind::kArray) {
    WrongType(key, *node, want);
    return readers;
  }
  for (const Node& item : node->items) {
    if (item.kind != Node::Kind::kTable) {
      WrongType(key, item, want);
      return {};
    }
    state_->AskedOf(&item, PathTo(key));
    readers.push_back(TableReader(&item, PathTo(key), state_));
  }
  return readers;
}

std::vector<TableReader> TableReader::OneOrManyTables(std::string_view key) {
  const Node* node = Find(key);
  if (node != nullptr && node->kind == Node::Kind::kTable) return {Table(key)};
  return Tables(key);
}

void TableReader::Ignore(std::string_view key, std::string_view hint) {
  const Node* node = Take(key);
  if (node == nullptr) return;
  if (state_->ignored.insert(PathTo(key)).second) {
    state_->Add(node,
                absl::StrFormat("%s: ignored: not part of this version%s%s", PathTo(key),
                                hint.empty() ? "" : "; ", hint),
                true);
  }
  IgnoreBelow(*node);
}

void TableReader::IgnoreTable(std::string_view why) {
  if (node_ == nullptr) return;
  state_->Add(node_, absl::StrFormat("%s: ignored: %s", path_, why), true);
  IgnoreBelow(*node_);
}

void TableReader::IgnoreBelow(const Node& node) {
  if (node.kind == Node::Kind::kTable) {
    state_->AskedOf(&node, "").all = true;
    for (const auto& [key, value] : node.members) IgnoreBelow(value);
  }
  for (const Node& item : node.items) IgnoreBelow(item);
}

void TableReader::Deprecated(std::string_view key, std::string_view instead) {
  const Node* node = Find(key);
  if (node == nullptr) return;
  state_->Add(node, absl::StrFormat("%s: old spelling, write %s", PathTo(key), instead), true);
}

void TableReader::NoEffect(std::string_view key) {
  if (Has(key)) Warn(key, "no effect in this version");
}

void TableReader::Problem(std::string_view key, std::string_view text) {
  const Node* node = Find(key);
  state_->Add(node == nullptr ? node_ : node, absl::StrFormat("%s: %s", PathTo(key), text), false);
}

void TableReader::Warn(std::string_view key, std::string_view text) {
  const Node* node = Find(key);
  state_->Add(node == nullptr ? node_ : node, absl::StrFormat("%s: %s", PathTo(key), text), true);
}

std::string TableReader::Where(std::string_view key) const {
  const Node* node = Find(key);
  if (node == nullptr) node = node_;
  return absl::StrFormat("%s:%d:%d", state_->file, node == nullptr ? 1u : node->line,
                         node == nullptr ? 1u : node->column);
}

}  // namespace damocles::config
