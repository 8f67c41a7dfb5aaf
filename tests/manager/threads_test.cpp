// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "lib/manager/threads.h"

#include <latch>
#include <memory>

#include "gtest/gtest.h"
#include "tests/support/loop.h"

namespace damocles::manager {
namespace {

// Four miners' checks on one dead mount once stopped the records of all miners.
TEST(ThreadsTest, FileSystemThatHangsStopsNeitherRecordsNorVerification) {
  testing_support::Loop loop;
  const auto gate = std::make_shared<std::latch>(1);
  Threads threads;
  for (int i = 0; i < 200; ++i) {
    threads.sector_checks.Run([gate] { gate->wait(); });
    threads.files.Run([gate] { gate->wait(); });
  }
  for (int i = 0; i < 10; ++i) {
    EXPECT_EQ(loop.Wait(async::Offload<int>(threads.records, [i] { return i; })), i);
    EXPECT_EQ(loop.Wait(async::Offload<int>(threads.verification, [i] { return i; })), i);
    EXPECT_EQ(loop.Wait(async::Offload<int>(threads.proving, [i] { return i; })), i);
  }
  EXPECT_FALSE(threads.NothingHangs(absl::Milliseconds(1)));
  gate->count_down();
  EXPECT_TRUE(threads.NothingHangs(absl::Seconds(60)));
}

}  // namespace
}  // namespace damocles::manager
