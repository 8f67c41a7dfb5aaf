// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/base/clock.h"

#include "gtest/gtest.h"

#include "damocles/base/clock_skew.h"

namespace damocles {
namespace {

TEST(ClockTest, TheSteadyClockBeginsAsTheWallClockAndOnlyGoesForward) {
  EXPECT_LT(absl::AbsDuration(SteadyClock().Now() - SystemClock().Now()), absl::Seconds(10));
  absl::Time last = SteadyClock().Now();
  for (int i = 0; i < 1000; ++i) {
    const absl::Time now = SteadyClock().Now();
    EXPECT_GE(now, last);
    last = now;
  }
}

TEST(SkewWatchTest, SaysItOnceAndWhenItChanges) {
  SkewWatch watch;
  EXPECT_FALSE(watch.IsNews(absl::Seconds(4)));
  EXPECT_TRUE(watch.IsNews(absl::Seconds(-6)));
  EXPECT_TRUE(watch.Differ());
  EXPECT_FALSE(watch.IsNews(absl::Seconds(-9)));
  EXPECT_TRUE(watch.IsNews(absl::Seconds(-12)));
  EXPECT_TRUE(watch.IsNews(absl::Seconds(12)));
  EXPECT_TRUE(watch.IsNews(absl::Seconds(0)));
  EXPECT_FALSE(watch.Differ());
  EXPECT_FALSE(watch.IsNews(absl::Seconds(0)));
}

}  // namespace
}  // namespace damocles
