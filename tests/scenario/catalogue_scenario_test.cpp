// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// Rows of the fault catalogue (docs/testing.md) that no other scenario plays.

#include <cstdlib>
#include <optional>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "damocles/base/log.h"
#include "damocles/filecoin/miner_params.h"
#include "damocles/simulation/world.h"

namespace damocles::simulation {
namespace {

using filecoin::ChainEpoch;
using filecoin::EpochDelta;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using Hands = WorldOptions::Hands;

class CatalogueScenarioTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (std::getenv("DAMOCLES_SCENARIO_LOG") == nullptr) {
      SetLogSink([](Severity, std::string_view) {});
    }
  }
  void TearDown() override { SetLogSink({}); }

  ModelProver prover_{absl::Seconds(30)};
};

// One miner with two partitions in deadlines 1 and 2: windows at 130 and 140, challenges five
// epochs before.
WorldOptions TwoWindows(std::vector<filecoin::ActorId> miners = {1000}) {
  WorldOptions options;
  options.config = SmallConfig();
  for (const filecoin::ActorId miner : miners) {
    options.miners.push_back(MinerWith(miner, {1, 2}, 2));
    options.miners.back().period_shift = EpochDelta(0);
  }
  return options;
}
constexpr ChainEpoch kFirstOfTwo{120};
constexpr ChainEpoch kEndOfTwo{162};

void SetPeriod(WorldOptions& options, filecoin::PeriodShape shape) {
  options.config.policy.period = shape;
  options.config.policy.fault_max_age = shape.proving_period * 42;
  options.config.first_open = shape.proving_period;
}

// The same with windows of twenty epochs, at 260 and 280.
WorldOptions TwoLongWindows() {
  WorldOptions options = TwoWindows();
  SetPeriod(options, {EpochDelta(240), EpochDelta(20), 12, EpochDelta(5), EpochDelta(7)});
  return options;
}
constexpr ChainEpoch kFirstOfLong{240};
constexpr ChainEpoch kEndOfLong{312};

TEST_F(CatalogueScenarioTest, NodeThatFlapsEveryTenSecondsCostsNoProof) {
  World world(TwoWindows(), prover_);
  bool down = false;
  world.Every(absl::Seconds(10), [&] { world.node().SetDown(down = !down); });
  world.RunTo(ChainEpoch(152));
  world.node().SetDown(down = false);
  EXPECT_THAT(world.Problems(kFirstOfTwo), Not(HasSubstr("missed")));
  EXPECT_EQ(world.chain().ExecutedPosts().size(), 2u);
  EXPECT_EQ(prover_.proofs, 2u) << "no work was given up because of it";
}

TEST_F(CatalogueScenarioTest, SubscriptionThatEndsWithEveryBlockIsMadeAgain) {
  World world(TwoWindows(), prover_);
  world.on_block = [&](ChainEpoch) { world.node().DropSubscriptions(); };
  world.RunTo(kEndOfTwo);
  EXPECT_THAT(world.Problems(kFirstOfTwo), IsEmpty());
  EXPECT_EQ(prover_.proofs, 2u);
}

TEST_F(CatalogueScenarioTest, HeadThatStandsStillForAThirdOfTheWindowCostsNothing) {
  for (std::int64_t at = 124; at <= 134; ++at) {
    SCOPED_TRACE("stuck from " + std::to_string(at));
    World world(TwoWindows(), prover_);
    world.RunTo(ChainEpoch(at));
    world.node().SetSilent(true);
    world.api().SetStuck(world.chain().ChainHead());
    world.RunTo(ChainEpoch(at + 3));
    world.node().SetSilent(false);
    world.api().SetStuck(std::nullopt);
    world.RunTo(kEndOfTwo);
    EXPECT_THAT(world.Problems(kFirstOfTwo), IsEmpty());
  }
}

TEST_F(CatalogueScenarioTest, NodeThatIsBehindAllTheTimeCostsNothing) {
  for (const std::int64_t lag : {1, 2}) {
    SCOPED_TRACE("behind by " + std::to_string(lag));
    World world(TwoWindows(), prover_);
    world.node().SetSilent(true);
    world.api().SetLag(EpochDelta(lag));
    world.RunTo(kEndOfTwo + EpochDelta(lag));
    EXPECT_THAT(world.Problems(kFirstOfTwo), IsEmpty());
  }
}

// Windows and look-back of the main network.  What the challenge draws from the beacon stays; what
// the message commits to is of the branch.
TEST_F(CatalogueScenarioTest, ReorgAcrossTheChallengeCostsNoWindow) {
  for (const std::uint64_t depth : {5u, 25u, 70u}) {
    for (const std::int64_t at : {766, 781, 790}) {
      SCOPED_TRACE("depth " + std::to_string(depth) + " at " + std::to_string(at));
      prover_.proofs = 0;
      WorldOptions options = TwoWindows();
      SetPeriod(options, {EpochDelta(720), EpochDelta(60), 12, EpochDelta(20), EpochDelta(70)});
      options.config.genesis_blocks = EpochDelta(100);
      World world(options, prover_);
      world.RunTo(ChainEpoch(at));
      ASSERT_TRUE(world.chain().Reorg(depth).ok());
      world.RunTo(ChainEpoch(915));
      EXPECT_THAT(world.Problems(ChainEpoch(720)), Not(HasSubstr("missed")));
      EXPECT_THAT(world.Problems(ChainEpoch(720)), Not(HasSubstr("twice")));
      EXPECT_EQ(prover_.proofs, 2u) << "the randomness is the same";
    }
  }
}

TEST_F(CatalogueScenarioTest, NullRoundsAtTheEpochsThatMatter) {
  const std::vector<std::vector<std::int64_t>> cases = {
      {125}, {125, 126, 127}, {130},      {129, 130, 131},
      {139}, {138, 139, 140}, {149, 150}, {125, 130, 135, 139, 140, 145, 149}};
  for (std::size_t i = 0; i < cases.size(); ++i) {
    SCOPED_TRACE("case " + std::to_string(i));
    World world(TwoWindows(), prover_);
    for (const std::int64_t epoch : cases[i]) world.null_at.insert(ChainEpoch(epoch));
    world.RunTo(kEndOfTwo);
    EXPECT_THAT(world.Problems(kFirstOfTwo), IsEmpty());
    EXPECT_EQ(world.chain().ExecutedPosts().size(), 2u);
  }
}

TEST_F(CatalogueScenarioTest, RandomnessThatIsRefusedThriceIsAskedForAgainInSeconds) {
  World world(TwoWindows(), prover_);
  world.RunTo(ChainEpoch(124));
  world.node().FailNext("StateGetRandomnessFromBeacon", 3,
                        absl::InternalError("cannot draw randomness from the future"));
  world.RunTo(ChainEpoch(130));
  EXPECT_EQ(prover_.proofs, 1u) << "of the first window, by the time it opens";
  world.RunTo(kEndOfTwo);
  EXPECT_THAT(world.Problems(kFirstOfTwo), IsEmpty());
}

// The same miner at two managers, the other one always a moment ahead.
TEST_F(CatalogueScenarioTest, AnotherManagerThatIsFasterDoesNoHarm) {
  std::vector<filecoin::Message> messages;
  {
    World world(TwoWindows(), prover_);
    world.api().OnPush([&](const filecoin::Message& message, const chain::MessageSendSpec&) {
      messages.push_back(message);
    });
    world.RunTo(kEndOfTwo);
  }
  ASSERT_EQ(messages.size(), 2u);
  for (const std::int64_t ahead : {0, 1}) {
    SCOPED_TRACE("ahead by " + std::to_string(ahead));
    World world(TwoWindows(), prover_);
    world.on_block = [&](ChainEpoch head) {
      for (std::size_t i = 0; i < messages.size(); ++i) {
        if (head != ChainEpoch(131 + 10 * static_cast<std::int64_t>(i) - ahead)) continue;
        for (const filecoin::Address& other : world.chain().WalletList()) {
          if (other == messages[i].from) continue;
          filecoin::Message message = messages[i];
          message.from = other;
          message.gas_limit = 0;
          if (world.chain().MpoolPushMessage(message, std::nullopt).ok()) return;
        }
        ADD_FAILURE() << "the other manager could not send";
      }
    };
    world.RunTo(kEndOfTwo);
    EXPECT_THAT(world.Problems(kFirstOfTwo), Not(HasSubstr("missed")));
    EXPECT_THAT(world.Problems(kFirstOfTwo), Not(HasSubstr("twice")));
    int taken = 0;
    for (const devnet::ExecutedPost& post : world.chain().ExecutedPosts()) {
      taken += post.exit_code == 0 ? 1 : 0;
    }
    EXPECT_EQ(taken, 2);
  }
}

// Twenty miners whose windows are one, proofs for three quarters of the time that two workers have.
TEST_F(CatalogueScenarioTest, ManyMinersAtOnceAndFewWorkersStarveNobody) {
  ModelProver slow(absl::Seconds(12));
  for (const Hands hands : {Hands::kModel, Hands::kAgents}) {
    SCOPED_TRACE(hands == Hands::kModel ? "model" : "agents");
    std::vector<filecoin::ActorId> ids;
    for (filecoin::ActorId id = 1000; id < 1020; ++id) ids.push_back(id);
    WorldOptions options = TwoWindows(ids);
    options.hands = hands;
    options.proof_takes = absl::Seconds(24);
    World world(options, hands == Hands::kModel ? slow : prover_);
    world.RunTo(kEndOfTwo);
    EXPECT_THAT(world.Problems(kFirstOfTwo), IsEmpty());
    EXPECT_EQ(world.chain().ExecutedPosts().size(), 40u);
  }
}

// Clocks of the manager and of the workers are off by up to ninety seconds, either way, from the
// start or from the middle of a window on.
TEST_F(CatalogueScenarioTest, ClocksOffByNinetySecondsCostNothing) {
  const absl::Duration off = absl::Seconds(90);
  for (const absl::Duration manager : {-off, absl::ZeroDuration(), off}) {
    for (const absl::Duration worker : {-off, absl::ZeroDuration(), off}) {
      for (const std::int64_t at : {241, 262}) {
        SCOPED_TRACE(testing::Message()
                     << "manager " << absl::FormatDuration(manager) << ", workers "
                     << absl::FormatDuration(worker) << " from " << at);
        WorldOptions options = TwoLongWindows();
        options.hands = Hands::kAgents;
        World world(options, prover_);
        world.RunTo(ChainEpoch(at));
        world.SetManagerSkew(manager);
        for (std::size_t i = 0; i < options.workers; ++i) world.crew()->SetSkew(i, worker);
        world.RunTo(kEndOfLong);
        EXPECT_THAT(world.Problems(kFirstOfLong), IsEmpty());
      }
    }
  }
}

// Ten epochs are five minutes.
TEST_F(CatalogueScenarioTest, WorkersCutOffForFiveMinutesBringTheirProofs) {
  for (std::int64_t at = 256; at <= 264; ++at) {
    SCOPED_TRACE("cut off at " + std::to_string(at));
    WorldOptions options = TwoLongWindows();
    options.hands = Hands::kAgents;
    options.proof_takes = absl::Seconds(60);
    World world(options, prover_);
    world.RunTo(ChainEpoch(at));
    for (std::size_t i = 0; i < options.workers; ++i) world.crew()->SetWire(i, false);
    world.RunTo(ChainEpoch(at + 10));
    for (std::size_t i = 0; i < options.workers; ++i) world.crew()->SetWire(i, true);
    world.RunTo(kEndOfLong);
    EXPECT_THAT(world.Problems(kFirstOfLong), IsEmpty());
  }
}

// A new version everywhere, one after the other, begun in each phase of a window.
TEST_F(CatalogueScenarioTest, RollingUpgradeInEveryPhaseProvesNothingTwice) {
  for (std::int64_t at = 254; at <= 282; at += 2) {
    SCOPED_TRACE("begun at " + std::to_string(at));
    ModelProver prover(absl::Seconds(30));
    WorldOptions options = TwoLongWindows();
    options.hands = Hands::kAgents;
    World world(options, prover);
    world.RunTo(ChainEpoch(at));
    world.DrainWorker(0, absl::Seconds(5));
    world.RunTo(ChainEpoch(at + 2));
    world.KillManager();
    world.RunTo(ChainEpoch(at + 4));
    world.DrainWorker(1, absl::Seconds(5));
    world.RunTo(kEndOfLong);
    EXPECT_THAT(world.Problems(kFirstOfLong), IsEmpty());
    EXPECT_EQ(prover.proofs, 2u);
  }
}

TEST_F(CatalogueScenarioTest, ReloadThatDisablesOneMinerLeavesTheOthersAlone) {
  const auto posts_of_other = [](World& world) {
    std::vector<std::int64_t> epochs;
    for (const devnet::ExecutedPost& post : world.chain().ExecutedPosts()) {
      if (post.miner == 1001) epochs.push_back(post.epoch.Value());
    }
    return epochs;
  };
  std::vector<std::int64_t> undisturbed;
  {
    World world(TwoWindows({1000, 1001}), prover_);
    world.RunTo(kEndOfTwo);
    undisturbed = posts_of_other(world);
  }
  ASSERT_EQ(undisturbed.size(), 2u);
  for (std::int64_t at = 122; at <= 140; at += 2) {
    SCOPED_TRACE("disabled at " + std::to_string(at));
    World world(TwoWindows({1000, 1001}), prover_);
    world.RunTo(ChainEpoch(at));
    world.SetEnabled(1000, false);
    world.RunTo(ChainEpoch(at + 2));
    world.SetEnabled(1000, true);
    world.RunTo(kEndOfTwo);
    EXPECT_THAT(world.Problems(kFirstOfTwo), IsEmpty());
    EXPECT_EQ(posts_of_other(world), undisturbed);
  }
}

}  // namespace
}  // namespace damocles::simulation
