// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// Windows while others fill the blocks: the base fee rises for a whole window, blocks are full at a
// premium that nobody expected, fees go up and down.  None may be missed, and what is paid is what
// the chain asks for, not what the caps would allow.

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "damocles/base/log.h"
#include "damocles/simulation/world.h"

namespace damocles::simulation {
namespace {

using devnet::Traffic;
using filecoin::ChainEpoch;
using filecoin::EpochDelta;
using filecoin::TokenAmount;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

const TokenAmount kNano = 1'000'000'000;

struct Shape {
  const char* name;
  std::int64_t window;
  std::uint64_t deadlines;
};
// Of a devnet, and of the network.
constexpr Shape kShapes[] = {{"windows of 10 epochs", 10, 12}, {"windows of 60 epochs", 60, 12}};

class FeeScenarioTest : public ::testing::TestWithParam<Traffic> {
 protected:
  void SetUp() override {
    SetLogSink([this](Severity, std::string_view line) {
      log_ += std::string(line) + "\n";
      if (std::getenv("DAMOCLES_SCENARIO_LOG") != nullptr) {
        std::fprintf(stderr, "%s\n", std::string(line).c_str());
      }
    });
  }
  void TearDown() override { SetLogSink({}); }

  static WorldOptions Options(const Shape& shape) {
    WorldOptions options;
    options.config = SmallConfig();
    const EpochDelta window(shape.window);
    options.config.policy.period = {window * static_cast<std::int64_t>(shape.deadlines), window,
                                    shape.deadlines, EpochDelta(5), EpochDelta(7)};
    options.config.first_open = options.config.policy.period.proving_period;
    options.config.policy.fault_max_age = options.config.policy.period.proving_period * 42;
    options.miners = {MinerWith(1000, {0, 1, 2, 3, 4, 5}, 2)};
    options.fees.gas_fee_cap = kNano;
    options.fees.max_gas_fee_cap = kNano * 50;
    return options;
  }
  static TokenAmount Money(World& world) {
    TokenAmount sum;
    for (const filecoin::Address& address : world.chain().WalletList()) {
      sum += world.chain().WalletBalance(address).value();
    }
    return sum;
  }
  // The script begins anew with each window, at this base fee.
  static void Congest(World& world, const WorldOptions& options, Traffic traffic,
                      TokenAmount base_fee) {
    const std::int64_t window = options.config.policy.period.challenge_window.Count();
    world.on_block = [&world, traffic, base_fee, window](ChainEpoch head) {
      if ((head.Value() + 1) % window != 0) return;
      (void)world.chain().SetBaseFee(base_fee);
      (void)world.chain().SetTraffic(traffic);
    };
  }

  ModelProver prover_{absl::Seconds(30)};
  std::string log_;
};

// The base fee at each opening is 4 nanoFIL and the operator's first cap is 1.
TEST_P(FeeScenarioTest, NoWindowIsMissedAndNoMoreIsPaidThanTheChainAsksFor) {
  for (const Shape& shape : kShapes) {
    SCOPED_TRACE(shape.name);
    const WorldOptions options = Options(shape);
    World world(options, prover_);
    const TokenAmount before = Money(world);
    Congest(world, options, GetParam(), kNano * 4);
    const std::int64_t first = options.config.first_open.Count();
    TokenAmount highest;
    const auto congest = world.on_block;
    world.on_block = [&](ChainEpoch head) {
      congest(head);
      highest = std::max(highest, world.chain().ChainHead().Blocks()[0].parent_base_fee);
    };
    world.RunTo(ChainEpoch(first + 6 * shape.window + 20));
    EXPECT_THAT(world.Problems(ChainEpoch(first)), IsEmpty());
    const TokenAmount paid = before - Money(world);
    const std::size_t posts = world.chain().ExecutedPosts().size();
    EXPECT_EQ(posts, 6u);
    std::printf("%-12s %s: %zu messages paid %s, base fee up to %s\n",
                std::string(Name(GetParam())).c_str(), shape.name, posts,
                filecoin::FormatFil(paid).c_str(), filecoin::FormatFil(highest).c_str());
    // 30 M gas a message.  Never more than the highest base fee and a premium of a quarter of it.
    const TokenAmount gas = TokenAmount(30'000'000) * static_cast<std::int64_t>(posts);
    EXPECT_LE(paid, gas * (highest + highest / 2 + 20'000'000));
    EXPECT_LE(paid, gas * options.fees.max_gas_fee_cap);
    EXPECT_GT(paid, gas * TokenAmount(100));
  }
}

// What the devnet's own script does from the start, with null rounds and reorgs on top.
TEST_P(FeeScenarioTest, NullRoundsAndReorgsOnTop) {
  for (std::uint64_t seed = 1; seed <= 2; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    WorldOptions options = Options(kShapes[1]);
    options.seed = seed;
    options.config.base_fee = kNano;
    options.config.traffic = GetParam();
    options.null_rounds = 100;
    options.reorgs = 30;
    options.reorg_depth_max = 2;
    World world(options, prover_);
    world.RunTo(ChainEpoch(options.config.first_open.Count() + 6 * 60 + 20));
    EXPECT_THAT(world.Problems(ChainEpoch(0) + options.config.first_open),
                ::testing::Not(HasSubstr("missed")));
  }
}

INSTANTIATE_TEST_SUITE_P(Scripts, FeeScenarioTest,
                         ::testing::Values(Traffic::kQuiet, Traffic::kRamp, Traffic::kSpike,
                                           Traffic::kOscillation),
                         [](const auto& tested) { return std::string(Name(tested.param)); });

// A planted fault this must catch: a cap that was given once is left alone while the base fee
// rises.
TEST_F(FeeScenarioTest, WaitingMessageFollowsTheBaseFeeUpToTheLimit) {
  WorldOptions options = Options(kShapes[1]);
  options.miners = {MinerWith(1000, {0}, 1)};
  World world(options, prover_);
  const std::int64_t first = options.config.first_open.Count();
  std::vector<TokenAmount> caps;
  world.on_block = [&](ChainEpoch head) {
    for (const filecoin::SignedMessage& message : world.chain().MpoolPending()) {
      const TokenAmount& cap = message.message.gas_fee_cap;
      if (caps.empty() || caps.back() != cap) caps.push_back(cap);
    }
    // Faster than the network's can, so that twice the base fee is not enough for a block.
    if (head == ChainEpoch(first - 1)) (void)world.chain().SetBaseFee(kNano * 11 / 10);
    if (head >= ChainEpoch(first) && head < ChainEpoch(first + 30)) {
      const TokenAmount now = world.chain().ChainHead().Blocks()[0].parent_base_fee;
      (void)world.chain().SetBaseFee(std::min(now * 21 / 10, kNano * 60));
    }
  };
  world.RunTo(ChainEpoch(first + 80));
  EXPECT_GT(caps.size(), 2u);
  EXPECT_TRUE(std::is_sorted(caps.begin(), caps.end()));
  EXPECT_LE(caps.back(), options.fees.max_gas_fee_cap);
  EXPECT_THAT(log_, HasSubstr("fee_limit_reached")) << "the limit is what stopped it";
  EXPECT_THAT(log_, HasSubstr("PoSt.MaxGasFeeCap is 0.00000005 FIL"));
  EXPECT_THAT(world.Problems(ChainEpoch(first)), IsEmpty()) << "the base fee fell in time";
}

// The message of the miner with the lower limit is first in the lane, and nobody raises it for that
// miner's sake.  A planted fault this must catch: what another batch of ours has sent is left alone
// by whom it is in the way of.
TEST_F(FeeScenarioTest, MinersOfOneAddressWithDifferentLimits) {
  for (const bool poorer_is_first : {true, false}) {
    SCOPED_TRACE(poorer_is_first);
    WorldOptions options = Options(kShapes[1]);
    options.miners = {MinerWith(1000, {0}, 1), MinerWith(1001, {0}, 1)};
    options.miners[0].control_addresses = 0;
    options.miners[1].addresses_of = 1000;
    options.miners[1].period_shift = EpochDelta(0);  // the same windows
    const filecoin::ActorId poor = poorer_is_first ? 1000 : 1001;
    const filecoin::ActorId other = 2001 - poor;
    options.fees_of[poor] = options.fees;
    options.fees_of[poor].max_gas_fee_cap = kNano * 2;
    // The worker alone: nothing can go out by another lane.
    options.senders = {filecoin::Address::FromId(101)};
    World world(options, prover_);
    const auto info = world.chain().StateMinerInfo(filecoin::Address::FromId(1001), {});
    ASSERT_TRUE(info.ok()) << info.status();
    const auto of_first = world.chain().StateMinerInfo(filecoin::Address::FromId(1000), {});
    ASSERT_EQ(info->worker, of_first->worker);
    ASSERT_EQ(info->worker, options.senders.front());
    ASSERT_EQ(info->owner, of_first->owner);
    const std::int64_t first = options.config.first_open.Count();
    // As soon as the first one's message waits, for the rest of both windows.
    bool waits = false;
    const auto raise = [&](ChainEpoch head) {
      if (waits && head < ChainEpoch(first + 66)) (void)world.chain().SetBaseFee(kNano * 10);
    };
    world.on_block = raise;
    world.api().alter_pushed = [&](absl::StatusOr<filecoin::SignedMessage>& /*pushed*/) {
      waits = true;
      raise(world.Head());
    };
    world.RunTo(ChainEpoch(first + 90));
    EXPECT_EQ(world.Missed(other, ChainEpoch(first)), 0) << "f0" << other << " lost a window";
    std::size_t posts_of_other = 0;
    for (const devnet::ExecutedPost& post : world.chain().ExecutedPosts()) {
      posts_of_other += post.miner == other && post.exit_code == 0 ? 1 : 0;
    }
    EXPECT_GE(posts_of_other, 1u);
    EXPECT_NE(log_.find("PoSt.MaxGasFeeCap is 0.000000002 FIL"), std::string::npos);
  }
}

// A planted fault this must catch: the patience of the opening in the last epochs.
TEST_F(FeeScenarioTest, SpikeThatBeginsNearTheCloseIsOutbidInTime) {
  WorldOptions options = Options(kShapes[1]);
  options.miners = {MinerWith(1000, {0}, 1)};
  options.poster.submit_confidence = EpochDelta(45);
  World world(options, prover_);
  const std::int64_t first = options.config.first_open.Count();
  world.on_block = [&](ChainEpoch head) {
    if (head == ChainEpoch(first + 45)) (void)world.chain().SetTraffic(Traffic::kSpike);
  };
  world.RunTo(ChainEpoch(first + 80));
  EXPECT_THAT(log_, HasSubstr("message_fee_raised"));
  EXPECT_THAT(world.Problems(ChainEpoch(first)), IsEmpty());
  EXPECT_LE(world.chain().ExecutedPosts().at(0).epoch, ChainEpoch(first + 52));
}

// A planted fault this must catch: the patience of the opening with a node that falls silent.
TEST_F(FeeScenarioTest, PushThatIsNotAnsweredNearTheCloseIsMadeAgainInTime) {
  WorldOptions options = Options(kShapes[1]);
  options.miners = {MinerWith(1000, {0}, 1)};
  for (const std::int64_t left : {2, 3, 4}) {
    SCOPED_TRACE(left);
    World world(options, prover_);
    const std::int64_t first = options.config.first_open.Count();
    world.api().Break("MpoolPushMessage");
    world.on_block = [&](ChainEpoch head) {
      if (head != ChainEpoch(first + 60 - left)) return;
      world.api().Mend("MpoolPushMessage");
      world.api().Plan(world.api().Calls("MpoolPushMessage") + 1, CallFault::kHang,
                       "MpoolPushMessage");
    };
    world.RunTo(ChainEpoch(first + 80));
    EXPECT_EQ(world.chain().ExecutedPosts().size(), 1U);
  }
}

}  // namespace
}  // namespace damocles::simulation
