// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/job/queue.h"

#include <memory>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "tests/job/failing_store.h"
#include "tests/job/job_support.h"
#include "tests/support/status_matchers.h"

#include "damocles/base/log.h"
#include "damocles/store/row.h"
#include "damocles/store/store.h"

namespace damocles::job {
namespace {

using testing_support::StatusIs;

class QueueTest : public ::testing::Test {
 protected:
  QueueTest() { Reopen(); }

  void Reopen() {
    queue_.reset();
    auto opened = Queue::Open(store_, clock_, policy_);
    ASSERT_OK(opened);
    queue_ = *std::move(opened);
  }
  JobId Add(std::uint64_t number, absl::Duration closes_in = absl::Minutes(30)) {
    const auto record = queue_->Ensure(MakeSpec(number, closes_in));
    EXPECT_OK(record);
    return record->id;
  }
  std::optional<Assignment> Ask(const WorkerOffer& offer) {
    auto assignment = queue_->Allocate(offer);
    EXPECT_OK(assignment);
    return assignment.ok() ? *std::move(assignment) : std::nullopt;
  }
  std::optional<Assignment> Ask(const std::string& worker) { return Ask(MakeOffer(worker)); }
  JobRecord Job(const JobId& id) {
    auto record = queue_->Get(id);
    EXPECT_OK(record);
    return *std::move(record);
  }

  FailingStore store_;
  SimClock clock_{kStart};
  Policy policy_;
  std::unique_ptr<Queue> queue_;
};

TEST_F(QueueTest, EnsureFindsTheJobOfTheSameWorkInAnyState) {
  const JobId id = Add(1);
  EXPECT_EQ(Add(1), id);
  EXPECT_EQ(queue_->List().size(), 1u);
  const auto assignment = Ask("a");
  ASSERT_TRUE(assignment.has_value());
  EXPECT_EQ(Add(1), id);
  EXPECT_EQ(Job(id).state, JobState::kRunning);
  ASSERT_OK(queue_->FinishProven(id, assignment->attempt, "a", MakeProof(1)));
  EXPECT_EQ(Add(1), id);
  EXPECT_EQ(Job(id).state, JobState::kSucceeded);
  EXPECT_NE(Add(2), id);
}

TEST_F(QueueTest, EnsureTakesACorrectedCloseTimeOver) {
  const JobId id = Add(1, absl::Minutes(30));
  Add(1, absl::Minutes(40));
  EXPECT_EQ(Job(id).close_time, kStart + absl::Minutes(40));
  Reopen();
  EXPECT_EQ(Job(id).close_time, kStart + absl::Minutes(40));
}

TEST_F(QueueTest, EverythingSurvivesARestart) {
  const JobId ready = Add(1, absl::Minutes(50));
  const JobId running = Add(2, absl::Minutes(20));
  const auto assignment = Ask("a");
  ASSERT_EQ(assignment->id, running);
  const JobId done = Add(3, absl::Minutes(10));
  const auto other = Ask("b");
  ASSERT_EQ(other->id, done);
  ASSERT_OK(queue_->FinishProven(done, other->attempt, "b", MakeProof(9)));

  clock_.Advance(absl::Minutes(2));
  Reopen();
  EXPECT_EQ(queue_->List().size(), 3u);
  EXPECT_EQ(Job(ready).state, JobState::kReadyToRun);
  EXPECT_EQ(Job(running).state, JobState::kRunning);
  EXPECT_EQ(Job(done).proof, MakeProof(9));
  EXPECT_EQ(Job(running).spec->sectors, MakeSpec(2).sectors);
  // The manager was away for two minutes; that is not the worker's fault.
  clock_.Advance(absl::Seconds(1));
  ASSERT_OK(queue_->Tick());
  EXPECT_EQ(Job(running).state, JobState::kRunning);
  ASSERT_OK_AND_ASSIGN(auto reply, queue_->Heartbeat(running, assignment->attempt, "a"));
  EXPECT_EQ(reply, HeartbeatReply::kContinue);
  // New attempts are above all old ones.
  const auto next = Ask("c");
  EXPECT_GT(next->attempt, other->attempt);
}

TEST_F(QueueTest, AttemptNumbersAreNotReusedAfterRemoval) {
  const JobId id = Add(1);
  const auto first = Ask("a");
  ASSERT_OK(queue_->Remove(id));
  Reopen();
  EXPECT_THAT(queue_->Get(id), StatusIs(absl::StatusCode::kNotFound, "does not exist"));
  EXPECT_EQ(Add(1), id);
  const auto second = Ask("a");
  EXPECT_GT(second->attempt, first->attempt);
  ASSERT_OK_AND_ASSIGN(auto reply, queue_->Heartbeat(id, first->attempt, "a"));
  EXPECT_EQ(reply, HeartbeatReply::kCancel);
}

TEST_F(QueueTest, EarliestCloseIsHandedOutFirst) {
  const JobId late = Add(1, absl::Minutes(40));
  const JobId soon = Add(2, absl::Minutes(5));
  const JobId middle = Add(3, absl::Minutes(20));
  EXPECT_EQ(Ask("a")->id, soon);
  EXPECT_EQ(Ask("b")->id, middle);
  EXPECT_EQ(Ask("c")->id, late);
  EXPECT_FALSE(Ask("d").has_value());
}

TEST_F(QueueTest, ClosedJobsAreNotHandedOut) {
  Add(1, absl::Minutes(5));
  clock_.Advance(absl::Minutes(5));
  EXPECT_FALSE(Ask("a").has_value());
}

TEST_F(QueueTest, OffersLimitWhatIsHandedOut) {
  const JobId id = Add(1);
  WorkerOffer offer = MakeOffer("a");
  offer.filters = {{.miners = {4242}}};
  EXPECT_FALSE(Ask(offer).has_value());
  offer.filters = {{.proof_types = {filecoin::PoStProofType::kWindow2KiBV1_1}}};
  EXPECT_FALSE(Ask(offer).has_value());
  offer = MakeOffer("a");
  offer.stores = {"store-a"};
  EXPECT_FALSE(Ask(offer).has_value()) << "one cache lies in store-b";
  offer.stores = {};
  EXPECT_FALSE(Ask(offer).has_value());
  offer.all_stores = true;
  offer.filters = {{.miners = {MakeSpec(1).miner}, .proof_types = {MakeSpec(1).proof_type}}};
  EXPECT_EQ(Ask(offer)->id, id);
}

TEST_F(QueueTest, TheThreadsOfAWorkerDoNotMixTheirFilters) {
  const JobId id = Add(1);
  const filecoin::ActorId miner = MakeSpec(1).miner;
  const filecoin::PoStProofType type = MakeSpec(1).proof_type;
  WorkerOffer offer = MakeOffer("a");
  offer.filters = {{.miners = {miner}, .proof_types = {filecoin::PoStProofType::kWindow64GiBV1_1}},
                   {.miners = {4242}, .proof_types = {type}}};
  EXPECT_FALSE(Ask(offer).has_value()) << "no thread takes this miner in this size";
  offer.filters = {{.proof_types = {filecoin::PoStProofType::kWindow64GiBV1_1}},
                   {.miners = {4242}}};
  EXPECT_FALSE(Ask(offer).has_value()) << "two limits are not none";
  offer.filters.push_back({.miners = {miner}});
  EXPECT_EQ(Ask(offer)->id, id);
}

TEST_F(QueueTest, AWorkerWithoutTheParametersGetsNothing) {
  const JobId id = Add(1);
  WorkerOffer offer = MakeOffer("a");
  offer.provable.emplace();
  EXPECT_FALSE(Ask(offer).has_value());
  offer.provable = {filecoin::SectorSize::k2KiB};
  EXPECT_FALSE(Ask(offer).has_value());
  offer.provable->push_back(filecoin::SectorSizeOf(MakeSpec(1).proof_type));
  EXPECT_EQ(Ask(offer)->id, id);
}

TEST_F(QueueTest, MappingErrorSendsTheJobToAnother) {
  const JobId id = Add(1);
  const auto assignment = Ask("a");
  ASSERT_OK(
      queue_->Fail(id, assignment->attempt, "a", "store-b: not mounted", FailureKind::kMapping));
  EXPECT_EQ(Job(id).tries, 0u);
  EXPECT_FALSE(Ask("a").has_value());
  EXPECT_EQ(Ask("b")->id, id);
}

TEST_F(QueueTest, WrongProofPrefersAnotherWorkerWhileThereIsOne) {
  EXPECT_FALSE(Ask("b").has_value());  // b is known to be there
  const JobId id = Add(1);
  const auto assignment = Ask("a");
  ASSERT_OK(queue_->Fail(id, assignment->attempt, "a", "wrong", FailureKind::kWrongProof));
  EXPECT_FALSE(Ask("a").has_value());
  clock_.Advance(policy_.prefer_another_for);
  EXPECT_EQ(Ask("a")->id, id) << "nobody else came";
}

TEST_F(QueueTest, LoneWorkerGetsItsFailedJobBackAtOnce) {
  const JobId id = Add(1);
  const auto assignment = Ask("a");
  ASSERT_OK(queue_->Fail(id, assignment->attempt, "a", "wrong", FailureKind::kWrongProof));
  EXPECT_EQ(Ask("a")->id, id);
}

TEST_F(QueueTest, SlowWorkerGetsASpareByItsMeasuredSpeed) {
  // a takes 16 minutes, b 4.
  for (const auto& [worker, minutes] : {std::pair("a", 16), std::pair("b", 4)}) {
    const JobId id = Add(minutes == 16 ? 1 : 2, absl::Hours(1));
    const auto assignment = Ask(worker);
    for (int i = 0; i < minutes * 6; ++i) {
      clock_.Advance(absl::Seconds(10));
      ASSERT_OK(queue_->Heartbeat(id, assignment->attempt, worker));
      ASSERT_OK(queue_->Tick());
    }
    ASSERT_OK(queue_->FinishProven(id, assignment->attempt, worker, MakeProof(1)));
  }
  ASSERT_EQ(queue_->Speeds().size(), 2u);
  EXPECT_EQ(queue_->Speeds()[0].per_proof_partition, absl::Minutes(16));

  const absl::Duration passed = clock_.Now() - kStart;
  const JobId urgent = Add(3, passed + absl::Minutes(12));  // a needs 16
  const JobId easy = Add(4, passed + absl::Minutes(50));
  ASSERT_EQ(Ask("a")->id, easy) << "what it cannot make comes last";
  const auto first = Ask("a");
  ASSERT_EQ(first->id, urgent);
  const auto spare = Ask("b");
  ASSERT_TRUE(spare.has_value());
  EXPECT_EQ(spare->id, urgent);
  EXPECT_GT(spare->attempt, first->attempt);
  EXPECT_EQ(Job(urgent).live.size(), 2u);
  EXPECT_EQ(Job(urgent).tries, 1u);

  std::vector<std::string> cancelled;
  const Subscription cancel =
      queue_->OnCancel([&](const JobId&, const Attempt& a) { cancelled.push_back(a.worker); });
  ASSERT_OK(queue_->FinishProven(urgent, spare->attempt, "b", MakeProof(2)));
  EXPECT_EQ(cancelled, (std::vector<std::string>{"a"}));
  ASSERT_OK_AND_ASSIGN(auto late, queue_->FinishProven(urgent, first->attempt, "a", MakeProof(3)));
  EXPECT_EQ(late, Verdict::kStale);
  EXPECT_EQ(Job(urgent).proof, MakeProof(2));

  Reopen();
  EXPECT_EQ(queue_->Speeds().size(), 2u) << "speeds survive";
}

TEST_F(QueueTest, LateHeartbeatBringsASpareAndItIsAnnounced) {
  const JobId id = Add(1);
  const auto assignment = Ask("a");
  ASSERT_TRUE(assignment.has_value());
  int available = 0;
  const Subscription news = queue_->OnAvailable([&] { ++available; });
  clock_.Advance(absl::Seconds(5));
  ASSERT_OK(queue_->Tick());
  EXPECT_EQ(available, 0);
  EXPECT_FALSE(Ask("b").has_value());
  clock_.Advance(absl::Seconds(5));
  ASSERT_OK(queue_->Tick());
  EXPECT_EQ(available, 1);
  for (int i = 0; i < 5; ++i) {
    ASSERT_OK(queue_->Heartbeat(id, assignment->attempt, "a"));
    clock_.Advance(absl::Milliseconds(10));
    ASSERT_OK(queue_->Tick());
  }
  clock_.Advance(absl::Seconds(10));
  ASSERT_OK(queue_->Tick());
  EXPECT_EQ(available, 2) << "again when it is late again, not with every tick";
  ASSERT_OK(queue_->Tick());
  EXPECT_EQ(available, 2);
  EXPECT_FALSE(Ask("a").has_value()) << "not to the same worker";
  EXPECT_EQ(Ask("b")->id, id);
  EXPECT_FALSE(Ask("c").has_value()) << "two at most";
}

TEST_F(QueueTest, AJobThatNobodyHasGoesBeforeASpareUnlessItCanWait) {
  Add(1, absl::Minutes(10));
  ASSERT_TRUE(Ask("a").has_value());
  clock_.Advance(absl::Seconds(10));  // a is late: spare wanted
  const JobId waiting = Add(2, absl::Minutes(11));
  EXPECT_EQ(Ask("b")->id, waiting);
}

TEST_F(QueueTest, StallOfTheManagerIsNotTheWorkersFault) {
  const JobId id = Add(1);
  ASSERT_TRUE(Ask("a").has_value());
  for (int i = 0; i < 3; ++i) {
    clock_.Advance(absl::Seconds(1));
    ASSERT_OK(queue_->Tick());
  }
  clock_.Advance(absl::Minutes(3));
  ASSERT_OK(queue_->Tick());
  EXPECT_EQ(Job(id).state, JobState::kRunning);
  for (int i = 0; i < 16; ++i) {
    clock_.Advance(absl::Seconds(1));
    ASSERT_OK(queue_->Tick());
  }
  EXPECT_EQ(Job(id).state, JobState::kReadyToRun);
}

TEST_F(QueueTest, HeartbeatsDoNotWriteAndRemovedJobsAreCancelled) {
  const JobId id = Add(1);
  const auto assignment = Ask("a");
  const int writes = store_.writes;
  for (int i = 0; i < 10; ++i) ASSERT_OK(queue_->Heartbeat(id, assignment->attempt, "a"));
  EXPECT_EQ(store_.writes, writes);
  std::vector<std::string> told;
  const Subscription cancel = queue_->OnCancel(
      [&](const JobId&, const Attempt& a) { told.push_back("cancel " + a.worker); });
  const Subscription removal =
      queue_->OnRemove([&](const JobId&) { told.emplace_back("removed"); });
  ASSERT_OK(queue_->Remove(id));
  EXPECT_EQ(told, (std::vector<std::string>{"cancel a", "removed"}));
  ASSERT_OK_AND_ASSIGN(auto reply, queue_->Heartbeat(id, assignment->attempt, "a"));
  EXPECT_EQ(reply, HeartbeatReply::kCancel);
  EXPECT_THAT(queue_->FinishProven(id, assignment->attempt, "a", MakeProof(1)),
              StatusIs(absl::StatusCode::kNotFound, id.ToString()));
  EXPECT_THAT(queue_->Remove(id), StatusIs(absl::StatusCode::kNotFound, id.ToString()));
}

// A full disk costs no window: everything goes on, and is written when there is room again.
TEST_F(QueueTest, GoesOnFromMemoryWhileTheDiskRefuses) {
  std::vector<std::string> log;
  SetLogSink([&log](Severity, std::string_view line) { log.emplace_back(line); });
  const auto said = [&](const char* what) {
    return std::ranges::count_if(
        log, [&](const std::string& line) { return line.find(what) != std::string::npos; });
  };
  const JobId before = Add(1);
  const JobId gone = Add(2, absl::Minutes(40));
  const auto first = Ask("a");
  ASSERT_EQ(first->id, before);
  store_.broken = true;
  int changes = 0;
  const Subscription news = queue_->OnChange([&](const JobRecord&) { ++changes; });
  const JobId id = Add(3, absl::Minutes(5));
  const auto assignment = Ask("b");
  ASSERT_EQ(assignment->id, id);
  EXPECT_GT(assignment->attempt, first->attempt);
  ASSERT_OK(queue_->FinishProven(before, first->attempt, "a", MakeProof(1)));
  ASSERT_OK(queue_->Fail(id, assignment->attempt, "b", "x", FailureKind::kAttempt));
  ASSERT_OK(queue_->Remove(gone));
  EXPECT_EQ(Job(before).state, JobState::kSucceeded);
  EXPECT_EQ(Job(id).state, JobState::kReadyToRun);
  EXPECT_EQ(changes, 4);
  for (const JobId& changed : {before, gone, id}) EXPECT_FALSE(queue_->IsOnDisk(changed));
  const int writes = store_.writes;
  for (int second = 0; second < 60; ++second) {
    clock_.Advance(absl::Seconds(1));
    ASSERT_OK(queue_->Tick());
  }
  EXPECT_LE(store_.writes - writes, 12) << "a full disk is not hammered";
  EXPECT_EQ(said("rows_not_on_disk"), 1) << "said once, not every second";

  store_.broken = false;
  for (int second = 0; second < 6; ++second) {
    clock_.Advance(absl::Seconds(1));
    ASSERT_OK(queue_->Tick());
  }
  EXPECT_EQ(said("rows_on_disk_again"), 1);
  SetLogSink({});
  for (const JobId& changed : {before, gone, id}) EXPECT_TRUE(queue_->IsOnDisk(changed));
  Reopen();
  EXPECT_EQ(queue_->List().size(), 2u);
  EXPECT_EQ(Job(before).proof, MakeProof(1));
  EXPECT_EQ(Job(id).tries, 1u);
  EXPECT_EQ(queue_->Speeds().size(), 0u) << "a proof in no time is no measurement";
}

// What was given out while the disk was full is unknown to whoever starts after a crash.
TEST_F(QueueTest, AttemptNumbersNeverGoBackThoughTheDiskIsFullAndTheProcessDies) {
  SetLogSink([](Severity, std::string_view) {});
  std::uint64_t highest = 0;
  std::uint64_t number = 1;
  for (int life = 0; life < 8; ++life) {
    // Full in the middle of a life, from its start, and not at all.
    store_.broken = life % 3 == 2;
    clock_.Advance(absl::Seconds(2));
    Reopen();
    for (int i = 0; i < 3; ++i, ++number) {
      Add(number, absl::Hours(9));
      const auto assignment = Ask("w" + std::to_string(number));
      ASSERT_TRUE(assignment.has_value());
      EXPECT_GT(assignment->attempt, highest) << "life " << life;
      highest = assignment->attempt;
      clock_.Advance(absl::Milliseconds(1));
      if (i == 0 && life % 3 == 1) store_.broken = true;
    }
    store_.broken = false;
  }
  SetLogSink({});
}

TEST_F(QueueTest, TimesOfAClockThatWasAheadAreBroughtBack) {
  clock_.Advance(absl::Minutes(10));
  const JobId id = Add(1, absl::Hours(2));
  const auto assignment = Ask("a");
  ASSERT_OK(queue_->Fail(id, assignment->attempt, "a", "no store", FailureKind::kMapping));
  ASSERT_TRUE(Ask("b").has_value());
  clock_.Set(kStart);
  Reopen();
  const JobRecord record = Job(id);
  EXPECT_EQ(record.excluded.at(0).at, kStart);
  EXPECT_EQ(record.live.at(0).heartbeat_at, kStart);
  for (int second = 0; second < 16; ++second) {
    clock_.Advance(absl::Seconds(1));
    ASSERT_OK(queue_->Tick());
  }
  EXPECT_EQ(Job(id).state, JobState::kReadyToRun) << "its silence is noticed";
}

TEST_F(QueueTest, ForeignResultsAreJudged) {
  const JobId id = Add(1);
  const auto assignment = Ask("a");
  constexpr auto kCode = absl::StatusCode::kInvalidArgument;
  EXPECT_THAT(queue_->FinishProven(id, assignment->attempt, "a", Bytes(191)),
              StatusIs(kCode, "191 bytes, want 192 for 3 sectors"));
  EXPECT_THAT(queue_->FinishFaults(id, assignment->attempt, "a", {}), StatusIs(kCode, "no faults"));
  EXPECT_THAT(queue_->FinishFaults(id, assignment->attempt, "a", {{8, "x"}}),
              StatusIs(kCode, "sector 8"));
  EXPECT_THAT(queue_->Fail(id, assignment->attempt, "a", "x", FailureKind::kClosed),
              StatusIs(kCode, "kind of failure"));
  ASSERT_OK(queue_->FinishFaults(id, assignment->attempt, "a", {{27, "x"}, {7, "y"}, {7, "z"}}));
  EXPECT_EQ(DescribeState(Job(id)), "Faults(2)");
  EXPECT_EQ(Job(id).faults[0].number, 7u);
}

TEST_F(QueueTest, IdsStayUniqueWhenDigestsCollide) {
  // A foreign job under the id that MakeSpec(1) would get.
  const JobId wanted = MakeJobId(WorkDigest(MakeSpec(1)), 0);
  const JobRecord foreign = NewRecord(wanted, std::make_shared<const JobSpec>(MakeSpec(2)), kStart);
  ASSERT_OK(Put(store_, "job/spec/" + wanted.ToString(), AsText(EncodeSpec(*foreign.spec))));
  ASSERT_OK(Put(store_, "job/record/" + wanted.ToString(), AsText(EncodeRecord(foreign))));
  Reopen();
  const JobId id = Add(1);
  EXPECT_EQ(id, MakeJobId(WorkDigest(MakeSpec(1)), 1));
  EXPECT_EQ(Add(1), id);
  EXPECT_EQ(Add(2), wanted);
  Reopen();
  EXPECT_EQ(Add(1), id);
  ASSERT_OK(queue_->Remove(wanted));
  EXPECT_EQ(Add(1), id) << "found by its work, though its first choice is free now";
}

TEST_F(QueueTest, DamagedRowIsSetAsideAndTheRestGoesOn) {
  const JobId good = Add(1);
  const JobId bad = Add(2);
  ASSERT_OK(Put(store_, "job/record/" + bad.ToString(), "\x01garbage"));
  store_.writes = 0;
  Reopen();
  EXPECT_EQ(queue_->List().size(), 1u);
  EXPECT_EQ(queue_->List()[0].id, good);
  ASSERT_OK_AND_ASSIGN(auto rows, store::List(store_, "job/damaged/"));
  EXPECT_EQ(rows.size(), 2u);
  EXPECT_EQ(Add(2), bad) << "made anew";

  ASSERT_OK(Put(store_, "job/record/" + good.ToString(), "\x7f"));
  Reopen();
  EXPECT_EQ(queue_->List().size(), 1u) << "what is newer has a frame";
}

// Of every bit: none makes of a row another one, or one of a newer program.
TEST_F(QueueTest, ALastAttemptThatIsNoNumberCostsNothing) {
  for (const char* damaged : {"x", "", "18446744073709551615"}) {
    ASSERT_OK(Put(store_, "job/last-attempt", damaged));
    Reopen();
    Add(1);
    const auto assignment = Ask("w");
    ASSERT_TRUE(assignment.has_value());
    EXPECT_GE(assignment->attempt, static_cast<std::uint64_t>(absl::ToUnixMillis(clock_.Now())));
    EXPECT_LT(assignment->attempt, std::uint64_t{1} << 62);
    ASSERT_OK(queue_->Remove(assignment->id));
  }
}

TEST_F(QueueTest, ARowWithAWrongBitIsSetAside) {
  const JobId id = Add(1);
  for (const std::string& key : {"job/spec/" + id.ToString(), "job/record/" + id.ToString()}) {
    ASSERT_OK_AND_ASSIGN(const auto row, store_.Get(key));
    const auto rows = store::List(store_, "job/");
    ASSERT_OK(rows);
    for (std::size_t bit = 0; bit < row->size() * 8; ++bit) {
      SCOPED_TRACE(bit);
      std::string damaged = *row;
      damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ (1 << (bit % 8)));
      for (const store::Entry& kept : *rows) ASSERT_OK(Put(store_, kept.key, kept.value));
      ASSERT_OK(Put(store_, key, damaged));
      Reopen();
      ASSERT_TRUE(queue_->List().empty());
      ASSERT_OK_AND_ASSIGN(const auto aside,
                           store_.Get("job/damaged/" + key.substr(key.rfind('/') + 1) +
                                      (key.starts_with("job/spec") ? "/spec" : "/record")));
      ASSERT_EQ(aside, damaged);
    }
    for (const store::Entry& kept : *rows) ASSERT_OK(Put(store_, kept.key, kept.value));
    Reopen();
    ASSERT_EQ(queue_->List().size(), 1u);
  }
}

TEST_F(QueueTest, ANewerRecordIsNotSetAsideWithADamagedSpec) {
  const JobId id = Add(1);
  const std::string key = "job/record/" + id.ToString();
  const std::string spec = "job/spec/" + id.ToString();
  ASSERT_OK_AND_ASSIGN(const auto row, store_.Get(spec));
  ASSERT_OK(Put(store_, spec, row->substr(0, row->size() - 1)));
  ASSERT_OK(Put(store_, key, store::FrameRow({"job/record", kRecordFormat + 1}, key, "new")));
  EXPECT_THAT(Queue::Open(store_, clock_, policy_),
              StatusIs(absl::StatusCode::kFailedPrecondition, "job/record"));
  ASSERT_OK_AND_ASSIGN(const auto aside, store::List(store_, "job/damaged/"));
  EXPECT_TRUE(aside.empty());
}

TEST_F(QueueTest, ARowOfAnotherJobIsNotBelieved) {
  const JobId one = Add(1);
  const JobId two = Add(2);
  ASSERT_OK_AND_ASSIGN(const auto row, store_.Get("job/record/" + one.ToString()));
  ASSERT_OK(Put(store_, "job/record/" + two.ToString(), *row));
  Reopen();
  ASSERT_EQ(queue_->List().size(), 1u);
  EXPECT_EQ(queue_->List()[0].id, one);
}

// Rows from before there were frames are read, and written anew when they change.
TEST_F(QueueTest, RowsWithoutFramesAreReadAndGetOneWhenTheyChange) {
  const JobId id = Add(1);
  const std::string record_key = "job/record/" + id.ToString();
  const std::string spec_key = "job/spec/" + id.ToString();
  const JobRecord before = Job(id);
  ASSERT_OK(Put(store_, spec_key, AsText(EncodeSpec(*before.spec))));
  ASSERT_OK(Put(store_, record_key, AsText(EncodeRecord(before))));
  ASSERT_OK(Put(store_, "format/job", "1"));
  Reopen();
  EXPECT_EQ(EncodeRecord(Job(id)), EncodeRecord(before));
  ASSERT_OK_AND_ASSIGN(auto row, store_.Get(record_key));
  EXPECT_FALSE(store::IsFramed(*row));
  ASSERT_OK_AND_ASSIGN(auto format, store_.Get("format/job"));
  EXPECT_EQ(format, "1") << "reading changes nothing";

  ASSERT_TRUE(Ask("a").has_value());
  ASSERT_OK_AND_ASSIGN(row, store_.Get(record_key));
  EXPECT_TRUE(store::IsFramed(*row));
  ASSERT_OK_AND_ASSIGN(row, store_.Get(spec_key));
  EXPECT_FALSE(store::IsFramed(*row)) << "it does not change";
  ASSERT_OK_AND_ASSIGN(format, store_.Get("format/job"));
  EXPECT_EQ(format, "2");
  Reopen();
  EXPECT_EQ(Job(id).state, JobState::kRunning);
}

TEST_F(QueueTest, NewerRowsRefuseTheStartAndStayWhereTheyAre) {
  const JobId id = Add(1);
  const std::map<std::string, store::RowKind> rows = {
      {"job/speed/10/a", {"job/speed", 3}},
      {"job/spec/" + id.ToString(), {"job/spec", kSpecFormat + 1}},
      {"job/record/" + id.ToString(), {"job/record", kRecordFormat + 1}}};
  for (const auto& [key, kind] : rows) {
    SCOPED_TRACE(key);
    ASSERT_OK_AND_ASSIGN(const auto before, store_.Get(key));
    const std::string newer = store::FrameRow(kind, key, "whatever it says");
    ASSERT_OK(Put(store_, key, newer));
    EXPECT_THAT(Queue::Open(store_, clock_, policy_),
                StatusIs(absl::StatusCode::kFailedPrecondition, kind.name));
    ASSERT_OK_AND_ASSIGN(const auto there, store_.Get(key));
    EXPECT_EQ(there, newer);
    ASSERT_OK(before ? Put(store_, key, *before) : store::Delete(store_, key));
  }
}

// Only what was there is kept.
TEST_F(QueueTest, ARowWithoutItsOtherHalfIsSetAsideAlone) {
  const JobId id = Add(1);
  ASSERT_OK(store::Delete(store_, "job/record/" + id.ToString()));
  Reopen();
  EXPECT_TRUE(queue_->List().empty());
  ASSERT_OK_AND_ASSIGN(const auto rows, store::List(store_, "job/damaged/"));
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_EQ(rows[0].key, "job/damaged/" + id.ToString() + "/spec");
}

TEST_F(QueueTest, OldJobsAreCleanedUp) {
  const JobId id = Add(1);
  const auto assignment = Ask("a");
  ASSERT_OK(queue_->FinishProven(id, assignment->attempt, "a", MakeProof(1)));
  clock_.Advance(absl::Hours(25));
  ASSERT_OK(queue_->Tick());
  EXPECT_EQ(queue_->List().size(), 1u);
  clock_.Advance(absl::Seconds(1));
  std::vector<JobId> removed;
  const Subscription removal =
      queue_->OnRemove([&](const JobId& gone) { removed.push_back(gone); });
  ASSERT_OK(queue_->Tick());
  EXPECT_EQ(removed, (std::vector<JobId>{id}));
  ASSERT_OK_AND_ASSIGN(auto rows, store::List(store_, "job/spec/"));
  EXPECT_TRUE(rows.empty());
}

TEST_F(QueueTest, CallbacksMayCallTheQueue) {
  std::optional<Assignment> taken;
  const Subscription available = queue_->OnAvailable([&] {
    if (!taken.has_value()) taken = Ask("a");
  });
  const Subscription changes = queue_->OnChange([&](const JobRecord& record) {
    if (record.state == JobState::kSucceeded) {
      ASSERT_OK(queue_->Remove(record.id));
    }
  });
  const JobId id = Add(1);
  ASSERT_TRUE(taken.has_value());
  EXPECT_EQ(taken->id, id);
  ASSERT_OK(queue_->FinishProven(id, taken->attempt, "a", MakeProof(1)));
  EXPECT_TRUE(queue_->List().empty());
}

}  // namespace
}  // namespace damocles::job
