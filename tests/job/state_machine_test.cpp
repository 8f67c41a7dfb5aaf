// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/job/state_machine.h"

#include <optional>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "tests/job/job_support.h"

namespace damocles::job {
namespace {

// One job, driven step by step.
class StateMachineTest : public ::testing::Test {
 protected:
  Verdict Do(const Event& event) {
    StepResult result = Step(job_, event, now_, policy_);
    job_ = result.record;
    actions_ = result.actions;
    changed_ = result.changed;
    return result.verdict;
  }
  Verdict Allocate(const std::string& worker, std::uint64_t attempt) {
    return Do(event::Allocate{worker, attempt});
  }
  Verdict Beat(const std::string& worker, std::uint64_t attempt) {
    return Do(event::Heartbeat{worker, attempt});
  }
  Verdict Fail(const std::string& worker, std::uint64_t attempt,
               FailureKind kind = FailureKind::kAttempt) {
    return Do(event::AttemptFailed{worker, attempt, kind, "it broke"});
  }
  Verdict Prove(const std::string& worker, std::uint64_t attempt, std::uint8_t content = 1) {
    return Do(event::Proven{worker, attempt, MakeProof(content)});
  }
  void TickAfter(absl::Duration step) {
    now_ += step;
    Do(event::Tick{receiving_since_});
  }
  std::vector<std::string> Cancelled() const {
    std::vector<std::string> workers;
    for (const Action& action : actions_) {
      if (const auto* cancel = std::get_if<action::Cancel>(&action)) {
        workers.push_back(cancel->worker);
      }
    }
    return workers;
  }
  template <typename A>
  bool Did() const {
    for (const Action& action : actions_) {
      if (std::holds_alternative<A>(action)) return true;
    }
    return false;
  }

  Policy policy_;
  absl::Time now_ = kStart;
  absl::Time receiving_since_ = kStart;
  JobRecord job_ =
      NewRecord(JobId::FromNumber(1), std::make_shared<const JobSpec>(MakeSpec(1)), kStart);
  std::vector<Action> actions_;
  bool changed_ = false;
};

TEST_F(StateMachineTest, AllocateAndProve) {
  EXPECT_TRUE(IsReady(job_, now_));
  EXPECT_EQ(Allocate("a", 1), Verdict::kAccepted);
  EXPECT_EQ(job_.state, JobState::kRunning);
  EXPECT_EQ(job_.tries, 1u);
  EXPECT_EQ(job_.worker, "a");
  now_ += absl::Minutes(5);
  EXPECT_EQ(Prove("a", 1), Verdict::kAccepted);
  EXPECT_EQ(job_.state, JobState::kSucceeded);
  EXPECT_EQ(job_.proof, MakeProof(1));
  EXPECT_EQ(job_.finished_at, now_);
  EXPECT_TRUE(job_.live.empty());
  EXPECT_TRUE(Cancelled().empty());
}

TEST_F(StateMachineTest, FailedAttemptIsRetriedUntilTheLimit) {
  Allocate("a", 1);
  EXPECT_EQ(Fail("a", 1), Verdict::kAccepted);
  EXPECT_EQ(job_.state, JobState::kReadyToRun);
  EXPECT_EQ(job_.error, "a: it broke");
  EXPECT_TRUE(Did<action::Available>());
  EXPECT_EQ(job_.avoid, (std::vector<std::string>{"a"}));
  Allocate("b", 2);
  EXPECT_EQ(job_.tries, 2u);
  Fail("b", 2);
  EXPECT_EQ(job_.state, JobState::kFailed);
  EXPECT_EQ(job_.tries, 2u);
  TickAfter(absl::Minutes(1));
  EXPECT_EQ(job_.state, JobState::kFailed);
  EXPECT_EQ(Allocate("c", 3), Verdict::kStale);
}

TEST_F(StateMachineTest, MaxTryZeroMeansNoRetry) {
  policy_.job_max_try = 0;
  EXPECT_EQ(Allocate("a", 1), Verdict::kAccepted);
  Fail("a", 1);
  EXPECT_EQ(job_.state, JobState::kFailed);
}

TEST_F(StateMachineTest, RaisedLimitRevivesAFailedJob) {
  policy_.job_max_try = 1;
  Allocate("a", 1);
  Fail("a", 1);
  policy_.job_max_try = 2;
  TickAfter(absl::Seconds(1));
  EXPECT_EQ(job_.state, JobState::kReadyToRun);
  EXPECT_TRUE(Did<action::Available>());
}

TEST_F(StateMachineTest, OldAttemptCannotChangeTheState) {
  Allocate("a", 1);
  Fail("a", 1);
  Allocate("b", 2);
  const Bytes before = EncodeRecord(job_);
  EXPECT_EQ(Fail("a", 1), Verdict::kStale);
  EXPECT_EQ(Beat("a", 1), Verdict::kStale);
  EXPECT_EQ(Do(event::FaultsFound{"a", 1, {{7, "gone"}}}), Verdict::kStale);
  EXPECT_EQ(Fail("a", 2), Verdict::kStale) << "right number, wrong worker";
  EXPECT_EQ(Allocate("c", 2), Verdict::kStale) << "number given before";
  EXPECT_EQ(EncodeRecord(job_), before);
  EXPECT_FALSE(changed_);
}

TEST_F(StateMachineTest, VerifiedProofOfAnOldAttemptIsAccepted) {
  Allocate("a", 1);
  Fail("a", 1);
  Allocate("b", 2);
  EXPECT_EQ(Prove("a", 1, 7), Verdict::kAccepted);
  EXPECT_EQ(job_.state, JobState::kSucceeded);
  EXPECT_EQ(job_.proof, MakeProof(7));
  EXPECT_EQ(Cancelled(), (std::vector<std::string>{"b"}));
  EXPECT_EQ(Beat("b", 2), Verdict::kStale);
  EXPECT_EQ(Prove("b", 2, 8), Verdict::kStale) << "the first proof wins";
  EXPECT_EQ(job_.proof, MakeProof(7));
  EXPECT_EQ(Fail("b", 2), Verdict::kStale);
  EXPECT_EQ(job_.state, JobState::kSucceeded);
}

TEST_F(StateMachineTest, VerifiedProofIsAcceptedAfterFaultsFailureAndReset) {
  Allocate("a", 1);
  Do(event::FaultsFound{"a", 1, {{7, "gone"}}});
  EXPECT_EQ(job_.state, JobState::kFaults);
  EXPECT_EQ(Prove("b", 0), Verdict::kAccepted);
  EXPECT_EQ(job_.state, JobState::kSucceeded);
  EXPECT_TRUE(job_.faults.empty());
  Do(event::Reset{});
  EXPECT_EQ(job_.state, JobState::kReadyToRun);
  EXPECT_TRUE(job_.proof.empty());
  EXPECT_EQ(Prove("a", 1), Verdict::kAccepted);
  EXPECT_EQ(job_.state, JobState::kSucceeded);
}

TEST_F(StateMachineTest, AfterFaultsAndAResetAnotherWorkerIsPreferred) {
  Allocate("a", 1);
  Do(event::FaultsFound{"a", 1, {{7, "gone"}}});
  Do(event::Reset{});
  EXPECT_EQ(job_.state, JobState::kReadyToRun);
  EXPECT_EQ(job_.avoid, (std::vector<std::string>{"a"}));
}

TEST_F(StateMachineTest, MappingErrorBurnsNoTryAndExcludesTheWorker) {
  Allocate("a", 1);
  Fail("a", 1, FailureKind::kMapping);
  EXPECT_EQ(job_.state, JobState::kReadyToRun);
  EXPECT_EQ(job_.tries, 0u);
  EXPECT_EQ(job_.excluded, (std::vector<Exclusion>{{"a", "it broke", now_}}));
  EXPECT_EQ(Allocate("a", 2), Verdict::kStale);
  EXPECT_EQ(Allocate("b", 3), Verdict::kAccepted);
  EXPECT_EQ(job_.tries, 1u);
}

TEST_F(StateMachineTest, AnExclusionDoesNotOutliveTheTroubleForLong) {
  Allocate("a", 1);
  Fail("a", 1, FailureKind::kMapping);
  now_ += kExcludedFor - absl::Seconds(1);
  EXPECT_EQ(Allocate("a", 2), Verdict::kStale);
  now_ += absl::Seconds(1);
  EXPECT_EQ(Allocate("a", 3), Verdict::kAccepted) << "its disk may be mounted by now";
}

TEST_F(StateMachineTest, RestartOfTheWorkerLiftsItsExclusion) {
  Allocate("a", 1);
  Fail("a", 1, FailureKind::kMapping);
  Do(event::WorkerStarted{"a"});
  EXPECT_TRUE(job_.excluded.empty());
  EXPECT_TRUE(Did<action::Available>());
  EXPECT_EQ(Allocate("a", 2), Verdict::kAccepted);
}

TEST_F(StateMachineTest, SilentWorkerLosesTheJobAfterTheTimeOut) {
  Allocate("a", 1);
  TickAfter(policy_.heartbeat_timeout);
  EXPECT_EQ(job_.state, JobState::kRunning);
  TickAfter(absl::Milliseconds(1));
  EXPECT_EQ(job_.state, JobState::kReadyToRun);
  EXPECT_EQ(job_.failure, FailureKind::kHeartbeat);
  Allocate("b", 2);
  TickAfter(absl::Minutes(1));
  EXPECT_EQ(job_.state, JobState::kFailed) << "two dead workers burnt two tries";
}

TEST_F(StateMachineTest, HeartbeatsKeepTheJobWithoutTouchingTheDisk) {
  Allocate("a", 1);
  for (int i = 0; i < 100; ++i) {
    TickAfter(absl::Seconds(10));
    EXPECT_EQ(Beat("a", 1), Verdict::kAccepted);
    EXPECT_FALSE(changed_);
  }
  EXPECT_EQ(job_.state, JobState::kRunning);
  EXPECT_EQ(job_.heartbeat_at, now_);
}

TEST_F(StateMachineTest, SilenceBeforeTheManagerCouldHearDoesNotCount) {
  Allocate("a", 1);
  receiving_since_ = now_ + absl::Hours(1);
  job_.close_time = kStart + absl::Hours(9);
  TickAfter(absl::Hours(1) + policy_.heartbeat_timeout);
  EXPECT_EQ(job_.state, JobState::kRunning);
  TickAfter(absl::Seconds(1));
  EXPECT_EQ(job_.state, JobState::kReadyToRun);
}

TEST_F(StateMachineTest, LostConnectionBurnsNoTry) {
  Allocate("a", 1);
  TickAfter(absl::Seconds(20));
  EXPECT_EQ(job_.state, JobState::kReadyToRun);
  EXPECT_EQ(Beat("a", 1), Verdict::kAccepted);
  EXPECT_TRUE(changed_);
  EXPECT_EQ(job_.state, JobState::kRunning);
  EXPECT_EQ(job_.tries, 1u);
  EXPECT_TRUE(job_.avoid.empty());
  Fail("a", 1);
  EXPECT_EQ(job_.state, JobState::kReadyToRun) << "one try was burnt, not two";
}

TEST_F(StateMachineTest, LostConnectionIsForgivenAfterTheLastTryToo) {
  policy_.job_max_try = 1;
  Allocate("a", 1);
  TickAfter(absl::Seconds(20));
  EXPECT_EQ(job_.state, JobState::kFailed);
  EXPECT_EQ(Beat("a", 1), Verdict::kAccepted);
  EXPECT_EQ(job_.state, JobState::kRunning);
  EXPECT_EQ(job_.finished_at, absl::InfinitePast());
}

TEST_F(StateMachineTest, ReturningWorkerMakesItsSuccessorTheSpare) {
  Allocate("a", 1);
  TickAfter(absl::Seconds(20));
  Allocate("b", 2);
  EXPECT_EQ(job_.tries, 2u);
  EXPECT_EQ(Beat("a", 1), Verdict::kAccepted);
  EXPECT_EQ(job_.live.size(), 2u);
  EXPECT_EQ(job_.tries, 1u);
  Fail("b", 2);
  EXPECT_EQ(job_.state, JobState::kRunning);
  Fail("a", 1);
  EXPECT_EQ(job_.state, JobState::kReadyToRun);
  EXPECT_EQ(job_.tries, 1u);
}

TEST_F(StateMachineTest, AfterAResetNobodyComesBack) {
  Allocate("a", 1);
  TickAfter(absl::Seconds(20));
  Do(event::Reset{});
  EXPECT_EQ(Beat("a", 1), Verdict::kStale);
  EXPECT_EQ(job_.state, JobState::kReadyToRun);
  EXPECT_EQ(job_.tries, 0u);
}

TEST_F(StateMachineTest, ResetCancelsWhoWorksOnItAndKeepsTheFence) {
  Allocate("a", 1);
  now_ += absl::Seconds(5);
  Do(event::Reset{});
  EXPECT_EQ(Cancelled(), (std::vector<std::string>{"a"}));
  EXPECT_EQ(job_.attempt, 1u);
  EXPECT_EQ(job_.created_at, now_);
  EXPECT_EQ(Beat("a", 1), Verdict::kStale);
  EXPECT_EQ(Fail("a", 1), Verdict::kStale);
  EXPECT_EQ(Allocate("a", 1), Verdict::kStale);
  EXPECT_EQ(Allocate("a", 2), Verdict::kAccepted);
}

TEST_F(StateMachineTest, WrongProofBurnsATry) {
  Allocate("a", 1);
  Fail("a", 1, FailureKind::kWrongProof);
  EXPECT_EQ(job_.state, JobState::kReadyToRun);
  EXPECT_EQ(job_.failure, FailureKind::kWrongProof);
  EXPECT_EQ(job_.tries, 1u);
  EXPECT_EQ(job_.avoid, (std::vector<std::string>{"a"}));
}

TEST_F(StateMachineTest, SpareIsCancelledWhenTheOtherWins) {
  Allocate("a", 1);
  EXPECT_EQ(Allocate("a", 2), Verdict::kStale) << "one worker twice";
  EXPECT_EQ(Allocate("b", 2), Verdict::kAccepted);
  EXPECT_EQ(Allocate("c", 3), Verdict::kStale) << "two at most";
  EXPECT_EQ(job_.tries, 1u);
  EXPECT_EQ(job_.spares, 1u);
  EXPECT_EQ(Prove("b", 2, 9), Verdict::kAccepted);
  EXPECT_EQ(Cancelled(), (std::vector<std::string>{"a"}));
  EXPECT_EQ(job_.worker, "b");
}

TEST_F(StateMachineTest, JobGoesOnWithTheSpareWhenTheFirstDies) {
  Allocate("a", 1);
  now_ += absl::Seconds(10);
  Allocate("b", 2);
  TickAfter(absl::Seconds(6));
  EXPECT_EQ(job_.state, JobState::kRunning);
  ASSERT_EQ(job_.live.size(), 1u);
  EXPECT_EQ(job_.live[0].worker, "b");
  Fail("b", 2, FailureKind::kMapping);
  EXPECT_EQ(job_.state, JobState::kReadyToRun);
  EXPECT_EQ(job_.tries, 1u) << "the dead worker burnt it, the mapping error did not save it";
}

TEST_F(StateMachineTest, SparesOfOneTryAreBounded) {
  Allocate("a", 1);
  std::uint64_t attempt = 1;
  for (std::uint32_t i = 0; i < kSparesMax; ++i) {
    ++attempt;
    EXPECT_EQ(Allocate("s" + std::to_string(attempt), attempt), Verdict::kAccepted);
    Fail("s" + std::to_string(attempt), attempt);
  }
  EXPECT_EQ(Allocate("late", attempt + 1), Verdict::kStale);
}

TEST_F(StateMachineTest, RestartedWorkerHasLostItsWork) {
  Allocate("a", 1);
  Do(event::WorkerStarted{"b"});
  EXPECT_FALSE(changed_);
  Do(event::WorkerStarted{"a"});
  EXPECT_EQ(job_.state, JobState::kReadyToRun);
  EXPECT_EQ(job_.error, "a: was started anew in the middle of the work");
}

TEST_F(StateMachineTest, TheSameProcessOfTheWorkerHasLostNothing) {
  Do(event::Allocate{"a", 1, "first"});
  Do(event::WorkerStarted{"a", "first"});  // as after a restart of the manager
  EXPECT_EQ(job_.state, JobState::kRunning);
  EXPECT_FALSE(changed_);
  Do(event::WorkerStarted{"a", "second"});
  EXPECT_EQ(job_.state, JobState::kReadyToRun);
}

TEST_F(StateMachineTest, AnAttemptOfAnUnknownProcessIsLeftToItsHeartbeats) {
  Allocate("a", 1);  // as a row of format 1 has it
  Do(event::WorkerStarted{"a", "first"});
  EXPECT_EQ(job_.state, JobState::kRunning);
  EXPECT_EQ(Beat("a", 1), Verdict::kAccepted);
  TickAfter(absl::Seconds(20));
  EXPECT_EQ(job_.state, JobState::kReadyToRun);
}

TEST_F(StateMachineTest, WhatWasNeverReceivedBurnsNoTryAndIsFreeForTheSameWorker) {
  policy_.job_max_try = 1;
  Allocate("a", 1);
  EXPECT_EQ(Do(event::NeverReceived{"b", 1}), Verdict::kStale) << "another's";
  EXPECT_EQ(Do(event::NeverReceived{"a", 1}), Verdict::kAccepted);
  EXPECT_EQ(job_.state, JobState::kReadyToRun);
  EXPECT_TRUE(Did<action::Available>());
  EXPECT_EQ(job_.tries, 0u);
  EXPECT_TRUE(job_.avoid.empty());
  EXPECT_EQ(Do(event::NeverReceived{"a", 1}), Verdict::kStale) << "once is enough";
  EXPECT_EQ(Allocate("a", 2), Verdict::kAccepted);
  EXPECT_EQ(job_.tries, 1u);
}

TEST_F(StateMachineTest, ASpareThatWasNeverReceivedLeavesTheMainAttemptAlone) {
  Allocate("a", 1);
  Allocate("b", 2);
  EXPECT_EQ(Do(event::NeverReceived{"b", 2}), Verdict::kAccepted);
  EXPECT_EQ(job_.state, JobState::kRunning);
  EXPECT_EQ(job_.spares, 0u);
  EXPECT_EQ(job_.tries, 1u);
  Allocate("c", 3);
  Fail("a", 1);
  EXPECT_EQ(Do(event::NeverReceived{"c", 3}), Verdict::kAccepted);
  EXPECT_EQ(job_.state, JobState::kReadyToRun);
  EXPECT_EQ(job_.tries, 1u) << "the main attempt did fail";
}

TEST_F(StateMachineTest, AnAttemptFoundUnreceivedAfterItsLeaseGivesTheTryBack) {
  policy_.job_max_try = 1;
  Allocate("a", 1);
  TickAfter(absl::Seconds(20));
  ASSERT_EQ(job_.state, JobState::kFailed);
  EXPECT_EQ(Do(event::NeverReceived{"a", 1}), Verdict::kAccepted);
  EXPECT_EQ(job_.state, JobState::kReadyToRun);
  EXPECT_EQ(job_.tries, 0u);
  EXPECT_TRUE(job_.avoid.empty());
}

TEST_F(StateMachineTest, AnAutomaticResetLetsASilentWorkerComeBack) {
  policy_.job_max_try = 1;
  Allocate("a", 1);
  TickAfter(absl::Seconds(20));
  ASSERT_EQ(job_.state, JobState::kFailed);
  Do(event::Reset{.automatic = true});
  EXPECT_EQ(job_.state, JobState::kReadyToRun);
  EXPECT_EQ(job_.tries, 0u);
  EXPECT_EQ(Beat("a", 1), Verdict::kAccepted) << "its proof is not thrown away";
  EXPECT_EQ(job_.state, JobState::kRunning);
  EXPECT_EQ(job_.tries, 1u);
}

TEST_F(StateMachineTest, AnAutomaticResetAfterAFailureLeavesNobody) {
  policy_.job_max_try = 1;
  Allocate("a", 1);
  Fail("a", 1);
  Do(event::Reset{.automatic = true});
  EXPECT_TRUE(job_.lost.empty());
  EXPECT_EQ(Beat("a", 1), Verdict::kStale);
}

TEST_F(StateMachineTest, ClosedJobIsNotHandedOutAndARunningOneIsCancelled) {
  Allocate("a", 1);
  job_.live[0].heartbeat_at = job_.close_time;
  now_ = job_.close_time - absl::Seconds(1);
  EXPECT_EQ(Beat("a", 1), Verdict::kAccepted);
  TickAfter(absl::Seconds(1));
  EXPECT_EQ(job_.state, JobState::kFailed);
  EXPECT_EQ(job_.failure, FailureKind::kClosed);
  EXPECT_EQ(Cancelled(), (std::vector<std::string>{"a"}));
  EXPECT_EQ(Beat("a", 1), Verdict::kStale);
  Do(event::Reset{});
  EXPECT_FALSE(IsReady(job_, now_));
  EXPECT_EQ(Allocate("b", 2), Verdict::kStale);
  EXPECT_EQ(Prove("a", 1), Verdict::kAccepted);
}

TEST_F(StateMachineTest, LaterCloseReopensAJobThatWasClosedTooEarly) {
  Allocate("a", 1);
  now_ = job_.close_time;
  TickAfter(absl::ZeroDuration());
  ASSERT_EQ(job_.state, JobState::kFailed);
  Do(event::CloseTimeChanged{now_ + absl::Minutes(5)});
  EXPECT_EQ(job_.state, JobState::kReadyToRun);
  EXPECT_EQ(Allocate("a", 2), Verdict::kAccepted);
}

TEST_F(StateMachineTest, FinishedJobsGoAfterTheirLifetimeUnfinishedLongAfterTheClose) {
  job_.close_time = absl::InfiniteFuture();
  TickAfter(absl::Hours(50));
  EXPECT_FALSE(Did<action::Delete>()) << "waiting; nobody knows the close";
  TickAfter(absl::Seconds(1));
  EXPECT_TRUE(Did<action::Delete>());

  now_ = kStart;
  job_.close_time = job_.spec->close_time;
  Allocate("a", 1);
  Prove("a", 1);
  TickAfter(absl::Hours(25));
  EXPECT_FALSE(Did<action::Delete>());
  TickAfter(absl::Seconds(1));
  EXPECT_TRUE(Did<action::Delete>());

  job_.close_time = now_ + absl::Hours(1);
  TickAfter(absl::Seconds(1));
  EXPECT_FALSE(Did<action::Delete>()) << "its deadline is still open";
}

TEST_F(StateMachineTest, WantsASpareWhenLateOrTooSlow) {
  const auto wants = [&](std::optional<absl::Duration> takes) {
    return WantsSpare(job_, now_, policy_, receiving_since_, {.first = takes, .spare = takes});
  };
  EXPECT_FALSE(wants(absl::Hours(9))) << "nobody has it yet";
  Allocate("a", 1);  // closes 30 minutes from now
  EXPECT_FALSE(wants(absl::Minutes(20)));
  EXPECT_TRUE(wants(absl::Minutes(31)));
  EXPECT_FALSE(wants(std::nullopt));
  now_ += absl::Minutes(16);
  Beat("a", 1);
  EXPECT_TRUE(wants(std::nullopt)) << "over half of the time is gone";
  EXPECT_FALSE(wants(absl::Minutes(13)));
  EXPECT_TRUE(wants(absl::Minutes(1))) << "long overdue";
  now_ += policy_.heartbeat_late + absl::Milliseconds(1);
  EXPECT_TRUE(wants(absl::Minutes(13))) << "heartbeat late";
  policy_.redundancy = false;
  EXPECT_FALSE(wants(absl::Minutes(20)));
  policy_.redundancy = true;
  Allocate("b", 2);
  EXPECT_FALSE(wants(absl::Minutes(20))) << "has one";
}

TEST_F(StateMachineTest, ShortWindowsDoNotAskForSparesAtOnce) {
  job_.close_time = kStart + absl::Seconds(10);
  Allocate("a", 1);
  EXPECT_FALSE(WantsSpare(job_, now_, policy_, receiving_since_,
                          {.first = absl::Seconds(2), .spare = absl::Seconds(2)}));
  EXPECT_FALSE(WantsSpare(job_, now_, policy_, receiving_since_, {}));
}

// A first that hangs still beats: only the time tells.
TEST_F(StateMachineTest, ASpareStartsWhileItCanStillFinish) {
  Allocate("a", 1);  // closes in 30 minutes, wanted in 29:30
  // When the spare is wanted, if the first takes so long and the spare so long.
  const auto begins = [&](std::optional<absl::Duration> first,
                          std::optional<absl::Duration> spare) -> absl::Duration {
    for (absl::Duration at; at < absl::Minutes(30); at += absl::Seconds(1)) {
      JobRecord job = job_;
      job.live[0].heartbeat_at = kStart + at;
      if (WantsSpare(job, kStart + at, policy_, receiving_since_,
                     {.first = first, .spare = spare})) {
        return at;
      }
    }
    return absl::InfiniteDuration();
  };
  for (int minutes = 1; minutes <= 28; ++minutes) {
    const absl::Duration takes = absl::Minutes(minutes);
    const absl::Duration begin = begins(takes, takes);
    EXPECT_LT(begin + takes, absl::Minutes(29.5)) << minutes << " minutes: it comes too late";
    EXPECT_LE(begin, takes * 1.25 + absl::Seconds(2)) << minutes << " minutes";
    // While there is time enough for it to be late first, nobody computes for nothing.
    EXPECT_TRUE(begin > takes || 2 * takes > absl::Minutes(29)) << minutes << " minutes";
  }
  EXPECT_EQ(begins(absl::Minutes(4), absl::Minutes(4)), absl::Minutes(5) + absl::Seconds(2))
      << "at once when the first is late by its own measure";
  EXPECT_LT(begins(absl::Minutes(4), absl::Minutes(27)), absl::Minutes(2.5))
      << "a slow spare begins early";
  EXPECT_LT(begins(std::nullopt, absl::Minutes(20)), absl::Minutes(9.5));
  EXPECT_LT(begins(std::nullopt, std::nullopt), absl::Minutes(15));
  job_.close_time = absl::InfiniteFuture();
  EXPECT_EQ(begins(std::nullopt, std::nullopt), absl::InfiniteDuration());
  EXPECT_EQ(begins(absl::Minutes(4), std::nullopt), absl::Minutes(5) + absl::Seconds(2));
}

TEST_F(StateMachineTest, AJobThatNobodyTookFailsAtTheClose) {
  TickAfter(absl::Minutes(30));
  EXPECT_EQ(job_.state, JobState::kFailed);
  EXPECT_EQ(job_.failure, FailureKind::kClosed);
  EXPECT_EQ(job_.error, "the deadline closed before any worker had taken the job");
  EXPECT_EQ(job_.finished_at, now_);
  Do(event::CloseTimeChanged{now_ + absl::Minutes(5)});
  EXPECT_EQ(job_.state, JobState::kReadyToRun) << "the close was another than thought";
  Allocate("a", 1);
  Fail("a", 1);
  TickAfter(absl::Minutes(5));
  EXPECT_EQ(job_.state, JobState::kFailed);
  EXPECT_EQ(job_.error, "the deadline closed before a proof was there; before that: a: it broke");
}

TEST_F(StateMachineTest, InvariantsNameWhatIsBroken) {
  EXPECT_TRUE(InvariantsOf(job_).Empty());
  Allocate("a", 1);
  EXPECT_TRUE(InvariantsOf(job_).Empty());
  JobRecord broken = job_;
  broken.live.clear();
  EXPECT_EQ(InvariantsOf(broken).Rules(),
            (std::vector<std::string>{"a job has live attempts if and only if it runs"}));
  Prove("a", 1);
  broken = job_;
  broken.proof.pop_back();
  EXPECT_EQ(InvariantsOf(broken).Rules(),
            (std::vector<std::string>{"a proof is as long as its partitions"}));
}

}  // namespace
}  // namespace damocles::job
