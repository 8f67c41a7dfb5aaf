// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// Who has a job when managers are restarted, connections die and workers come and go.

#include <map>
#include <string>

#include "gmock/gmock.h"
#include "tests/worker/fleet.h"

namespace damocles::worker {
namespace {

using job::JobState;
using testing::AllOf;
using testing::HasSubstr;

TEST(LeaseTest, ARestartedManagerFindsTheWorkGoingOn) {
  Fleet fleet({.job_max_try = 1});
  fleet.AddWorker("w1");
  const job::JobId id = fleet.AddJob(1);
  fleet.Pass(absl::Seconds(10));
  ASSERT_EQ(fleet.Job(id).state, JobState::kRunning);
  fleet.KillManager();
  fleet.Pass(absl::Seconds(5));
  fleet.StartManager();
  fleet.Pass(absl::Seconds(20));
  EXPECT_EQ(fleet.Job(id).state, JobState::kRunning);
  fleet.Pass(absl::Seconds(20));
  EXPECT_EQ(fleet.Job(id).state, JobState::kSucceeded);
  EXPECT_EQ(fleet.Job(id).tries, 1U);
  EXPECT_EQ(fleet.prover->calls, 1);
}

TEST(LeaseTest, ARestartedWorkerHasLostItsWork) {
  Fleet fleet;
  const std::size_t worker = fleet.AddWorker("w1");
  const job::JobId id = fleet.AddJob(1);
  fleet.Pass(absl::Seconds(10));
  fleet.KillWorker(worker);
  fleet.StartWorker(worker);
  fleet.Pass(absl::Seconds(1));
  EXPECT_EQ(fleet.Job(id).tries, 2U) << "at once, not after the time-out";
  fleet.Pass(absl::Seconds(45));
  EXPECT_EQ(fleet.Job(id).state, JobState::kSucceeded);
}

TEST(LeaseTest, ASilentWorkerKeepsItsProofThroughAnAutomaticReset) {
  Fleet fleet({.job_max_try = 1});
  const std::size_t worker = fleet.AddWorker("w1");
  const job::JobId id = fleet.AddJob(1);
  fleet.Pass(absl::Seconds(1));
  fleet.worker(worker).wire->up = false;
  fleet.worker(worker).wire->Cut();
  fleet.Pass(absl::Seconds(20));
  ASSERT_EQ(fleet.Job(id).state, JobState::kFailed);
  ASSERT_OK(fleet.queue().Reset(id, /*automatic=*/true));
  fleet.worker(worker).wire->up = true;
  fleet.Pass(absl::Seconds(25));
  EXPECT_EQ(fleet.Job(id).state, JobState::kSucceeded);
  EXPECT_EQ(fleet.prover->calls, 1);
  EXPECT_EQ(fleet.prover->cancels, 0);
}

TEST(LeaseTest, ASecondWorkerOfTheSameNameIsRefused) {
  Fleet fleet;
  const std::size_t first = fleet.AddWorker("host");
  const job::JobId id = fleet.AddJob(1);
  const std::size_t second = fleet.AddWorker("host");
  fleet.Pass(absl::Seconds(60));
  EXPECT_EQ(fleet.Job(id).state, JobState::kSucceeded);
  EXPECT_EQ(fleet.Job(id).tries, 1U);
  EXPECT_THAT(fleet.worker(second).refusal,
              AllOf(HasSubstr("\"host\""), HasSubstr(fleet.worker(first).address),
                    HasSubstr(fleet.worker(second).address), HasSubstr("[worker] name")));
  // When the first is gone the name is free.
  fleet.KillWorker(first);
  const job::JobId next = fleet.AddJob(2);
  fleet.Pass(absl::Seconds(60));
  EXPECT_EQ(fleet.Job(next).state, JobState::kSucceeded);
}

TEST(LeaseTest, AWorkerThatHangsLosesItsNameAfterTheTimeOut) {
  Fleet fleet;
  auto hung = fleet.hub().Register(Fleet::CapabilitiesOf("host", "one"), "10.0.0.1:7");
  ASSERT_OK(hung);
  EXPECT_FALSE(fleet.hub().Register(Fleet::CapabilitiesOf("host", "two"), "10.0.0.2:7").ok());
  fleet.Pass(job::Policy().heartbeat_timeout + absl::Seconds(1));
  const auto other = fleet.hub().Register(Fleet::CapabilitiesOf("host", "two"), "10.0.0.2:7");
  ASSERT_OK(other);
  // What wakes up then has nothing to say any more.
  auto late = (*hung)->Heartbeat({}, false).ToPromise();
  EXPECT_THAT(fleet.Answer(late),
              testing_support::StatusIs(absl::StatusCode::kFailedPrecondition, "10.0.0.2:7"));
}

TEST(LeaseTest, AnAssignmentLostOnTheWireComesBackAtOnceAndBurnsNoTry) {
  Fleet fleet({.job_max_try = 1});
  const std::size_t worker = fleet.AddWorker("w1");
  fleet.worker(worker).wire->cut_at_next_assignment = true;
  const job::JobId id = fleet.AddJob(1);
  EXPECT_EQ(fleet.Job(id).state, JobState::kRunning);
  EXPECT_TRUE(fleet.worker(worker).agent->Running().empty());
  fleet.Pass(absl::Seconds(10));  // before the lease ends
  EXPECT_EQ(fleet.Job(id).state, JobState::kRunning);
  EXPECT_EQ(fleet.worker(worker).agent->Running().size(), 1U);
  EXPECT_EQ(fleet.Job(id).tries, 1U);
  EXPECT_TRUE(fleet.Job(id).avoid.empty());
  fleet.Pass(absl::Seconds(40));
  EXPECT_EQ(fleet.Job(id).state, JobState::kSucceeded);
}

TEST(LeaseTest, AnAssignmentLostWithTheManagerComesBackToo) {
  Fleet fleet({.job_max_try = 1});
  const std::size_t worker = fleet.AddWorker("w1");
  fleet.worker(worker).wire->cut_at_next_assignment = true;
  const job::JobId id = fleet.AddJob(1);
  fleet.KillManager();
  fleet.StartManager();
  EXPECT_EQ(fleet.Job(id).state, JobState::kRunning);
  fleet.Pass(absl::Seconds(10));
  EXPECT_EQ(fleet.worker(worker).agent->Running().size(), 1U);
  EXPECT_EQ(fleet.Job(id).tries, 1U);
}

TEST(LeaseTest, WhatWasOnItsWayToADrainingWorkerGoesToAnotherAtOnce) {
  Fleet fleet({.job_max_try = 1});
  auto leaving = fleet.hub().Register(Fleet::CapabilitiesOf("w1", "one"), "10.0.0.1:7");
  ASSERT_OK(leaving);
  const job::JobId id = fleet.AddJob(1);
  auto asked = (*leaving)->Allocate(absl::ZeroDuration()).ToPromise();
  ASSERT_OK(fleet.Answer(asked));
  ASSERT_EQ(fleet.Job(id).state, JobState::kRunning);
  auto good_bye = (*leaving)->Heartbeat({}, /*leaving=*/true).ToPromise();
  ASSERT_OK(fleet.Answer(good_bye));
  EXPECT_EQ(fleet.Job(id).state, JobState::kReadyToRun);
  EXPECT_EQ(fleet.Job(id).tries, 0U);
}

TEST(LeaseTest, ADrainingAgentSaysSo) {
  Fleet fleet;
  const std::size_t worker = fleet.AddWorker("w1");
  fleet.AddWorker("w2");
  const job::JobId id = fleet.AddJob(1);
  fleet.Pass(absl::Seconds(1));
  const std::size_t busy = fleet.worker(worker).agent->Running().empty() ? 1 : 0;
  fleet.worker(busy).agent->Drain();
  fleet.Pass(absl::Seconds(30));
  EXPECT_EQ(fleet.Job(id).state, JobState::kRunning) << "what it has received it ends";
  fleet.Pass(absl::Seconds(15));
  EXPECT_EQ(fleet.Job(id).state, JobState::kSucceeded);
  EXPECT_TRUE(fleet.worker(busy).ended);
  EXPECT_EQ(fleet.prover->calls, 1);
}

TEST(LeaseTest, AManagerThatIsSlowToVerifyStillHearsHeartbeats) {
  Fleet fleet({.job_max_try = 1}, absl::Minutes(3));
  const std::size_t worker = fleet.AddWorker("w1");
  // A proof of an earlier life waits on the disk; its verification takes for ever.
  const job::JobId old = fleet.AddJob(1);
  fleet.Pass(absl::Seconds(1));
  fleet.KillWorker(worker);
  ASSERT_OK(fleet.worker(worker).results->Save(
      {.manager = "manager",
       .attempt = {.job = old, .attempt = fleet.Job(old).attempt},
       .close_time = fleet.Now() + absl::Hours(1),
       .proof = job::MakeProof(1)}));
  fleet.hub_executor.hold = true;
  fleet.StartWorker(worker);
  const job::JobId id = fleet.AddJob(2);
  fleet.Pass(absl::Minutes(2));
  EXPECT_EQ(fleet.Job(id).state, JobState::kRunning);
  EXPECT_EQ(fleet.Job(id).tries, 1U);
  EXPECT_LT(fleet.Now() - fleet.Job(id).heartbeat_at, absl::Seconds(4));
}

TEST(LeaseTest, WorkersBeatAsOftenAsTheManagerWants) {
  Fleet fleet({.job_max_try = 1,
               .heartbeat_timeout = absl::Seconds(2),
               .heartbeat_late = absl::Seconds(1)});
  fleet.AddWorker("w1");
  fleet.AddWorker("w2");
  const job::JobId id = fleet.AddJob(1);
  fleet.Pass(absl::Seconds(60));
  EXPECT_EQ(fleet.Job(id).state, JobState::kSucceeded);
  EXPECT_EQ(fleet.prover->calls, 1) << "neither lost nor given to a spare";
}

TEST(LeaseTest, NewParametersAreAnnouncedWhileTheWorkerRuns) {
  Fleet fleet;
  auto there = std::make_shared<bool>(false);
  AgentOptions options;
  options.refresh_interval = absl::Seconds(30);
  options.refresh = [there] {
    Capabilities capabilities = Fleet::CapabilitiesOf("w1", "i");
    if (!*there) capabilities.verifying_keys.clear();
    return capabilities;
  };
  fleet.AddWorker("w1", options);
  fleet.Pass(absl::Seconds(80));  // the first look, which takes as long as a proof here
  const job::JobId id = fleet.AddJob(1);
  fleet.Pass(absl::Minutes(2));
  EXPECT_EQ(fleet.Job(id).state, JobState::kReadyToRun) << "it could only burn tries";
  EXPECT_EQ(fleet.Job(id).tries, 0U);
  *there = true;
  fleet.Pass(absl::Minutes(4));
  EXPECT_EQ(fleet.Job(id).state, JobState::kSucceeded);
}

// Whoever asks first must not have all the work for that.
TEST(LeaseTest, IdleWorkersTakeTurns) {
  Fleet fleet({}, absl::Seconds(1));
  fleet.AddWorker("w1");
  fleet.AddWorker("w2");
  std::map<std::string, int> jobs;
  for (std::uint64_t n = 1; n <= 8; ++n) {
    const job::JobId id = fleet.AddJob(n);
    fleet.Pass(absl::Seconds(n % 3 == 0 ? 61 : 7));
    ASSERT_EQ(fleet.Job(id).state, JobState::kSucceeded);
    ++jobs[fleet.Job(id).worker];
  }
  EXPECT_EQ(jobs, (std::map<std::string, int>{{"w1", 4}, {"w2", 4}}));
}

TEST(LeaseTest, StartsAreStaggered) {
  Fleet fleet({}, absl::Seconds(1));
  AgentOptions options;
  options.staggered = absl::Seconds(30);
  fleet.AddWorker("w1", options);
  const job::JobId first = fleet.AddJob(1);
  const job::JobId second = fleet.AddJob(2);
  fleet.Pass(absl::Seconds(28));
  EXPECT_EQ(fleet.prover->calls, 1);
  fleet.Pass(absl::Seconds(5));
  EXPECT_EQ(fleet.Job(first).state, JobState::kSucceeded);
  EXPECT_EQ(fleet.Job(second).state, JobState::kSucceeded);
}

TEST(LeaseTest, AStoreThatShowsNothingIsNoFaultOfItsSectors) {
  Fleet fleet({}, absl::Seconds(1));
  fleet.AddWorker("w1");
  for (const std::uint64_t number : {7U, 17U, 27U}) {
    fleet.prover->faults.push_back(
        {.number = number,
         .reason = absl::StrFormat("/one/sealed/s-t01001-%d: cannot look at: no such file", number),
         .kind = prover::FaultKind::kMissing});
  }
  const job::JobId id = fleet.AddJob(1);
  fleet.Pass(absl::Seconds(5));
  job::JobRecord record = fleet.Job(id);
  EXPECT_EQ(record.state, JobState::kReadyToRun);
  EXPECT_EQ(record.tries, 0U);
  ASSERT_EQ(record.excluded.size(), 1U);
  EXPECT_THAT(record.excluded[0].reason,
              AllOf(HasSubstr("\"store-a\""), HasSubstr("/one"), HasSubstr("mounted")));

  // Some of a store: those are faulty.
  fleet.prover->faults.pop_back();
  ASSERT_OK(fleet.queue().Reset(id));
  fleet.Pass(absl::Seconds(5));
  record = fleet.Job(id);
  EXPECT_EQ(record.state, JobState::kFaults);
  EXPECT_EQ(record.faults.size(), 2U);
}

// Nobody else has the store: the manager must hear which sectors these are, or the window is lost
// for the others too.
TEST(LeaseTest, AStoreThatNobodySeesIsNamedSectorBySectorAtTheSecondTry) {
  Fleet fleet({}, absl::Seconds(1));
  fleet.AddWorker("w1");
  for (const std::uint64_t number : {7U, 17U, 27U}) {
    fleet.prover->faults.push_back(
        {.number = number,
         .reason = absl::StrFormat("/one/sealed/s-t01001-%d: cannot read: I/O error", number),
         .kind = prover::FaultKind::kUnreadable});
  }
  const job::JobId id = fleet.AddJob(1);
  fleet.Pass(absl::Seconds(5));
  EXPECT_EQ(fleet.Job(id).state, JobState::kReadyToRun);
  ASSERT_OK(fleet.queue().Reset(id));
  fleet.Pass(absl::Seconds(5));
  EXPECT_EQ(fleet.Job(id).state, JobState::kFaults);
  EXPECT_EQ(fleet.Job(id).faults.size(), 3U);
  EXPECT_GE(fleet.prover->LastTask().read_limit, absl::Seconds(10));
}

}  // namespace
}  // namespace damocles::worker
