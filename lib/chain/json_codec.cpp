// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "lib/chain/json_codec.h"

#include <algorithm>

#include "absl/strings/str_format.h"
#include "lib/chain/json_skim.h"

namespace damocles::chain::internal {

namespace {

constexpr std::size_t kValuesMax = 1'000'000;
constexpr std::size_t kBytesAValueMin = 16;

// No fewer than there are: what stands in strings is counted too.
std::size_t ValuesAtMost(std::string_view text) {
  return 1 + static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) {
           return c == ',' || c == '[' || c == '{';
         }));
}

}  // namespace

const Json* FindMember(const Json& object, std::string_view name) {
  const Json* found = nullptr;
  for (auto member = object.begin(); member != object.end(); ++member) {
    if (absl::EqualsIgnoreCase(member.key(), {name.data(), name.size()})) found = &*member;
  }
  return found;
}

absl::Status WrongKind(const Json& json, std::string_view wanted) {
  return absl::InvalidArgumentError(
      absl::StrFormat("%s is wanted, not %s", wanted, json.type_name()));
}

absl::Status AtIndex(absl::Status status, std::size_t index) {
  return Annotate(std::move(status), absl::StrFormat("[%d]", index));
}

absl::StatusOr<Json> ParseJson(std::string_view text) {
  // The depth: the tree is walked recursively later.
  DAMOCLES_RETURN_IF_ERROR(FirstValue(text).status());
  // A value takes 16 bytes of memory and more: text of nothing but brackets would take twenty times
  // its size.  The node's lists of sectors and messages have 30 bytes a value.
  if (const std::size_t most = kValuesMax + text.size() / kBytesAValueMin;
      ValuesAtMost(text) > most) {
    return absl::InvalidArgumentError(absl::StrFormat(
        "more than %d values in %d bytes: no answer of a node looks so", most, text.size()));
  }
  Json json = Json::parse(text, nullptr, false);
  if (json.is_discarded()) return absl::InvalidArgumentError("not readable as JSON");
  return json;
}

std::string DumpJson(const Json& json) {
  const std::string plain = json.dump(-1, ' ', false, Json::error_handler_t::replace);
  std::string out;
  out.reserve(plain.size());
  // These three occur inside strings only.
  for (const char c : plain) {
    switch (c) {
      case '<':
        out += "\\u003c";
        break;
      case '>':
        out += "\\u003e";
        break;
      case '&':
        out += "\\u0026";
        break;
      default:
        out += c;
    }
  }
  return out;
}

}  // namespace damocles::chain::internal
