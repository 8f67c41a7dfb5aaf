// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// What a waiting message is replaced by.

#include "lib/poster/fees.h"

#include "gtest/gtest.h"

namespace damocles::poster::internal {
namespace {

using filecoin::ChainEpoch;
using filecoin::TokenAmount;

filecoin::Message Waiting(std::int64_t cap, std::int64_t premium) {
  filecoin::Message message;
  message.gas_limit = 1000;
  message.gas_fee_cap = cap;
  message.gas_premium = premium;
  return message;
}
FeePolicy Limit(std::int64_t limit) {
  FeePolicy fees;
  fees.max_gas_fee_cap = limit;
  return fees;
}
Market At(std::int64_t base_fee, std::int64_t highest = 0, std::int64_t premium = 0) {
  return {base_fee, highest, premium, std::nullopt};
}

TEST(FeeRaiseTest, MessageThatABlockTakesIsLeftAlone) {
  EXPECT_FALSE(RaiseOf(Waiting(1000, 100), At(900), Limit(50'000)).wanted);
  EXPECT_FALSE(RaiseOf(Waiting(1000, 100), At(900, 5000, 100), Limit(50'000)).wanted);
}

TEST(FeeRaiseTest, CapIsTwiceTheBaseFeeAndAtLeastTheHighestOfLate) {
  const FeeRaise raise = RaiseOf(Waiting(1000, 100), At(2000), Limit(50'000));
  EXPECT_TRUE(raise.raise);
  EXPECT_FALSE(raise.limited);
  EXPECT_EQ(raise.premium, TokenAmount(126)) << "1.25 times and one";
  EXPECT_EQ(raise.fee_cap, TokenAmount(2 * 2000 + 126));
  EXPECT_EQ(RaiseOf(Waiting(1000, 100), At(2000, 9000), Limit(50'000)).fee_cap, TokenAmount(9000));
}

TEST(FeeRaiseTest, LimitIsKeptAndSaid) {
  const FeeRaise up_to = RaiseOf(Waiting(1000, 100), At(2000), Limit(3000));
  EXPECT_TRUE(up_to.raise);
  EXPECT_TRUE(up_to.limited);
  EXPECT_EQ(up_to.fee_cap, TokenAmount(3000));
  const FeeRaise below = RaiseOf(Waiting(1000, 100), At(8000), Limit(3000));
  EXPECT_TRUE(below.raise) << "earlier in when the base fee falls";
  EXPECT_TRUE(below.limited);
  for (const std::int64_t limit : {0, 500, 1000}) {
    const FeeRaise never = RaiseOf(Waiting(1000, 100), At(2000), Limit(limit));
    EXPECT_FALSE(never.raise) << limit;
    EXPECT_TRUE(never.limited) << limit;
  }
}

TEST(FeeRaiseTest, WhoIsOutbidPaysWhatTheMarketPays) {
  const FeeRaise within = RaiseOf(Waiting(9000, 100), At(1000, 0, 400), Limit(0));
  EXPECT_TRUE(within.raise) << "the cap has room: no limit is touched";
  EXPECT_EQ(within.premium, TokenAmount(600)) << "with headroom: it is an epoch old";
  EXPECT_EQ(within.fee_cap, TokenAmount(9000));
  const FeeRaise least = RaiseOf(Waiting(9000, 100), At(1000, 0, 101), Limit(0));
  EXPECT_EQ(least.premium, TokenAmount(151)) << "more than a pool wants at least";
}

// In blocks full of messages that pay what this one pays, the node's estimate is no more than that.
TEST(FeeRaiseTest, WhoIsPassedOverPaysMoreWhateverTheNodeThinks) {
  Market market = At(1000, 0, 200);
  EXPECT_FALSE(RaiseOf(Waiting(5000, 200), market, Limit(50'000)).wanted);
  market.passed_over = true;
  const FeeRaise raise = RaiseOf(Waiting(5000, 200), market, Limit(50'000));
  EXPECT_TRUE(raise.raise);
  EXPECT_FALSE(raise.limited);
  EXPECT_EQ(raise.premium, TokenAmount(251)) << "1.25 times and one";
  EXPECT_EQ(raise.fee_cap, TokenAmount(5000));
}

TEST(FeeRaiseTest, PremiumNeverExceedsTheCap) {
  const FeeRaise raise = RaiseOf(Waiting(1000, 900), At(1000, 0, 100'000), Limit(2000));
  EXPECT_TRUE(raise.raise);
  EXPECT_EQ(raise.premium, TokenAmount(2000));
  EXPECT_EQ(raise.fee_cap, TokenAmount(2000));
  EXPECT_FALSE(RaiseOf(Waiting(1000, 1000), At(1000), Limit(1100)).raise)
      << "1.25 times does not fit under the limit";
}

TEST(FeeRaiseTest, NoMoreIsAskedForThanTheSenderHas) {
  Market market = At(2000);
  market.balance = TokenAmount(3'000'000);
  EXPECT_EQ(RaiseOf(Waiting(1000, 100), market, Limit(50'000)).fee_cap, TokenAmount(3000));
  market.balance = TokenAmount(1'500'000);
  EXPECT_EQ(RaiseOf(Waiting(1000, 100), market, Limit(50'000)).fee_cap, TokenAmount(4126))
      << "it would not do: the node says so";
}

TEST(BaseFeeHistoryTest, HighestOfTheLatest120Epochs) {
  BaseFeeHistory history;
  EXPECT_EQ(history.Highest(ChainEpoch(10)), TokenAmount(0));
  for (std::int64_t epoch = 100; epoch <= 300; ++epoch) {
    history.Note(ChainEpoch(epoch), epoch == 150 ? 9000 : 100);
    EXPECT_EQ(history.Highest(ChainEpoch(epoch)),
              TokenAmount(epoch >= 150 && epoch <= 270 ? 9000 : 100))
        << epoch;
  }
  EXPECT_TRUE(history.ReachesBack(ChainEpoch(300)));
  BaseFeeHistory young;
  young.Note(ChainEpoch(300), 5);
  EXPECT_FALSE(young.ReachesBack(ChainEpoch(300)));
}

}  // namespace
}  // namespace damocles::poster::internal
