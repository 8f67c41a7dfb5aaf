// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/filecoin/deadline.h"

#include "gtest/gtest.h"
#include "tests/support/status_matchers.h"

#include "damocles/base/random.h"

namespace damocles::filecoin {
namespace {

using testing_support::StatusIs;

constexpr PeriodShape kSmall{EpochDelta{60}, EpochDelta{10}, 6, EpochDelta{3}, EpochDelta{8}};
// Deadlines do not fill the period: epochs 48 and 49 of it belong to none.
constexpr PeriodShape kTail{EpochDelta{50}, EpochDelta{12}, 4, EpochDelta{2}, EpochDelta{5}};

TEST(DeadlineTest, NextOpensWhenThisOneCloses) {
  DeadlineInfo deadline = MakeDeadlineInfo(kMainnetPeriod, ChainEpoch(1000), 0, ChainEpoch(0));
  for (std::uint64_t i = 0; i < 2 * kMainnetPeriod.deadlines; ++i) {
    SCOPED_TRACE(i);
    const DeadlineInfo next = Next(deadline);
    EXPECT_EQ(next.open, deadline.close);
    deadline = next;
  }
  EXPECT_EQ(deadline.period_start - ChainEpoch(1000), kMainnetPeriod.proving_period * 2);
}

TEST(DeadlineTest, EveryEpochLiesInTheDeadlineThatIsOpen) {
  SeededRandom random(1);
  for (const PeriodShape& shape : {kMainnetPeriod, kSmall}) {
    for (int round = 0; round < 2000; ++round) {
      const ChainEpoch offset(static_cast<std::int64_t>(random.Below(5000)) - 1000);
      const ChainEpoch epoch(static_cast<std::int64_t>(random.Below(100000)));
      const DeadlineInfo deadline = DeadlineAt(shape, offset, epoch);
      EXPECT_TRUE(deadline.IsOpen());
      EXPECT_TRUE(deadline.PeriodStarted());
      EXPECT_FALSE(deadline.PeriodElapsed());
      EXPECT_LT(deadline.index, shape.deadlines);
      EXPECT_EQ((deadline.period_start - offset) % shape.proving_period, EpochDelta(0));
      EXPECT_EQ(NextNotElapsed(deadline), deadline);
      EXPECT_EQ(deadline.open - deadline.challenge, shape.challenge_lookback);
    }
  }
}

TEST(DeadlineTest, NextNotElapsedIsTheFirstTurnThatHasNot) {
  SeededRandom random(2);
  for (int round = 0; round < 2000; ++round) {
    const auto index = random.Below(kSmall.deadlines);
    const ChainEpoch start(static_cast<std::int64_t>(random.Below(300)));
    const ChainEpoch epoch(static_cast<std::int64_t>(random.Below(2000)));
    const DeadlineInfo next = NextNotElapsed(MakeDeadlineInfo(kSmall, start, index, epoch));
    EXPECT_EQ(next.index, index);
    EXPECT_FALSE(next.HasElapsed());
    EXPECT_GE(next.period_start, start);
    if (next.period_start > start) {
      EXPECT_LE(next.close - kSmall.proving_period, epoch);  // the turn before has
    }
  }
}

TEST(DeadlineTest, TheEndOfAPeriodThatDeadlinesDoNotFill) {
  const DeadlineInfo rest = DeadlineAt(kTail, ChainEpoch(0), ChainEpoch(49));
  EXPECT_EQ(rest.index, 4U);
  EXPECT_EQ(rest.open, ChainEpoch(50));
  EXPECT_EQ(rest.close, ChainEpoch(50));
  EXPECT_FALSE(rest.IsOpen());
  const DeadlineInfo last = DeadlineAt(kTail, ChainEpoch(0), ChainEpoch(47));
  EXPECT_EQ(last.index, 3U);
  EXPECT_EQ(Next(last).open, ChainEpoch(50));
  EXPECT_EQ(Next(rest).open, ChainEpoch(50));
}

TEST(DeadlineTest, QuantisationMeetsItsUnit) {
  SeededRandom random(3);
  for (int round = 0; round < 2000; ++round) {
    const EpochDelta unit(1 + static_cast<std::int64_t>(random.Below(100)));
    const ChainEpoch offset(static_cast<std::int64_t>(random.Below(400)) - 200);
    const ChainEpoch epoch(static_cast<std::int64_t>(random.Below(4000)) - 2000);
    const ChainEpoch up = QuantizeUp(unit, offset, epoch);
    const ChainEpoch down = QuantizeDown(unit, offset, epoch);
    EXPECT_GE(up, epoch);
    EXPECT_LT(up - epoch, unit);
    EXPECT_EQ((up - offset) % unit, EpochDelta(0));
    EXPECT_EQ(up - down, up == epoch ? EpochDelta(0) : unit);
  }
}

TEST(DeadlineTest, LastMutableEpochIsOneWindowAndAnEpochBeforeOpen) {
  const ChainEpoch open = MakeDeadlineInfo(kMainnetPeriod, ChainEpoch(0), 5, ChainEpoch(0)).open;
  EXPECT_TRUE(DeadlineIsMutable(kMainnetPeriod, ChainEpoch(0), 5, open - EpochDelta(61)));
  EXPECT_FALSE(DeadlineIsMutable(kMainnetPeriod, ChainEpoch(0), 5, open - EpochDelta(60)));
  EXPECT_FALSE(DeadlineIsMutable(kMainnetPeriod, ChainEpoch(0), 5, open + EpochDelta(59)));
  EXPECT_TRUE(DeadlineIsMutable(kMainnetPeriod, ChainEpoch(0), 5, open + EpochDelta(60)));
}

TEST(DeadlineTest, ValidateRefusesShapesThatDoNotFit) {
  EXPECT_OK(Validate(kMainnetPeriod));
  EXPECT_OK(Validate(kTail));
  PeriodShape shape = kSmall;
  shape.deadlines = 7;
  EXPECT_THAT(Validate(shape), StatusIs(absl::StatusCode::kInvalidArgument, "do not fit"));
  shape = kSmall;
  shape.challenge_window = EpochDelta(0);
  EXPECT_THAT(Validate(shape), StatusIs(absl::StatusCode::kInvalidArgument, "window"));
  EXPECT_FALSE(Validate(PeriodShape()).ok());
}

TEST(AssignDeadlinesTest, FillsPartitionsOneDeadlineAfterTheOther) {
  std::vector<DeadlineLoad> loads(3);
  for (std::uint64_t i = 0; i < loads.size(); ++i) loads[i].index = i;
  EXPECT_EQ(AssignDeadlines(loads, 2, 3000, 8).value(),
            (std::vector<std::uint64_t>{0, 0, 1, 1, 2, 2, 0, 0}));
  EXPECT_THAT(AssignDeadlines(loads, 2, 1, 7),
              StatusIs(absl::StatusCode::kResourceExhausted, "maxPartitions limit 1"));
  EXPECT_FALSE(AssignDeadlines({}, 2, 1, 1).ok());
  EXPECT_TRUE(AssignDeadlines({}, 2, 1, 0).value().empty());
}

}  // namespace
}  // namespace damocles::filecoin
