// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// Stores in trouble, and a database that forgets, over whole windows in virtual time.

#include <cstdlib>
#include <set>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "damocles/base/log.h"
#include "damocles/simulation/world.h"

namespace damocles::simulation {
namespace {

using filecoin::ChainEpoch;
using filecoin::EpochDelta;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// Deadlines 1 and 2 of two partitions of two sectors: windows 130 to 140 and 140 to 150, challenges
// at 125 and 135.  Sector 1 lies in the first.
class StorageScenarioTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (std::getenv("DAMOCLES_SCENARIO_LOG") == nullptr) {
      SetLogSink([](Severity, std::string_view) {});
    }
    options_.config = SmallConfig();
    options_.miners = {MinerWith(1000, {1, 2}, 2)};
  }
  void TearDown() override { SetLogSink({}); }

  static std::size_t Skips(World& world) {
    std::size_t skips = 0;
    for (const devnet::ExecutedPost& post : world.chain().ExecutedPosts()) {
      if (post.exit_code != 0) continue;
      for (const auto& part : post.post->partitions) skips += part.skipped.Count();
    }
    return skips;
  }

  static constexpr ChainEpoch kFirst{120};
  static constexpr ChainEpoch kEnd{162};
  WorldOptions options_;
  ModelProver prover_{absl::Seconds(30)};
};

// A read failure of a minute, whenever it comes, while there is time to prove what comes back.
TEST_F(StorageScenarioTest, ShortTroubleIsNoFaultWheneverItComes) {
  for (std::int64_t begin = 124; begin <= 131; ++begin) {
    for (const bool restart : {false, true}) {
      SCOPED_TRACE(std::to_string(begin) + (restart ? " with a restart" : ""));
      World world(options_, prover_);
      world.on_block = [&](ChainEpoch head) {
        if (head == ChainEpoch(begin)) world.unreadable = {1, 4};
        if (restart && head == ChainEpoch(begin + 1)) world.KillManager();
        if (head == ChainEpoch(begin + 2)) world.unreadable.clear();
      };
      world.RunTo(kEnd);
      EXPECT_THAT(world.Problems(kFirst), IsEmpty());
    }
  }
}

// The same at the workers, both at once: their word was believed.
TEST_F(StorageScenarioTest, ShortTroubleOfAllWorkersIsNoFault) {
  for (std::int64_t begin = 124; begin <= 130; ++begin) {
    SCOPED_TRACE(begin);
    World world(options_, prover_);
    world.on_block = [&](ChainEpoch head) {
      if (head == ChainEpoch(begin)) prover_.damaged = {1};
      if (head == ChainEpoch(begin + 2)) prover_.damaged.clear();
    };
    world.RunTo(kEnd);
    EXPECT_THAT(world.Problems(kFirst), IsEmpty());
  }
}

TEST_F(StorageScenarioTest, TroubleThatOnlyTheManagerHasIsNoFault) {
  World world(options_, prover_);
  world.unreadable = {1, 2, 3, 4, 5, 6, 7, 8};
  world.readers = 2;
  world.RunTo(kEnd);
  EXPECT_THAT(world.Problems(kFirst), IsEmpty());
}

// A mount that comes and goes all the time: nothing is missed by waiting for it.
TEST_F(StorageScenarioTest, MountThatComesAndGoesMissesNothing) {
  for (std::uint64_t seed = 1; seed <= 6; ++seed) {
    SCOPED_TRACE(seed);
    options_.seed = seed;
    options_.null_rounds = 50;
    World world(options_, prover_);
    SeededRandom random(seed);
    world.on_block = [&](ChainEpoch) {
      world.unreadable.clear();
      prover_.damaged.clear();
      for (filecoin::SectorNumber sector = 1; sector <= 8; sector += 2) {
        if (random.Below(3) == 0) world.unreadable.insert(sector);
        if (random.Below(3) == 0) prover_.damaged.insert(sector);
      }
    };
    world.RunTo(kEnd);
    EXPECT_THAT(world.Problems(kFirst, {1, 3, 5, 7}), IsEmpty());
  }
}

// 22, 60 and 100 % of a deadline: what can be read is proven, nothing is posted empty.
TEST_F(StorageScenarioTest, PartsOfADeadlineAreUnreadable) {
  options_.miners = {MinerWith(1000, {1}, 5)};
  for (const std::size_t bad : {2U, 6U, 10U}) {
    for (const bool wrong : {false, true}) {
      SCOPED_TRACE(std::to_string(bad) + " of 10");
      World world(options_, prover_);
      std::set<filecoin::SectorNumber> sectors;
      for (std::size_t i = 0; i < bad; ++i) sectors.insert(1 + (i * 3) % 10);
      (wrong ? world.wrong : world.unreadable) = sectors;
      world.RunTo(kEnd);
      std::size_t whole = 0;  // partitions without a readable sector
      for (filecoin::SectorNumber first = 1; first <= 10; first += 2) {
        whole += sectors.contains(first) && sectors.contains(first + 1) ? 1 : 0;
      }
      std::size_t posted = 0;
      for (const devnet::ExecutedPost& post : world.chain().ExecutedPosts()) {
        EXPECT_EQ(post.exit_code, 0) << post.error;
        for (const auto& part : post.post->partitions) {
          EXPECT_LT(part.skipped.Count(), 2u) << "an empty post";
          ++posted;
        }
      }
      EXPECT_EQ(posted, 5 - whole);
      EXPECT_EQ(Skips(world), bad - 2 * whole);
    }
  }
}

// What was posted is decided by chain and mempool: the database may have lost it.  The manager dies
// at any write, and what it wrote last is gone.
TEST_F(StorageScenarioTest, StoreThatForgetsCostsNothing) {
  std::uint64_t writes = 0;
  {
    World world(options_, prover_);
    const std::uint64_t before = world.Writes();
    world.RunTo(kEnd);
    writes = world.Writes() - before;
  }
  ASSERT_GT(writes, 20u);
  for (const std::size_t forgets : {1U, 3U, 10U, 1000U}) {
    for (std::uint64_t at = 1; at <= writes; at += forgets == 1 ? 1 : 3) {
      SCOPED_TRACE(std::to_string(forgets) + " writes are forgotten at write " +
                   std::to_string(at));
      World world(options_, prover_);
      world.KillAtWrite(at);
      world.ForgetAtRestart(forgets);
      world.RunTo(kEnd);
      EXPECT_EQ(world.Restarts(), 1);
      EXPECT_THAT(world.Problems(kFirst), IsEmpty());
    }
  }
}

// The list of posted partitions never shows what the window's last block executed, and null rounds
// decide which block that is.  The store forgets the message, or the whole window.
TEST_F(StorageScenarioTest, PostOfTheLastBlockOfAWindowThatTheStoreForgot) {
  options_.miners = {MinerWith(1000, {1}, 2)};
  options_.restart_after = absl::Seconds(95);
  for (const std::int64_t nulls : {0, 1, 2}) {
    for (const std::int64_t nulls_behind : {0, 2}) {
      for (const bool whole_window : {false, true}) {
        SCOPED_TRACE(std::to_string(nulls) + " null rounds before the close, " +
                     std::to_string(nulls_behind) + " behind" +
                     (whole_window ? ", the window is forgotten" : ""));
        const ChainEpoch last(139 - nulls);
        options_.poster.submit_confidence = last - EpochDelta(1) - ChainEpoch(130);
        // The message goes out after three quarters of the window at the latest.
        options_.config.inclusion_delay = nulls == 0 ? 1 : 0;
        World world(options_, prover_);
        for (std::int64_t i = 0; i < nulls; ++i) world.null_at.insert(last + EpochDelta(1 + i));
        for (std::int64_t i = 0; i < nulls_behind; ++i) world.null_at.insert(ChainEpoch(140 + i));
        std::uint64_t kept = 0;
        world.on_block = [&](ChainEpoch head) {
          if (head == ChainEpoch(whole_window ? 124 : 137 - nulls)) kept = world.Writes();
          if (head != last) return;
          world.ForgetAtRestart(world.Writes() - kept);
          world.KillManager();
        };
        world.RunTo(kEnd);
        ASSERT_EQ(world.chain().ExecutedPosts().size(), 1u);
        EXPECT_EQ(world.chain().ExecutedPosts()[0].epoch, last);
        EXPECT_EQ(world.Restarts(), 1);
        EXPECT_THAT(world.Problems(kFirst), IsEmpty());
        bool found = false;
        for (const poster::DeadlineRecord& record : world.Records()) {
          if (record.deadline.open != ChainEpoch(130)) continue;
          found = true;
          EXPECT_EQ(record.state, poster::DeadlineState::kConfirmed) << record.reason;
        }
        EXPECT_TRUE(found);
      }
    }
  }
}

// The other way round: nobody posted, whatever null rounds there are.
TEST_F(StorageScenarioTest, WindowThatNobodyPostedIsMissedWhateverNullRoundsThereAre) {
  options_.miners = {MinerWith(1000, {1}, 2)};
  for (const std::int64_t nulls : {0, 1, 2}) {
    for (const std::int64_t nulls_behind : {0, 2}) {
      SCOPED_TRACE(std::to_string(nulls) + " null rounds before the close, " +
                   std::to_string(nulls_behind) + " behind");
      World world(options_, prover_);
      world.api().Break("MpoolPushMessage", absl::UnknownError("computer says no"));
      for (std::int64_t i = 0; i < nulls; ++i) world.null_at.insert(ChainEpoch(139 - i));
      for (std::int64_t i = 0; i < nulls_behind; ++i) world.null_at.insert(ChainEpoch(140 + i));
      world.RunTo(kEnd);
      EXPECT_THAT(world.Problems(kFirst), HasSubstr("missed"));
      bool found = false;
      for (const poster::DeadlineRecord& record : world.Records()) {
        if (record.deadline.open != ChainEpoch(130)) continue;
        found = true;
        EXPECT_EQ(record.state, poster::DeadlineState::kMissed) << record.reason;
      }
      EXPECT_TRUE(found);
    }
  }
}

// Recoveries too: declared once, and proven.
TEST_F(StorageScenarioTest, StoreThatForgetsDeclaresRecoveriesAllTheSame) {
  for (const std::int64_t kill_at : {225, 229, 231, 233, 236}) {
    SCOPED_TRACE(kill_at);
    World world(options_, prover_);
    world.wrong = {1};
    world.on_block = [&](ChainEpoch head) {
      if (head == kEnd) world.wrong.clear();
      if (head == ChainEpoch(kill_at)) {
        world.ForgetAtRestart(4);
        world.KillManager();
      }
    };
    world.RunTo(kEnd + EpochDelta(120));
    EXPECT_THAT(world.Problems(kFirst, {1}), IsEmpty());
    const auto miner = world.chain().MinerAfterHead(1000);
    ASSERT_TRUE(miner.ok());
    for (const auto& deadline : miner->deadlines) {
      for (const devnet::PartitionRecord& partition : deadline->partitions) {
        EXPECT_TRUE(partition.faults.Empty()) << partition.faults;
      }
    }
  }
}

// A sector that is put back long after it was skipped, and after the first look of its recovery.
TEST_F(StorageScenarioTest, SectorThatIsPutBackLateIsRecovered) {
  // The recovery for deadline 1 of the next period (open 250, cut-off 243) is looked at from 230
  // on.
  for (const std::int64_t back : {200, 232, 236}) {
    SCOPED_TRACE(back);
    World world(options_, prover_);
    world.unreadable = {1};
    world.on_block = [&](ChainEpoch head) {
      if (head == ChainEpoch(back)) world.unreadable.clear();
    };
    world.RunTo(kEnd + EpochDelta(120));
    EXPECT_THAT(world.Problems(kFirst, {1}), IsEmpty());
    const auto miner = world.chain().MinerAfterHead(1000);
    ASSERT_TRUE(miner.ok());
    for (const auto& deadline : miner->deadlines) {
      for (const devnet::PartitionRecord& partition : deadline->partitions) {
        EXPECT_TRUE(partition.faults.Empty()) << partition.faults;
      }
    }
  }
}

}  // namespace
}  // namespace damocles::simulation
