// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// Takes JSON text apart without building a tree, so that a large result is parsed once, by the code
// that knows its type.  Only brackets and strings are looked at: what is handed on is checked
// there.

#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"

namespace damocles::chain::internal {

// The first value of `text`, without the space around it.  INVALID_ARGUMENT if it is cut short or
// nested deeper than kJsonDepthMax.
absl::StatusOr<std::string_view> FirstValue(std::string_view text);

// Name and value of each member, in order.  INVALID_ARGUMENT if `text` is not an object.
absl::StatusOr<std::vector<std::pair<std::string, std::string_view>>> Members(
    std::string_view text);

// INVALID_ARGUMENT if `text` is not an array.
absl::StatusOr<std::vector<std::string_view>> Elements(std::string_view text);

// The value of the last member called `name` in any case; empty if there is none.
std::string_view Member(const std::vector<std::pair<std::string, std::string_view>>& members,
                        std::string_view name);

}  // namespace damocles::chain::internal
