// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// Whole proving periods in virtual time, with faults.  What must hold is in World::Problems: no
// partition missed, none posted twice, no message that fails, no readable sector skipped, every
// record of the manager confirmed.

#include <cstdlib>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/log_lines.h"

#include "damocles/base/log.h"
#include "damocles/filecoin/miner_params.h"
#include "damocles/poster/recovery.h"
#include "damocles/simulation/world.h"

namespace damocles::simulation {
namespace {

using filecoin::ChainEpoch;
using filecoin::EpochDelta;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class PosterScenarioTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (std::getenv("DAMOCLES_SCENARIO_LOG") == nullptr) {
      SetLogSink([](Severity, std::string_view) {});
    }
  }
  void TearDown() override { SetLogSink({}); }

  static constexpr ChainEpoch kSmallFirst{120};  // first window of SmallConfig
  ModelProver prover_{absl::Seconds(30)};
};

// One miner with two partitions in deadline 1 and 2: small, to be run hundreds of times.
WorldOptions SmallOptions() {
  WorldOptions options;
  options.config = SmallConfig();
  options.miners = {MinerWith(1000, {1, 2}, 2)};
  return options;
}
// Past the confirmation of deadline 2, which closes at 150.
constexpr ChainEpoch kSmallEnd{162};

WorldOptions DayOptions(std::uint64_t seed) {
  WorldOptions options;
  options.seed = seed;
  options.config = DayConfig();
  std::vector<std::uint64_t> all;
  for (std::uint64_t deadline = 0; deadline < 48; ++deadline) all.push_back(deadline);
  options.miners = {MinerWith(1000, all, 1), MinerWith(1001, all, 2),
                    MinerWith(1002, {0, 5, 20, 47}, 5)};
  options.workers = 4;
  return options;
}
constexpr ChainEpoch kDayFirst{480};

TEST_F(PosterScenarioTest, PeriodsOfSeveralMinersWithoutTrouble) {
  World world(DayOptions(1), prover_);
  world.RunTo(ChainEpoch(480 + 2 * 480 + 40));
  EXPECT_THAT(world.Problems(kDayFirst), IsEmpty());
  EXPECT_GE(world.chain().ExecutedPosts().size(), 2u * (48 + 48 + 8));
}

TEST_F(PosterScenarioTest, QuietWindowSendsOneMessageABatch) {
  World world(SmallOptions(), prover_);
  world.RunTo(kSmallEnd);
  EXPECT_THAT(world.Problems(kSmallFirst), IsEmpty());
  EXPECT_EQ(world.api().Calls("MpoolPushMessage"), 2u);
  EXPECT_EQ(world.chain().ExecutedPosts().size(), 2u);
}

TEST_F(PosterScenarioTest, LogLinesCarryWhatTheyAreAboutInFields) {
  std::string log;
  SetLogSink([&](Severity, std::string_view line) { log += std::string(line) + "\n"; });
  World world(SmallOptions(), prover_);
  world.RunTo(kSmallEnd);
  EXPECT_THAT(log, HasSubstr("poster batch_state miner=f01000 deadline=1 open=130 partitions=0,1 "
                             "state=Submitting"));
  EXPECT_THAT(log, ::testing::Not(HasSubstr("what=")));
}

TEST_F(PosterScenarioTest, HistoryIsSmallAndListedInParts) {
  const WorldOptions options = SmallOptions();
  World world(options, prover_);
  world.unreadable = {1};
  world.RunTo(kSmallEnd + options.poster.confirmation_depth);
  int over = 0;
  for (const poster::DeadlineRecord& record : world.Records()) {
    if (record.deadline.close + options.poster.confirmation_depth > world.Head()) continue;
    ++over;
    const auto plan = world.disk().Get(PlanRowKey(record.Key()));
    ASSERT_TRUE(plan.ok());
    EXPECT_FALSE(plan->has_value()) << "the plan of a record that ended";
    const bool first = record.deadline.open == ChainEpoch(130);
    EXPECT_EQ(record.skipped_count, first ? 1u : 0u);
  }
  EXPECT_GE(over, 2);
  poster::RecordFilter filter;
  filter.miner = 1000;
  filter.limit = 2;
  auto listed = poster::ListRecords(world.disk(), filter);
  ASSERT_TRUE(listed.ok());
  ASSERT_EQ(listed->size(), 2u);
  EXPECT_GT((*listed)[0].deadline.open, (*listed)[1].deadline.open);
  EXPECT_EQ((*listed)[0].deadline.open, world.Records()[0].deadline.open) << "the newest";
  filter.limit = 0;
  filter.open_from = ChainEpoch(140);
  listed = poster::ListRecords(world.disk(), filter);
  ASSERT_TRUE(listed.ok());
  ASSERT_FALSE(listed->empty());
  EXPECT_EQ(listed->back().deadline.open, ChainEpoch(140));
  filter.miner = 1001;
  listed = poster::ListRecords(world.disk(), filter);
  ASSERT_TRUE(listed.ok());
  EXPECT_TRUE(listed->empty());
}

// A planted fault this must catch: the record written after the send.
TEST_F(PosterScenarioTest, RecordIsOnDiskBeforeThePush) {
  World world(SmallOptions(), prover_);
  int pushes = 0;
  world.api().OnPush([&](const filecoin::Message& message, const chain::MessageSendSpec& spec) {
    if (message.method != filecoin::kMethodSubmitWindowedPoSt) return;
    ++pushes;
    bool found = false;
    for (const poster::DeadlineRecord& record : world.Records()) {
      for (const poster::PartitionBatch& batch : record.batches) {
        found = found ||
                (batch.state == poster::DeadlineState::kSubmitting &&
                 batch.message.uuid == spec.msg_uuid && batch.message.params == message.params);
      }
    }
    EXPECT_TRUE(found) << "the message at epoch " << world.Head() << " is not in any record";
  });
  world.RunTo(kSmallEnd);
  EXPECT_EQ(pushes, 2);
}

TEST_F(PosterScenarioTest, ManagerKilledAfterEveryWrite) {
  std::uint64_t writes = 0;
  {
    World world(SmallOptions(), prover_);
    const std::uint64_t before = world.Writes();
    world.RunTo(kSmallEnd);
    writes = world.Writes() - before;
  }
  ASSERT_GT(writes, 20u);
  for (std::uint64_t k = 1; k <= writes; ++k) {
    SCOPED_TRACE("killed after write " + std::to_string(k));
    prover_.proofs = 0;
    World world(SmallOptions(), prover_);
    world.KillAtWrite(k);
    world.RunTo(kSmallEnd);
    ASSERT_EQ(world.Restarts(), 1);
    ASSERT_EQ(prover_.proofs, 2u) << "one for each batch: a restart proves nothing twice";
    ASSERT_THAT(world.Problems(kSmallFirst), IsEmpty());
    ASSERT_EQ(world.chain().ExecutedPosts().size(), 2u);
  }
}

// Of every kind of call that a look at a batch is made of, each one at a time goes wrong: the
// messages go out in the same epoch all the same.  A planted fault this must catch: a call of a
// look that is asked only once.
TEST_F(PosterScenarioTest, OneCallOfALookThatFailsDelaysNoMessage) {
  const auto pushed_at = [this](const std::string& method, std::uint64_t n, CallFault fault,
                                std::uint64_t* calls) {
    std::vector<std::int64_t> epochs;
    World world(SmallOptions(), prover_);
    if (n > 0) world.api().Plan(n, fault, method);
    world.api().OnPush([&](const filecoin::Message& message, const chain::MessageSendSpec&) {
      if (message.method != filecoin::kMethodSubmitWindowedPoSt) return;
      epochs.push_back(world.Head().Value());
    });
    world.RunTo(kSmallEnd);
    EXPECT_THAT(world.Problems(kSmallFirst), IsEmpty());
    if (calls != nullptr) *calls = world.api().Calls(method);
    return epochs;
  };
  const std::vector<std::int64_t> quiet = pushed_at("", 0, CallFault::kNone, nullptr);
  ASSERT_EQ(quiet.size(), 2u);
  for (const char* method : {"StateGetRandomnessFromBeacon", "StateGetRandomnessFromTickets",
                             "StateMinerDeadlines", "StateMinerInfo", "StateAccountKey",
                             "MpoolPending", "WalletHas", "WalletBalance", "StateSearchMsg"}) {
    std::uint64_t calls = 0;
    pushed_at(method, 0, CallFault::kNone, &calls);
    ASSERT_GT(calls, 0u) << method;
    for (std::uint64_t n = 1; n <= calls; ++n) {
      for (const CallFault fault : {CallFault::kRefuse, CallFault::kHang, CallFault::kThrow}) {
        EXPECT_EQ(pushed_at(method, n, fault, nullptr), quiet)
            << method << " " << n << " fault " << static_cast<int>(fault);
      }
    }
  }
}

// Every call of every kind, one at a time: refused, done with the answer lost, never answered, and
// answered to a manager that died meanwhile.
class EveryCallTest : public PosterScenarioTest, public ::testing::WithParamInterface<CallFault> {};

TEST_P(EveryCallTest, GoesWrongOnce) {
  std::uint64_t calls = 0;
  {
    World world(SmallOptions(), prover_);
    world.RunTo(kSmallEnd);
    calls = world.api().Calls();
  }
  ASSERT_GT(calls, 30u);
  for (std::uint64_t n = 1; n <= calls; ++n) {
    World world(SmallOptions(), prover_);
    world.api().Plan(n, GetParam());
    world.RunTo(kSmallEnd);
    ASSERT_THAT(world.Problems(kSmallFirst), IsEmpty()) << "call " << n;
    ASSERT_EQ(world.chain().ExecutedPosts().size(), 2u) << "call " << n;
  }
}

INSTANTIATE_TEST_SUITE_P(Faults, EveryCallTest,
                         ::testing::Values(CallFault::kRefuse, CallFault::kLoseAnswer,
                                           CallFault::kHang, CallFault::kDie, CallFault::kThrow,
                                           CallFault::kLate),
                         [](const auto& tested) -> std::string {
                           switch (tested.param) {
                             case CallFault::kRefuse:
                               return "Refused";
                             case CallFault::kLoseAnswer:
                               return "AnswerLost";
                             case CallFault::kHang:
                               return "Hangs";
                             case CallFault::kDie:
                               return "ManagerDies";
                             case CallFault::kThrow:
                               return "Throws";
                             case CallFault::kLate:
                               return "Late";
                             case CallFault::kNone:
                               break;
                           }
                           return "None";
                         });

bool IsPosters(const store::Batch& batch) {
  for (const store::Batch::Operation& operation : batch.Operations()) {
    if (operation.key.starts_with("deadline") || operation.key.starts_with("recovery")) return true;
  }
  return false;
}

// The poster goes on from memory and catches up; a manager killed then finds a record and a plan
// that belong together.  With a fault that the prover finds: what is skipped is in the plan.
TEST_F(PosterScenarioTest, DiskFullAtEveryWriteThenManagerKilled) {
  prover_.damaged = {6};
  for (std::uint64_t first = 1; first <= 30; ++first) {
    for (const std::uint64_t last : {first + 3, first + 9}) {
      for (const bool written_once : {true, false}) {
        SCOPED_TRACE(testing::Message()
                     << "writes " << first << " to " << last << " refused, killed "
                     << (written_once ? "after the next" : "at once"));
        World world(SmallOptions(), prover_);
        std::uint64_t writes = 0;
        world.refuse_write = [&](const store::Batch& batch) {
          if (!IsPosters(batch)) return false;
          ++writes;
          if (written_once && writes == last + 1) world.KillAtWrite(1);
          if (!written_once && writes == last) world.KillManager();
          return first <= writes && writes <= last;
        };
        world.RunTo(kSmallEnd);
        ASSERT_THAT(world.Problems(kSmallFirst, {6}), IsEmpty());
        ASSERT_EQ(world.chain().ExecutedPosts().size(), 2u);
      }
    }
  }
}

TEST_F(PosterScenarioTest, DiskThatStaysFullIsSaidOnceInAWhile) {
  testing_support::LogLines log;
  World world(SmallOptions(), prover_);
  std::uint64_t refused = 0;
  bool full = true;
  world.refuse_write = [&](const store::Batch& batch) {
    if (!full || !IsPosters(batch)) return false;
    ++refused;
    return true;
  };
  world.RunTo(kSmallEnd);
  const absl::Duration lasted = kSmallEnd.Value() * absl::Seconds(30);
  EXPECT_GT(refused, 30u);
  EXPECT_GE(log.Count("record_not_written"), 1u);
  EXPECT_LE(log.Count("record_not_written"),
            1u + static_cast<std::size_t>(lasted / absl::Minutes(10)));
  EXPECT_EQ(log.Count("records_written_again"), 0u);
  full = false;
  world.RunTo(kSmallEnd + filecoin::EpochDelta(3));
  EXPECT_EQ(log.Count("records_written_again"), 1u);
  EXPECT_THAT(world.Problems(kSmallFirst), IsEmpty());
}

// Found by the digest in the record; and a plan or record that cannot be read does not keep the
// manager from starting.
TEST_F(PosterScenarioTest, DamagedRowsAreSetAsideAndReadFromTheChainAgain) {
  std::map<std::string, std::size_t> set_aside;
  for (std::int64_t at = 127; at < 150; ++at) {
    for (const std::string prefix : {"deadline/", "deadline-plan/", "recovery/"}) {
      SCOPED_TRACE(testing::Message() << prefix << " at " << at);
      World world(SmallOptions(), prover_);
      world.RunTo(ChainEpoch(at));
      world.KillManager();
      const auto rows = store::List(world.disk(), prefix);
      ASSERT_TRUE(rows.ok());
      world.Damage(prefix);
      world.RunTo(kSmallEnd);
      ASSERT_THAT(world.Problems(kSmallFirst), IsEmpty());
      ASSERT_EQ(world.chain().ExecutedPosts().size(), 2u);
      const auto aside = store::List(world.disk(), "damaged/" + prefix);
      ASSERT_TRUE(aside.ok());
      if (prefix == "deadline/") {
        ASSERT_EQ(aside->size(), rows->size());
      }
      set_aside[prefix] += aside->size();
    }
  }
  EXPECT_GT(set_aside["deadline/"], 10u);
  EXPECT_GT(set_aside["deadline-plan/"], 10u);
  EXPECT_GT(set_aside["recovery/"], 10u);
}

// An older program that starts on it must meet the number before it meets a row.
TEST_F(PosterScenarioTest, AHomeOfAnOlderFormatSaysTheNewerOneWithItsFirstRow) {
  World world(SmallOptions(), prover_);
  ASSERT_TRUE(store::Put(world.disk(), "format/poster", "1").ok());
  const std::string now = std::to_string(poster::kRowFormat);
  std::size_t rows = 0;
  world.refuse_write = [&](const store::Batch& batch) {
    bool has_row = false;
    bool has_number = *world.disk().Get("format/poster") == now;
    for (const store::Batch::Operation& operation : batch.Operations()) {
      has_row = has_row || operation.key.starts_with(poster::kRecordPrefix);
      has_number = has_number || (operation.key == "format/poster" && operation.value == now);
    }
    rows += has_row ? 1 : 0;
    EXPECT_TRUE(has_number || !has_row);
    return false;
  };
  world.RunTo(ChainEpoch(140));
  EXPECT_GT(rows, 1u);
  EXPECT_EQ(*world.disk().Get("format/poster"), now);
}

// A row that says of itself what no address can hold: the manager starts all the same.
TEST_F(PosterScenarioTest, RowOfAMinerThatCannotBeIsSetAside) {
  World world(SmallOptions(), prover_);
  world.RunTo(ChainEpoch(127));
  ASSERT_FALSE(world.Records().empty());
  poster::DeadlineRecord record = world.Records().front();
  record.miner = std::uint64_t{1} << 63;
  const std::string key = poster::RecordRowKey(record.Key());
  ASSERT_TRUE(store::Put(world.disk(), key, poster::EncodeRecord(record)).ok());
  poster::RecoveryRecord recovery;
  recovery.miner = record.miner;
  recovery.target = record.deadline;
  const std::string other = poster::RecoveryRowKey(recovery.Key());
  ASSERT_TRUE(store::Put(world.disk(), other, poster::EncodeRecovery(recovery)).ok());
  world.KillManager();
  world.RunTo(kSmallEnd);
  EXPECT_EQ(world.Restarts(), 1);
  EXPECT_THAT(world.Problems(kSmallFirst), IsEmpty());
  for (const std::string& row : {key, other}) {
    EXPECT_FALSE(world.disk().Get(row)->has_value());
    EXPECT_TRUE(world.disk().Get(std::string(poster::kDamagedPrefix) + row)->has_value());
  }
}

TEST_F(PosterScenarioTest, MinerDisabledAndEnabledAgainByReload) {
  for (std::int64_t at = 125; at < 150; ++at) {
    SCOPED_TRACE(testing::Message() << "disabled at " << at);
    World world(SmallOptions(), prover_);
    world.RunTo(ChainEpoch(at));
    world.SetEnabled(false);
    world.RunTo(ChainEpoch(at + 2));
    world.SetEnabled(true);
    world.RunTo(kSmallEnd);
    ASSERT_THAT(world.Problems(kSmallFirst), IsEmpty());
    ASSERT_EQ(world.chain().ExecutedPosts().size(), 2u);
  }
}

TEST_F(PosterScenarioTest, RecoveryGoesOnWhenTheMinerIsEnabledAgain) {
  for (std::int64_t at = 220; at < 245; ++at) {
    SCOPED_TRACE(testing::Message() << "disabled at " << at);
    World world(SmallOptions(), prover_);
    world.unreadable = {1};
    world.RunTo(kSmallEnd);
    world.unreadable.clear();
    world.RunTo(ChainEpoch(at));
    world.SetEnabled(false);
    world.RunTo(ChainEpoch(at + 2));
    world.SetEnabled(true);
    world.RunTo(ChainEpoch(275));
    ASSERT_THAT(world.Problems(kSmallFirst, {1}), IsEmpty());
    const auto miner = world.chain().MinerAfterHead(1000);
    ASSERT_TRUE(miner.ok());
    for (const auto& deadline : miner->deadlines) {
      for (const devnet::PartitionRecord& partition : deadline->partitions) {
        ASSERT_TRUE(partition.faults.Empty()) << partition.faults;
      }
    }
  }
}

// Two windows with something to prove and two without pass while the manager is down.
TEST_F(PosterScenarioTest, WindowsThatPassedWithoutAManagerAreMissedInTheRecords) {
  WorldOptions options = SmallOptions();
  options.restart_after = absl::Seconds(30 * 41);
  World world(options, prover_);
  world.RunTo(ChainEpoch(244));
  world.KillManager();
  world.RunTo(ChainEpoch(290));
  std::map<std::int64_t, poster::DeadlineRecord> records;
  for (const poster::DeadlineRecord& record : world.Records()) {
    EXPECT_TRUE(records.emplace(record.deadline.open.Value(), record).second);
  }
  for (const std::int64_t open : {250, 260}) {
    ASSERT_TRUE(records.contains(open)) << open;
    EXPECT_EQ(records[open].state, poster::DeadlineState::kMissed);
    EXPECT_THAT(records[open].reason, HasSubstr("partition 0,1 was not proven"));
    EXPECT_THAT(records[open].reason, HasSubstr("not running"));
  }
  ASSERT_TRUE(records.contains(270));
  EXPECT_EQ(records[270].state, poster::DeadlineState::kConfirmed);
  // No gap before the manager's first window, and none at an ordinary restart.
  EXPECT_FALSE(records.contains(100));
}

TEST_F(PosterScenarioTest, ReorgAtEveryEpochOfAWindow) {
  for (std::int64_t at = 124; at < 158; ++at) {
    for (const std::uint64_t depth : {1u, 3u, 8u}) {
      // In its last epoch nothing can bring back a message that was older than that.
      const bool too_late = depth > 3 && (at == 139 || at == 149);
      if (too_late) continue;
      SCOPED_TRACE("reorg of " + std::to_string(depth) + " at epoch " + std::to_string(at));
      World world(SmallOptions(), prover_);
      bool done = false;
      world.on_block = [&](ChainEpoch head) {
        if (head < ChainEpoch(at) || done) return;
        done = true;
        ASSERT_TRUE(world.chain().Reorg(depth).ok());
      };
      world.RunTo(kSmallEnd + EpochDelta(10));
      std::string missed;
      for (const poster::DeadlineRecord& record : world.Records()) {
        if (record.state == poster::DeadlineState::kMissed) missed += record.reason;
      }
      // A reorg this deep late in a window can make an honest message fail (its randomness is of
      // the other branch); it must not cost the window.
      ASSERT_THAT(missed, IsEmpty());
      for (const devnet::DeadlineOutcome& outcome : world.chain().DeadlineOutcomes()) {
        if (outcome.epoch < kSmallFirst) continue;
        for (const devnet::PartitionEnd& partition : outcome.end.partitions) {
          ASSERT_TRUE(partition.posted || !partition.must_be_posted)
              << "deadline " << outcome.end.deadline;
        }
      }
    }
  }
}

TEST_F(PosterScenarioTest, NullRoundsEverywhere) {
  for (std::uint64_t seed = 1; seed <= 5; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    WorldOptions options = DayOptions(seed);
    options.null_rounds = 250;
    World world(options, prover_);
    world.RunTo(ChainEpoch(480 + 480));
    EXPECT_THAT(world.Problems(kDayFirst), IsEmpty());
  }
}

TEST_F(PosterScenarioTest, WorkersAndManagerDieAgainAndAgain) {
  for (std::uint64_t seed = 1; seed <= 3; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    WorldOptions options = DayOptions(seed);
    options.worker_deaths = 80;
    options.manager_deaths = 80;
    World world(options, prover_);
    world.RunTo(ChainEpoch(480 + 480));
    EXPECT_GT(world.Restarts(), 10);
    EXPECT_THAT(world.Problems(kDayFirst), IsEmpty());
  }
}

TEST_F(PosterScenarioTest, NodeAnswersBadlyAllTheTime) {
  for (std::uint64_t seed = 1; seed <= 3; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    WorldOptions options = DayOptions(seed);
    options.call_faults = 30;
    World world(options, prover_);
    world.RunTo(ChainEpoch(480 + 480));
    EXPECT_THAT(world.Problems(kDayFirst), IsEmpty());
  }
}

TEST_F(PosterScenarioTest, NodeDownFromTheChallengeUntilLateInTheWindow) {
  World world(SmallOptions(), prover_);
  world.RunTo(ChainEpoch(124));
  world.node().SetDown(true);
  world.RunTo(ChainEpoch(133));
  world.node().SetDown(false);
  world.RunTo(kSmallEnd);
  EXPECT_THAT(world.Problems(kSmallFirst), IsEmpty());
}

TEST_F(PosterScenarioTest, SilentSubscriptionIsNoticed) {
  World world(SmallOptions(), prover_);
  world.RunTo(ChainEpoch(121));
  world.node().SetSilent(true);
  world.RunTo(kSmallEnd);
  EXPECT_THAT(world.Problems(kSmallFirst), IsEmpty());
}

TEST_F(PosterScenarioTest, DroppedMessageIsPushedAgain) {
  World world(SmallOptions(), prover_);
  ASSERT_TRUE(world.chain().DropNextMessages(1).ok());
  world.RunTo(kSmallEnd);
  EXPECT_THAT(world.Problems(kSmallFirst), IsEmpty());
  EXPECT_EQ(world.chain().ExecutedPosts().size(), 2u);
}

TEST_F(PosterScenarioTest, MessageThatIsDroppedNearTheCloseIsPushedAgainInTime) {
  WorldOptions options = SmallOptions();
  options.poster.submit_confidence = EpochDelta(5);  // half of the window is over
  World world(options, prover_);
  ASSERT_TRUE(world.chain().DropNextMessages(1).ok());
  world.RunTo(kSmallEnd);
  EXPECT_THAT(world.Problems(kSmallFirst), IsEmpty());
  EXPECT_EQ(world.chain().ExecutedPosts().size(), 2u);
}

TEST_F(PosterScenarioTest, UnreadableAndDamagedSectorsAreSkippedAndLaterRecovered) {
  World world(SmallOptions(), prover_);
  world.unreadable = {1};
  prover_.damaged = {6};
  world.RunTo(kSmallEnd);
  EXPECT_THAT(world.Problems(kSmallFirst, {1, 6}), IsEmpty());
  // Repaired before the next period: declared recovered in time, and proven.
  world.unreadable.clear();
  prover_.damaged.clear();
  world.RunTo(kSmallEnd + EpochDelta(120));
  EXPECT_THAT(world.Problems(kSmallFirst, {1, 6}), IsEmpty());
  const auto miner = world.chain().MinerAfterHead(1000);
  ASSERT_TRUE(miner.ok());
  for (const auto& deadline : miner->deadlines) {
    for (const devnet::PartitionRecord& partition : deadline->partitions) {
      EXPECT_TRUE(partition.faults.Empty()) << partition.faults;
    }
  }
}

// A planted fault this must catch: one worker's word is taken for the state of the sectors.
TEST_F(PosterScenarioTest, WorkerWithoutItsMountCostsNothing) {
  {
    World world(SmallOptions(), prover_);  // one bad worker, one good one
    world.blind_workers = {0};
    world.RunTo(kSmallEnd);
    EXPECT_THAT(world.Problems(kSmallFirst), IsEmpty());
  }
  World world(DayOptions(1), prover_);
  world.blind_workers = {0};
  world.RunTo(ChainEpoch(480 + 240));
  EXPECT_THAT(world.Problems(kDayFirst), IsEmpty());
}

TEST_F(PosterScenarioTest, MountThatComesBackInTheWindowIsProven) {
  World world(SmallOptions(), prover_);
  world.blind_workers = {0, 1};
  world.on_block = [&](ChainEpoch head) {
    if (head == ChainEpoch(134)) world.blind_workers.clear();
  };
  world.RunTo(kSmallEnd);
  EXPECT_THAT(world.Problems(kSmallFirst), IsEmpty());
}

// A planted fault this must catch: the message pushed again while the node is at work on it.
TEST_F(PosterScenarioTest, PushThatTheNodeDoesAfterOurTimeOutIsNotRepeated) {
  for (const std::uint64_t push : {1u, 2u}) {
    World world(SmallOptions(), prover_);
    world.api().Plan(push, CallFault::kLate, "MpoolPushMessage");
    world.RunTo(kSmallEnd);
    EXPECT_THAT(world.Problems(kSmallFirst), IsEmpty());
    EXPECT_EQ(world.api().Calls("MpoolPushMessage"), 2u);
    EXPECT_EQ(world.chain().ExecutedPosts().size(), 2u);
  }
  // Without the patience there are two messages: this world can show it.
  WorldOptions impatient = SmallOptions();
  impatient.poster.dropped_after_heads = 0;
  impatient.poster.push_may_take = absl::ZeroDuration();
  World world(impatient, prover_);
  world.api().Plan(1, CallFault::kLate, "MpoolPushMessage");
  world.RunTo(kSmallEnd);
  EXPECT_THAT(world.Problems(kSmallFirst), HasSubstr("failed with 16"));
}

TEST_F(PosterScenarioTest, BrokenEstimatorCostsNoWindow) {
  World world(SmallOptions(), prover_);
  world.api().Break("GasEstimateGasLimit");
  world.RunTo(kSmallEnd);
  EXPECT_THAT(world.Problems(kSmallFirst), IsEmpty());
  EXPECT_EQ(world.chain().ExecutedPosts().size(), 2u);
}

TEST_F(PosterScenarioTest, BaseFeeAboveTheFeeCapIsMetByAReplacement) {
  const filecoin::TokenAmount nano = 1'000'000'000;
  for (const bool may_raise : {true, false}) {
    WorldOptions options = SmallOptions();
    options.fees.gas_fee_cap = nano * 5;
    options.fees.max_gas_fee_cap = nano * (may_raise ? 20 : 5);
    World world(options, prover_);
    world.on_block = [&](ChainEpoch head) {  // it would fall by itself
      if (head >= ChainEpoch(130)) (void)world.chain().SetBaseFee(nano * 8);
    };
    world.RunTo(kSmallEnd);
    if (may_raise) {
      EXPECT_THAT(world.Problems(kSmallFirst), IsEmpty());
      EXPECT_EQ(world.chain().ExecutedPosts().size(), 2u);
    } else {
      EXPECT_THAT(world.Problems(kSmallFirst), HasSubstr("missed"));
    }
  }
}

// Two windows whose messages wait until their fee is raised.
struct FeeRises {
  static WorldOptions Options() {
    const filecoin::TokenAmount nano = 1'000'000'000;
    WorldOptions options = SmallOptions();
    options.fees.gas_fee_cap = nano * 5;
    options.fees.max_gas_fee_cap = nano * 20;
    return options;
  }
  static void Begin(World& world) {
    world.on_block = [&world](ChainEpoch head) {
      if (head >= ChainEpoch(130)) (void)world.chain().SetBaseFee(8'000'000'000);
    };
  }
};

// A planted fault this must catch: a message with a higher fee that is pushed first and recorded
// then.
TEST_F(PosterScenarioTest, ReplacementIsOnDiskBeforeItIsPushed) {
  World world(FeeRises::Options(), prover_);
  FeeRises::Begin(world);
  int pushes = 0;
  world.api().on_push_signed = [&](const filecoin::SignedMessage& pushed) {
    ++pushes;
    bool found = false;
    for (const poster::DeadlineRecord& record : world.Records()) {
      for (const poster::PartitionBatch& batch : record.batches) {
        found = found || batch.message.signed_message == filecoin::cbor::Encode(pushed);
      }
    }
    EXPECT_TRUE(found) << "the message at epoch " << world.Head() << " is not in any record";
  };
  world.RunTo(kSmallEnd);
  EXPECT_GE(pushes, 2);
  EXPECT_THAT(world.Problems(kSmallFirst), IsEmpty());
}

// Also between the record of a replacement and its push.
TEST_F(PosterScenarioTest, ManagerKilledAfterEveryWriteWhileFeesRise) {
  std::uint64_t writes = 0;
  {
    World world(FeeRises::Options(), prover_);
    FeeRises::Begin(world);
    const std::uint64_t before = world.Writes();
    world.RunTo(kSmallEnd);
    writes = world.Writes() - before;
  }
  for (std::uint64_t k = 1; k <= writes; ++k) {
    SCOPED_TRACE("killed after write " + std::to_string(k));
    World world(FeeRises::Options(), prover_);
    FeeRises::Begin(world);
    world.KillAtWrite(k);
    world.RunTo(kSmallEnd);
    ASSERT_EQ(world.Restarts(), 1);
    ASSERT_THAT(world.Problems(kSmallFirst), IsEmpty());
    ASSERT_EQ(world.chain().ExecutedPosts().size(), 2u);
  }
}

TEST_F(PosterScenarioTest, EveryPushOfAReplacementGoesWrongOnce) {
  for (const CallFault fault : {CallFault::kRefuse, CallFault::kLoseAnswer, CallFault::kHang,
                                CallFault::kDie, CallFault::kThrow}) {
    for (std::uint64_t push = 1; push <= 2; ++push) {
      SCOPED_TRACE(std::to_string(static_cast<int>(fault)) + " at push " + std::to_string(push));
      World world(FeeRises::Options(), prover_);
      FeeRises::Begin(world);
      world.api().Plan(push, fault, "MpoolPush");
      world.RunTo(kSmallEnd);
      EXPECT_THAT(world.Problems(kSmallFirst), IsEmpty());
      EXPECT_EQ(world.chain().ExecutedPosts().size(), 2u);
    }
  }
}

// A node refuses a message whose fee cap the sender could not pay, and twice the base fee may be
// that.
TEST_F(PosterScenarioTest, ReplacementAsksForNoMoreThanTheSenderHas) {
  const filecoin::TokenAmount nano = 1'000'000'000;
  WorldOptions options = SmallOptions();
  options.miners = {MinerWith(1000, {1}, 2)};
  options.fees.gas_fee_cap = nano * 5;
  options.fees.max_gas_fee_cap = nano * 50;
  World world(options, prover_);
  // 36 M gas: 0.9 FIL are 25 nanoFIL each, between the base fee and twice that.
  const filecoin::TokenAmount left = nano * 900'000'000;
  for (const filecoin::Address& sender : world.chain().WalletList()) {
    filecoin::Message drain;
    drain.from = sender;
    drain.to = filecoin::Address::FromId(1000);
    drain.value = world.chain().WalletBalance(sender).value() - left;
    ASSERT_TRUE(world.chain().MpoolPushMessage(drain, std::nullopt).ok());
  }
  world.on_block = [&](ChainEpoch head) {
    if (head >= ChainEpoch(130)) (void)world.chain().SetBaseFee(nano * 15);
  };
  world.RunTo(kSmallEnd);
  EXPECT_THAT(world.Problems(kSmallFirst), IsEmpty());
  EXPECT_EQ(world.chain().ExecutedPosts().size(), 1u);
}

// What the message asks for is what the operator configured, whatever the node's defaults are.
TEST_F(PosterScenarioTest, GasAndFeesAreThoseOfTheConfiguration) {
  WorldOptions options = SmallOptions();
  options.fees.gas_fee_cap = 7'000'000;
  options.fees.gas_over_estimation = 3;
  options.fees.gas_over_premium = 2;
  World world(options, prover_);
  int pushes = 0;
  world.api().OnPush([&](const filecoin::Message& message, const chain::MessageSendSpec& spec) {
    ++pushes;
    EXPECT_EQ(message.gas_limit, 3 * 30'000'000) << "what the devnet takes for two partitions";
    EXPECT_EQ(message.gas_fee_cap, filecoin::TokenAmount(7'000'000));
    EXPECT_EQ(message.gas_premium, filecoin::TokenAmount(200'000)) << "twice the devnet's";
    EXPECT_EQ(spec.max_fee, message.gas_fee_cap * message.gas_limit);
    EXPECT_FALSE(spec.maximize_fee_cap) << "it would override the cap";
  });
  world.RunTo(kSmallEnd);
  EXPECT_EQ(pushes, 2);
  EXPECT_THAT(world.Problems(kSmallFirst), IsEmpty());
}

TEST_F(PosterScenarioTest, PartitionWithNothingReadableIsNotPosted) {
  World world(SmallOptions(), prover_);
  world.unreadable = {1, 2};
  world.RunTo(kSmallEnd);
  EXPECT_THAT(world.Problems(kSmallFirst), HasSubstr("deadline 1 partition 0 open 130: missed"));
  for (const devnet::ExecutedPost& post : world.chain().ExecutedPosts()) {
    EXPECT_EQ(post.exit_code, 0) << post.error;
  }
}

TEST_F(PosterScenarioTest, WithoutWorkersTheWindowIsMissedAndSaidSo) {
  WorldOptions options = SmallOptions();
  options.workers = 0;
  World world(options, prover_);
  world.RunTo(kSmallEnd);
  EXPECT_THAT(world.Problems(kSmallFirst), HasSubstr("before there was a proof"));
}

TEST_F(PosterScenarioTest, SameSeedSameHistory) {
  const auto history = [&](std::uint64_t seed) {
    WorldOptions options = DayOptions(seed);
    options.null_rounds = 100;
    options.reorgs = 20;
    options.worker_deaths = 50;
    options.manager_deaths = 20;
    options.call_faults = 50;
    World world(options, prover_);
    world.RunTo(ChainEpoch(480 + 100));
    std::string out;
    for (const poster::DeadlineRecord& record : world.Records()) out += EncodeRecord(record);
    return out + world.chain().ChainHead().Key().ToString();
  };
  EXPECT_EQ(history(7), history(7));
  EXPECT_NE(history(7), history(8));
}

// Everything at once.  A failed seed can be run alone with DAMOCLES_SCENARIO_SEED.
TEST_F(PosterScenarioTest, EverythingAtOnceMissesNothing) {
  const char* one = std::getenv("DAMOCLES_SCENARIO_SEED");
  const std::uint64_t first = one != nullptr ? std::strtoull(one, nullptr, 10) : 1;
  const std::uint64_t last = one != nullptr ? first : 6;
  for (std::uint64_t seed = first; seed <= last; ++seed) {
    SCOPED_TRACE("DAMOCLES_SCENARIO_SEED=" + std::to_string(seed));
    WorldOptions options = DayOptions(seed);
    // Windows of 20 epochs: in one of 10 bad luck alone can use up all the time there is.
    options.config.policy.period = {EpochDelta(480), EpochDelta(20), 24, EpochDelta(5),
                                    EpochDelta(7)};
    std::vector<std::uint64_t> all;
    for (std::uint64_t deadline = 0; deadline < 24; ++deadline) all.push_back(deadline);
    options.miners = {MinerWith(1000, all, 1), MinerWith(1001, all, 2),
                      MinerWith(1002, {0, 5, 20, 23}, 5)};
    options.null_rounds = 80;
    options.reorgs = 30;
    options.reorg_depth_max = 2;
    options.worker_deaths = 120;
    options.manager_deaths = 80;
    options.call_faults = 80;
    World world(options, prover_);
    world.RunTo(ChainEpoch(480 + 480));
    std::string missed;
    for (const poster::DeadlineRecord& record : world.Records()) {
      if (record.state == poster::DeadlineState::kMissed) {
        missed += std::to_string(record.deadline.open.Value()) + ": " + record.reason + "\n";
      }
    }
    EXPECT_THAT(missed, IsEmpty());
    EXPECT_THAT(world.Problems(kDayFirst), ::testing::Not(HasSubstr("missed")));
    EXPECT_THAT(world.Problems(kDayFirst), ::testing::Not(HasSubstr("twice")));
  }
}

}  // namespace
}  // namespace damocles::simulation
