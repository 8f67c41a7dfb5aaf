// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "lib/poster/chain_clock.h"

#include "gtest/gtest.h"

namespace damocles::poster::internal {
namespace {

constexpr absl::Duration kEpoch = absl::Seconds(30);
const absl::Time kGenesis = absl::FromUnixSeconds(1'700'000'000);

TEST(ChainClockTest, BlocksThatTakeTheirTimeAreNoSkew) {
  ChainClock clock;
  EXPECT_EQ(clock.Ahead(kEpoch), absl::ZeroDuration());
  for (int epoch = 0; epoch < 40; ++epoch) {
    const absl::Time stamped = kGenesis + epoch * kEpoch;
    clock.Note(stamped + absl::Seconds(3 + epoch % 50), stamped);
    EXPECT_EQ(clock.Ahead(kEpoch), absl::ZeroDuration());
  }
}

TEST(ChainClockTest, AClockBehindIsSeenAtOnceAndOneAheadByTheThirdBlock) {
  for (const int minutes : {-10, -1, 2, 10}) {
    ChainClock clock;
    for (int epoch = 0; epoch < 40; ++epoch) {
      const absl::Time stamped = kGenesis + epoch * kEpoch;
      clock.Note(stamped + absl::Minutes(minutes) + absl::Seconds(epoch % 7), stamped);
      const bool sure = minutes < 0 || epoch >= 2;
      EXPECT_EQ(clock.Ahead(kEpoch), sure ? absl::Minutes(minutes) : absl::ZeroDuration());
    }
  }
}

// After a pause of the chain or of the node the head is old; the next ones are not.
TEST(ChainClockTest, AnOldHeadIsNoClockThatIsAhead) {
  ChainClock clock;
  clock.Note(kGenesis + absl::Minutes(10), kGenesis);
  EXPECT_EQ(clock.Ahead(kEpoch), absl::ZeroDuration());
  clock.Note(kGenesis + absl::Minutes(10) + absl::Seconds(1), kGenesis + absl::Minutes(10));
  EXPECT_EQ(clock.Ahead(kEpoch), absl::ZeroDuration());
}

}  // namespace
}  // namespace damocles::poster::internal
