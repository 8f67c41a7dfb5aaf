// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/storage/many_reads.h"

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <stop_token>
#include <string>
#include <thread>

#include "absl/strings/str_format.h"
#include "gtest/gtest.h"

#include "damocles/base/random.h"

namespace damocles::storage {
namespace {

using Clock = std::chrono::steady_clock;

// Lets nobody through until it is opened.
class Barrier {
 public:
  void Wait() {
    std::unique_lock<std::mutex> lock(mutex_);
    opened_.wait(lock, [this] { return open_; });
  }
  void Open() {
    const std::lock_guard<std::mutex> lock(mutex_);
    open_ = true;
    opened_.notify_all();
  }

 private:
  std::mutex mutex_;
  std::condition_variable opened_;
  bool open_ = false;
};

// A mount that is far slower than the others, answers when it likes and fails one read in a
// hundred.
TEST(ManyReadsTest, SlowJitteryAndFailingReadsAreAllAnswered) {
  SeededRandom random(7);
  std::vector<Read> reads;
  std::vector<bool> fails;
  const auto running = std::make_shared<std::atomic<int>>(0);
  const auto most = std::make_shared<std::atomic<int>>(0);
  for (int i = 0; i < 400; ++i) {
    const bool slow = i % 4 == 0;
    const auto takes = std::chrono::microseconds((slow ? 50 : 1) * random.Below(400));
    const bool failing = slow && random.Below(100) < 4;  // of the slow ones
    fails.push_back(failing);
    reads.push_back({slow ? "slow" : "fast", [=] {
                       const int now = ++*running;
                       int before = most->load();
                       while (before < now && !most->compare_exchange_weak(before, now)) {
                       }
                       std::this_thread::sleep_for(takes);
                       --*running;
                       return failing ? absl::UnavailableError("Input/output error")
                                      : absl::OkStatus();
                     }});
  }
  const auto results = ReadMany(std::make_shared<Readers>(), std::move(reads),
                                {.parallel = 16, .single = absl::Seconds(30)});
  ASSERT_EQ(results.size(), 400u);
  for (std::size_t i = 0; i < results.size(); ++i) {
    ASSERT_EQ(results[i].end, ReadEnd::kReturned) << i << ": " << results[i].reason;
    ASSERT_EQ(results[i].status.ok(), !fails[i]) << i;
  }
  EXPECT_LE(most->load(), 16);
  EXPECT_GT(most->load(), 3);
}

// One of four: it costs three threads and its own reads, nobody else's.
TEST(ManyReadsTest, OneOfFourPlacesHangs) {
  const auto barrier = std::make_shared<Barrier>();
  const auto hanging = std::make_shared<std::atomic<int>>(0);
  std::vector<Read> reads;
  for (int i = 0; i < 200; ++i) {
    const bool hangs = i % 4 == 2;
    reads.push_back({absl::StrFormat("place %d", i % 4), [=] {
                       if (hangs) {
                         ++*hanging;
                         barrier->Wait();
                       }
                       return absl::OkStatus();
                     }});
  }
  const auto results = ReadMany(std::make_shared<Readers>(), std::move(reads),
                                {.parallel = 8, .single = absl::Milliseconds(300)});
  barrier->Open();
  for (std::size_t i = 0; i < results.size(); ++i) {
    EXPECT_EQ(results[i].end, i % 4 == 2 ? ReadEnd::kSilent : ReadEnd::kReturned) << i;
    if (i % 4 == 2) {
      EXPECT_NE(results[i].reason.find("place 2"), std::string::npos);
    }
  }
  EXPECT_EQ(hanging->load(), 3);
}

TEST(ManyReadsTest, WhoIsToldToStopDoesNotWait) {
  const auto barrier = std::make_shared<Barrier>();
  std::vector<Read> reads;
  reads.push_back({"hangs", [barrier] {
                     barrier->Wait();
                     return absl::OkStatus();
                   }});
  const auto began = Clock::now();
  std::stop_source stop;
  std::thread stopper([&stop] {
    std::this_thread::sleep_for(std::chrono::milliseconds(200));
    stop.request_stop();
  });
  const auto results =
      ReadMany(std::make_shared<Readers>(), std::move(reads), {}, stop.get_token());
  stopper.join();
  EXPECT_LT(Clock::now() - began, std::chrono::seconds(20));
  EXPECT_EQ(results[0].end, ReadEnd::kNoTurn);
  barrier->Open();
}

TEST(ManyReadsTest, NothingToReadIsRead) {
  EXPECT_TRUE(ReadMany(std::make_shared<Readers>(), {}, {}).empty());
}

}  // namespace
}  // namespace damocles::storage
