// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/async/loose_executor.h"

#include <atomic>
#include <latch>
#include <memory>

#include "absl/time/clock.h"
#include "gtest/gtest.h"
#include "tests/support/loop.h"

namespace damocles::async {
namespace {

TEST(LooseExecutorTest, JobThatHangsHoldsUpNobody) {
  testing_support::Loop loop;
  const auto gate = std::make_shared<std::latch>(1);
  LooseExecutor executor(2);
  kj::Promise<int> hanging = Offload<int>(executor, [gate] {
    gate->wait();
    return 1;
  });
  for (int i = 0; i < 20; ++i) {
    EXPECT_EQ(loop.Wait(Offload<int>(executor, [i] { return i; })), i);
  }
  EXPECT_FALSE(executor.Idle(absl::Milliseconds(20)));
  gate->count_down();
  EXPECT_EQ(loop.Wait(kj::mv(hanging)), 1);
  EXPECT_TRUE(executor.Idle(absl::Seconds(30)));
}

TEST(LooseExecutorTest, RunsNoMoreThanItsThreadsAndAllInTurn) {
  std::atomic<int> running = 0;
  std::atomic<int> most = 0;
  std::atomic<int> done = 0;
  LooseExecutor executor(3);
  for (int i = 0; i < 30; ++i) {
    executor.Run([&] {
      const int now = ++running;
      for (int seen = most; now > seen && !most.compare_exchange_weak(seen, now);) {
      }
      absl::SleepFor(absl::Milliseconds(2));
      --running;
      ++done;
    });
  }
  EXPECT_TRUE(executor.Idle(absl::Seconds(30)));
  EXPECT_EQ(done, 30);
  EXPECT_LE(most, 3);
}

TEST(LooseExecutorTest, EndsWhileAJobHangs) {
  const auto gate = std::make_shared<std::latch>(1);
  const auto second_ran = std::make_shared<std::atomic<bool>>(false);
  const auto ended = std::make_shared<std::latch>(1);
  {
    LooseExecutor executor(1);
    const auto begun = std::make_shared<std::latch>(1);
    executor.Run([gate, ended, begun] {
      begun->count_down();
      gate->wait();
      ended->count_down();
    });
    begun->wait();
    executor.Run([second_ran] { *second_ran = true; });
  }
  gate->count_down();
  ended->wait();
  EXPECT_FALSE(*second_ran) << "what has not begun is dropped";
}

}  // namespace
}  // namespace damocles::async
