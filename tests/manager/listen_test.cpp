// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "apps/manager/listen.h"

#include "apps/common/cli.h"
#include "gtest/gtest.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

#include "damocles/base/file.h"

namespace damocles::manager {
namespace {

TEST(ListenTest, OtherProgramsLearnTheAddressThatIsBound) {
  const std::pair<const char*, const char*> cases[] = {{":0", "127.0.0.1:77"},
                                                       {"0.0.0.0:0", "127.0.0.1:77"},
                                                       {"127.0.0.2:0", "127.0.0.2:77"},
                                                       {"[::1]:0", "[::1]:77"},
                                                       {"[::]:0", "[::1]:77"},
                                                       {"192.168.7.1:1789", "192.168.7.1:77"},
                                                       {"/ip4/10.0.0.1/tcp/1789", "10.0.0.1:77"}};
  for (const auto& [text, reachable] : cases) {
    ASSERT_OK_AND_ASSIGN(const Listen listen, ParseListen(text));
    EXPECT_EQ(listen.Reachable(77), reachable) << text;
  }
}

TEST(ListenTest, OnlyLoopbackIsLoopback) {
  for (const char* text : {"127.0.0.1:0", "127.0.0.2:0", "[::1]:0", "localhost:1"}) {
    ASSERT_OK_AND_ASSIGN(const Listen listen, ParseListen(text));
    EXPECT_TRUE(listen.loopback) << text;
  }
  for (const char* text : {":0", "0.0.0.0:0", "[::]:0", "10.1.2.3:1", "127.0.0.1.evil.test:1",
                           "127.example.org:1", "/dns4/127.0.0.1.evil.test/tcp/1"}) {
    ASSERT_OK_AND_ASSIGN(const Listen listen, ParseListen(text));
    EXPECT_FALSE(listen.loopback) << text;
  }
}

TEST(ListenTest, WrongOneIsAUsageErrorThatNamesTheFlag) {
  const auto wrong = ParseListen("foo");
  EXPECT_TRUE(cli::IsUsageError(wrong.status()));
  EXPECT_THAT(wrong, testing_support::StatusIs(absl::StatusCode::kInvalidArgument, "--listen"));
}

TEST(AddressNoticeTest, GoesWithTheObject) {
  const testing_support::TempDir dir;
  {
    ASSERT_OK_AND_ASSIGN(const AddressNotice notice,
                         AddressNotice::Post(dir / "addr", "[::1]:5", 5, dir / "port"));
    EXPECT_EQ(*ReadFile(dir / "addr"), "[::1]:5\n");
    EXPECT_EQ(*ReadFile(dir / "port"), "5\n");
  }
  EXPECT_FALSE(PathExists(dir / "addr"));
}

}  // namespace
}  // namespace damocles::manager
