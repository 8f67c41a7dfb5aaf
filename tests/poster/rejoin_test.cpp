// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// Nothing is given up before its message goes out: troubles that pass, troubles of one machine
// only.

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/poster/machine_bench.h"

#include "damocles/poster/state_machine.h"

namespace damocles::poster {
namespace {

using testing::Bench;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::Numbers;
using testing::Partition;

// One partition of four sectors; windows of 300 s, so skipped sectors are looked at every 15 s.
class RejoinTest : public ::testing::Test {
 protected:
  RejoinTest() { bench_.partitions = {Partition(0, {1, 2, 3, 4})}; }

  // Twice looked at, the rest is proven.
  void ProveTheRest() {
    bench_.Head(1027);
    bench_.ReadInputs();
    bench_.CheckSectors();
    bench_.Pause(bench_.policy.sector_recheck_delay);
    bench_.CheckSectors();
    bench_.EnsureJob();
    bench_.Prove();
    ASSERT_EQ(bench_.Batch().state, DeadlineState::kProven);
  }
  void Relook() {
    bench_.Pause(kRelook);
    bench_.CheckSectors();
  }
  absl::Duration Left() const {
    return bench_.now.TimeOf(bench_.Record().deadline.close) - bench_.now.time;
  }

  static constexpr absl::Duration kRelook = absl::Seconds(15);
  Bench bench_;
};

TEST_F(RejoinTest, SectorThatIsBackBeforeTheMessageIsProven) {
  bench_.unreadable = {3};
  ProveTheRest();
  EXPECT_EQ(SkippedSectors(bench_.Record()).size(), 1u);
  Relook();
  EXPECT_THAT(bench_.actions, IsEmpty()) << "not back yet";
  EXPECT_FALSE(bench_.changed) << "nothing to write for a look that found nothing";
  bench_.unreadable.clear();
  Relook();
  EXPECT_FALSE(bench_.Has<action::DropJob>()) << "the reserve is kept";
  EXPECT_THAT(Numbers(bench_.EnsureJob().spec), ElementsAre(1, 2, 3, 4));
  bench_.Prove();
  EXPECT_THAT(SkippedSectors(bench_.Record()), IsEmpty());
  bench_.Head(1031);
  bench_.Survey();
  bench_.Send();
}

TEST_F(RejoinTest, SectorThatIsBackWhileTheRestIsBeingProvenIsTakenIn) {
  bench_.unreadable = {3};
  bench_.Head(1027);
  bench_.ReadInputs();
  bench_.CheckSectors();
  bench_.Pause(bench_.policy.sector_recheck_delay);
  bench_.CheckSectors();
  bench_.EnsureJob();
  bench_.unreadable.clear();
  Relook();
  EXPECT_TRUE(bench_.Has<action::DropJob>()) << "it would only keep the worker";
  EXPECT_THAT(Numbers(bench_.EnsureJob().spec), ElementsAre(1, 2, 3, 4));
}

TEST_F(RejoinTest, MessageWaitsForWhatMayPassAndGoesOutInTime) {
  bench_.unreadable = {3};
  ProveTheRest();
  bench_.Head(1031);
  EXPECT_FALSE(bench_.Has<action::Survey>());
  EXPECT_TRUE(bench_.log.contains("batch_waits_for_sectors"));
  EXPECT_THAT(bench_.Batch().note, HasSubstr("sector 3: file is gone"));
  ASSERT_TRUE(bench_.wake_at.has_value());
  // A quarter of the window, at least five epochs.
  bench_.Pause(Left() - absl::Seconds(151));
  EXPECT_FALSE(bench_.Has<action::Survey>());
  bench_.Take<action::CheckSectors>();
  bench_.Pause(absl::Seconds(1));
  bench_.Survey();
  const action::Push send = bench_.Send();
  EXPECT_EQ(SkippedSectors(bench_.Record()).size(), 1u);
  EXPECT_FALSE(bench_.Has<action::CheckSectors>()) << "it is given up now";
}

TEST_F(RejoinTest, SlowProofsGoOutEarlier) {
  bench_.unreadable = {3};
  bench_.Head(1027);
  bench_.ReadInputs();
  bench_.CheckSectors();
  bench_.Pause(bench_.policy.sector_recheck_delay);
  bench_.CheckSectors();
  bench_.EnsureJob();
  bench_.Pause(absl::Seconds(100));
  bench_.Prove();
  bench_.Head(1031);  // 270 s left: 150 and twice 100 are more
  EXPECT_TRUE(bench_.Has<action::Survey>());
}

TEST_F(RejoinTest, WrongContentsAreNotWaitedFor) {
  bench_.wrong = {3};
  ProveTheRest();
  bench_.Head(1031);
  EXPECT_TRUE(bench_.Has<action::Survey>());
}

TEST_F(RejoinTest, ProofWithTheSectorThatFailsFallsBackToTheReserveAtOnce) {
  bench_.unreadable = {3};
  ProveTheRest();
  bench_.unreadable.clear();
  Relook();
  bench_.EnsureJob();
  bench_.unreadable = {3};
  bench_.NameFaults("a", {3});
  bench_.JudgeFaults();
  const auto again = bench_.Need<action::EnsureJob>();
  EXPECT_THAT(Numbers(again.spec), ElementsAre(1, 2, 4));
  JobView reserve;
  reserve.id = "job1";
  reserve.outcome = JobOutcome::kSucceeded;
  reserve.proof = Bytes(192, 1);
  bench_.Do(event::JobChanged{again.ref, reserve});
  EXPECT_EQ(bench_.Batch().state, DeadlineState::kProven);
}

TEST_F(RejoinTest, ProofWithTheSectorThatTakesTooLongGivesWayToTheReserve) {
  bench_.unreadable = {3};
  ProveTheRest();
  bench_.unreadable.clear();
  Relook();
  bench_.EnsureJob();
  bench_.Head(1034);
  EXPECT_FALSE(bench_.Has<action::EnsureJob>());
  bench_.Head(1035);
  EXPECT_EQ(bench_.Need<action::DropJob>().job_id, "job2");
  EXPECT_THAT(Numbers(bench_.Need<action::EnsureJob>().spec), ElementsAre(1, 2, 4));
  EXPECT_EQ(SkippedSectors(bench_.Record()).front().reason, "file is gone");
  EXPECT_TRUE(bench_.log.contains("batch_back_to_its_reserve"));
}

// A mount that comes and goes.
TEST_F(RejoinTest, IsBounded) {
  bench_.unreadable = {3};
  ProveTheRest();
  std::uint32_t times = 0;
  for (; times < 10; ++times) {
    bench_.unreadable.clear();
    bench_.Pause(kRelook);
    if (!bench_.Has<action::CheckSectors>()) break;
    bench_.CheckSectors();
    if (!bench_.Has<action::EnsureJob>()) break;
    bench_.EnsureJob();
    bench_.unreadable = {3};
    bench_.NameFaults("a", {3});
    bench_.JudgeFaults();
    bench_.EnsureJob();
    bench_.Prove();
  }
  EXPECT_EQ(times, bench_.policy.rejoins_max);
  EXPECT_EQ(SkippedSectors(bench_.Record()).size(), 1u);
}

// Two workers could not read it, for five seconds.
TEST_F(RejoinTest, WhatOnlyWorkersCouldNotReadIsOfferedToThemAgain) {
  bench_.Reach(DeadlineState::kProving);
  bench_.NameFaults("a", {3});
  bench_.JudgeFaults();
  bench_.ResetJob();
  bench_.NameFaults("b", {3});
  EXPECT_THAT(Numbers(bench_.EnsureJob().spec), ElementsAre(1, 2, 4));
  bench_.Prove();
  Relook();
  EXPECT_FALSE(bench_.Has<action::EnsureJob>()) << "not at once: a tenth of the window";
  Relook();
  EXPECT_THAT(Numbers(bench_.EnsureJob().spec), ElementsAre(1, 2, 3, 4));
  bench_.Prove();
  EXPECT_THAT(SkippedSectors(bench_.Record()), IsEmpty());
}

// ---------------------------------------------------------------- troubles of the manager only

TEST_F(RejoinTest, WhatAWorkerMayReadIsLeftToIt) {
  bench_.unreadable = {2, 3};
  bench_.readers = 1;
  bench_.Head(1027);
  bench_.ReadInputs();
  bench_.CheckSectors();
  EXPECT_THAT(Numbers(bench_.EnsureJob().spec), ElementsAre(1, 2, 3, 4));
  EXPECT_TRUE(bench_.log.contains("sectors_left_to_workers"));
  bench_.Prove();
  EXPECT_THAT(SkippedSectors(bench_.Record()), IsEmpty());
}

TEST_F(RejoinTest, WrongContentsAreLeftToNobody) {
  bench_.wrong = {3};
  bench_.readers = 5;
  ProveTheRest();
  EXPECT_EQ(SkippedSectors(bench_.Record()).size(), 1u);
}

TEST_F(RejoinTest, WordOfAWorkerIsPutToAnotherWhereTheManagerCannotTell) {
  for (const std::size_t readers : {1U, 2U}) {
    Bench bench;
    bench.unreadable = {3};
    bench.readers = readers;
    bench.Head(1027);
    bench.ReadInputs();
    bench.CheckSectors();
    bench.EnsureJob();
    bench.NameFaults("a", {3});
    bench.JudgeFaults();
    EXPECT_EQ(bench.Has<action::ResetJob>(), readers == 2);
    EXPECT_EQ(bench.Has<action::EnsureJob>(), readers == 1) << "nobody else has the store";
  }
}

// Moved while the job was under way: the worker does not find it, the manager knows where it is
// now.
TEST_F(RejoinTest, SectorThatWasMovedIsProvenFromItsNewPlace) {
  bench_.Reach(DeadlineState::kProving);
  bench_.NameFaults("a", {3});
  const auto judge = bench_.Need<action::JudgeFaults>();
  bench_.Do(event::FaultsJudged{judge.ref, {{3, "other", "other", ""}}});
  EXPECT_EQ(bench_.Need<action::DropJob>().job_id, "job1") << "its places are those of before";
  const action::EnsureJob again = bench_.EnsureJob();
  EXPECT_THAT(Numbers(again.spec), ElementsAre(1, 2, 3, 4));
  EXPECT_EQ(again.spec.sectors[2].sealed_store, "other");
  // Once: then it is a claim like any other.
  bench_.NameFaults("a", {3});
  const auto second = bench_.Need<action::JudgeFaults>();
  bench_.Do(event::FaultsJudged{second.ref, {{3, "other", "other", ""}}});
  EXPECT_TRUE(bench_.Has<action::ResetJob>());
}

// Workers that do not see a store fail without a word about sectors, and are then left alone.
TEST_F(RejoinTest, JobThatEverybodyFailedAtIsOfferedAgainWhileTheRestCanBeProven) {
  bench_.Reach(DeadlineState::kProving);
  JobView view;
  view.id = bench_.Batch().job_id;
  view.waits = true;
  view.error = "store \"a\" shows none of the job's sectors: is it mounted?";
  bench_.Do(event::JobChanged{std::nullopt, view});
  bench_.Head(1034);
  EXPECT_FALSE(bench_.Has<action::ResetJob>()) << "the mount may come back";
  bench_.Head(1036);
  bench_.ResetJob();
  view.waits = false;
  bench_.Do(event::JobChanged{std::nullopt, view});
  bench_.unreadable = {3, 4};
  bench_.Head(1037);
  EXPECT_FALSE(bench_.Has<action::ResetJob>());
  bench_.NameFaults("a", {3, 4});
  EXPECT_THAT(Numbers(bench_.EnsureJob().spec), ElementsAre(1, 2));
}

}  // namespace
}  // namespace damocles::poster
