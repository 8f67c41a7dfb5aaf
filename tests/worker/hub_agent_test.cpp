// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// The manager's hub and the worker's agent in one process, in time that a test moves.

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tests/job/failing_store.h"
#include "tests/job/job_support.h"
#include "tests/support/loop.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"
#include "tests/worker/worker_support.h"

#include "damocles/base/log.h"
#include "damocles/store/store.h"
#include "damocles/worker/agent.h"
#include "damocles/worker/hub.h"

namespace damocles::worker {
namespace {

using job::JobState;
using job::kStart;
using job::MakeSpec;
using testing::AllOf;
using testing::Contains;
using testing::HasSubstr;
using testing_support::Loop;
using testing_support::StatusIs;
using testing_support::TempDir;

constexpr auto kType = filecoin::PoStProofType::kWindow32GiBV1_1;

class HubAgentTest : public testing::Test {
 protected:
  HubAgentTest() {
    queue_ = job::Queue::Open(disk_, clock_, job::Policy{}).value();
    hub_ = std::make_unique<Hub>(
        *queue_, verifier_, hub_executor_, timer_, clock_,
        std::map<filecoin::PoStProofType, std::string>{{kType, std::string(64, 'a')}});
    results_ = std::make_unique<ResultStore>(ResultStore::Open(dir_.Path()).value());
    options_.capabilities = MakeCapabilities();
    options_.stores = {{"store-a", "/one"}, {"store-b", "/two"}};
  }
  ~HubAgentTest() noexcept override {}  // NOLINT(modernize-use-equals-default)

  static Capabilities MakeCapabilities() {
    Capabilities capabilities;
    capabilities.name = "w1";
    capabilities.stores = {"store-a", "store-b"};
    capabilities.verifying_keys = {{kType, std::string(64, 'a')}};
    capabilities.instance = "first";
    return capabilities;
  }

  void Start() {
    std::vector<std::unique_ptr<Manager>> managers;
    managers.push_back(
        std::make_unique<BreakableManager>(std::make_unique<LocalManager>(*hub_), up_));
    agent_ = std::make_unique<Agent>(options_, prover_, *results_, executor_, timer_, worker_clock_,
                                     std::move(managers));
    auto running = agent_->Run().then([this] { ended_ = true; });
    running_ = running.eagerlyEvaluate(
        [](kj::Exception&& exception) { ADD_FAILURE() << exception.getDescription().cStr(); });
    loop_.Scope().poll();
  }

  // Second by second, with the queue's ticks.
  void Pass(absl::Duration duration) {
    for (; duration > absl::ZeroDuration(); duration -= absl::Seconds(1)) {
      clock_.Advance(absl::Seconds(1));
      worker_clock_.Advance(absl::Seconds(1));
      timer_.advanceTo(timer_.now() + 1 * kj::SECONDS);
      ASSERT_OK(queue_->Tick());
      loop_.Scope().poll();
    }
  }

  job::JobId Add(std::uint64_t number) {
    const job::JobId id = queue_->Ensure(MakeSpec(number)).value().id;
    loop_.Scope().poll();
    return id;
  }
  job::JobRecord Record(const job::JobId& id) { return queue_->Get(id).value(); }
  std::size_t Stored() { return results_->List("local").value().results.size(); }

  Loop loop_;
  SimClock clock_{kStart};
  SimClock worker_clock_{kStart};
  kj::TimerImpl timer_{kj::origin<kj::TimePoint>()};
  TempDir dir_;
  job::FailingStore disk_;
  async::InlineExecutor hub_executor_;
  HeldExecutor executor_;
  std::shared_ptr<FakeProver> prover_ = std::make_shared<FakeProver>();
  std::shared_ptr<FakeVerifier> verifier_ = std::make_shared<FakeVerifier>();
  std::shared_ptr<bool> up_ = std::make_shared<bool>(true);
  std::unique_ptr<job::Queue> queue_;
  std::unique_ptr<Hub> hub_;
  std::unique_ptr<ResultStore> results_;
  AgentOptions options_;
  std::unique_ptr<Agent> agent_;
  bool ended_ = false;
  kj::Promise<void> running_ = nullptr;
};

// Rounded down it would be none: a loop that never gives way.
TEST_F(HubAgentTest, AWaitBelowAMicrosecondIsAWait) {
  const auto session = hub_->Register(MakeCapabilities(), "here").value();
  auto asked = session->Allocate(absl::Nanoseconds(500)).ToPromise();
  EXPECT_FALSE(asked.poll(loop_.Scope()));
  bool waits = false;
  KJ_IF_MAYBE (next, timer_.nextEvent()) {
    waits = *next > timer_.now();
  }
  EXPECT_TRUE(waits);
  clock_.Advance(absl::Microseconds(1));
  timer_.advanceTo(timer_.now() + 1 * kj::MICROSECONDS);
  ASSERT_TRUE(asked.poll(loop_.Scope()));
  EXPECT_FALSE(asked.wait(loop_.Scope()).value().has_value());
}

// A worker's token is enough to register, however often and whatever it says.
TEST_F(HubAgentTest, RegistrationsDoNotUseUpTheMemory) {
  Capabilities same;
  same.name = "same";
  same.instance = "1";
  std::vector<std::shared_ptr<Session>> sessions;
  for (int i = 0; i < 100; ++i) {
    auto session = hub_->Register(same, "here");
    if (session.ok()) {
      sessions.push_back(*std::move(session));
    } else {
      EXPECT_THAT(session.status(),
                  StatusIs(absl::StatusCode::kResourceExhausted, "sessions open here"));
    }
  }
  EXPECT_EQ(sessions.size(), 72u) << "8 that serve, and what connections hold of older ones";
  sessions.erase(sessions.begin());
  EXPECT_OK(hub_->Register(same, "here").status()) << "an old one ended";
  sessions.clear();

  Capabilities wordy;
  wordy.instance = "1";
  wordy.stores.assign(1'000, std::string(2'000, 's'));
  int refused = 0;
  for (int i = 0; i < 100; ++i) {
    wordy.name = "wordy-" + std::to_string(i);
    auto session = hub_->Register(wordy, "here");
    if (session.ok()) {
      sessions.push_back(*std::move(session));
    } else {
      ++refused;
      EXPECT_THAT(session.status(), StatusIs(absl::StatusCode::kResourceExhausted, "no room"));
    }
  }
  EXPECT_GT(refused, 80);
  EXPECT_GE(sessions.size(), 10u);
  // Those that are gone are forgotten where there is no room for the present ones.
  sessions.clear();
  for (int i = 0; i < 100; ++i) {
    wordy.name = "later-" + std::to_string(i);
    EXPECT_OK(hub_->Register(wordy, "here").status());
  }
}

TEST_F(HubAgentTest, AJobIsProvenVerifiedAndDelivered) {
  Start();
  const job::JobId id = Add(1);
  Pass(absl::Seconds(1));
  const job::JobRecord record = Record(id);
  EXPECT_EQ(record.state, JobState::kSucceeded);
  EXPECT_EQ(record.worker, "w1");
  EXPECT_EQ(record.tries, 1U);
  const job::JobSpec spec = MakeSpec(1);
  std::vector<post::SectorCommitment> sectors;
  for (const auto& sector : spec.sectors) sectors.push_back({sector.number, sector.comm_r});
  EXPECT_EQ(record.proof, HashProof(spec.proof_type, spec.miner, spec.randomness, sectors));
  EXPECT_EQ(verifier_->accepted, 1);
  EXPECT_EQ(Stored(), 0U);
  EXPECT_TRUE(agent_->Running().empty());
}

TEST_F(HubAgentTest, StoreNamesBecomeThisWorkersFolders) {
  Start();
  Add(1);  // miner 1001; the second sector is upgraded, the third's cache in store-b
  ASSERT_EQ(prover_->calls, 1);
  const prover::WindowPostTask task = prover_->LastTask();
  ASSERT_EQ(task.sectors.size(), 3U);
  EXPECT_EQ(task.sectors[0].sealed_path, "/one/sealed/s-t01001-7");
  EXPECT_EQ(task.sectors[0].cache_dir, "/one/cache/s-t01001-7");
  EXPECT_EQ(task.sectors[1].sealed_path, "/one/update/s-t01001-17");
  EXPECT_EQ(task.sectors[1].cache_dir, "/one/update-cache/s-t01001-17");
  EXPECT_EQ(task.sectors[2].sealed_path, "/one/sealed/s-t01001-27");
  EXPECT_EQ(task.sectors[2].cache_dir, "/two/cache/s-t01001-27");
}

TEST_F(HubAgentTest, HeartbeatsKeepALongJob) {
  executor_.hold = true;
  Start();
  const job::JobId id = Add(1);
  ASSERT_EQ(executor_.Held(), 1U);
  ASSERT_EQ(agent_->Running().size(), 1U);
  EXPECT_EQ(agent_->Running()[0].attempt.job, id);
  Pass(absl::Minutes(5));  // many times the heartbeat time-out
  EXPECT_EQ(Record(id).state, JobState::kRunning);
  ASSERT_EQ(hub_->Workers().size(), 1U);
  ASSERT_EQ(hub_->Workers()[0].running.size(), 1U);
  EXPECT_EQ(hub_->Workers()[0].running[0].job, id);
  executor_.Release();
  Pass(absl::Seconds(1));
  EXPECT_EQ(Record(id).state, JobState::kSucceeded);
  EXPECT_EQ(Record(id).tries, 1U);
  EXPECT_EQ(prover_->calls, 1);
}

TEST_F(HubAgentTest, ARemovedJobIsCancelledAtTheNextHeartbeat) {
  executor_.hold = true;
  Start();
  const job::JobId id = Add(1);
  ASSERT_EQ(executor_.Held(), 1U);
  ASSERT_OK(queue_->Remove(id));
  Pass(absl::Seconds(4));
  executor_.Release();
  Pass(absl::Seconds(1));
  EXPECT_EQ(prover_->cancels, 1);
  EXPECT_TRUE(agent_->Running().empty());
  EXPECT_EQ(Stored(), 0U);
}

TEST_F(HubAgentTest, AWrongProofIsRefusedAndNeverSucceeds) {
  std::vector<std::string> log;
  SetLogSink([&log](Severity, std::string_view line) { log.emplace_back(line); });
  KJ_DEFER(SetLogSink({}));
  prover_->wrong = true;
  Start();
  const job::JobId id = Add(1);
  for (int i = 0; i < 120; ++i) {
    Pass(absl::Seconds(1));
    ASSERT_NE(Record(id).state, JobState::kSucceeded);
  }
  const job::JobRecord record = Record(id);
  EXPECT_EQ(record.state, JobState::kFailed);
  EXPECT_EQ(record.failure, job::FailureKind::kWrongProof);
  EXPECT_EQ(record.tries, 2U);
  EXPECT_TRUE(record.proof.empty());
  EXPECT_THAT(record.error, HasSubstr("does not verify"));
  EXPECT_EQ(verifier_->refused, 2);
  EXPECT_EQ(Stored(), 0U);  // nobody needs a wrong proof
  EXPECT_THAT(log, Contains(AllOf(HasSubstr("proof_refused"), HasSubstr("does not verify"))))
      << "on the worker";
}

// What the queue refuses after the verification, it would refuse for ever.
TEST_F(HubAgentTest, AProofOfAnotherLengthEndsItsAttemptAndIsNotRepeated) {
  std::vector<std::string> log;
  SetLogSink([&log](Severity, std::string_view line) { log.emplace_back(line); });
  KJ_DEFER(SetLogSink({}));
  prover_->too_long = true;
  verifier_->believes_all = true;
  Start();
  const job::JobId id = Add(1);
  for (int i = 0; i < 120; ++i) Pass(absl::Seconds(1));
  const job::JobRecord record = Record(id);
  EXPECT_EQ(record.state, JobState::kFailed);
  EXPECT_EQ(record.failure, job::FailureKind::kWrongProof);
  EXPECT_EQ(record.tries, 2U);
  EXPECT_THAT(record.error, HasSubstr("the proof has 384 bytes, want 192"));
  EXPECT_EQ(verifier_->accepted, 2) << "one delivery each";
  EXPECT_EQ(Stored(), 0U);
  const auto refused = [](const std::string& line) {
    return line.find("wrong_proof_refused") != std::string::npos &&
           line.find("want 192") != std::string::npos;
  };
  EXPECT_EQ(std::count_if(log.begin(), log.end(), refused), 2) << "on the manager";
}

TEST_F(HubAgentTest, AReportThatCannotBeRightEndsItsAttemptAndIsNotRepeated) {
  std::vector<std::string> log;
  SetLogSink([&log](Severity, std::string_view line) { log.emplace_back(line); });
  KJ_DEFER(SetLogSink({}));
  prover_->faults = {{.number = 999, .reason = "gone"}};
  Start();
  const job::JobId id = Add(1);
  for (int i = 0; i < 120; ++i) Pass(absl::Seconds(1));
  const job::JobRecord record = Record(id);
  EXPECT_EQ(record.state, JobState::kFailed);
  EXPECT_EQ(record.tries, 2U);
  EXPECT_THAT(record.error, HasSubstr("sector 999"));
  EXPECT_EQ(prover_->calls, 2);
  for (const char* event : {"wrong_report_refused", "report_refused"}) {
    EXPECT_THAT(log, Contains(AllOf(HasSubstr(event), HasSubstr("sector 999"))));
  }
}

TEST_F(HubAgentTest, AManagerThatCannotVerifyCostsNoProof) {
  verifier_->error = absl::FailedPreconditionError("no such file: v28.vk");
  Start();
  const job::JobId id = Add(1);
  Pass(absl::Seconds(5));
  EXPECT_NE(Record(id).state, JobState::kSucceeded);
  EXPECT_EQ(Stored(), 1U);
  verifier_->error = absl::OkStatus();
  Pass(absl::Seconds(5));
  EXPECT_EQ(Record(id).state, JobState::kSucceeded);
  EXPECT_EQ(Stored(), 0U);
  EXPECT_EQ(prover_->calls, 1);
}

TEST_F(HubAgentTest, FaultsAreReported) {
  prover_->faults = {{.number = 17, .reason = "tree file 0 is cut short"}};
  Start();
  const job::JobId id = Add(1);
  Pass(absl::Seconds(1));
  const job::JobRecord record = Record(id);
  EXPECT_EQ(record.state, JobState::kFaults);
  ASSERT_EQ(record.faults.size(), 1U);
  EXPECT_EQ(record.faults[0],
            (job::SectorFault{.number = 17, .reason = "tree file 0 is cut short"}));
  EXPECT_EQ(Stored(), 0U);
}

TEST_F(HubAgentTest, AFailureBurnsATryAndNamesTheReason) {
  prover_->error = absl::DataLossError("parameters are damaged");
  Start();
  const job::JobId id = Add(1);
  Pass(absl::Minutes(2));
  const job::JobRecord record = Record(id);
  EXPECT_EQ(record.state, JobState::kFailed);
  EXPECT_EQ(record.tries, 2U);
  EXPECT_THAT(record.error, HasSubstr("parameters are damaged"));
}

TEST_F(HubAgentTest, AStoreThatIsNotAttachedBurnsNoTry) {
  options_.stores.erase("store-b");
  Start();
  const job::JobId id = Add(1);
  Pass(absl::Seconds(60));
  const job::JobRecord record = Record(id);
  EXPECT_EQ(record.state, JobState::kReadyToRun);
  EXPECT_EQ(record.tries, 0U);
  ASSERT_EQ(record.excluded.size(), 1U);
  EXPECT_EQ(record.excluded[0].worker, "w1");
  EXPECT_THAT(record.excluded[0].reason, HasSubstr("store \"store-b\" is not attached"));
  EXPECT_EQ(prover_->calls, 0);
}

TEST_F(HubAgentTest, AnotherVerifyingKeyIsRefusedWithBothDigests) {
  Capabilities capabilities = MakeCapabilities();
  capabilities.verifying_keys[kType] = std::string(64, 'b');
  const auto session = hub_->Register(capabilities, "here");
  EXPECT_THAT(session,
              StatusIs(absl::StatusCode::kFailedPrecondition, std::string(64, 'a').c_str()));
  EXPECT_THAT(session,
              StatusIs(absl::StatusCode::kFailedPrecondition, std::string(64, 'b').c_str()));
  EXPECT_TRUE(hub_->Workers().empty());
}

TEST_F(HubAgentTest, PracticeKeysAreRefusedUnlessAllowed) {
  Capabilities capabilities = MakeCapabilities();
  capabilities.practice_types = {kType};
  EXPECT_THAT(hub_->Register(capabilities, "here"),
              StatusIs(absl::StatusCode::kFailedPrecondition, "known secrets"));
  hub_->AllowPracticeKeys(true);
  EXPECT_OK(hub_->Register(capabilities, "here"));
  hub_->AllowPracticeKeys(false);
  EXPECT_THAT(hub_->Register(capabilities, "here"),
              StatusIs(absl::StatusCode::kFailedPrecondition, "known secrets"));
}

TEST_F(HubAgentTest, AWorkerWithoutNameIsRefused) {
  Capabilities capabilities = MakeCapabilities();
  capabilities.name.clear();
  EXPECT_THAT(hub_->Register(capabilities, "here"),
              StatusIs(absl::StatusCode::kInvalidArgument, "name"));
}

TEST_F(HubAgentTest, NamesThatATerminalWouldObeyAreRefused) {
  Capabilities capabilities = MakeCapabilities();
  capabilities.name = "w\x1b[2J";
  const auto refused = hub_->Register(capabilities, "here");
  EXPECT_THAT(refused, StatusIs(absl::StatusCode::kInvalidArgument, "w\\x1b[2J"));
  capabilities = MakeCapabilities();
  capabilities.stores.push_back("store\nx");
  EXPECT_THAT(hub_->Register(capabilities, "here"),
              StatusIs(absl::StatusCode::kInvalidArgument, "control character"));
  EXPECT_TRUE(hub_->Workers().empty());
}

TEST_F(HubAgentTest, AWorkerIsConnectedAsLongAsOneOfItsSessions) {
  ASSERT_OK_AND_ASSIGN(auto dying, hub_->Register(MakeCapabilities(), "old"));
  ASSERT_OK_AND_ASSIGN(auto fresh, hub_->Register(MakeCapabilities(), "new"));
  dying = nullptr;
  EXPECT_TRUE(hub_->Workers().at(0).connected);
  EXPECT_EQ(hub_->Workers().at(0).address, "new");
  fresh = nullptr;
  EXPECT_FALSE(hub_->Workers().at(0).connected);
}

// Each time the network drops, the manager keeps a connection of which it does not know that it is
// dead: none of them may keep the worker that comes back out, or take the work.
TEST_F(HubAgentTest, AWorkerComesBackHoweverManyOfItsConnectionsAreHalfOpen) {
  std::vector<std::shared_ptr<Session>> half_open;
  half_open.push_back(hub_->Register(MakeCapabilities(), "first").value());
  auto waits = half_open.front()->Allocate(absl::Hours(1)).ToPromise();
  EXPECT_FALSE(waits.poll(loop_.Scope()));
  for (int i = 0; i < 20; ++i) {
    auto session = hub_->Register(MakeCapabilities(), "again");
    ASSERT_OK(session.status());
    half_open.push_back(*std::move(session));
    EXPECT_OK(half_open.back()->Heartbeat({}, false).ToPromise().wait(loop_.Scope()).status());
  }
  Add(1);
  ASSERT_TRUE(waits.poll(loop_.Scope()));
  EXPECT_THAT(waits.wait(loop_.Scope()), StatusIs(absl::StatusCode::kUnavailable, "connect again"));
  EXPECT_THAT(half_open.front()->Heartbeat({}, false).ToPromise().wait(loop_.Scope()),
              StatusIs(absl::StatusCode::kUnavailable, "connect again"));
  const auto got = half_open.back()->Allocate(absl::ZeroDuration()).ToPromise().wait(loop_.Scope());
  ASSERT_OK(got.status());
  EXPECT_TRUE(got->has_value());
  // What was ended says nothing about whether the worker is here.
  half_open.erase(half_open.begin(), half_open.end() - 1);
  EXPECT_TRUE(hub_->Workers().at(0).connected);
  half_open.clear();
  EXPECT_FALSE(hub_->Workers().at(0).connected);
}

TEST_F(HubAgentTest, AManagerLostBeforeDeliveryGetsTheProofLater) {
  executor_.hold = true;
  Start();
  const job::JobId id = Add(1);
  ASSERT_EQ(executor_.Held(), 1U);
  *up_ = false;
  executor_.Release();
  Pass(absl::Seconds(5));
  EXPECT_EQ(Stored(), 1U);
  EXPECT_EQ(Record(id).state, JobState::kRunning);
  EXPECT_TRUE(agent_->Running().empty());  // the slot is free for others
  *up_ = true;
  Pass(absl::Seconds(6));
  EXPECT_EQ(Record(id).state, JobState::kSucceeded);
  EXPECT_EQ(Stored(), 0U);
  EXPECT_EQ(prover_->calls, 1);
}

TEST_F(HubAgentTest, AStoredProofOutlivesTheAgent) {
  executor_.hold = true;
  Start();
  const job::JobId id = Add(1);
  *up_ = false;
  executor_.Release();
  Pass(absl::Seconds(1));
  running_ = nullptr;
  agent_ = nullptr;
  ASSERT_EQ(Stored(), 1U);
  *up_ = true;
  Start();
  Pass(absl::Seconds(1));
  EXPECT_EQ(Record(id).state, JobState::kSucceeded);
  EXPECT_EQ(prover_->calls, 1);
  EXPECT_EQ(Stored(), 0U);
}

// A job has half an hour; neither a worker that is an hour ahead nor one that is a day behind
// minds.
TEST_F(HubAgentTest, AWorkerWithAnotherClockLosesNothing) {
  for (const absl::Duration ahead : {absl::Hours(1), absl::Hours(-24)}) {
    worker_clock_.Set(clock_.Now() + ahead);
    *up_ = true;
    executor_.hold = true;
    Start();
    const job::JobId id = queue_
                              ->Ensure(MakeSpec(ahead > absl::ZeroDuration() ? 1 : 2,
                                                clock_.Now() - kStart + absl::Minutes(30)))
                              .value()
                              .id;
    loop_.Scope().poll();
    ASSERT_EQ(agent_->Running().size(), 1U);
    *up_ = false;  // not at once
    executor_.Release();
    Pass(absl::Seconds(5));
    EXPECT_EQ(Stored(), 1U);
    *up_ = true;
    Pass(absl::Seconds(20));
    EXPECT_EQ(Record(id).state, JobState::kSucceeded);
    EXPECT_EQ(Stored(), 0U);
    running_ = nullptr;
    agent_ = nullptr;
  }
}

// What this machine's clock says of the close is no reason: the manager decides.
TEST_F(HubAgentTest, AStoredProofIsDeliveredWhateverTheClockSays) {
  const job::JobSpec spec = MakeSpec(1);
  std::vector<post::SectorCommitment> sectors;
  for (const auto& sector : spec.sectors) sectors.push_back({sector.number, sector.comm_r});
  const job::JobId id = Add(1);
  ASSERT_OK(
      results_->Save({.manager = "local",
                      .attempt = {.job = id, .attempt = 7},
                      .close_time = kStart - absl::Hours(48),
                      .proof = HashProof(spec.proof_type, spec.miner, spec.randomness, sectors)}));
  executor_.hold = true;
  Start();
  Pass(absl::Seconds(1));
  EXPECT_EQ(Record(id).state, JobState::kSucceeded);
  EXPECT_EQ(Stored(), 0U);
}

// A manager that was started a moment ago may make the job again; later it knows better.
TEST_F(HubAgentTest, AStoredProofOfAnUnknownJobIsKeptWhileTheManagerIsYoung) {
  ASSERT_OK(results_->Save({.manager = "local",
                            .attempt = {.job = job::JobId::FromNumber(1), .attempt = 1},
                            .close_time = kStart + absl::Seconds(1),
                            .proof = job::MakeProof(1)}));
  Start();
  for (int i = 0; i < 60; ++i) Pass(absl::Seconds(1));
  EXPECT_EQ(Stored(), 1U);
  for (int i = 0; i < 600; ++i) Pass(absl::Seconds(1));
  EXPECT_EQ(Stored(), 0U);
  EXPECT_EQ(verifier_->refused, 0);
}

// The manager's clock was wrong about the close: the finished proof is offered all the same.
TEST_F(HubAgentTest, AFinishedProofIsOfferedThoughTheManagerSaidStop) {
  executor_.hold = true;
  Start();
  const job::JobId id = Add(1);
  ASSERT_EQ(executor_.Held(), 1U);
  clock_.Advance(absl::Minutes(31));
  ASSERT_OK(queue_->Tick());
  ASSERT_EQ(Record(id).state, JobState::kFailed);
  prover_->ignores_cancel = true;
  Pass(absl::Seconds(5));  // with the next heartbeat it hears so
  executor_.Release();
  Pass(absl::Seconds(1));
  EXPECT_EQ(Record(id).state, JobState::kSucceeded);
}

// The disk refuses the row of the proof: the worker keeps it until it is there.
TEST_F(HubAgentTest, AProofIsKeptUntilTheManagerHasItOnDisk) {
  Start();
  disk_.broken = true;
  const job::JobId id = Add(1);
  Pass(absl::Seconds(1));
  EXPECT_EQ(Record(id).state, JobState::kSucceeded) << "nothing waits for the disk";
  EXPECT_EQ(Stored(), 1U);
  EXPECT_TRUE(agent_->Running().empty()) << "nor is the slot held";
  disk_.broken = false;
  for (int i = 0; i < 10; ++i) {
    ASSERT_OK(queue_->Tick());
    Pass(absl::Seconds(1));
  }
  EXPECT_EQ(Stored(), 0U);
  EXPECT_EQ(verifier_->accepted, 1);
}

TEST_F(HubAgentTest, WhoIsSilentIsNotConnected) {
  Start();
  Pass(absl::Seconds(1));
  ASSERT_EQ(hub_->Workers().size(), 1U);
  EXPECT_TRUE(hub_->Workers()[0].connected);
  clock_.Advance(queue_->GetPolicy().heartbeat_timeout +
                 absl::Seconds(1));  // its machine lost power
  EXPECT_FALSE(hub_->Workers()[0].connected);
  Pass(absl::Seconds(5));
  EXPECT_TRUE(hub_->Workers()[0].connected);
}

TEST_F(HubAgentTest, ClocksThatDifferAreSaidOnceAndWhenTheyChange) {
  std::vector<std::string> log;
  SetLogSink([&log](Severity, std::string_view line) { log.emplace_back(line); });
  KJ_DEFER(SetLogSink({}));
  const auto session = hub_->Register(MakeCapabilities(), "here").value();
  const auto said = [&](const char* what) {
    return std::count_if(log.begin(), log.end(), [&](const std::string& line) {
      return line.find(what) != std::string::npos;
    });
  };
  for (const int seconds : {0, 2, 600, 601, 598, 600}) session->NoteClock(absl::Seconds(seconds));
  EXPECT_EQ(said("clock_skew"), 1);
  EXPECT_EQ(hub_->Workers()[0].clock_ahead, absl::Minutes(10));
  session->NoteClock(absl::Minutes(-10));
  EXPECT_EQ(said("clock_skew"), 2);
  session->NoteClock(absl::Seconds(1));
  session->NoteClock(absl::Seconds(1));
  EXPECT_EQ(said("clocks_agree_again"), 1);
}

TEST_F(HubAgentTest, AnIdleAgentDrainsAtOnce) {
  Start();
  Pass(absl::Seconds(1));
  EXPECT_FALSE(ended_);
  agent_->Drain();
  loop_.Scope().poll();
  EXPECT_TRUE(ended_);
  const job::JobId id = Add(1);
  Pass(absl::Seconds(5));
  EXPECT_EQ(Record(id).state, JobState::kReadyToRun);
}

TEST_F(HubAgentTest, ADrainingAgentEndsItsJobAndTakesNoOther) {
  options_.capabilities.slots = 2;  // so that it is asking while the first job runs
  executor_.hold = true;
  Start();
  const job::JobId first = Add(1);
  ASSERT_EQ(executor_.Held(), 1U);
  agent_->Drain();
  loop_.Scope().poll();
  const job::JobId second = Add(2);
  Pass(absl::Seconds(30));
  EXPECT_EQ(executor_.Held(), 1U);
  EXPECT_EQ(Record(second).state, JobState::kReadyToRun);
  EXPECT_EQ(Record(first).state, JobState::kRunning);  // still beating
  EXPECT_FALSE(ended_);
  executor_.Release();
  Pass(absl::Seconds(4));
  EXPECT_TRUE(ended_);
  EXPECT_EQ(Record(first).state, JobState::kSucceeded);
  EXPECT_EQ(Record(second).state, JobState::kReadyToRun);
}

}  // namespace
}  // namespace damocles::worker
