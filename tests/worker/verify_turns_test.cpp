// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "lib/worker/verify_turns.h"

#include <kj/timer.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "tests/support/loop.h"
#include "tests/support/status_matchers.h"

namespace damocles::worker {
namespace {

using testing_support::StatusIs;

class VerifyTurnsTest : public ::testing::Test {
 protected:
  ~VerifyTurnsTest() noexcept override {}  // NOLINT(modernize-use-equals-default): KJ's may throw

  // Asks, and notes in `order_` when the turn comes; it is held until Done.
  void Ask(const std::string& worker, bool expected) {
    waiting_.push_back(turns_.Take(worker, expected)
                           .ToPromise()
                           .then([this, worker](absl::StatusOr<VerifyTurns::Turn>&& turn) {
                             if (!turn.ok()) {
                               refused_.push_back(turn.status());
                               return;
                             }
                             order_.push_back(worker);
                             held_.emplace_back(worker, *std::move(turn));
                           })
                           .eagerlyEvaluate(nullptr));
    loop_.Scope().poll();
  }
  void Done(const std::string& worker) {
    const auto at = std::find_if(held_.begin(), held_.end(),
                                 [&](const auto& held) { return held.first == worker; });
    ASSERT_NE(at, held_.end()) << worker;
    held_.erase(at);
    loop_.Scope().poll();
  }

  testing_support::Loop loop_;
  kj::TimerImpl timer_{kj::origin<kj::TimePoint>()};
  VerifyTurns turns_{timer_, 2};
  std::vector<std::pair<std::string, VerifyTurns::Turn>> held_;
  std::vector<std::string> order_;
  std::vector<absl::Status> refused_;
  std::vector<kj::Promise<void>> waiting_;
};

TEST_F(VerifyTurnsTest, OneOfEachWorkerAtATimeInTurn) {
  for (int i = 0; i < 4; ++i) Ask("a", true);
  EXPECT_EQ(order_, (std::vector<std::string>{"a"}));
  Ask("b", true);
  Ask("c", true);
  EXPECT_EQ(order_, (std::vector<std::string>{"a", "b"}));
  Done("a");
  EXPECT_EQ(order_.back(), "c") << "a has had its turn";
  Done("b");
  EXPECT_EQ(order_.back(), "a");
}

TEST_F(VerifyTurnsTest, WhatIsAwaitedComesFirstAndFindsAThreadFree) {
  for (int i = 0; i < 3; ++i) Ask("thief" + std::to_string(i), false);
  EXPECT_EQ(order_, (std::vector<std::string>{"thief0"})) << "one at a time";
  Ask("honest", true);
  EXPECT_EQ(order_.back(), "honest");
  Ask("other", true);
  Done("thief0");
  EXPECT_EQ(order_.back(), "other");
  Done("honest");
  EXPECT_EQ(order_.back(), "thief1") << "nobody else waits";
  Done("other");
  EXPECT_EQ(order_.size(), 4U);
}

TEST_F(VerifyTurnsTest, QueuesAreShort) {
  for (int i = 0; i < 100; ++i) Ask("thief", false);
  EXPECT_EQ(order_.size(), 1U);
  EXPECT_EQ(refused_.size(), 91U);
  EXPECT_THAT(refused_[0],
              StatusIs(absl::StatusCode::kResourceExhausted, "deliver this one later"));
  for (int i = 0; i < 1000; ++i) Ask("thief" + std::to_string(i), false);
  EXPECT_GT(refused_.size(), 700U);
  Ask("honest", true);
  EXPECT_EQ(order_.back(), "honest");
}

TEST_F(VerifyTurnsTest, WhoBringsWrongOnesUnaskedIsLeftAloneForAWhile) {
  for (int i = 0; i < 3; ++i) {
    Ask("thief", false);
    Done("thief");
    turns_.Note("thief", false, false);
  }
  Ask("thief", false);
  ASSERT_EQ(refused_.size(), 1U);
  EXPECT_THAT(refused_[0], StatusIs(absl::StatusCode::kResourceExhausted, "3 wrong proofs"));
  // What it was asked for is still looked at.
  Ask("thief", true);
  EXPECT_EQ(order_.size(), 4U);
  Done("thief");
  timer_.advanceTo(timer_.now() + 11 * kj::MINUTES);
  Ask("thief", false);
  EXPECT_EQ(order_.size(), 5U);
}

TEST_F(VerifyTurnsTest, WhoIsGoneTakesNoTurn) {
  Ask("a", true);
  Ask("b", true);
  Ask("c", true);
  Ask("d", true);
  waiting_.erase(waiting_.begin() + 2);  // c's connection ends
  Done("a");
  EXPECT_EQ(order_.back(), "d");
}

}  // namespace
}  // namespace damocles::worker
