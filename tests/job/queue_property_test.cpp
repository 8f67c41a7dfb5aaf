// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// Random lives of a few jobs, workers and a manager that is restarted now and then, from a seed.
// After each event the promises of the queue are checked against a simple model.

#include <algorithm>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_format.h"
#include "gtest/gtest.h"
#include "tests/job/job_support.h"
#include "tests/support/status_matchers.h"

#include "damocles/base/log.h"
#include "damocles/base/random.h"
#include "damocles/job/queue.h"
#include "damocles/store/store.h"

namespace damocles::job {
namespace {

struct Held {
  JobId id;
  std::uint64_t attempt;
  std::string worker;
};

class Life {
 public:
  explicit Life(std::uint64_t seed) : random_(seed) {
    policy_.job_max_try = static_cast<std::uint32_t>(random_.Below(4));
    policy_.redundancy = random_.Below(4) != 0;
    Restart();
  }

  void Run(int steps) {
    for (int i = 0; i < steps && !::testing::Test::HasFailure(); ++i) {
      SCOPED_TRACE(testing::Message() << "step " << i);
      clock_.Advance(absl::Milliseconds(static_cast<std::int64_t>(random_.Below(6000))));
      Event();
      // Now and then the manager stalls.
      if (random_.Below(8) != 0) {
        ASSERT_OK(queue_->Tick());
      }
      CheckPromises();
    }
  }

 private:
  void Restart() {
    queue_.reset();
    auto opened = Queue::Open(*store_, clock_, policy_);
    ASSERT_OK(opened);
    queue_ = *std::move(opened);
    removal_ = queue_->OnRemove([this](const JobId& id) { proofs_.erase(id); });
  }
  std::string Worker() { return "w" + std::to_string(random_.Below(4)); }
  const Held* Pick() { return held_.empty() ? nullptr : &held_[random_.Below(held_.size())]; }

  void Event() {
    switch (random_.Below(16)) {
      case 0:
      case 1: {
        const auto record = queue_->Ensure(MakeSpec(
            random_.Below(5), clock_.Now() - kStart + absl::Seconds(40 * random_.Below(9))));
        ASSERT_OK(record);
        return;
      }
      case 2:
      case 3:
      case 4:
        return Allocate();
      case 5:
      case 6:
      case 7:
      case 8:
        return Beat();
      case 9:
        return Prove();
      case 10:
        return Fail();
      case 11:
        return Faults();
      case 12: {
        const auto jobs = queue_->List();
        if (jobs.empty()) return;
        const JobId id = jobs[random_.Below(jobs.size())].id;
        if (random_.Below(3) == 0) {
          ASSERT_OK(queue_->Remove(id));
        } else {
          ASSERT_OK(queue_->Reset(id, /*automatic=*/random_.Below(2) == 0));
          proofs_.erase(id);
        }
        ++resets_[id];
        return;
      }
      case 13:
        if (random_.Below(3) == 0) return Restart();
        if (random_.Below(2) == 0) return NeverReceived();
        return StartWorker();
      default:
        ASSERT_OK(queue_->Tick());
        return;
    }
  }

  void Allocate() {
    const std::string worker = Worker();
    const auto before = Snapshot();
    WorkerOffer offer = MakeOffer(worker);
    offer.instance = InstanceOf(worker);
    const auto assignment = queue_->Allocate(offer);
    ASSERT_OK(assignment);
    if (!assignment->has_value()) return;
    const Assignment& got = **assignment;
    EXPECT_TRUE(given_.insert(got.attempt).second) << "attempt number given twice";
    EXPECT_GT(got.time_left, absl::ZeroDuration()) << "closed job handed out";
    const JobRecord& was = before.at(got.id);
    EXPECT_TRUE(was.state == JobState::kReadyToRun || was.state == JobState::kRunning);
    for (const Attempt& live : was.live) EXPECT_NE(live.worker, worker);
    EXPECT_FALSE(IsExcluded(was, worker, clock_.Now()));
    if (was.state == JobState::kRunning) {
      EXPECT_TRUE(policy_.redundancy);
    }
    held_.push_back({got.id, got.attempt, worker});
    if (held_.size() > 12) held_.erase(held_.begin());
  }

  void Beat() {
    const Held* held = Pick();
    if (held == nullptr) return;
    const auto before = Snapshot();
    const auto reply = queue_->Heartbeat(held->id, held->attempt, held->worker);
    ASSERT_OK(reply);
    const auto job = queue_->Get(held->id);
    if (!job.ok() || *reply == HeartbeatReply::kCancel) return ExpectUnchanged(before);
    bool live = false;
    for (const Attempt& a : job->live) live |= a.number == held->attempt;
    EXPECT_TRUE(live) << "told to go on without having the job";
  }

  void Prove() {
    const Held* held = Pick();
    if (held == nullptr) return;
    const bool had = proofs_.contains(held->id);
    const Bytes proof = MakeProof(static_cast<std::uint8_t>(random_.Below(256)));
    const auto verdict = queue_->FinishProven(held->id, held->attempt, held->worker, proof);
    if (!queue_->Get(held->id).ok()) return;
    ASSERT_OK(verdict);
    EXPECT_EQ(*verdict, had ? Verdict::kStale : Verdict::kAccepted);
    if (!had) proofs_[held->id] = proof;
  }

  std::string InstanceOf(const std::string& worker) {
    return absl::StrFormat("%s-%d", worker, instances_[worker]);
  }

  // Half of the time the same process only connects anew, and loses nothing.
  void StartWorker() {
    const std::string worker = Worker();
    const auto before = Snapshot();
    const bool anew = random_.Below(2) == 0;
    if (anew) ++instances_[worker];
    ASSERT_OK(queue_->WorkerStarted(worker, InstanceOf(worker)));
    for (const auto& [id, record] : before) {
      const auto after = queue_->Get(id)->live;
      for (const Attempt& a : record.live) {
        const bool may_live =
            a.worker != worker || a.instance.empty() || a.instance == InstanceOf(worker);
        EXPECT_EQ(std::ranges::find(after, a) != after.end(), may_live);
      }
    }
  }

  void NeverReceived() {
    const Held* held = Pick();
    if (held == nullptr) return;
    const auto before = Snapshot();
    const bool fenced = IsFencedOff(*held);
    ASSERT_OK(queue_->NeverReceived(held->id, held->attempt, held->worker));
    if (fenced) return ExpectUnchanged(before);
    const auto job = queue_->Get(held->id);
    ASSERT_OK(job);
    EXPECT_TRUE(IsFencedOff(*held)) << "given back, and still held";
    EXPECT_LE(job->tries, before.at(held->id).tries) << "it burnt a try";
  }

  bool IsFencedOff(const Held& held) {
    const auto job = queue_->Get(held.id);
    if (!job.ok()) return true;
    for (const auto* attempts : {&job->live, &job->lost}) {
      for (const Attempt& a : *attempts) {
        if (a.number == held.attempt && a.worker == held.worker) return false;
      }
    }
    return true;
  }

  void Fail() {
    const Held* held = Pick();
    if (held == nullptr) return;
    const auto before = Snapshot();
    const bool fenced = IsFencedOff(*held);
    const auto kind = random_.Below(2) == 0 ? FailureKind::kMapping : FailureKind::kAttempt;
    const auto verdict = queue_->Fail(held->id, held->attempt, held->worker, "x", kind);
    if (!fenced) {
      ASSERT_OK(verdict);
      return;
    }
    if (verdict.ok()) {
      EXPECT_EQ(*verdict, Verdict::kStale);
    }
    ExpectUnchanged(before);
  }

  void Faults() {
    const Held* held = Pick();
    if (held == nullptr) return;
    const auto before = Snapshot();
    const bool fenced = IsFencedOff(*held);
    const auto verdict = queue_->FinishFaults(held->id, held->attempt, held->worker, {{17, "x"}});
    if (fenced) {
      if (verdict.ok()) {
        EXPECT_EQ(*verdict, Verdict::kStale);
      }
      ExpectUnchanged(before);
    }
  }

  std::map<JobId, JobRecord> Snapshot() {
    std::map<JobId, JobRecord> jobs;
    for (const JobRecord& record : queue_->List()) jobs[record.id] = record;
    return jobs;
  }
  void ExpectUnchanged(const std::map<JobId, JobRecord>& before) {
    const auto after = Snapshot();
    ASSERT_EQ(after.size(), before.size());
    for (const auto& [id, record] : before) {
      EXPECT_EQ(EncodeRecord(after.at(id)), EncodeRecord(record)) << id.ToString();
    }
  }

  void CheckPromises() {
    // What a restart would find is what is in memory, but for heartbeats.
    auto found = Queue::Open(*store_, clock_, policy_);
    ASSERT_OK(found);
    const auto jobs = Snapshot();
    ASSERT_EQ((*found)->List().size(), jobs.size());
    std::set<std::uint64_t> live;
    for (const auto& [id, record] : jobs) {
      const auto durable = (*found)->Get(id);
      ASSERT_OK(durable);
      EXPECT_EQ(durable->state, record.state);
      EXPECT_EQ(durable->proof, record.proof);
      EXPECT_EQ(durable->tries, record.tries);
      EXPECT_LE(record.live.size(), policy_.redundancy ? kLiveAttemptsMax : 2);
      EXPECT_LE(record.lost.size(), kLostMax);
      EXPECT_LE(record.spares, kSparesMax);
      EXPECT_LE(record.tries, std::max(policy_.job_max_try, 1u));
      EXPECT_EQ(record.live.empty(), record.state != JobState::kRunning);
      for (const Attempt& a : record.live) EXPECT_TRUE(live.insert(a.number).second);
    }
    for (const auto& [id, proof] : proofs_) {
      ASSERT_TRUE(jobs.contains(id)) << "job with a proof is gone: " << id.ToString();
      EXPECT_EQ(jobs.at(id).state, JobState::kSucceeded);
      EXPECT_EQ(jobs.at(id).proof, proof) << "proof lost or replaced";
    }
  }

  SeededRandom random_;
  SimClock clock_{kStart};
  Policy policy_;
  std::unique_ptr<store::Store> store_ = store::OpenMemoryStore();
  std::unique_ptr<Queue> queue_;
  Subscription removal_;
  std::vector<Held> held_;
  std::map<JobId, Bytes> proofs_;
  std::map<JobId, int> resets_;
  std::set<std::uint64_t> given_;
  std::map<std::string, int> instances_;
};

TEST(QueuePropertyTest, PromisesHoldInRandomLives) {
  SetLogSink([](Severity, std::string_view) {});  // stalls are part of the game
  for (std::uint64_t seed = 1; seed <= 150; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    Life(seed).Run(300);
    if (HasFailure()) return;
  }
}

}  // namespace
}  // namespace damocles::job
