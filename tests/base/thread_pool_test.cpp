// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/base/thread_pool.h"

#include <atomic>
#include <vector>

#include "gtest/gtest.h"

namespace damocles {
namespace {

class ThreadPoolTest : public ::testing::TestWithParam<std::size_t> {};

TEST_P(ThreadPoolTest, EveryIndexOnceAndWritesAreSeen) {
  ThreadPool pool(GetParam());
  for (const std::size_t count : {0U, 1U, 2U, 3U, 17U, 1000U}) {
    std::vector<int> calls(count);  // not atomic: the caller must see the writes
    pool.ParallelFor(count, [&](std::size_t i) { ++calls[i]; });
    EXPECT_EQ(calls, std::vector<int>(count, 1));
  }
}

TEST_P(ThreadPoolTest, NestedLoopsFinish) {
  ThreadPool pool(GetParam());
  std::atomic<int> sum{0};
  pool.ParallelFor(8, [&](std::size_t) {
    pool.ParallelFor(8, [&](std::size_t) { pool.ParallelFor(4, [&](std::size_t) { ++sum; }); });
  });
  EXPECT_EQ(sum, 8 * 8 * 4);
}

TEST_P(ThreadPoolTest, LoopsInsideEveryJobFinishThoughAllThreadsAreBusy) {
  ThreadPool pool(GetParam());
  std::atomic<int> sum{0};
  Mutex mutex;
  CondVar changed;
  int done = 0;
  constexpr int kJobs = 16;
  for (int i = 0; i < kJobs; ++i) {
    pool.Run([&] {
      pool.ParallelFor(10, [&](std::size_t) { ++sum; });
      const MutexLock lock(mutex);
      ++done;
      changed.NotifyAll();
    });
  }
  const MutexLock lock(mutex);
  while (done < kJobs) changed.Wait(mutex);
  EXPECT_EQ(sum, 10 * kJobs);
}

TEST_P(ThreadPoolTest, RangesCoverEverythingAndKeepTheGrain) {
  ThreadPool pool(GetParam());
  for (const std::size_t count : {0U, 1U, 9U, 10U, 11U, 95U}) {
    std::vector<int> calls(count);
    pool.ParallelRanges(count, 10, [&](std::size_t begin, std::size_t end) {
      EXPECT_LT(begin, end);
      EXPECT_LE(end - begin, 10U);
      for (std::size_t i = begin; i < end; ++i) ++calls[i];
    });
    EXPECT_EQ(calls, std::vector<int>(count, 1));
  }
}

TEST_P(ThreadPoolTest, DestructorRunsWhatIsQueued) {
  std::atomic<int> ran{0};
  {
    ThreadPool pool(GetParam());
    for (int i = 0; i < 100; ++i) pool.Run([&] { ++ran; });
  }
  EXPECT_EQ(ran, 100);
}

INSTANTIATE_TEST_SUITE_P(Sizes, ThreadPoolTest, ::testing::Values(1, 2, 3, 8));

TEST(ThreadPoolSizeTest, AtLeastOneProcessor) {
  EXPECT_GE(ProcessorCount(), 1U);
}

}  // namespace
}  // namespace damocles
