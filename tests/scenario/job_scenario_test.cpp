// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// What happens to jobs while windows run: a worker that hangs, a disk that is full.

#include <cstdlib>
#include <map>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "damocles/base/log.h"
#include "damocles/simulation/world.h"

namespace damocles::simulation {
namespace {

using filecoin::ChainEpoch;
using filecoin::EpochDelta;
using ::testing::IsEmpty;
using Hands = WorldOptions::Hands;

class JobScenarioTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (std::getenv("DAMOCLES_SCENARIO_LOG") == nullptr) {
      SetLogSink([](Severity, std::string_view) {});
    }
  }
  void TearDown() override { SetLogSink({}); }

  static WorldOptions Options(Hands hands) {
    WorldOptions options;
    options.config = SmallConfig();
    options.miners = {MinerWith(1000, {1, 3, 5}, 2)};
    options.hands = hands;
    return options;
  }
  static constexpr ChainEpoch kFirst{120};
};

// The store of a worker hangs after it took the job: it beats on and never ends.  A job has 450 s
// from its challenge to the close of its window; another worker is idle.  A planted fault this must
// catch: the spare begins only when the first would miss the close.
TEST_F(JobScenarioTest, AWorkerThatHangsCostsNoWindow) {
  for (const int seconds : {20, 50, 75, 100, 125, 150}) {  // a partition of the proof; it has two
    SCOPED_TRACE(::testing::Message() << 2 * seconds << " s a proof");
    ModelProver prover{absl::Seconds(seconds)};
    WorldOptions options = Options(Hands::kModel);
    options.miners = {MinerWith(1000, {1}, 2), MinerWith(1001, {4}, 2)};
    World world(options, prover);
    // Speeds are measured in the first period; the second one's first job finds the hanging worker.
    world.RunTo(kFirst + EpochDelta(119));
    world.hung_workers = {0};
    world.RunTo(kFirst + EpochDelta(120 + 80));
    ASSERT_THAT(world.Problems(kFirst), IsEmpty());
  }
}

// From before a window opens until after it closed, with restarts of workers in it: everything goes
// on from memory, and what happened is on the disk afterwards.
TEST_F(JobScenarioTest, AFullDiskCostsNoWindow) {
  for (const Hands hands : {Hands::kModel, Hands::kAgents, Hands::kLocal}) {
    for (const int from : {118, 131, 136}) {
      SCOPED_TRACE(::testing::Message() << "hands " << static_cast<int>(hands) << " from " << from);
      ModelProver prover{absl::Seconds(30)};
      World world(Options(hands), prover);
      world.refuse_write = [&](const store::Batch&) {
        return world.Head() >= ChainEpoch(from) && world.Head() < ChainEpoch(165);
      };
      world.RunTo(ChainEpoch(200));
      ASSERT_THAT(world.Problems(kFirst), IsEmpty());
      EXPECT_EQ(world.Restarts(), 0);
    }
  }
}

// Nor may an operator who asks meanwhile be told how it was before.
TEST_F(JobScenarioTest, WhatAFullDiskHasNotTakenIsListed) {
  ModelProver prover{absl::Seconds(30)};
  World world(Options(Hands::kModel), prover);
  world.refuse_write = [&](const store::Batch&) { return world.Head() >= ChainEpoch(118); };
  world.RunTo(ChainEpoch(158));
  std::map<ChainEpoch, poster::DeadlineState> listed;
  for (const poster::DeadlineRecord& record : world.Listed()) {
    EXPECT_TRUE(listed.emplace(record.deadline.open, record.state).second) << "twice";
  }
  EXPECT_EQ(listed[ChainEpoch(130)], poster::DeadlineState::kConfirmed);
  EXPECT_GT(listed[ChainEpoch(150)], poster::DeadlineState::kPreparing);
  for (const poster::DeadlineRecord& record : world.Records()) {
    EXPECT_LT(record.deadline.open, ChainEpoch(130)) << "the disk took it";
  }
}

// The manager dies while the disk is full: it comes back with what is on the disk, and the proofs
// that its workers keep are not made again.
TEST_F(JobScenarioTest, AManagerThatDiesWithAFullDiskCostsNoWindow) {
  for (std::int64_t dies = 127; dies < 140; ++dies) {
    SCOPED_TRACE(::testing::Message() << "dies at " << dies);
    ModelProver prover{absl::Seconds(30)};
    World world(Options(Hands::kAgents), prover);
    world.refuse_write = [&](const store::Batch&) {
      return world.Head() >= ChainEpoch(125) && world.Head() < ChainEpoch(165);
    };
    world.on_block = [&](ChainEpoch epoch) {
      if (epoch.Value() == dies) world.KillManager();
    };
    world.RunTo(ChainEpoch(200));
    ASSERT_THAT(world.Problems(kFirst), IsEmpty());
    EXPECT_EQ(world.Restarts(), 1);
  }
}

}  // namespace
}  // namespace damocles::simulation
