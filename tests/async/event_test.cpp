// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/async/event.h"

#include <memory>
#include <vector>

#include "gtest/gtest.h"
#include "tests/support/loop.h"

#include "damocles/async/task.h"

namespace damocles::async {
namespace {

class EventTest : public testing::Test {
 protected:
  kj::Promise<void> Note(kj::Promise<void> promise, int who) {
    return promise.then([this, who] { woken_.push_back(who); }).eagerlyEvaluate(nullptr);
  }
  void Turn() {
    kj::evalLast([] {}).wait(loop_.Scope());
  }

  testing_support::Loop loop_;
  std::vector<int> woken_;
};

TEST_F(EventTest, WakesAllThatWaitInTheirOrderAndNobodyBefore) {
  Event event;
  auto first = Note(event.Next(), 1);
  auto second = Note(event.Next(), 2);
  Turn();
  EXPECT_TRUE(woken_.empty());
  event.Fire();
  EXPECT_TRUE(woken_.empty()) << "somebody ran inside Fire";
  Turn();
  EXPECT_EQ(woken_, (std::vector<int>{1, 2}));
}

TEST_F(EventTest, WhoComesAfterItWaitsForTheNextTime) {
  Event event;
  event.Fire();  // nobody waits: it is over
  auto late = Note(event.Next(), 1);
  Turn();
  EXPECT_TRUE(woken_.empty());
  event.Fire();
  auto later = Note(event.Next(), 2);
  Turn();
  EXPECT_EQ(woken_, (std::vector<int>{1}));
  event.Fire();
  Turn();
  EXPECT_EQ(woken_, (std::vector<int>{1, 2}));
}

TEST_F(EventTest, WhoHasGoneIsNotWoken) {
  Event event;
  auto stays = Note(event.Next(), 1);
  { const auto goes = Note(event.Next(), 2); }
  event.Fire();
  Turn();
  EXPECT_EQ(woken_, (std::vector<int>{1}));
}

Task<void> WaitTwice(Event& event, int& times) {
  co_await event.Next();
  ++times;
  co_await event.Next();
  ++times;
}

TEST_F(EventTest, ATaskMayWaitAgain) {
  Event event;
  int times = 0;
  auto task = WaitTwice(event, times).ToPromise();
  event.Fire();
  event.Fire();  // before the task ran: the same time for it
  EXPECT_FALSE(task.poll(loop_.Scope()));
  EXPECT_EQ(times, 1);
  event.Fire();
  task.wait(loop_.Scope());
  EXPECT_EQ(times, 2);
}

TEST_F(EventTest, WhoWaitsWhenItGoesHearsOfIt) {
  auto event = std::make_unique<Event>();
  bool broken = false;
  auto waiting = event->Next()
                     .catch_([&](kj::Exception&& /*gone*/) { broken = true; })
                     .eagerlyEvaluate(nullptr);
  event.reset();
  waiting.wait(loop_.Scope());
  EXPECT_TRUE(broken);
}

TEST_F(EventTest, ALatchStaysSet) {
  Latch latch;
  auto early = Note(latch.WhenSet(), 1);
  Turn();
  EXPECT_FALSE(latch.IsSet());
  EXPECT_TRUE(woken_.empty());
  latch.Set();
  EXPECT_TRUE(latch.IsSet());
  latch.Set();
  auto late = Note(latch.WhenSet(), 2);
  Turn();
  EXPECT_EQ(woken_.size(), 2U);
}

}  // namespace
}  // namespace damocles::async
