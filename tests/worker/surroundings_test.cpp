// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/worker/surroundings.h"

#include <filesystem>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/log_lines.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

#include "damocles/base/file.h"

namespace damocles::worker {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using testing_support::TempDir;

class SurroundingsTest : public ::testing::Test {
 protected:
  void AddSector(const std::string& store) {
    ASSERT_OK(MakeFolders(dir_ / store + "/sealed"));
    ASSERT_OK(WriteFileAtomically(dir_ / store + "/sealed/s-t01000-1", "x"));
  }

  TempDir dir_;
  testing_support::LogLines log_;
};

TEST_F(SurroundingsTest, AStoreThatShowsNothingIsSaidOnceAndOfferedAsSoonAsItDoes) {
  AddSector("a");
  ASSERT_OK(MakeFolders(dir_ / "b"));
  prover::LocalProving proving(dir_ / "params", 1);
  Capabilities fixed;
  fixed.name = "w";
  Surroundings surroundings(fixed, {{"a", dir_ / "a"}, {"b", dir_ / "b"}}, proving);
  for (int i = 0; i < 3; ++i) {
    const Capabilities now = surroundings.Look();
    EXPECT_EQ(now.name, "w");
    EXPECT_THAT(now.stores, ElementsAre("a"));
    EXPECT_THAT(now.verifying_keys, IsEmpty());
  }
  EXPECT_EQ(log_.Count("worker store_empty store=b"), 1u);
  AddSector("b");
  EXPECT_THAT(surroundings.Look().stores, ElementsAre("a", "b"));
  EXPECT_EQ(log_.Count("worker store_is_back store=b"), 1u);
  std::filesystem::remove_all(dir_ / "a");
  EXPECT_THAT(surroundings.Look().stores, ElementsAre("b"));
  EXPECT_EQ(log_.Count("store=a"), 1u) << "that it is gone";
  EXPECT_FALSE(surroundings.Hangs());
}

}  // namespace
}  // namespace damocles::worker
