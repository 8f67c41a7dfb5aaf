// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/child/supervision.h"

#include <iterator>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "damocles/base/random.h"

namespace damocles::child {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using Action = SupervisionAction;

class SupervisionTest : public ::testing::Test {
 protected:
  std::vector<Action> Feed(const SupervisionEvent& event) {
    SupervisionStep step = Step(rules_, state_, event, now_);
    state_ = step.state;
    return step.actions;
  }
  std::vector<Action> After(absl::Duration time) {
    now_ += time;
    return Feed(event::Tick{});
  }
  void BeReady() {
    ASSERT_THAT(After(absl::ZeroDuration()), ElementsAre(Action::kStart));
    Feed(event::Started{});
    ASSERT_THAT(Feed(event::SaidReady{}), ElementsAre(Action::kUp));
  }

  SupervisionRules rules_;
  Supervised state_;
  absl::Time now_ = absl::UnixEpoch() + absl::Hours(1);
};

TEST_F(SupervisionTest, IsStartedOnceAndHasTasksOnlyWhenReady) {
  EXPECT_THAT(After(absl::ZeroDuration()), ElementsAre(Action::kStart));
  EXPECT_THAT(After(absl::Hours(1)), IsEmpty());
  EXPECT_THAT(Feed(event::Started{}), IsEmpty());
  EXPECT_THAT(Feed(event::SaidReady{}), ElementsAre(Action::kUp));
  EXPECT_THAT(After(absl::Hours(1)), IsEmpty());
  EXPECT_EQ(state_.phase, Phase::kReady);
}

TEST_F(SupervisionTest, OneThatIsNotReadyInTimeIsKilledAndTriedAgain) {
  rules_.ready_timeout = absl::Seconds(9);
  After(absl::ZeroDuration());
  Feed(event::Started{});
  EXPECT_THAT(After(absl::Seconds(8)), IsEmpty());
  EXPECT_THAT(After(absl::Seconds(1)), ElementsAre(Action::kKill));
  EXPECT_THAT(Feed(event::SaidReady{}), IsEmpty());  // too late
  Feed(event::Ended{"signal 9 (Killed)"});
  EXPECT_EQ(state_.phase, Phase::kDown);
  EXPECT_THAT(state_.last_end, HasSubstr("9s"));
  EXPECT_THAT(After(absl::Seconds(1)), ElementsAre(Action::kStart));
}

TEST_F(SupervisionTest, OneThatDoesNotDieIsKilledAgain) {
  BeReady();
  EXPECT_THAT(Feed(event::Misbehaved{"it lies"}), ElementsAre(Action::kDown, Action::kKill));
  EXPECT_THAT(After(rules_.grace), ElementsAre(Action::kKill));
  EXPECT_THAT(After(rules_.grace), ElementsAre(Action::kKill));
  EXPECT_THAT(Feed(event::Ended{"signal 9"}), Not(Contains(Action::kDown)));
  EXPECT_EQ(state_.last_end, "it lies");
}

TEST_F(SupervisionTest, BackOffGrowsToItsEndAndIsNeverGivenUp) {
  std::vector<absl::Duration> waits;
  for (int i = 0; i < 100; ++i) {
    ASSERT_THAT(Feed(event::Tick{}), ElementsAre(Action::kStart));
    Feed(event::NotStarted{"No such file or directory"});
    ASSERT_EQ(state_.phase, Phase::kDown);
    waits.push_back(WakeAt(state_) - now_);
    now_ = WakeAt(state_);
  }
  EXPECT_EQ(waits[0], absl::Seconds(1));
  EXPECT_EQ(waits[1], absl::Seconds(2));
  EXPECT_EQ(waits[5], absl::Seconds(32));
  EXPECT_EQ(waits[6], absl::Minutes(1));
  EXPECT_EQ(waits[99], absl::Minutes(1));
}

TEST_F(SupervisionTest, WhoWasOfUseBeginsAnew) {
  for (int i = 0; i < 5; ++i) {
    BeReady();
    now_ += absl::Minutes(30);  // that it lived idle proves nothing
    Feed(event::Ended{"exit code 1"});
    now_ = WakeAt(state_);
  }
  EXPECT_EQ(state_.back_off, absl::Seconds(16));
  BeReady();
  Feed(event::WasUseful{});
  EXPECT_THAT(Feed(event::Ended{"exit code 1"}), ElementsAre(Action::kDown, Action::kKill));
  EXPECT_EQ(WakeAt(state_) - now_, absl::Seconds(1));
}

TEST_F(SupervisionTest, OperatorRevivesWhatWaitsOrIsOff) {
  for (int i = 0; i < 6; ++i) {
    ASSERT_THAT(Feed(event::Tick{}), ElementsAre(Action::kStart));
    Feed(event::NotStarted{"no"});
    now_ = WakeAt(state_);
  }
  now_ -= absl::Seconds(1);
  EXPECT_THAT(Feed(event::Revive{}), ElementsAre(Action::kStart));
  EXPECT_THAT(Feed(event::Revive{}), IsEmpty());  // one start at a time
  Feed(event::NotStarted{"no"});
  EXPECT_EQ(WakeAt(state_) - now_, absl::Seconds(1));

  state_ = {};
  rules_.restart = false;
  BeReady();
  EXPECT_THAT(Feed(event::Revive{}), IsEmpty());
  Feed(event::Ended{"exit code 1"});
  ASSERT_EQ(state_.phase, Phase::kOff);
  EXPECT_THAT(Feed(event::Revive{}), ElementsAre(Action::kStart));

  state_ = {};
  Feed(event::Stop{});
  EXPECT_THAT(Feed(event::Revive{}), IsEmpty());
}

TEST_F(SupervisionTest, OneThatMayNotBeStartedAgainIsOff) {
  rules_.restart = false;
  BeReady();
  Feed(event::Ended{"exit code 1"});
  EXPECT_EQ(state_.phase, Phase::kOff);
  EXPECT_EQ(WakeAt(state_), absl::InfiniteFuture());
}

TEST_F(SupervisionTest, StopEndsItInEachPhase) {
  Feed(event::Stop{});
  EXPECT_EQ(state_.phase, Phase::kOff);

  state_ = {};
  After(absl::ZeroDuration());
  EXPECT_THAT(Feed(event::Stop{}), IsEmpty());  // a start is under way
  EXPECT_THAT(Feed(event::Started{}), ElementsAre(Action::kTellToEnd));
  Feed(event::Ended{"exit code 0"});
  EXPECT_EQ(state_.phase, Phase::kOff);

  state_ = {};
  After(absl::ZeroDuration());
  Feed(event::Stop{});
  Feed(event::NotStarted{"no"});
  EXPECT_EQ(state_.phase, Phase::kOff);

  state_ = {};
  BeReady();
  EXPECT_THAT(Feed(event::Stop{}), ElementsAre(Action::kDown, Action::kTellToEnd));
  EXPECT_THAT(After(rules_.grace), ElementsAre(Action::kKill));
  Feed(event::Ended{"signal 9"});
  EXPECT_EQ(state_.phase, Phase::kOff);
}

TEST_F(SupervisionTest, AnyEventIsFineInAnyPhase) {
  for (std::uint64_t seed = 1; seed <= 200; ++seed) {
    SeededRandom random(seed);
    state_ = {};
    rules_.restart = random.Below(4) != 0;
    bool up = false;
    for (int i = 0; i < 300; ++i) {
      const SupervisionEvent events[] = {
          event::Tick{},       event::Started{}, event::NotStarted{}, event::SaidReady{},
          event::Misbehaved{}, event::Ended{},   event::WasUseful{},  event::Revive{}};
      now_ += absl::Seconds(static_cast<std::int64_t>(random.Below(20)));
      const bool stop = random.Below(100) == 0;
      for (const Action action :
           Feed(stop ? SupervisionEvent(event::Stop{}) : events[random.Below(std::size(events))])) {
        if (action == Action::kUp) {
          EXPECT_FALSE(up);
          up = true;
        }
        if (action == Action::kDown) {
          EXPECT_TRUE(up);
          up = false;
        }
      }
      EXPECT_EQ(up, state_.phase == Phase::kReady);
    }
    Feed(event::Stop{});
    Feed(event::Started{});
    Feed(event::Ended{});
    EXPECT_EQ(state_.phase, Phase::kOff);
  }
}

}  // namespace
}  // namespace damocles::child
