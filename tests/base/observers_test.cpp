// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/base/observers.h"

#include <optional>
#include <string>
#include <vector>

#include "gtest/gtest.h"

namespace damocles {
namespace {

using Heard = std::vector<std::string>;

class ObserversTest : public testing::Test {
 protected:
  Subscription Add(std::string who) {
    return observers_->Add([this, who](const int& what, const std::string& how) {
      heard_.push_back(who + how + std::to_string(what));
    });
  }

  std::optional<Observers<int, std::string>> observers_{std::in_place};
  Heard heard_;
};

TEST_F(ObserversTest, TellsInTheOrderOfAdding) {
  const Subscription first = Add("a");
  const Subscription second = Add("b");
  observers_->Tell(1, "=");
  EXPECT_EQ(heard_, (Heard{"a=1", "b=1"}));
}

TEST_F(ObserversTest, TellsNobodyWhoHasLetGo) {
  Subscription first = Add("a");
  const Subscription second = Add("b");
  first = Subscription();
  observers_->Tell(1, "=");
  EXPECT_EQ(heard_, (Heard{"b=1"}));
}

TEST_F(ObserversTest, EitherMayGoFirst) {
  const Subscription held = Add("a");
  observers_.reset();
  EXPECT_TRUE(heard_.empty());
}

TEST_F(ObserversTest, ASubscriptionMoves) {
  Subscription first = Add("a");
  Subscription other = Add("b");
  other = std::move(first);  // ends that of b
  observers_->Tell(1, "=");
  EXPECT_EQ(heard_, (Heard{"a=1"}));
}

TEST_F(ObserversTest, AnObserverMayEndAnyAndAddOthers) {
  Observers<> observers;
  std::vector<int> told;
  Subscription mine;
  Subscription next;
  Subscription added;
  mine = observers.Add([&] {
    told.push_back(1);
    mine = Subscription();
    next = Subscription();
    added = observers.Add([&] { told.push_back(3); });
  });
  next = observers.Add([&] { told.push_back(2); });
  observers.Tell();
  EXPECT_EQ(told, (std::vector<int>{1}));
  observers.Tell();
  EXPECT_EQ(told, (std::vector<int>{1, 3}));
}

}  // namespace
}  // namespace damocles
