// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// Faults that provers name, and the order of batches, as the deadline machine takes it.

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/poster/machine_bench.h"

#include "damocles/poster/state_machine.h"

namespace damocles::poster {
namespace {

using filecoin::ChainPartition;
using testing::Bench;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::Numbers;
using testing::Partition;

std::vector<filecoin::SectorNumber> Numbers(const std::vector<PlannedSector>& sectors) {
  std::vector<filecoin::SectorNumber> out;
  for (const PlannedSector& sector : sectors) out.push_back(sector.number);
  return out;
}

TEST(ProvingTest, FaultsThatTheManagerSeesTooAreSkippedAndTheRestIsProvenAgain) {
  Bench bench;
  bench.Reach(DeadlineState::kProving);
  bench.unreadable = {3};
  bench.NameFaults("a", {3});
  EXPECT_THAT(Numbers(bench.JudgeFaults().sectors), ElementsAre(3));
  const action::EnsureJob again = bench.EnsureJob();
  EXPECT_THAT(Numbers(again.spec), ElementsAre(1, 2, 4));
  EXPECT_EQ(bench.Batch().job_id, "job2");
  ASSERT_EQ(SkippedSectors(bench.Record()).size(), 1u);
  EXPECT_EQ(SkippedSectors(bench.Record())[0].reason, "gone");
  EXPECT_FALSE(bench.Has<action::DropJob>()) << "operators look at Faults(n)";
}

// One worker's mount is empty: it calls everything faulty.
TEST(ProvingTest, WordOfOneWorkerThatTheManagerDoubtsIsPutToAnother) {
  Bench bench;
  bench.Reach(DeadlineState::kProving);
  bench.NameFaults("a", {1, 2, 3, 4});
  EXPECT_THAT(SkippedSectors(bench.Record()), IsEmpty());
  bench.JudgeFaults();
  EXPECT_THAT(SkippedSectors(bench.Record()), IsEmpty());
  EXPECT_THAT(bench.Batch().note, HasSubstr("worker a could not read 4 sectors"));
  EXPECT_TRUE(bench.log.contains("faults_doubted"));
  const auto reset = bench.Need<action::ResetJob>();
  EXPECT_EQ(reset.job_id, "job1");
  bench.Do(event::JobReset{reset.ref});
  bench.Prove();
  EXPECT_EQ(bench.Batch().state, DeadlineState::kProven);
  EXPECT_THAT(SkippedSectors(bench.Record()), IsEmpty());
}

TEST(ProvingTest, TwoWorkersAreBelieved) {
  Bench bench;
  bench.Reach(DeadlineState::kProving);
  bench.NameFaults("a", {3});
  bench.JudgeFaults();
  bench.ResetJob();
  bench.NameFaults("b", {3});
  EXPECT_FALSE(bench.Has<action::JudgeFaults>());
  EXPECT_THAT(Numbers(bench.EnsureJob().spec), ElementsAre(1, 2, 4));
}

TEST(ProvingTest, OtherSectorsOfTheSecondWorkerAreDoubtedAgain) {
  Bench bench;
  bench.Reach(DeadlineState::kProving);
  bench.NameFaults("a", {3});
  bench.JudgeFaults();
  bench.ResetJob();
  bench.NameFaults("b", {1, 3});
  EXPECT_THAT(Numbers(bench.JudgeFaults().sectors), ElementsAre(1));
  bench.Pause(*bench.wake_at - bench.now.time);
  bench.ResetJob();
  bench.NameFaults("a", {3});
  EXPECT_THAT(Numbers(bench.EnsureJob().spec), ElementsAre(1, 2, 4));
}

TEST(ProvingTest, OnlyWorkerIsBelievedAfterSomeRounds) {
  const absl::Duration a_while = absl::Seconds(5);
  for (const bool by_policy : {false, true}) {
    Bench bench;
    if (by_policy) bench.policy.fault_doubt_pause = a_while;
    bench.Reach(DeadlineState::kProving);
    const filecoin::DeadlineInfo& deadline = bench.Record().deadline;
    const absl::Duration window =
        bench.now.epoch_duration * (deadline.close - deadline.open).Count();
    const absl::Duration pause = by_policy ? a_while : window / 20;
    for (std::uint32_t round = 0; round < bench.policy.fault_doubts_max; ++round) {
      bench.NameFaults("a", {3});
      bench.JudgeFaults();
      if (round == 0) {
        EXPECT_TRUE(bench.Has<action::ResetJob>()) << "another worker may be idle";
      } else {
        // Its mount may come back meanwhile.
        EXPECT_FALSE(bench.Has<action::ResetJob>());
        bench.Pause(pause - absl::Milliseconds(1));
        EXPECT_FALSE(bench.Has<action::ResetJob>());
        bench.Pause(absl::Milliseconds(1));
      }
      bench.ResetJob();
    }
    bench.NameFaults("a", {3});
    EXPECT_THAT(Numbers(bench.EnsureJob().spec), ElementsAre(1, 2, 4));
  }
}

// Each doubt costs a try: none may cost the window.
TEST(ProvingTest, AWorkerThatTakesLongIsBelievedWhileThereIsTimeToProveTheRest) {
  for (const std::int64_t after : {1, 5}) {
    Bench bench;
    bench.Reach(DeadlineState::kProving);
    bench.Head((bench.now.epoch + filecoin::EpochDelta(after)).Value());
    bench.NameFaults("a", {3});
    if (after == 1) {
      bench.JudgeFaults();
      EXPECT_TRUE(bench.Has<action::ResetJob>());
    } else {
      EXPECT_FALSE(bench.Has<action::JudgeFaults>());
      EXPECT_THAT(Numbers(bench.EnsureJob().spec), ElementsAre(1, 2, 4));
    }
  }
}

TEST(ProvingTest, WhatBecomesOfADoubtedJobInItsPauseCounts) {
  for (const bool proof_is_late : {false, true}) {
    Bench bench;
    bench.Reach(DeadlineState::kProving);
    bench.NameFaults("a", {3});
    bench.JudgeFaults();
    bench.ResetJob();
    bench.NameFaults("a", {3});
    bench.JudgeFaults();
    ASSERT_FALSE(bench.Has<action::ResetJob>());
    if (!proof_is_late) {  // an operator mended the mount and reset the job
      JobView view;
      view.id = bench.Batch().job_id;
      view.outcome = JobOutcome::kWorking;
      bench.Do(event::JobChanged{std::nullopt, view});
      bench.Pause(absl::Minutes(1));
      EXPECT_FALSE(bench.Has<action::ResetJob>()) << "it would take the work away";
    }
    bench.Prove();
    EXPECT_EQ(bench.Batch().state, DeadlineState::kProven);
    EXPECT_THAT(SkippedSectors(bench.Record()), IsEmpty());
  }
}

TEST(ProvingTest, WithLittleTimeLeftAWorkerIsBelievedAtOnce) {
  Bench bench;
  bench.Reach(DeadlineState::kProving);
  bench.Head(1037);
  bench.NameFaults("a", {3});
  EXPECT_FALSE(bench.Has<action::JudgeFaults>());
  EXPECT_THAT(Numbers(bench.EnsureJob().spec), ElementsAre(1, 2, 4));
}

TEST(ProvingTest, ClaimIsBelievedWhenTheManagersLookTakesTooLong) {
  Bench bench;
  bench.Reach(DeadlineState::kProving);
  bench.NameFaults("a", {3});
  const auto judge = bench.Need<action::JudgeFaults>();
  bench.Head(1036);
  EXPECT_FALSE(bench.Has<action::EnsureJob>());
  bench.Head(1037);
  EXPECT_THAT(Numbers(bench.EnsureJob().spec), ElementsAre(1, 2, 4));
  bench.Do(event::FaultsJudged{judge.ref, {{3, "store", "store", ""}}});
  EXPECT_FALSE(bench.Has<action::ResetJob>()) << "too late";
}

TEST(ProvingTest, ErrorOfTheManagersLookIsNoVerdict) {
  Bench bench;
  bench.Reach(DeadlineState::kProving);
  bench.NameFaults("a", {3});
  const auto judge = bench.Need<action::JudgeFaults>();
  bench.Fail(ActionKind::kJudgeFaults, judge.ref, absl::UnavailableError("index is down"));
  EXPECT_THAT(SkippedSectors(bench.Record()), IsEmpty());
  bench.Pause(absl::Seconds(1));
  bench.JudgeFaults();
  EXPECT_TRUE(bench.Has<action::ResetJob>());
}

TEST(ProvingTest, ProofThatComesAfterTheFaultsCounts) {
  Bench bench;
  bench.Reach(DeadlineState::kProving);
  bench.NameFaults("a", {3});
  const auto judge = bench.Need<action::JudgeFaults>();
  bench.Prove();
  EXPECT_EQ(bench.Batch().state, DeadlineState::kProven);
  bench.Do(event::FaultsJudged{judge.ref, {{3, "store", "store", "gone"}}});
  EXPECT_THAT(SkippedSectors(bench.Record()), IsEmpty());
}

TEST(ProvingTest, ClaimIsHeardAgainAfterARestart) {
  Bench bench;
  bench.Reach(DeadlineState::kProving);
  bench.NameFaults("a", {3});
  bench.Restart();
  const auto get = bench.Need<action::GetJob>();
  JobView view;
  view.id = get.job_id;
  view.outcome = JobOutcome::kFaults;
  view.faults = {{3, "gone"}};
  bench.Do(event::JobChanged{get.ref, view});
  bench.JudgeFaults();
  bench.Restart();  // the wish to reset is in the record
  EXPECT_TRUE(bench.Has<action::ResetJob>());
}

TEST(ProvingTest, FaultsOfAnEarlierTimeAreNotTaken) {
  Bench bench;
  bench.Head(1027);
  bench.ReadInputs();
  bench.CheckSectors();
  const auto ensure = bench.Need<action::EnsureJob>();
  JobView view;
  view.id = "old";
  view.outcome = JobOutcome::kFaults;
  view.faults = {{3, "gone"}};
  bench.Do(event::JobChanged{ensure.ref, view});
  EXPECT_FALSE(bench.Has<action::JudgeFaults>());
  EXPECT_EQ(bench.Need<action::ResetJob>().job_id, "old");
}

TEST(ProvingTest, PartitionEmptiedByFaultsLeavesTheMessageAndIsLookedAtAgain) {
  Bench bench;
  bench.Reach(DeadlineState::kProving);
  bench.unreadable = {3, 4};
  bench.NameFaults("a", {3, 4});
  bench.JudgeFaults();
  const action::EnsureJob again = bench.EnsureJob();
  EXPECT_THAT(again.spec.chain_partitions, ElementsAre(ChainPartition(0)));
  EXPECT_THAT(Numbers(again.spec), ElementsAre(1, 2));
  bench.Prove();
  bench.unreadable = {4};
  bench.Pause(bench.policy.unreadable_recheck_delay);
  bench.CheckSectors();
  ASSERT_EQ(bench.Record().batches.size(), 2u);
  EXPECT_THAT(Numbers(bench.EnsureJob().spec), ElementsAre(3));
}

TEST(ProvingTest, BatchEmptiedByFaultsIsLookedAtAgainUntilTheClose) {
  Bench bench;
  bench.Reach(DeadlineState::kProving);
  bench.unreadable = {1, 2, 3, 4};
  bench.NameFaults("a", {1, 2, 3, 4});
  bench.JudgeFaults();
  EXPECT_TRUE(bench.log.contains("batch_unreadable"));
  EXPECT_THAT(bench.actions, IsEmpty()) << "never posted with everything skipped";
  EXPECT_EQ(bench.State(), DeadlineState::kProving);
  bench.Pause(bench.policy.unreadable_recheck_delay);
  bench.JudgeFaults();
  EXPECT_THAT(bench.actions, IsEmpty());
  bench.unreadable = {1, 2, 4};  // a mount is back
  bench.Pause(bench.policy.unreadable_recheck_delay);
  bench.JudgeFaults();
  EXPECT_THAT(Numbers(bench.EnsureJob().spec), ElementsAre(3));
  EXPECT_THAT(bench.Batch().partitions, ElementsAre(ChainPartition(1)));
  // The other partition is looked at by itself from now on, and what is still skipped of this one.
  EXPECT_THAT(Numbers(bench.Need<action::CheckSectors>().sectors), ElementsAre(1, 2, 4));
  bench.Head(1040);
  bench.SurveyAll();
  EXPECT_EQ(bench.State(), DeadlineState::kMissed);
}

TEST(ProvingTest, BatchThatStaysUnreadableIsMissedAtTheClose) {
  Bench bench;
  bench.Reach(DeadlineState::kProving);
  bench.unreadable = {1, 2, 3, 4};
  bench.NameFaults("a", {1, 2, 3, 4});
  bench.JudgeFaults();
  bench.Restart();
  EXPECT_TRUE(bench.Has<action::JudgeFaults>());
  bench.Head(1039);
  EXPECT_EQ(bench.State(), DeadlineState::kProving);
  bench.Head(1040);
  bench.SurveyAll();
  EXPECT_EQ(bench.State(), DeadlineState::kMissed);
  EXPECT_THAT(bench.Record().reason, HasSubstr("no sector of it can be read"));
  EXPECT_THAT(bench.Record().reason, HasSubstr("gone"));
}

// ---------------------------------------------------------------- one batch after the other

class OneByOneTest : public ::testing::Test {
 protected:
  void SetUp() override {
    bench_.policy.parallel = false;
    bench_.policy.max_partitions_per_message = 1;
    bench_.Head(1027);
    bench_.ReadInputs();
    bench_.CheckSectors();
  }
  Bench bench_;
};

TEST_F(OneByOneTest, SecondJobIsMadeWhenTheFirstIsProven) {
  EXPECT_THAT(bench_.EnsureJob().spec.chain_partitions, ElementsAre(ChainPartition(0)));
  bench_.Head(1028);
  EXPECT_FALSE(bench_.Has<action::EnsureJob>());
  bench_.Prove(0);
  EXPECT_THAT(bench_.EnsureJob().spec.chain_partitions, ElementsAre(ChainPartition(1)));
}

TEST_F(OneByOneTest, BatchThatGetsNowhereDoesNotBlock) {
  bench_.EnsureJob();
  JobView view;
  view.id = bench_.Batch(0).job_id;
  view.outcome = JobOutcome::kExhausted;
  view.error = "out of memory";
  bench_.Do(event::JobChanged{std::nullopt, view});
  EXPECT_THAT(bench_.EnsureJob().spec.chain_partitions, ElementsAre(ChainPartition(1)));
}

TEST_F(OneByOneTest, UnreadableBatchDoesNotBlock) {
  bench_.EnsureJob();
  bench_.unreadable = {1, 2};
  bench_.NameFaults("a", {1, 2});
  bench_.JudgeFaults();
  EXPECT_THAT(bench_.EnsureJob().spec.chain_partitions, ElementsAre(ChainPartition(1)));
}

TEST_F(OneByOneTest, LittleTimeLeftProvesAllAtOnce) {
  bench_.EnsureJob();
  bench_.Head(1037);
  EXPECT_THAT(bench_.EnsureJob().spec.chain_partitions, ElementsAre(ChainPartition(1)));
}

TEST(ProvingTest, BatchesAreProvenAtTheSameTimeUnlessToldOtherwise) {
  Bench bench;
  bench.policy.max_partitions_per_message = 1;
  bench.Head(1027);
  bench.ReadInputs();
  bench.CheckSectors();
  bench.EnsureJob();
  bench.EnsureJob();
}

}  // namespace
}  // namespace damocles::poster
