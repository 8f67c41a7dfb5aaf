// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/child/dispatcher.h"

#include <algorithm>
#include <map>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "damocles/base/random.h"

namespace damocles::child {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

absl::Time At(int minute) {
  return absl::UnixEpoch() + absl::Minutes(minute);
}

// Tasks one after the other, each ended before the next: how many each child got.
std::map<ChildId, int> Shares(Dispatcher& dispatcher, int tasks, TaskId first) {
  std::map<ChildId, int> shares;
  for (int i = 0; i < tasks; ++i) {
    const TaskId task = first + static_cast<TaskId>(i);
    dispatcher.Submit(task, At(0));
    for (const auto& begun : dispatcher.Assign()) ++shares[begun.child];
    dispatcher.End(task);
  }
  return shares;
}

TEST(DispatcherTest, EqualChildrenGetEqualShares) {
  Dispatcher dispatcher;
  for (ChildId child = 0; child < 8; ++child) {
    dispatcher.SetChild(child, 1, 1);
    dispatcher.Up(child);
  }
  const auto shares = Shares(dispatcher, 8000, 1);
  for (ChildId child = 0; child < 8; ++child) EXPECT_EQ(shares.at(child), 1000) << child;
}

TEST(DispatcherTest, SharesGoByWeight) {
  Dispatcher dispatcher;
  const std::uint32_t weights[] = {1, 2, 5};
  for (ChildId child = 0; child < 3; ++child) {
    dispatcher.SetChild(child, weights[child], 4);
    dispatcher.Up(child);
  }
  const auto shares = Shares(dispatcher, 8000, 1);
  EXPECT_EQ(shares.at(0), 1000);
  EXPECT_EQ(shares.at(1), 2000);
  EXPECT_EQ(shares.at(2), 5000);
}

TEST(DispatcherTest, ChildThatIsDownGetsNothingAndIsOwedNothingLater) {
  Dispatcher dispatcher;
  for (ChildId child = 0; child < 3; ++child) {
    dispatcher.SetChild(child, 1, 1);
    dispatcher.Up(child);
  }
  dispatcher.Down(1);
  auto shares = Shares(dispatcher, 1000, 1);
  EXPECT_EQ(shares[0], 500);
  EXPECT_EQ(shares[1], 0);
  EXPECT_EQ(shares[2], 500);
  dispatcher.Up(1);
  shares = Shares(dispatcher, 300, 10'000);
  EXPECT_NEAR(shares[1], 100, 1);
}

TEST(DispatcherTest, WhatWaitsGoesToWhoeverIsFreeFirstEarliestCloseInFront) {
  Dispatcher dispatcher;
  for (ChildId child = 0; child < 2; ++child) {
    dispatcher.SetChild(child, 1, 1);
    dispatcher.Up(child);
  }
  dispatcher.Submit(1, At(50));
  dispatcher.Submit(2, At(50));
  EXPECT_THAT(dispatcher.Assign(),
              ElementsAre(Dispatcher::Assignment{1, 0}, Dispatcher::Assignment{2, 1}));
  dispatcher.Submit(3, At(40));
  dispatcher.Submit(4, At(20));
  dispatcher.Submit(5, At(30));
  dispatcher.Submit(6, At(30));
  EXPECT_THAT(dispatcher.Assign(), IsEmpty());
  EXPECT_EQ(dispatcher.Waiting(), 4);
  std::vector<Dispatcher::Assignment> begun;
  for (const TaskId ended : {2U, 4U, 5U, 6U}) {
    dispatcher.End(ended);
    for (const auto& one : dispatcher.Assign()) begun.push_back(one);
  }
  EXPECT_THAT(begun, ElementsAre(Dispatcher::Assignment{4, 1}, Dispatcher::Assignment{5, 1},
                                 Dispatcher::Assignment{6, 1}, Dispatcher::Assignment{3, 1}));
}

TEST(DispatcherTest, WhatADeadChildHadGoesToAnotherBeforeWhatCameLater) {
  Dispatcher dispatcher;
  dispatcher.SetChild(1, 1, 2);
  dispatcher.SetChild(2, 1, 1);
  dispatcher.Up(1);
  dispatcher.Submit(10, At(5));
  dispatcher.Submit(11, At(5));
  dispatcher.Assign();
  dispatcher.Submit(12, At(5));
  EXPECT_THAT(dispatcher.Down(1), ElementsAre(10, 11));
  dispatcher.Up(2);
  EXPECT_THAT(dispatcher.Assign(), ElementsAre(Dispatcher::Assignment{10, 2}));
  EXPECT_EQ(dispatcher.Holder(10), 2);
  EXPECT_EQ(dispatcher.Holder(11), std::nullopt);
}

TEST(DispatcherTest, TaskGoesToAChildThatHasNotFailedIt) {
  Dispatcher dispatcher;
  for (ChildId child = 1; child <= 2; ++child) {
    dispatcher.SetChild(child, 1, 1);
    dispatcher.Up(child);
  }
  dispatcher.Submit(1, At(1));
  dispatcher.Submit(2, At(2));
  EXPECT_THAT(dispatcher.Assign(),
              ElementsAre(Dispatcher::Assignment{1, 1}, Dispatcher::Assignment{2, 2}));
  dispatcher.Failed(1);
  EXPECT_TRUE(dispatcher.HasAnother(1));
  // The one that failed it is free, and is not given it: the other one is up.
  EXPECT_THAT(dispatcher.Assign(), IsEmpty());
  // But others are.
  dispatcher.Submit(3, At(9));
  EXPECT_THAT(dispatcher.Assign(), ElementsAre(Dispatcher::Assignment{3, 1}));
  dispatcher.End(2);
  EXPECT_THAT(dispatcher.Assign(), ElementsAre(Dispatcher::Assignment{1, 2}));
  dispatcher.Failed(1);
  EXPECT_FALSE(dispatcher.HasAnother(1));
  EXPECT_THAT(dispatcher.Assign(), ElementsAre(Dispatcher::Assignment{1, 2}));  // better than none
}

TEST(DispatcherTest, ChangedWeightsOweNothing) {
  Dispatcher dispatcher;
  dispatcher.SetChild(0, 1000, 1);
  dispatcher.SetChild(1, 1, 1);
  dispatcher.Up(0);
  dispatcher.Up(1);
  Shares(dispatcher, 501, 1);
  dispatcher.SetChild(0, 1, 1);
  auto shares = Shares(dispatcher, 100, 10'000);
  EXPECT_EQ(shares[0], 50);
  EXPECT_EQ(shares[1], 50);
}

TEST(DispatcherTest, ChildThatLeavesFinishesWhatItHas) {
  Dispatcher dispatcher;
  dispatcher.SetChild(1, 1, 3);
  dispatcher.Up(1);
  dispatcher.Submit(1, At(1));
  dispatcher.Assign();
  dispatcher.RemoveChild(1);
  dispatcher.Submit(2, At(1));
  EXPECT_THAT(dispatcher.Assign(), IsEmpty());
  EXPECT_EQ(dispatcher.Busy(1), 1);
  dispatcher.End(1);
  dispatcher.Up(1);  // it is forgotten
  EXPECT_THAT(dispatcher.Assign(), IsEmpty());
  EXPECT_EQ(dispatcher.Waiting(), 1);
}

TEST(DispatcherTest, RandomLivesBreakNoRuleAndLoseNoTask) {
  for (std::uint64_t seed = 1; seed <= 50; ++seed) {
    SeededRandom random(seed);
    Dispatcher dispatcher;
    std::vector<TaskId> live;
    TaskId next = 1;
    for (int step = 0; step < 2000; ++step) {
      const auto child = static_cast<ChildId>(random.Below(6));
      switch (random.Below(8)) {
        case 0:
          dispatcher.SetChild(child, static_cast<std::uint32_t>(1 + random.Below(5)),
                              static_cast<std::uint32_t>(1 + random.Below(3)));
          break;
        case 1:
          if (random.Below(4) == 0) dispatcher.RemoveChild(child);
          break;
        case 2:
        case 3:
          dispatcher.Up(child);
          break;
        case 4:
          if (random.Below(2) == 0 && !live.empty()) {
            dispatcher.Failed(live[random.Below(live.size())]);
          } else {
            dispatcher.Down(child);
          }
          break;
        case 5:
        case 6:
          dispatcher.Submit(next, At(static_cast<int>(random.Below(10))));
          live.push_back(next++);
          break;
        default:
          if (live.empty()) break;
          const auto at = static_cast<std::ptrdiff_t>(random.Below(live.size()));
          dispatcher.End(live[static_cast<std::size_t>(at)]);
          live.erase(live.begin() + at);
      }
      dispatcher.Assign();
      ASSERT_THAT(dispatcher.Broken().Rules(), IsEmpty()) << "seed " << seed << " step " << step;
    }
    // Whatever happened before: with one child that is up, all are done.
    dispatcher.SetChild(100, 1, 1000);
    dispatcher.Up(100);
    dispatcher.Assign();
    EXPECT_EQ(dispatcher.Waiting(), 0) << "seed " << seed;
  }
}

}  // namespace
}  // namespace damocles::child
