// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// Deadlines of one to six partitions of the chain whose proofs have fewer partitions: sectors are
// faulty, skipped, terminated and recovering at random.  Hub, agents and queue are those of the
// programs, with workers and in local mode; the devnet judges by the actor's rule.

#include <algorithm>
#include <cstdlib>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "damocles/base/log.h"
#include "damocles/filecoin/cbor.h"
#include "damocles/filecoin/miner_params.h"
#include "damocles/simulation/world.h"

namespace damocles::simulation {
namespace {

using filecoin::ChainEpoch;
using filecoin::EpochDelta;
using filecoin::SectorNumber;
using ::testing::IsEmpty;
using Hands = WorldOptions::Hands;

constexpr filecoin::ActorId kMiner = 1000;
constexpr ChainEpoch kFirstWindow{120};
constexpr EpochDelta kPeriod{120};
constexpr EpochDelta kWindow{10};

// A partition whose good sector is always there.  The other one comes and goes: were both bad, the
// window would be lost with right.
struct Pair {
  std::uint64_t deadline = 0;
  std::uint64_t partition = 0;
  SectorNumber good = 0;
  SectorNumber frail = 0;
  bool ended = false;  // the frail one was terminated
};

class Turmoil {
 public:
  Turmoil(std::uint64_t seed, Hands hands, ModelProver& prover) : random_(seed), prover_(prover) {
    WorldOptions options;
    options.seed = seed;
    options.hands = hands;
    options.config = SmallConfig();
    options.poster.recovering_alone = random_.Below(2) == 0;
    options.poster.max_partitions_per_message = random_.Below(4);  // 0: what the chain allows
    devnet::GenesisMiner miner;
    miner.id = kMiner;
    SectorNumber number = 1;
    for (std::uint64_t count = 1; count <= 6; ++count) {
      const std::uint64_t deadline = 2 * count - 1;
      for (std::uint64_t partition = 0; partition < count; ++partition) {
        Pair pair{
            .deadline = deadline, .partition = partition, .good = number, .frail = number + 1};
        if (random_.Below(2) == 0) std::swap(pair.good, pair.frail);
        pairs_.push_back(pair);
        for (int i = 0; i < 2; ++i, ++number) {
          devnet::GenesisSector sector;
          sector.number = number;
          StoreLe64(number * 1'000'003, sector.comm_r.data());
          sector.deadline = deadline;
          sector.partition = partition;
          miner.sectors.push_back(sector);
        }
      }
    }
    options.miners = {std::move(miner)};
    world_.emplace(std::move(options), prover_);
    world_->on_block = [this](ChainEpoch epoch) { Change(epoch); };
  }

  void Run(int periods) { world_->RunTo(kFirstWindow + kPeriod * periods + EpochDelta(20)); }

  std::string Problems() { return world_->Problems(kFirstWindow, ever_bad_); }

  // How many proofs the chain took that have fewer partitions than the message names, and all.
  std::pair<int, int> Shorter() {
    int shorter = 0;
    int all = 0;
    for (const devnet::ExecutedPost& post : world_->chain().ExecutedPosts()) {
      if (!post.post) continue;
      ++all;
      const std::uint64_t partitions = post.post->proof.size() / filecoin::kProofPartitionBytes;
      EXPECT_EQ(partitions, (post.post->sectors.size() + 1) / 2) << "two sectors a partition";
      shorter += partitions < post.post->partitions.size() ? 1 : 0;
    }
    return {shorter, all};
  }

  // Seen on chain so far, over all periods.
  std::set<SectorNumber> faulty, recovering, terminated;

 private:
  // Half a period before a deadline opens, so that its cut-off is far, its sectors change.
  void Change(ChainEpoch epoch) {
    Note();
    const std::int64_t since = (epoch - kFirstWindow).Count();
    if (since < -kPeriod.Count() / 2 || since % kWindow.Count() != 0) return;
    const auto index =
        static_cast<std::uint64_t>(((since + kPeriod.Count() / 2) / kWindow.Count()) % 12);
    for (Pair& pair : pairs_) {
      if (pair.deadline != index || pair.ended) continue;
      switch (random_.Below(6)) {
        case 0:
        case 1:
          world_->unreadable.insert(pair.frail);
          ever_bad_.insert(pair.frail);
          break;
        case 2:
          prover_.damaged.insert(pair.frail);
          ever_bad_.insert(pair.frail);
          break;
        case 3:
          if (random_.Below(3) == 0) End(pair);
          break;
        default:
          world_->unreadable.erase(pair.frail);
          prover_.damaged.erase(pair.frail);
      }
    }
  }

  void End(Pair& pair) {
    const auto miner = world_->chain().MinerAfterHead(kMiner);
    ASSERT_TRUE(miner.ok());
    filecoin::TerminateSectorsParams params;
    params.entries.resize(1);
    params.entries[0].deadline = pair.deadline;
    params.entries[0].partition = pair.partition;
    params.entries[0].sectors.Set(pair.frail);
    filecoin::Message message;
    message.to = filecoin::Address::FromId(kMiner);
    message.from = filecoin::Address::FromId(miner->owner);
    message.method = filecoin::kMethodTerminateSectors;
    message.params = filecoin::cbor::Encode(params);
    ASSERT_TRUE(world_->chain().MpoolPushMessage(message, std::nullopt).ok());
    pair.ended = true;
  }

  void Note() {
    const auto miner = world_->chain().MinerAfterHead(kMiner);
    ASSERT_TRUE(miner.ok());
    for (const auto& deadline : miner->deadlines) {
      for (const devnet::PartitionRecord& partition : deadline->partitions) {
        for (const std::uint64_t sector : partition.faults) faulty.insert(sector);
        for (const std::uint64_t sector : partition.recoveries) recovering.insert(sector);
        for (const std::uint64_t sector : partition.terminated) terminated.insert(sector);
      }
    }
  }

  SeededRandom random_;
  ModelProver& prover_;
  std::vector<Pair> pairs_;
  std::set<SectorNumber> ever_bad_;
  std::optional<World> world_;
};

class PartitionScenarioTest : public ::testing::TestWithParam<Hands> {
 protected:
  void SetUp() override {
    if (std::getenv("DAMOCLES_SCENARIO_LOG") == nullptr) {
      SetLogSink([](Severity, std::string_view) {});
    }
  }
  void TearDown() override { SetLogSink({}); }
};

// A planted fault this must catch: the length of a proof by the chain's partitions.
TEST_P(PartitionScenarioTest, ProofsHaveTheLengthOfWhatTheyShow) {
  int shorter = 0;
  int all = 0;
  std::size_t faulty = 0;
  std::size_t recovering = 0;
  std::size_t terminated = 0;
  for (std::uint64_t seed = 1; seed <= 8 && !HasFailure(); ++seed) {
    SCOPED_TRACE(::testing::Message() << "seed " << seed);
    ModelProver prover(absl::Seconds(30));
    Turmoil turmoil(seed, GetParam(), prover);
    turmoil.Run(4);
    ASSERT_THAT(turmoil.Problems(), IsEmpty());
    const auto [few, proofs] = turmoil.Shorter();
    shorter += few;
    all += proofs;
    faulty += turmoil.faulty.size();
    recovering += turmoil.recovering.size();
    terminated += turmoil.terminated.size();
  }
  // That it was not all about nothing.
  EXPECT_GT(all, 8 * 24);
  EXPECT_GT(shorter, all / 10);
  EXPECT_GT(faulty, 60u);
  EXPECT_GT(recovering, 30u);
  EXPECT_GT(terminated, 12u);
}

INSTANTIATE_TEST_SUITE_P(Hands, PartitionScenarioTest,
                         ::testing::Values(Hands::kModel, Hands::kAgents, Hands::kLocal),
                         [](const auto& tested) -> std::string {
                           switch (tested.param) {
                             case Hands::kModel:
                               return "AtTheQueue";
                             case Hands::kAgents:
                               return "Workers";
                             case Hands::kLocal:
                               return "LocalMode";
                           }
                           return "";
                         });

}  // namespace
}  // namespace damocles::simulation
