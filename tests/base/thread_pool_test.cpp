// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/base/thread_pool.h"

#include <atomic>
#include <chrono>
#include <new>
#include <stdexcept>
#include <string_view>
#include <thread>
#include <vector>

#include "gtest/gtest.h"

#include "damocles/base/log.h"

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

// The body lives in the frame that the exception leaves: whoever still used it would be seen by a
// sanitizer, and here by the count.
TEST_P(ThreadPoolTest, AnExceptionOfABodyIsTheCallersWhenNobodyIsInsideAnyMore) {
  ThreadPool pool(GetParam());
  for (std::size_t thrower = 0; thrower < 40; ++thrower) {
    std::atomic<int> inside{0};
    std::atomic<int> begun{0};
    const auto run = [&] {
      const std::vector<int> mine(100, 1);
      pool.ParallelFor(100, [&](std::size_t i) {
        ++inside;
        begun += mine[i];
        std::this_thread::yield();
        --inside;
        if (i >= thrower) throw std::bad_alloc();
      });
    };
    EXPECT_THROW(run(), std::bad_alloc);
    EXPECT_EQ(inside, 0);
    EXPECT_LE(begun, static_cast<int>(thrower + GetParam()));  // nobody begins another
  }
  // The pool is as good as before.
  std::atomic<int> sum{0};
  pool.ParallelFor(50, [&](std::size_t) { ++sum; });
  EXPECT_EQ(sum, 50);
}

// The caller throws while a helper is in the middle of the body, which goes with the caller.
TEST_P(ThreadPoolTest, ACallerThatThrowsWaitsForTheHelperInsideTheBody) {
  ThreadPool pool(GetParam());
  const std::thread::id caller = std::this_thread::get_id();
  std::atomic<bool> helper_in{false};
  std::atomic<int> inside{0};
  const auto run = [&] {
    pool.ParallelFor(100, [&](std::size_t) {
      if (std::this_thread::get_id() == caller) {
        // With one thread there is nobody to wait for.
        while (GetParam() > 1 && !helper_in) std::this_thread::yield();
        throw std::bad_alloc();
      }
      ++inside;
      helper_in = true;
      std::this_thread::sleep_for(std::chrono::milliseconds(100));
      --inside;
    });
  };
  EXPECT_THROW(run(), std::bad_alloc);
  EXPECT_EQ(inside, 0);
}

TEST_P(ThreadPoolTest, ExceptionsOfNestedLoopsAndRangesComeThrough) {
  ThreadPool pool(GetParam());
  const auto nested = [&] {
    pool.ParallelFor(6, [&](std::size_t i) {
      pool.ParallelRanges(30, 4, [&](std::size_t begin, std::size_t) {
        if (i == 3 && begin == 8) throw std::runtime_error("3, 8");
      });
    });
  };
  for (int i = 0; i < 20; ++i) EXPECT_THROW(nested(), std::runtime_error);
}

TEST_P(ThreadPoolTest, AJobThatThrowsCostsNeitherTheProcessNorItsThread) {
  std::atomic<int> ran{0};
  std::atomic<int> told{0};
  SetLogSink([&](Severity severity, std::string_view line) {
    if (severity == Severity::kError && line.find("job_threw") != line.npos) ++told;
  });
  {
    ThreadPool pool(GetParam());
    for (int i = 0; i < 20; ++i) {
      pool.Run([&, i] {
        ++ran;
        if (i == 5) throw std::runtime_error("five");
        if (i % 2 == 1) throw i;
      });
    }
  }
  SetLogSink({});
  EXPECT_EQ(ran, 20);
  EXPECT_EQ(told, 10);
}

INSTANTIATE_TEST_SUITE_P(Sizes, ThreadPoolTest, ::testing::Values(1, 2, 3, 8));

TEST(ThreadPoolSizeTest, AtLeastOneProcessor) {
  EXPECT_GE(ProcessorCount(), 1U);
}

}  // namespace
}  // namespace damocles
