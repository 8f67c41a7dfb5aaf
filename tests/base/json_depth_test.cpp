// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/base/json_depth.h"

#include <gtest/gtest.h>

#include <string>

#include "tests/support/status_matchers.h"

namespace damocles {
namespace {

using testing_support::StatusIs;

TEST(JsonDepthTest, CountsWhatLiesInOneAnother) {
  const auto nested = [](int depth) { return std::string(static_cast<std::size_t>(depth), '['); };
  EXPECT_OK(CheckJsonDepth(nested(64) + std::string(64, ']')));
  EXPECT_THAT(CheckJsonDepth(nested(65)),
              StatusIs(absl::StatusCode::kInvalidArgument, "64 deep in one another at byte 64"));
  EXPECT_FALSE(CheckJsonDepth(R"({"a":[{"b":[]}]})", 3).ok());
  EXPECT_OK(CheckJsonDepth(R"({"a":[{"b":[]}]})", 4));
  // Side by side is not in one another.
  EXPECT_OK(CheckJsonDepth("[[],[],[],{}]", 2));
}

TEST(JsonDepthTest, BracketsInStringsDoNotCount) {
  EXPECT_OK(CheckJsonDepth(R"(["[[[[", "\"[[[", "\\", "{"])", 1));
  EXPECT_FALSE(CheckJsonDepth(R"(["\\", [[]]])", 2).ok());
}

}  // namespace
}  // namespace damocles
