// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "apps/common/cli.h"
#include "gtest/gtest.h"

namespace damocles::cli {
namespace {

TEST(FormatTest, SpaceIsForPeople) {
  EXPECT_EQ(FormatSpace(0), "0B");
  EXPECT_EQ(FormatSpace(1023), "1023B");
  EXPECT_EQ(FormatSpace(std::uint64_t{264212084} << 10), "252.0GiB");
  EXPECT_EQ(FormatSpace(std::uint64_t{3} << 49), "1.5PiB");
  EXPECT_EQ(FormatSize(std::uint64_t{32} << 30), "32GiB") << "sizes of sectors stay exact";
}

}  // namespace
}  // namespace damocles::cli
