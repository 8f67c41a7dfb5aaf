// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/manager/home.h"

#include <string>

#include "gtest/gtest.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

#include "damocles/base/file.h"

namespace damocles::manager {
namespace {

using testing_support::StatusIs;

TEST(TokensTest, OneTokenForTwoRolesIsRefusedNamingBothFiles) {
  const testing_support::TempDir dir;
  const Home home{.path = dir.Path(), .conf_dir = dir.Path()};
  ASSERT_OK(MakeTokens(home));
  ASSERT_OK(LoadTokens(home, TokenNeed::kFromElsewhere));
  const std::string admin = ReadFile(home.TokenFile("admin")).value();
  for (const std::string& same : {admin, "  " + admin + "\n"}) {
    ASSERT_OK(WriteFileAtomically(home.TokenFile("read"), same, 0600));
    const auto refused = LoadTokens(home, TokenNeed::kFromElsewhere);
    EXPECT_THAT(refused, StatusIs(absl::StatusCode::kInvalidArgument, "/tokens/admin"));
    EXPECT_THAT(refused, StatusIs(absl::StatusCode::kInvalidArgument, "/tokens/read"));
    EXPECT_EQ(refused.status().ToString().find(admin.substr(0, 16)), std::string::npos);
  }
  ASSERT_OK(WriteFileAtomically(home.TokenFile("read"), "another", 0600));
  ASSERT_OK_AND_ASSIGN(const rpc::Authorize authorize, LoadTokens(home, TokenNeed::kFromElsewhere));
  EXPECT_EQ(authorize("another", false).value(), rpc::Role::kRead);
  EXPECT_EQ(authorize(admin.substr(0, 64), false).value(), rpc::Role::kAdmin);
}

}  // namespace
}  // namespace damocles::manager
