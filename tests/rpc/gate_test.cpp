// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "tests/rpc/gate_fixture.h"

namespace damocles::rpc {
namespace {

TEST_F(GateTest, AReaderReadsAndReachesNothingElse) {
  Serve();
  for (const std::string token : {"reads", ""}) {
    ASSERT_OK_AND_ASSIGN(auto client, Connect(token));
    EXPECT_EQ(client->GetRole(), Role::kRead);
    EXPECT_OK(Await(client->Jobs(true)));
    EXPECT_THAT(Await(client->RemoveAllJobs()),
                StatusIs(absl::StatusCode::kPermissionDenied, "\"admin\""));
    EXPECT_THAT(Await(client->ResetJobs({})), StatusIs(absl::StatusCode::kPermissionDenied, ""));
    EXPECT_THAT(Await(client->Attach("/one", false, nullptr)),
                StatusIs(absl::StatusCode::kPermissionDenied, ""));
    RemoteManager manager(Network(), Timer(), Options(token));
    EXPECT_THAT(Await(manager.Connect(MakeCapabilities())),
                StatusIs(absl::StatusCode::kPermissionDenied, "takes no worker"));
  }
  EXPECT_TRUE(hub_->Workers().empty());
}

TEST_F(GateTest, AWorkerGetsTheHubAndNothingElse) {
  Serve();
  ASSERT_OK_AND_ASSIGN(auto client, Connect("works"));
  EXPECT_EQ(client->GetRole(), Role::kWorker);
  EXPECT_THAT(Await(client->Jobs(true)), StatusIs(absl::StatusCode::kPermissionDenied, "\"read\""));
  EXPECT_THAT(Await(client->Stores()), StatusIs(absl::StatusCode::kPermissionDenied, ""));
  EXPECT_THAT(Await(client->RemoveAllJobs()), StatusIs(absl::StatusCode::kPermissionDenied, ""));
  RemoteManager manager(Network(), Timer(), Options("works"));
  EXPECT_OK(Await(manager.Connect(MakeCapabilities())));
}

TEST_F(GateTest, AWrongTokenIsRefused) {
  Serve();
  EXPECT_THAT(Connect("guess"), StatusIs(absl::StatusCode::kPermissionDenied, "nobody gave out"));
  RemoteManager manager(Network(), Timer(), Options("guess"));
  EXPECT_THAT(Await(manager.Connect(MakeCapabilities())),
              StatusIs(absl::StatusCode::kPermissionDenied, "nobody gave out"));
}

TEST_F(GateTest, AnotherVerifyingKeyIsRefusedOverTheWire) {
  Serve();
  worker::Capabilities capabilities = MakeCapabilities();
  capabilities.verifying_keys[kType] = std::string(64, 'b');
  RemoteManager manager(Network(), Timer(), Options("works"));
  EXPECT_THAT(Await(manager.Connect(capabilities)),
              StatusIs(absl::StatusCode::kFailedPrecondition, std::string(64, 'b').c_str()));
}

TEST_F(GateTest, JobsAreListedResetAndRemoved) {
  std::vector<std::string> log;
  SetLogSink([&log](Severity, std::string_view line) { log.emplace_back(line); });
  KJ_DEFER(SetLogSink({}));
  Serve();
  const job::JobId one = queue_->Ensure(MakeSpec(1)).value().id;
  const job::JobId two = queue_->Ensure(MakeSpec(2)).value().id;
  ASSERT_OK_AND_ASSIGN(const auto assignment, queue_->Allocate(job::MakeOffer("w9")));
  ASSERT_TRUE(assignment.has_value());
  ASSERT_OK(queue_->FinishProven(assignment->id, assignment->attempt, "w9", job::MakeProof(1)));
  const std::string done = assignment->id.ToString();
  const std::string other = (assignment->id == one ? two : one).ToString();
  ASSERT_OK_AND_ASSIGN(auto client, Connect("rules"));
  EXPECT_EQ(client->GetRole(), Role::kAdmin);

  ASSERT_OK_AND_ASSIGN(const auto all, Await(client->Jobs(true)));
  EXPECT_EQ(all.size(), 2U);
  ASSERT_OK_AND_ASSIGN(const auto unfinished, Await(client->Jobs(false)));
  ASSERT_EQ(unfinished.size(), 1U);
  EXPECT_EQ(unfinished[0].id, other);
  EXPECT_EQ(unfinished[0].state, JobState::kReadyToRun);
  EXPECT_EQ(unfinished[0].chain_partitions, MakeSpec(0).chain_partitions);
  EXPECT_EQ(unfinished[0].sectors, 3U);
  EXPECT_EQ(unfinished[0].created_at, kStart);
  EXPECT_EQ(unfinished[0].finished_at, absl::InfinitePast());

  ASSERT_OK_AND_ASSIGN(
      const auto reset,
      Await(client->ResetJobs({done, job::JobId::FromNumber(5).ToString(), "no id"})));
  ASSERT_EQ(reset.size(), 3U);
  EXPECT_OK(reset[0]);
  EXPECT_TRUE(absl::IsNotFound(reset[1])) << reset[1];
  EXPECT_TRUE(absl::IsInvalidArgument(reset[2])) << reset[2];
  EXPECT_EQ(queue_->Get(assignment->id)->state, JobState::kReadyToRun);

  ASSERT_OK_AND_ASSIGN(const auto removed, Await(client->RemoveJobs({other, other})));
  ASSERT_EQ(removed.size(), 2U);
  EXPECT_OK(removed[0]);
  EXPECT_TRUE(absl::IsNotFound(removed[1])) << removed[1];
  ASSERT_OK_AND_ASSIGN(const std::uint64_t rest, Await(client->RemoveAllJobs()));
  EXPECT_EQ(rest, 1U);
  EXPECT_TRUE(queue_->List().empty());
  // Who looks for the cause of a missed window finds the operator's hand, and where it came from.
  for (const auto& [event, job] : {std::pair("jobs_reset", done), std::pair("jobs_removed", other),
                                   std::pair("all_jobs_removed", done)}) {
    EXPECT_THAT(log, testing::Contains(testing::AllOf(testing::HasSubstr(event),
                                                      testing::HasSubstr("jobs=" + job),
                                                      testing::HasSubstr("from=127.0.0.1:"))));
  }
}

TEST_F(GateTest, SelfCheckArrivesWholeAtWhoeverMayRead) {
  Serve();
  backend_.report.at = absl::FromUnixSeconds(1'800'000'000);
  backend_.report.findings = {{.kind = "no_sender",
                               .costs_window = true,
                               .subject = "miner f01000",
                               .what = "no key",
                               .detail = "none",
                               .remedy = "import it"},
                              {.kind = "disk_low",
                               .costs_window = false,
                               .subject = "the home",
                               .what = "little space",
                               .detail = "",
                               .remedy = "make room"}};
  backend_.report.in_order = {"node a: answers"};
  backend_.report.not_learnt = {"miner f01001"};
  for (const char* token : {"reads", "rules"}) {
    ASSERT_OK_AND_ASSIGN(auto client, Connect(token));
    ASSERT_OK_AND_ASSIGN(const CheckReport report, Await(client->Check()));
    EXPECT_EQ(report.at, backend_.report.at);
    EXPECT_EQ(report.findings, backend_.report.findings);
    EXPECT_EQ(report.in_order, backend_.report.in_order);
    EXPECT_EQ(report.not_learnt, backend_.report.not_learnt);
  }
}

TEST_F(GateTest, StoresSectorsAndDeadlinesArriveWhole) {
  Serve();
  ASSERT_OK_AND_ASSIGN(auto client, Connect("reads"));
  ASSERT_OK_AND_ASSIGN(const auto stores, Await(client->Stores()));
  ASSERT_EQ(stores.size(), 2U);
  EXPECT_EQ(stores[0].path, "/one");
  EXPECT_EQ(stores[0].free_bytes, 7U);
  EXPECT_OK(stores[0].status);
  EXPECT_THAT(stores[1].status, StatusIs(absl::StatusCode::kNotFound, "/two is not there"));
  EXPECT_EQ(stores[0].trouble, "");
  EXPECT_EQ(stores[1].trouble, "3 sectors lie there: mount it");

  ASSERT_OK_AND_ASSIGN(const auto found, Await(client->FindSector({.miner = 1000, .number = 7})));
  ASSERT_TRUE(found.sealed.has_value());
  EXPECT_EQ(found.sealed->sealed_store, "store-a");
  EXPECT_EQ(found.sealed->cache_store, "store-b");
  EXPECT_FALSE(found.upgraded.has_value());
  EXPECT_EQ(found.troubles, std::vector<std::string>{"store-b is gone: mount it"});
  EXPECT_THAT(Await(client->FindSector({.miner = 1000, .number = 8})),
              StatusIs(absl::StatusCode::kNotFound, "no such sector"));

  ASSERT_OK_AND_ASSIGN(const auto deadlines, Await(client->Deadlines({})));
  EXPECT_EQ(backend_.asked.miner, std::nullopt);
  EXPECT_EQ(backend_.asked.limit, kDeadlinesDefault) << "never everything";
  ASSERT_OK_AND_ASSIGN(const auto recoveries, Await(client->Recoveries(1002)));
  ASSERT_EQ(recoveries.size(), 1U);
  EXPECT_EQ(recoveries[0].miner, 1002U);
  EXPECT_EQ(recoveries[0].deadline_index, 4U);
  EXPECT_EQ(recoveries[0].open_epoch, 77);
  EXPECT_EQ(recoveries[0].state + recoveries[0].note, "Checkingnote");
  ASSERT_EQ(recoveries[0].sectors.size(), 1U);
  EXPECT_EQ(recoveries[0].sectors[0].number, 9U);
  EXPECT_EQ(recoveries[0].sectors[0].why, "gone");
  EXPECT_EQ(recoveries[0].sectors[0].message_cid, "cid");
  ASSERT_EQ(deadlines.size(), 1U);
  EXPECT_EQ(deadlines[0].deadline_index, 5U);
  EXPECT_EQ(deadlines[0].confirmed_epoch, 77);
  EXPECT_EQ(deadlines[0].proven_epoch, -1);
  ASSERT_EQ(deadlines[0].batches.size(), 1U);
  EXPECT_EQ(deadlines[0].batches[0].job_id, "x");
  EXPECT_EQ(deadlines[0].skipped_sectors, 3U);
  ASSERT_OK(
      Await(client->Deadlines({.miner = 1001, .from_epoch = 55, .limit = kDeadlinesMax + 1})));
  EXPECT_EQ(backend_.asked.miner, 1001U);
  EXPECT_EQ(backend_.asked.from_epoch, 55);
  EXPECT_EQ(backend_.asked.limit, kDeadlinesMax);
}

TEST_F(GateTest, AttachTellsItsProgress) {
  Serve();
  ASSERT_OK_AND_ASSIGN(auto client, Connect("rules"));
  std::vector<std::pair<std::uint64_t, std::uint64_t>> heard;
  const auto tell = [&](std::uint64_t done, std::uint64_t total) {
    heard.emplace_back(done, total);
    backend_.heard->fulfill();  // the work goes on when the report has arrived
  };
  ASSERT_OK_AND_ASSIGN(const AttachSummary summary, Await(client->Attach("/one", true, tell)));
  ASSERT_EQ(heard.size(), 1U);
  EXPECT_EQ(heard[0], (std::pair<std::uint64_t, std::uint64_t>{1, 3}));
  EXPECT_TRUE(backend_.replaces);
  EXPECT_EQ(summary.store, "/one");
  EXPECT_EQ(summary.added, 2U);
  EXPECT_EQ(summary.known, 1U);
  EXPECT_EQ(summary.problems, std::vector<std::string>{"s-t01-9"});
  EXPECT_THAT(Await(client->Attach("/absent", false, tell)),
              StatusIs(absl::StatusCode::kNotFound, "/absent is not there"));
}

TEST_F(GateTest, InLocalModeTheOwnWorkerIsListedAndNoOtherMayRegister) {
  Serve({.takes_workers = false});
  ASSERT_OK_AND_ASSIGN(const auto session,
                       hub_->Register(MakeCapabilities(), "in this process", true));
  ASSERT_OK_AND_ASSIGN(auto client, Connect("reads"));
  ASSERT_OK_AND_ASSIGN(const auto workers, Await(client->Workers()));
  ASSERT_EQ(workers.size(), 1U);
  EXPECT_EQ(workers[0].address, "in this process");
  RemoteManager remote(Network(), Timer(), Options("works"));
  EXPECT_THAT(Await(remote.Connect(MakeCapabilities())).status(),
              StatusIs(absl::StatusCode::kPermissionDenied, "takes no worker"));
}

TEST_F(GateTest, WhoDoesNotOpenTheGateIsClosedAfterTheLimit) {
  Serve({.open_within = absl::Seconds(2)});
  ASSERT_OK_AND_ASSIGN(auto client, Connect("reads"));
  auto idle = ConnectRaw();
  ASSERT_TRUE(Happens([&] { return server_->Connections() == 2; }));
  server_timer_.advanceTo(server_timer_.now() + 1 * kj::SECONDS);
  io_.waitScope.poll();
  EXPECT_EQ(server_->Connections(), 2U);
  server_timer_.advanceTo(server_timer_.now() + 2 * kj::SECONDS);
  ReadToEnd(*idle);
  EXPECT_TRUE(Happens([&] { return server_->Connections() == 1; }));
  EXPECT_OK(Await(client->Jobs(true)));  // who opened it stays
}

TEST_F(GateTest, TooManyConnectionsAreTurnedAway) {
  Serve({.connections_max = 1});
  ASSERT_OK_AND_ASSIGN(auto first, Connect("reads"));
  EXPECT_THAT(Connect("reads"),
              StatusIs(absl::StatusCode::kUnavailable, "has 1 connections already"));
  first = nullptr;
  ASSERT_TRUE(Happens([&] { return server_->Connections() <= 1; }));
  EXPECT_OK(Connect("reads"));
}

// Says at once that there is no descriptor left, then accepts.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wnon-virtual-dtor"  // KJ deletes through kj::Own only
class StarvedReceiver final : public kj::ConnectionReceiver {
 public:
  StarvedReceiver(kj::Own<kj::ConnectionReceiver> receiver, int failures)
      : receiver_(kj::mv(receiver)), failures_(failures) {}
  kj::Promise<kj::Own<kj::AsyncIoStream>> accept() override {
    if (failures_-- > 0) return KJ_EXCEPTION(FAILED, "accept: Too many open files");
    return receiver_->accept();
  }
  kj::uint getPort() override { return receiver_->getPort(); }

 private:
  kj::Own<kj::ConnectionReceiver> receiver_;
  int failures_;
};
#pragma GCC diagnostic pop

TEST_F(GateTest, TheListenerOutlivesALackOfDescriptors) {
  server_ = std::make_unique<Server>(*queue_, hub_.get(), backend_, Judge, server_timer_);
  auto address = Await(Network().parseAddress("127.0.0.1", 0));
  auto receiver = address->listen();
  port_ = receiver->getPort();
  serving_ = server_->Serve(kj::heap<StarvedReceiver>(kj::mv(receiver), 3))
                 .eagerlyEvaluate([](kj::Exception&& exception) {
                   ADD_FAILURE() << exception.getDescription().cStr();
                 });
  for (int i = 0; i < 4; ++i) {
    io_.waitScope.poll();
    server_timer_.advanceTo(server_timer_.now() + 2 * kj::SECONDS);
  }
  ASSERT_OK_AND_ASSIGN(auto client, Connect("reads"));
  EXPECT_OK(Await(client->Jobs(true)));
}

TEST_F(GateTest, ConnectionsLeaveDescriptorsForTheRest) {
  EXPECT_EQ(ServerLimits::ConnectionsFor(1 << 20), 1024U);
  EXPECT_EQ(ServerLimits::ConnectionsFor(256), 128U);
  EXPECT_EQ(ServerLimits::ConnectionsFor(0), 1U);
}

TEST_F(GateTest, TheManagerSaysHowOftenItWantsToHear) {
  Serve();
  queue_->SetPolicy({.heartbeat_timeout = absl::Seconds(10)});
  RemoteManager manager(Network(), Timer(), Options("works"));
  ASSERT_OK_AND_ASSIGN(auto session, Await(manager.Connect(MakeCapabilities())));
  EXPECT_EQ(session->HeartbeatInterval(), absl::Seconds(2));
  queue_->SetPolicy({.heartbeat_timeout = absl::Seconds(5)});
  ASSERT_OK(Await(session->Heartbeat({}, false)));
  EXPECT_EQ(session->HeartbeatInterval(), absl::Seconds(1));
}

TEST_F(GateTest, WhatAWorkerCanDoArrivesWhole) {
  Serve();
  worker::Capabilities capabilities = MakeCapabilities();
  capabilities.threads = {{.miners = {1000}, .proof_types = {kType}}, {.miners = {2000, 3000}}};
  RemoteManager manager(Network(), Timer(), Options("works"));
  ASSERT_OK_AND_ASSIGN(auto session, Await(manager.Connect(capabilities)));
  EXPECT_EQ(hub_->Workers().at(0).capabilities, capabilities);
  const job::JobId id = queue_->Ensure(MakeSpec(1)).value().id;
  ASSERT_OK_AND_ASSIGN(const auto nothing, Await(session->Allocate(absl::ZeroDuration())));
  EXPECT_FALSE(nothing.has_value()) << "it is of another miner";
  // A worker that leaves gives back what it has not read.
  ASSERT_OK_AND_ASSIGN(auto other, Await(manager.Connect(MakeCapabilities())));
  ASSERT_OK_AND_ASSIGN(const auto assignment, Await(other->Allocate(absl::ZeroDuration())));
  ASSERT_TRUE(assignment.has_value());
  ASSERT_OK(Await(other->Heartbeat({}, /*leaving=*/true)));
  EXPECT_EQ(queue_->Get(id)->state, JobState::kReadyToRun);
}

TEST_F(GateTest, JobsCarryTheTimeThatIsLeftAndBothEndsCompareTheirClocks) {
  std::vector<std::string> log;
  SetLogSink([&log](Severity, std::string_view line) { log.emplace_back(line); });
  KJ_DEFER(SetLogSink({}));
  Serve();
  const SimClock wall(SystemClock().Now() + absl::Minutes(10));
  ClientOptions options = Options("works");
  options.wall = &wall;
  RemoteManager manager(Network(), Timer(), options);
  ASSERT_OK_AND_ASSIGN(auto session, Await(manager.Connect(MakeCapabilities())));
  ASSERT_OK(queue_->Ensure(MakeSpec(1)));
  clock_.Advance(absl::Minutes(12));
  ASSERT_OK_AND_ASSIGN(const auto assignment, Await(session->Allocate(absl::ZeroDuration())));
  ASSERT_TRUE(assignment.has_value());
  EXPECT_EQ(assignment->time_left, absl::Minutes(18)) << "of the 30 from the start";
  ASSERT_OK(Await(session->Heartbeat({}, false)));
  const auto ahead = hub_->Workers().at(0).clock_ahead;
  ASSERT_TRUE(ahead.has_value());
  EXPECT_LT(absl::AbsDuration(*ahead - absl::Minutes(10)), absl::Minutes(1));
  EXPECT_EQ(std::ranges::count_if(log,
                                  [](const std::string& line) {
                                    return line.find("clock_skew") != std::string::npos;
                                  }),
            2)
      << "once at each end";
}

TEST_F(GateTest, GarbageDoesNotStopTheServer) {
  Serve();
  SeededRandom random(7);
  for (std::size_t round = 0; round < 40; ++round) {
    Bytes garbage(1 + 13 * round);
    random.Fill(garbage);
    // Every other one starts as a message of one segment of as many words as follow.
    if (round % 2 == 1 && garbage.size() >= 16) {
      StoreLe32(0, garbage.data());
      StoreLe32(static_cast<std::uint32_t>((garbage.size() - 8) / 8), garbage.data() + 4);
    }
    auto stream = ConnectRaw();
    auto ignore = [](kj::Exception&&) {};  // it may be closed before all is written
    Await(stream->write(garbage.data(), garbage.size()).catch_(ignore));
    stream = nullptr;
  }
  ASSERT_TRUE(Happens([&] { return server_->Connections() == 0; }));
  ASSERT_OK_AND_ASSIGN(auto client, Connect("reads"));
  EXPECT_OK(Await(client->Jobs(true)));
}

TEST_F(GateTest, AServerThatIsGoneIsUnavailable) {
  Serve();
  ASSERT_OK_AND_ASSIGN(auto client, Connect("rules"));
  RemoteManager manager(Network(), Timer(), Options("works"));
  ASSERT_OK_AND_ASSIGN(auto session, Await(manager.Connect(MakeCapabilities())));
  auto waiting = session->Allocate(absl::Seconds(20)).ToPromise();
  io_.waitScope.poll();
  serving_ = nullptr;
  server_ = nullptr;
  EXPECT_THAT(Await(kj::mv(waiting)), StatusIs(absl::StatusCode::kUnavailable, ""));
  EXPECT_THAT(Await(client->Jobs(true)), StatusIs(absl::StatusCode::kUnavailable, "127.0.0.1"));
  EXPECT_THAT(Await(session->Heartbeat({}, false)), StatusIs(absl::StatusCode::kUnavailable, ""));
  EXPECT_THAT(Connect("rules"), StatusIs(absl::StatusCode::kUnavailable, "127.0.0.1"));
  EXPECT_TRUE(Happens([&] { return !hub_->Workers().at(0).connected; }));
}

TEST_F(GateTest, AJobGoesAllTheWayOverTheSocket) {
  Serve();
  TempDir dir;
  ASSERT_OK_AND_ASSIGN(worker::ResultStore results, worker::ResultStore::Open(dir.Path()));
  ThreadPool pool(2);
  async::PoolExecutor executor(pool);
  worker::AgentOptions options;
  options.capabilities = MakeCapabilities();
  options.stores = {{"store-a", "/one"}, {"store-b", "/two"}};
  std::vector<std::unique_ptr<worker::Manager>> managers;
  managers.push_back(std::make_unique<RemoteManager>(Network(), Timer(), Options("works")));
  worker::Agent agent(options, prover_, results, executor, Timer(), clock_, std::move(managers));
  auto running = agent.Run().eagerlyEvaluate(nullptr);
  ASSERT_TRUE(Happens([&] { return hub_->Workers().size() == 1; }));

  const job::JobId id = queue_->Ensure(MakeSpec(1)).value().id;
  ASSERT_TRUE(Happens([&] { return queue_->Get(id)->state == JobState::kSucceeded; }));
  const job::JobRecord record = queue_->Get(id).value();
  EXPECT_EQ(record.worker, "w1");
  EXPECT_EQ(record.proof.size(), 192U);
  EXPECT_EQ(verifier_->accepted, 1);
  EXPECT_EQ(prover_->calls, 1);

  prover_->faults = {{.number = 17, .reason = "gone"}};
  const job::JobId faulty = queue_->Ensure(MakeSpec(2)).value().id;
  ASSERT_TRUE(Happens([&] { return queue_->Get(faulty)->state == JobState::kFaults; }));
  EXPECT_EQ(queue_->Get(faulty)->faults.at(0).reason, "gone");

  ASSERT_OK_AND_ASSIGN(auto client, Connect("reads"));
  ASSERT_OK_AND_ASSIGN(const auto workers, Await(client->Workers()));
  ASSERT_EQ(workers.size(), 1U);
  EXPECT_EQ(workers[0].capabilities.name, "w1");
  EXPECT_TRUE(workers[0].connected);

  agent.Drain();
  Await(kj::mv(running));
  EXPECT_TRUE(results.List(Options("works").address)->results.empty());
}

}  // namespace
}  // namespace damocles::rpc
