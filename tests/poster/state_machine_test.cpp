// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/poster/state_machine.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/poster/machine_bench.h"
#include "tests/support/status_matchers.h"

#include "damocles/filecoin/miner_params.h"

namespace damocles::poster {
namespace {

using filecoin::ChainPartition;
using testing::Bench;
using ::testing::ElementsAre;
using testing::Filled;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::k0;
using testing::k1;
using ::testing::Not;
using testing::Numbers;
using testing::Partition;

// Challenge 1025, window from 1030 to 1040.
TEST(DeadlineMachineTest, NoConfidenceIsLargeEnoughToCostTheWindow) {
  Bench bench;
  bench.policy.challenge_confidence = filecoin::EpochDelta(2880);
  bench.policy.submit_confidence = filecoin::EpochDelta(2880);
  bench.Head(1029);
  EXPECT_EQ(bench.State(), DeadlineState::kWaiting);
  bench.Head(1030);
  EXPECT_EQ(bench.State(), DeadlineState::kPreparing);
  bench.ReadInputs();
  bench.CheckSectors();
  bench.EnsureJob();
  bench.Prove();
  bench.Head(1036);
  EXPECT_FALSE(bench.Has<action::Survey>());
  bench.Head(1037);
  bench.Survey();
  bench.Send();
  EXPECT_EQ(bench.State(), DeadlineState::kSubmitting);
}

TEST(DeadlineMachineTest, QuietLifeGoesThroughAllStates) {
  Bench bench;
  EXPECT_EQ(bench.State(), DeadlineState::kWaiting);
  bench.Head(1026);
  EXPECT_THAT(bench.actions, IsEmpty()) << "challenge 1025, confidence 2";
  bench.Head(1027);
  EXPECT_EQ(bench.State(), DeadlineState::kPreparing);
  bench.ReadInputs();
  bench.CheckSectors();
  const action::EnsureJob job = bench.EnsureJob();
  EXPECT_EQ(bench.State(), DeadlineState::kProving);
  EXPECT_THAT(Numbers(job.spec), ElementsAre(1, 2, 3, 4));
  EXPECT_THAT(job.spec.chain_partitions, ElementsAre(ChainPartition(0), ChainPartition(1)));
  EXPECT_EQ(job.spec.randomness, bench.randomness);
  EXPECT_EQ(job.spec.close_time, bench.now.TimeOf(filecoin::ChainEpoch(1040)));
  bench.Prove();
  EXPECT_EQ(bench.State(), DeadlineState::kProven);
  EXPECT_FALSE(bench.Has<action::Survey>()) << "the window is not open";
  bench.Head(1030);
  EXPECT_FALSE(bench.Has<action::Survey>()) << "submit confidence 1";
  bench.Head(1031);
  bench.Survey();
  EXPECT_EQ(bench.State(), DeadlineState::kSubmitting);
  bench.Send();
  bench.Head(1032);
  bench.Survey();
  EXPECT_EQ(bench.State(), DeadlineState::kSubmitting);
  bench.Head(1033);
  bench.SurveyReceipt(0, 1033);
  EXPECT_EQ(bench.State(), DeadlineState::kOnChain);
  bench.Head(1035);
  EXPECT_FALSE(bench.Has<action::Survey>()) << "not deep enough yet";
  bench.Head(1036);
  bench.SurveyReceipt(0, 1033);
  EXPECT_EQ(bench.State(), DeadlineState::kConfirmed);
  EXPECT_EQ(bench.Record().reason, "");
  for (const Milestone& milestone : bench.Record().milestones) {
    const bool missed = &milestone == &bench.Record().milestones.back();
    EXPECT_EQ(milestone.time == absl::InfinitePast(), missed);
  }
  bench.Head(1050);
  EXPECT_THAT(bench.actions, IsEmpty());
}

TEST(DeadlineMachineTest, ChallengeIsReadAtItsEpoch) {
  Bench bench;
  bench.Head(1027);
  const auto read = bench.Need<action::ReadInputs>();
  EXPECT_EQ(read.challenge, filecoin::ChainEpoch(1025));
  EXPECT_EQ(read.deadline_index, 3u);
}

// A planted fault this must catch: partitions in another order than their skipped sectors.
TEST(DeadlineMachineTest, PartitionsStayInOrderWithTheirSkippedSectors) {
  Bench bench;
  bench.partitions = {Partition(0, {10, 20}), Partition(1, {5, 15}), Partition(2, {7, 30})};
  bench.unreadable = {20, 7};
  bench.Head(1027);
  bench.ReadInputs();
  bench.CheckSectors();
  bench.Pause(bench.policy.sector_recheck_delay);
  bench.CheckSectors();  // the second look; partition 1 went ahead by then
  ASSERT_EQ(bench.Record().batches.size(), 2u);
  EXPECT_THAT(bench.Batch(0).partitions, ElementsAre(ChainPartition(1)));
  EXPECT_THAT(bench.Batch(1).partitions, ElementsAre(ChainPartition(0), ChainPartition(2)));
  EXPECT_THAT(Numbers(SpecOf(bench.Record(), bench.Batch(1), bench.now)), ElementsAre(10, 30));
  PartitionBatch proven = bench.Batch(1);
  proven.proof = Bytes(192, 1);
  ASSERT_OK_AND_ASSIGN(const Bytes bytes, SubmitParamsOf(bench.Record(), proven, Filled(9)));
  ASSERT_OK_AND_ASSIGN(const filecoin::SubmitWindowedPoStParams params,
                       filecoin::DecodeParams<filecoin::SubmitWindowedPoStParams>(bytes));
  ASSERT_EQ(params.partitions.size(), 2u);
  EXPECT_EQ(params.partitions[0].index, 0u);
  EXPECT_EQ(params.partitions[0].skipped, filecoin::BitField({20}));
  EXPECT_EQ(params.partitions[1].index, 2u);
  EXPECT_EQ(params.partitions[1].skipped, filecoin::BitField({7}));
  EXPECT_EQ(params.deadline, 3u);
  EXPECT_EQ(params.chain_commit_epoch, filecoin::ChainEpoch(1025));
  EXPECT_EQ(params.chain_commit_rand, Bytes(32, 9));
  ASSERT_EQ(params.proofs.size(), 1u);
  EXPECT_EQ(params.proofs[0].type, filecoin::PoStProofType::kWindow2KiBV1_1);
}

TEST(DeadlineMachineTest, UnionOfInterleavedPartitionsIsProvenAscending) {
  Bench bench;
  bench.partitions = {Partition(0, {10, 20}), Partition(1, {5, 15}), Partition(2, {7, 30})};
  bench.Head(1027);
  bench.ReadInputs();
  bench.CheckSectors();
  EXPECT_THAT(Numbers(bench.EnsureJob().spec), ElementsAre(5, 7, 10, 15, 20, 30));
}

TEST(DeadlineMachineTest, BatchesAreCutToTheChainsAndTheOperatorsLimit) {
  const auto sizes = [](std::uint64_t limit, std::uint64_t sectors, bool alone) {
    Bench bench;
    bench.policy.max_partitions_per_message = limit;
    bench.policy.recovering_alone = alone;
    bench.partitions.clear();
    for (std::uint64_t p = 0; p < 7; ++p) bench.partitions.push_back(Partition(p, {p}));
    bench.partitions[2].recovering = true;
    bench.Head(1027);
    event::InputsRead inputs = bench.Inputs();
    inputs.partition_sectors = sectors;
    bench.Do(inputs);
    bench.CheckSectors();
    std::multiset<std::size_t> out;
    for (const PartitionBatch& batch : bench.Record().batches) out.insert(batch.partitions.size());
    return out;
  };
  EXPECT_THAT(sizes(0, 2349, false), ElementsAre(1, 3, 3));
  EXPECT_THAT(sizes(2, 2349, false), ElementsAre(1, 2, 2, 2));
  EXPECT_THAT(sizes(10, 2349, false), ElementsAre(1, 3, 3));
  EXPECT_THAT(sizes(0, 12'500, false), ElementsAre(1, 2, 2, 2));
  EXPECT_THAT(sizes(0, 30'000, false), ElementsAre(1, 1, 1, 1, 1, 1, 1));
  EXPECT_THAT(sizes(0, 2349, true), ElementsAre(1, 3, 3));
}

TEST(DeadlineMachineTest, EmptyDeadlineIsDoneNotFailed) {
  for (const bool with_partitions : {false, true}) {
    Bench bench;
    bench.partitions.clear();
    if (with_partitions) bench.partitions.push_back(Partition(0, {}));
    bench.Head(1027);
    bench.ReadInputs();
    EXPECT_EQ(bench.State(), DeadlineState::kConfirmed);
    EXPECT_EQ(bench.Record().reason, "nothing to prove");
  }
}

TEST(DeadlineMachineTest, AllFaultyPartitionStaysOutOfTheMessage) {
  Bench bench;
  bench.partitions = {Partition(0, {}), Partition(1, {3})};
  bench.Head(1027);
  bench.ReadInputs();
  bench.CheckSectors();
  EXPECT_THAT(bench.EnsureJob().spec.chain_partitions, ElementsAre(ChainPartition(1)));
}

// ---------------------------------------------------------------- errors while preparing

TEST(DeadlineMachineTest, ReadingIsRepeatedWithBackoffUntilTheClose) {
  Bench bench;
  bench.Head(1027);
  for (int i = 0; i < 5; ++i) {
    bench.Need<action::ReadInputs>();
    bench.Fail(ActionKind::kReadInputs, {kNoBatch, 0, 0}, absl::UnavailableError("node is down"));
    EXPECT_FALSE(bench.Has<action::ReadInputs>());
    ASSERT_TRUE(bench.wake_at.has_value());
    EXPECT_EQ(*bench.wake_at - bench.now.time, absl::Seconds(1 << i));
    bench.Pause(*bench.wake_at - bench.now.time);
  }
  bench.ReadInputs();
  bench.CheckSectors();
  EXPECT_EQ(bench.State(), DeadlineState::kProving);
}

TEST(DeadlineMachineTest, NodeDownUntilTheCloseIsMissedWithItsReason) {
  Bench bench;
  bench.Head(1027);
  bench.Need<action::ReadInputs>();
  bench.Fail(ActionKind::kReadInputs, {kNoBatch, 0, 0}, absl::UnavailableError("node is down"));
  bench.Head(1040);
  bench.Need<action::ReadInputs>();  // to know whether there was anything to prove
  bench.Fail(ActionKind::kReadInputs, {kNoBatch, 0, 0}, absl::UnavailableError("node is down"));
  EXPECT_EQ(bench.State(), DeadlineState::kPreparing) << "it may have been proven all the same";
  bench.Head(1053);  // close + depth 3 + 10
  bench.Need<action::ReadInputs>();
  bench.Fail(ActionKind::kReadInputs, {kNoBatch, 0, 0}, absl::UnavailableError("node is down"));
  EXPECT_EQ(bench.State(), DeadlineState::kMissed);
  EXPECT_THAT(bench.Record().reason, HasSubstr("node is down"));
}

TEST(DeadlineMachineTest, ReadAfterTheCloseTellsMissedFromNothingToProve) {
  {
    Bench bench;
    bench.Head(1045);
    bench.ReadInputs();
    bench.SurveyAll();
    EXPECT_EQ(bench.State(), DeadlineState::kMissed);
    EXPECT_THAT(bench.Record().reason, HasSubstr("it was not prepared"));
  }
  {
    Bench bench;
    bench.partitions.clear();
    bench.Head(1045);
    bench.ReadInputs();
    EXPECT_EQ(bench.State(), DeadlineState::kConfirmed);
  }
}

TEST(DeadlineMachineTest, ErrorOfTheSectorCheckIsNotABadSector) {
  Bench bench;
  bench.Head(1027);
  bench.ReadInputs();
  bench.Need<action::CheckSectors>();
  bench.Fail(ActionKind::kCheckSectors, {kNoBatch, 0, 0}, absl::UnavailableError("index is down"));
  EXPECT_THAT(SkippedSectors(bench.Record()), IsEmpty());
  bench.Pause(absl::Seconds(1));
  bench.CheckSectors();
  EXPECT_THAT(Numbers(bench.EnsureJob().spec), ElementsAre(1, 2, 3, 4));
}

TEST(DeadlineMachineTest, UnreadableSectorIsLookedAtTwiceThenSkippedAndReported) {
  Bench bench;
  bench.unreadable = {2};
  bench.Head(1027);
  bench.ReadInputs();
  bench.CheckSectors();
  // Partition 1 is sound and does not wait.
  EXPECT_THAT(bench.EnsureJob().spec.chain_partitions, ElementsAre(ChainPartition(1)));
  EXPECT_FALSE(bench.Has<action::CheckSectors>());
  bench.Pause(bench.policy.sector_recheck_delay);
  const auto again = bench.Need<action::CheckSectors>();
  ASSERT_EQ(again.sectors.size(), 1u);
  EXPECT_EQ(again.sectors[0].number, 2u);
  bench.Do(event::SectorsChecked{{{2, "store", "store", "file is gone"}}});
  EXPECT_THAT(Numbers(bench.EnsureJob().spec), ElementsAre(1));
  const std::vector<SkippedSector> skipped = SkippedSectors(bench.Record());
  ASSERT_EQ(skipped.size(), 1u);
  EXPECT_EQ(skipped[0].number, 2u);
  EXPECT_EQ(skipped[0].reason, "file is gone");
  EXPECT_TRUE(bench.log.contains("sector_skipped"));
}

TEST(DeadlineMachineTest, SectorThatIsBackAtTheSecondLookIsNotSkipped) {
  Bench bench;
  bench.unreadable = {2};
  bench.Head(1027);
  bench.ReadInputs();
  bench.CheckSectors();
  bench.unreadable.clear();
  bench.Pause(bench.policy.sector_recheck_delay);
  bench.CheckSectors();
  EXPECT_THAT(SkippedSectors(bench.Record()), IsEmpty());
}

TEST(DeadlineMachineTest, PartitionWithNothingReadableIsNotPostedButLookedAtAgain) {
  Bench bench;
  bench.unreadable = {3, 4};
  bench.Head(1027);
  bench.ReadInputs();
  bench.CheckSectors();
  bench.Pause(bench.policy.sector_recheck_delay);
  bench.CheckSectors();
  EXPECT_EQ(bench.Record().batches.size(), 1u);
  EXPECT_THAT(bench.Batch().partitions, ElementsAre(ChainPartition(0)));
  bench.EnsureJob();
  bench.Prove();
  bench.unreadable = {4};  // the mount is back, one file is not
  bench.Pause(bench.policy.unreadable_recheck_delay);
  bench.CheckSectors();
  ASSERT_EQ(bench.Record().batches.size(), 2u);
  EXPECT_THAT(Numbers(bench.EnsureJob().spec), ElementsAre(3));
}

TEST(DeadlineMachineTest, UnreadablePartitionIsMissedAtTheCloseWhileTheOtherIsConfirmed) {
  Bench bench;
  bench.unreadable = {3, 4};
  bench.policy.sector_check_rounds = 1;
  bench.Reach(DeadlineState::kConfirmed);
  EXPECT_EQ(bench.Batch().state, DeadlineState::kConfirmed);
  EXPECT_EQ(bench.State(), DeadlineState::kPreparing);
  bench.Head(1040);
  bench.SurveyAll();
  EXPECT_EQ(bench.State(), DeadlineState::kMissed);
  EXPECT_THAT(bench.Record().reason, HasSubstr("partition 1"));
  EXPECT_THAT(bench.Record().reason, HasSubstr("file is gone"));
}

TEST(DeadlineMachineTest, CheckGetsAPartOfTheTimeThatIsLeft) {
  Bench bench;
  bench.Head(1027);
  bench.ReadInputs();
  const auto check = bench.Need<action::CheckSectors>();
  EXPECT_EQ(check.budget, absl::Seconds(30) * 13 / 4);
}

// ---------------------------------------------------------------- proving

TEST(DeadlineMachineTest, ProofForAnOldStatementIsNotTaken) {
  Bench bench;
  bench.Reach(DeadlineState::kProving);
  const JobView stale = bench.Proved();
  bench.unreadable = {3};
  bench.NameFaults("a", {3});
  bench.JudgeFaults();
  const BatchRef now = bench.EnsureJob().ref;
  bench.Do(event::JobChanged{std::nullopt, stale});
  EXPECT_EQ(bench.Batch().state, DeadlineState::kProving);
  bench.Do(event::JobChanged{now, stale});
  EXPECT_EQ(bench.Batch().state, DeadlineState::kProving);
  EXPECT_THAT(bench.Batch().proof, IsEmpty());
}

TEST(DeadlineMachineTest, RemovedJobIsMadeAgain) {
  Bench bench;
  bench.Reach(DeadlineState::kProving);
  bench.Do(event::JobMissing{std::nullopt, bench.Batch().job_id});
  EXPECT_THAT(Numbers(bench.EnsureJob().spec), ElementsAre(1, 2, 3, 4));
  // Also when nobody announced it: the job is asked for on each head.
  bench.Head(1028);
  const auto get = bench.Need<action::GetJob>();
  bench.Do(event::JobMissing{get.ref, get.job_id});
  EXPECT_TRUE(bench.Has<action::EnsureJob>());
}

TEST(DeadlineMachineTest, ExhaustedJobIsResetWithGrowingPausesWhileTheWindowLasts) {
  Bench bench;
  bench.Reach(DeadlineState::kProving);
  JobView view;
  view.id = bench.Batch().job_id;
  view.outcome = JobOutcome::kExhausted;
  view.error = "GPU fell off the bus";
  bench.Do(event::JobChanged{std::nullopt, view});
  EXPECT_FALSE(bench.Has<action::ResetJob>()) << "operators see that it failed";
  EXPECT_EQ(*bench.wake_at, bench.now.time + absl::Seconds(1));
  bench.Pause(absl::Milliseconds(500));
  bench.Do(event::JobChanged{std::nullopt, view});
  bench.Pause(absl::Milliseconds(500));
  auto reset = bench.Need<action::ResetJob>();
  EXPECT_EQ(reset.reason, "GPU fell off the bus");
  bench.Do(event::JobReset{reset.ref});
  bench.Do(event::JobChanged{std::nullopt, view});
  EXPECT_FALSE(bench.Has<action::ResetJob>());
  EXPECT_EQ(*bench.wake_at, bench.now.time + absl::Seconds(2));
  bench.Pause(absl::Seconds(2));
  reset = bench.Need<action::ResetJob>();
  bench.Do(event::JobReset{reset.ref});
  bench.Do(event::JobChanged{std::nullopt, view});
  EXPECT_EQ(*bench.wake_at, bench.now.time + absl::Seconds(4));
  // Near the close every second counts.
  bench.Head(1037);
  bench.Pause(absl::Seconds(4));
  bench.ResetJob();
  bench.Do(event::JobChanged{std::nullopt, view});
  EXPECT_FALSE(bench.Has<action::ResetJob>());
  bench.Pause(absl::Seconds(1));
  EXPECT_TRUE(bench.Has<action::ResetJob>());
  bench.ResetJob();
  bench.Prove();
  EXPECT_EQ(bench.Batch().state, DeadlineState::kProven);
}

TEST(DeadlineMachineTest, WithoutAutoResetTheOperatorsResetStillLeadsToAProof) {
  Bench bench;
  bench.policy.auto_reset_before_close = false;
  bench.Reach(DeadlineState::kProving);
  JobView view;
  view.id = bench.Batch().job_id;
  view.outcome = JobOutcome::kExhausted;
  view.error = "out of memory";
  bench.Do(event::JobChanged{std::nullopt, view});
  bench.Head(1029);
  EXPECT_FALSE(bench.Has<action::ResetJob>());
  bench.Prove();
  EXPECT_EQ(bench.State(), DeadlineState::kProven);
}

TEST(DeadlineMachineTest, UnprovenAtTheCloseIsMissedWithTheLastError) {
  Bench bench;
  bench.policy.auto_reset_before_close = false;
  bench.Reach(DeadlineState::kProving);
  JobView view;
  view.id = bench.Batch().job_id;
  view.outcome = JobOutcome::kExhausted;
  view.error = "out of memory";
  bench.Do(event::JobChanged{std::nullopt, view});
  bench.Head(1039);
  EXPECT_EQ(bench.State(), DeadlineState::kProving);
  bench.Head(1040);
  bench.SurveyAll();
  EXPECT_EQ(bench.State(), DeadlineState::kMissed);
  EXPECT_THAT(bench.Record().reason, HasSubstr("out of memory"));
}

// Its record is of an older snapshot of the store: a life that this one knows nothing of went on.
TEST(DeadlineMachineTest, WhatTheChainHasAtTheCloseIsNotMissedWhateverTheRecordSays) {
  for (const DeadlineState state : {DeadlineState::kWaiting, DeadlineState::kPreparing,
                                    DeadlineState::kProving, DeadlineState::kProven}) {
    SCOPED_TRACE(std::string(Name(state)));
    Bench bench;
    bench.Reach(state);
    if (state == DeadlineState::kPreparing) bench.ReadInputs();
    bench.posted = {k0, k1};
    bench.partitions[0].posted = bench.partitions[1].posted = state == DeadlineState::kWaiting;
    bench.Restart();
    bench.Head(1060);
    if (state == DeadlineState::kWaiting) bench.ReadInputs();
    bench.SurveyAll();
    EXPECT_EQ(bench.State(), DeadlineState::kOnChain);
    bench.Head(1063);
    bench.SurveyAll();
    EXPECT_EQ(bench.State(), DeadlineState::kConfirmed);
  }
}

TEST(DeadlineMachineTest, WhatTheChainHasOfABatchAtTheCloseIsNotMissed) {
  Bench bench;
  bench.Reach(DeadlineState::kProven);
  bench.posted = {k1};
  bench.Head(1040);
  bench.Survey();
  bench.SurveyAll();
  bench.Head(1043);
  bench.SurveyAll();
  EXPECT_EQ(bench.State(), DeadlineState::kMissed);
  EXPECT_THAT(bench.Record().reason, HasSubstr("partition 0"));
  EXPECT_THAT(bench.Record().reason, Not(HasSubstr("partition 1")));
}

TEST(DeadlineMachineTest, NodeThatNeverSaysWhatWasPostedEndsTheWaiting) {
  Bench bench;
  bench.Reach(DeadlineState::kProven);
  for (int epoch = 1040; epoch <= 1053; ++epoch) {
    ASSERT_NE(bench.State(), DeadlineState::kMissed) << epoch;
    bench.Head(epoch);
    if (auto survey = bench.Take<action::Survey>()) {
      bench.Fail(ActionKind::kSurvey, survey->ref, absl::UnavailableError("node is down"));
    }
  }
  EXPECT_EQ(bench.State(), DeadlineState::kMissed);
  EXPECT_THAT(bench.Record().reason, HasSubstr("node is down"));
}

// ---------------------------------------------------------------- reorgs

TEST(DeadlineMachineTest, ReorgThatKeepsTheRandomnessKeepsTheProof) {
  Bench bench;
  bench.Reach(DeadlineState::kProven);
  bench.Do(event::Reorg{filecoin::ChainEpoch(1024)});
  bench.Need<action::ReadRandomness>();
  bench.Do(event::RandomnessRead{bench.randomness});
  EXPECT_EQ(bench.State(), DeadlineState::kProven);
  EXPECT_FALSE(bench.Has<action::DropJob>());
}

TEST(DeadlineMachineTest, ChangedRandomnessIsProvenAgainAndTheOldJobDropped) {
  for (const DeadlineState at : {DeadlineState::kProving, DeadlineState::kProven,
                                 DeadlineState::kSubmitting, DeadlineState::kOnChain}) {
    SCOPED_TRACE(std::string(Name(at)));
    Bench bench;
    bench.Reach(at);
    const std::uint32_t round = bench.Batch().round;
    bench.Do(event::Reorg{filecoin::ChainEpoch(1024)});
    bench.randomness = Filled(8);
    bench.Need<action::ReadRandomness>();
    bench.Do(event::RandomnessRead{bench.randomness});
    EXPECT_EQ(bench.State(), DeadlineState::kPreparing);
    EXPECT_EQ(bench.Need<action::DropJob>().job_id, "job1");
    bench.ReadInputs();
    bench.CheckSectors();
    EXPECT_EQ(bench.EnsureJob().spec.randomness, Filled(8));
    EXPECT_GT(bench.Batch().round, round);
    EXPECT_THAT(bench.Batch().proof, IsEmpty());
  }
}

TEST(DeadlineMachineTest, RandomnessIsComparedOnceMoreBeforeSending) {
  Bench bench;
  bench.Reach(DeadlineState::kProven);
  bench.Head(1031);
  bench.randomness = Filled(8);  // a reorg that nobody told of
  bench.Survey();
  EXPECT_FALSE(bench.Has<action::Push>());
  EXPECT_EQ(bench.State(), DeadlineState::kPreparing);
}

TEST(DeadlineMachineTest, ReorgThatTakesTheMessageOffTheChainIsNoticed) {
  Bench bench;
  bench.Reach(DeadlineState::kOnChain);
  bench.Do(event::Reorg{filecoin::ChainEpoch(1032)});
  bench.Survey();  // neither receipt nor posted
  EXPECT_EQ(bench.Batch().state, DeadlineState::kSubmitting);
  EXPECT_TRUE(bench.Batch().message.cid.has_value());
  bench.Head(1034);
  bench.SurveyReceipt(0, 1034);  // mined again
  EXPECT_EQ(bench.Batch().state, DeadlineState::kOnChain);
  EXPECT_EQ(bench.Batch().message.receipt->height, filecoin::ChainEpoch(1034));
  EXPECT_EQ(bench.messages, 1);
}

TEST(DeadlineMachineTest, ConfirmationCountsFromTheReceiptsNewHeight) {
  Bench bench;
  bench.Reach(DeadlineState::kOnChain);
  bench.Head(1036);
  bench.SurveyReceipt(0, 1035);  // a reorg moved it
  EXPECT_EQ(bench.Batch().state, DeadlineState::kOnChain);
  bench.Head(1038);
  bench.SurveyReceipt(0, 1035);
  EXPECT_EQ(bench.Batch().state, DeadlineState::kConfirmed);
}

// ---------------------------------------------------------------- restarts

TEST(DeadlineMachineTest, RestartInAnyStateGoesOnFromThere) {
  for (const DeadlineState at :
       {DeadlineState::kWaiting, DeadlineState::kPreparing, DeadlineState::kProving,
        DeadlineState::kProven, DeadlineState::kSubmitting, DeadlineState::kOnChain,
        DeadlineState::kConfirmed}) {
    SCOPED_TRACE(std::string(Name(at)));
    Bench bench;
    bench.Reach(at);
    const DeadlineRecord before = bench.Record();
    bench.Restart();
    EXPECT_EQ(EncodeRecord(bench.Record()), EncodeRecord(before));
    EXPECT_FALSE(bench.Has<action::EnsureJob>()) << "the job is known";
    EXPECT_FALSE(bench.Has<action::Push>()) << "nothing is sent before a look at the chain";
  }
}

TEST(DeadlineMachineTest, RestartWhileTheSendIsOnItsWayLooksForTheMessageFirst) {
  Bench bench;
  bench.Reach(DeadlineState::kProven);
  bench.Head(1031);
  bench.Survey();
  const auto first = bench.Need<action::Push>();
  bench.Restart();
  EXPECT_FALSE(bench.Has<action::Push>());
  const auto look = bench.Need<action::Survey>();
  EXPECT_TRUE(look.want_pending);
  event::Surveyed found = bench.Answer(look);
  found.message = MessageWhereabouts::kPending;
  found.cid = testing::CidOf(50);
  found.signed_message = {4};
  bench.Do(found);
  EXPECT_EQ(bench.Batch().message.cid, testing::CidOf(50));
  EXPECT_EQ(bench.Batch().message.uuid, first.uuid);
  EXPECT_FALSE(bench.Has<action::Push>());
}

TEST(DeadlineMachineTest, MessageNobodyKnowsIsPushedAgainUnderTheSameUuid) {
  Bench bench;
  bench.Reach(DeadlineState::kProven);
  bench.Head(1031);
  bench.Survey();
  const auto first = bench.Need<action::Push>();
  bench.Restart();
  bench.Survey();
  for (int epoch = 1032; epoch <= 1033; ++epoch) {
    EXPECT_FALSE(bench.Has<action::Push>()) << "the node may be at work on it still";
    bench.Head(epoch);
    bench.Survey();
  }
  const auto second = bench.Need<action::Push>();
  EXPECT_EQ(second.uuid, first.uuid);
  EXPECT_EQ(second.params, first.params);
  EXPECT_EQ(second.from, first.from);
}

TEST(DeadlineMachineTest, MessageThatLandedBeforeTheRestartIsNotSentAgain) {
  Bench bench;
  bench.Reach(DeadlineState::kProven);
  bench.Head(1031);
  bench.Survey();
  bench.Need<action::Push>();
  bench.posted = {k0, k1};
  bench.Restart();
  bench.Survey();
  EXPECT_FALSE(bench.Has<action::Push>());
  EXPECT_EQ(bench.Batch().state, DeadlineState::kOnChain);
  bench.Head(1034);
  bench.Survey();
  EXPECT_EQ(bench.State(), DeadlineState::kConfirmed);
}

// ---------------------------------------------------------------- already proven

TEST(DeadlineMachineTest, PartitionsTheChainHasAreNotProven) {
  Bench bench;
  bench.partitions[0].posted = true;
  bench.posted = {k0};
  bench.Head(1031);
  bench.ReadInputs();
  bench.CheckSectors();
  EXPECT_THAT(bench.EnsureJob().spec.chain_partitions, ElementsAre(ChainPartition(1)));
  ASSERT_EQ(bench.Record().batches.size(), 2u);
  EXPECT_EQ(bench.Batch(0).state, DeadlineState::kOnChain);
  EXPECT_TRUE(bench.Batch(0).posted_by_other);
}

TEST(DeadlineMachineTest, PartitionsPostedMeanwhileAreNotSent) {
  Bench bench;
  bench.Reach(DeadlineState::kProven);
  bench.Head(1031);
  bench.posted = {k0, k1};
  bench.Survey();
  EXPECT_FALSE(bench.Has<action::Push>());
  EXPECT_EQ(bench.Batch().state, DeadlineState::kOnChain);
}

TEST(DeadlineMachineTest, PartlyPostedBatchIsSplitAndTheRestProvenAlone) {
  Bench bench;
  bench.Reach(DeadlineState::kProven);
  bench.Head(1031);
  bench.posted = {k1};
  bench.Survey();
  EXPECT_FALSE(bench.Has<action::Push>());
  EXPECT_THAT(bench.EnsureJob().spec.chain_partitions, ElementsAre(ChainPartition(0)));
  ASSERT_EQ(bench.Record().batches.size(), 2u);
  EXPECT_THAT(bench.Batch(1).partitions, ElementsAre(ChainPartition(1)));
  EXPECT_EQ(bench.Batch(1).state, DeadlineState::kOnChain);
}

TEST(DeadlineMachineTest, ForeignProofThatAReorgTookBackIsProvenByUs) {
  Bench bench;
  bench.partitions = {Partition(0, {1, 2})};
  bench.partitions[0].posted = true;
  bench.Head(1031);
  bench.ReadInputs();
  bench.partitions[0].posted = false;
  bench.Do(event::Reorg{filecoin::ChainEpoch(1030)});
  bench.Survey();
  bench.ReadInputs();
  bench.CheckSectors();
  EXPECT_THAT(Numbers(bench.EnsureJob().spec), ElementsAre(1, 2));
}

TEST(DeadlineMachineTest, ReorgThatTakesAConfirmedMessageBackOpensTheWindowAgain) {
  Bench bench;
  bench.Reach(DeadlineState::kConfirmed);
  ASSERT_EQ(bench.State(), DeadlineState::kConfirmed);
  bench.Do(event::Reorg{filecoin::ChainEpoch(1034)});
  EXPECT_EQ(bench.State(), DeadlineState::kConfirmed) << "it does not reach down to the receipt";
  EXPECT_THAT(bench.actions, IsEmpty());
  bench.Do(event::Reorg{filecoin::ChainEpoch(1033)});
  EXPECT_EQ(bench.State(), DeadlineState::kOnChain);
  bench.Survey();
  EXPECT_EQ(bench.State(), DeadlineState::kSubmitting);
  EXPECT_FALSE(bench.Batch().proof.empty());
  bench.Head(1037);
  bench.SurveyReceipt(0, 1037);
  bench.Head(1040);
  bench.SurveyReceipt(0, 1037);
  EXPECT_EQ(bench.State(), DeadlineState::kConfirmed);
  bench.Do(event::Reorg{filecoin::ChainEpoch(1033)});
  EXPECT_EQ(bench.State(), DeadlineState::kConfirmed) << "the window is closed";
  EXPECT_FALSE(IsOver(bench.Record(), bench.now, bench.policy));
  bench.Head(1043);
  EXPECT_TRUE(IsOver(bench.Record(), bench.now, bench.policy));
}

TEST(DeadlineMachineTest, ReorgThatLeavesAConfirmedMessageConfirmsItAgain) {
  Bench bench;
  bench.Reach(DeadlineState::kConfirmed);
  bench.Restart();
  bench.Do(event::Reorg{});  // what was missed while nobody looked
  bench.SurveyReceipt(0, 1033);
  EXPECT_EQ(bench.State(), DeadlineState::kConfirmed);
}

TEST(DeadlineMachineTest, ReorgThatTakesAnothersConfirmedProofBackIsProvenByUs) {
  Bench bench;
  bench.partitions = {Partition(0, {1, 2})};
  bench.partitions[0].posted = true;
  bench.posted = {k0};
  bench.Head(1031);
  bench.ReadInputs();
  bench.Head(1034);
  bench.Survey();
  ASSERT_EQ(bench.State(), DeadlineState::kConfirmed);
  bench.partitions[0].posted = false;
  bench.posted.clear();
  bench.Do(event::Reorg{filecoin::ChainEpoch(1030)});
  bench.Survey();
  bench.ReadInputs();
  bench.CheckSectors();
  EXPECT_THAT(Numbers(bench.EnsureJob().spec), ElementsAre(1, 2));
}

TEST(DeadlineMachineTest, ReorgAcrossTheChallengeReadsAnewWhatHadNothingToProve) {
  Bench bench;
  bench.partitions = {Partition(0, {})};
  bench.Head(1027);
  bench.ReadInputs();
  ASSERT_EQ(bench.State(), DeadlineState::kConfirmed);
  bench.Do(event::Reorg{filecoin::ChainEpoch(1026)});
  EXPECT_THAT(bench.actions, IsEmpty()) << "the sectors are settled by the challenge";
  bench.Do(event::Reorg{filecoin::ChainEpoch(1020)});
  bench.partitions = {Partition(0, {1, 2})};
  bench.ReadInputs();
  bench.CheckSectors();
  EXPECT_THAT(Numbers(bench.EnsureJob().spec), ElementsAre(1, 2));
}

TEST(DeadlineMachineTest, HeadThatGoesBackBelowTheCloseOpensAMissedWindowAgain) {
  Bench bench;
  bench.Reach(DeadlineState::kProven);
  bench.Head(1040);
  bench.SurveyAll();
  ASSERT_EQ(bench.State(), DeadlineState::kMissed);
  bench.now.epoch = filecoin::ChainEpoch(1037);
  bench.Do(event::Reorg{filecoin::ChainEpoch(1036)});
  bench.Survey();
  bench.Send();
  EXPECT_EQ(bench.State(), DeadlineState::kSubmitting);
}

// ---------------------------------------------------------------- a miner that is not enabled

TEST(DisabledMinerTest, AnswersAreTakenInAndNothingBegins) {
  Bench bench;
  bench.Head(1027);
  bench.Need<action::ReadInputs>();
  StepResult result =
      Step(bench.machine, bench.Inputs(), bench.now, bench.policy, Effort::kFinishOnly);
  for (const Action& action : result.actions) {
    EXPECT_TRUE(std::holds_alternative<action::LogLine>(action));
  }
  EXPECT_TRUE(result.machine.record.randomness.has_value());
  bench.machine = result.machine;
  bench.Do(event::Tick{});  // enabled again
  EXPECT_TRUE(bench.Has<action::CheckSectors>());
}

TEST(DisabledMinerTest, MessageThatIsOutIsFollowed) {
  Bench bench;
  bench.Reach(DeadlineState::kSubmitting);
  bench.now.epoch = bench.now.epoch + filecoin::EpochDelta(1);
  const StepResult result =
      Step(bench.machine, event::Tick{}, bench.now, bench.policy, Effort::kFinishOnly);
  ASSERT_FALSE(result.actions.empty());
  EXPECT_TRUE(std::holds_alternative<action::Survey>(result.actions[0]));
}

TEST(DisabledMinerTest, WindowThatClosesIsMissedAndSaysWhy) {
  Bench bench;
  bench.Reach(DeadlineState::kProving);
  bench.now.epoch = filecoin::ChainEpoch(1040);
  StepResult result =
      Step(bench.machine, event::Tick{}, bench.now, bench.policy, Effort::kFinishOnly);
  event::Surveyed nothing_posted;
  nothing_posted.head = bench.now.epoch;
  for (const Action& action : result.actions) {
    if (const auto* survey = std::get_if<action::Survey>(&action)) nothing_posted.ref = survey->ref;
  }
  result =
      Step(std::move(result.machine), nothing_posted, bench.now, bench.policy, Effort::kFinishOnly);
  EXPECT_EQ(result.machine.record.state, DeadlineState::kMissed);
  EXPECT_NE(result.machine.record.reason.find("the miner was disabled"), std::string::npos)
      << result.machine.record.reason;
}

}  // namespace
}  // namespace damocles::poster
