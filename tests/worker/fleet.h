// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// A manager (queue and hub) that may die, and workers (agents) that may die, drain or lose their
// connection, in one thread and in virtual time.

#pragma once

#include <kj/async.h>
#include <kj/timer.h>

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_format.h"
#include "lib/simulation/wire.h"
#include "tests/job/job_support.h"
#include "tests/support/loop.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"
#include "tests/worker/worker_support.h"

#include "damocles/base/clock.h"
#include "damocles/store/store.h"
#include "damocles/worker/agent.h"
#include "damocles/worker/hub.h"

namespace damocles::worker {

constexpr auto kFleetType = filecoin::PoStProofType::kWindow32GiBV1_1;

// Runs each job when so much virtual time has passed.
class TimedExecutor final : public async::Executor {
 public:
  TimedExecutor(const Clock& clock, absl::Duration takes) : clock_(clock), takes_(takes) {}
  void Run(absl::AnyInvocable<void() &&> job) override {
    jobs_.emplace_back(clock_.Now() + takes_, std::move(job));
  }
  void RunDue() {
    while (!jobs_.empty() && jobs_.front().first <= clock_.Now()) {
      auto job = std::move(jobs_.front().second);
      jobs_.pop_front();
      std::move(job)();
    }
  }

 private:
  const Clock& clock_;
  const absl::Duration takes_;
  std::deque<std::pair<absl::Time, absl::AnyInvocable<void() &&>>> jobs_;
};

class Fleet {
 public:
  struct Worker {
    std::string name;
    std::string address;
    std::shared_ptr<simulation::Wire> wire = std::make_shared<simulation::Wire>();
    std::unique_ptr<TimedExecutor> executor;
    std::unique_ptr<ResultStore> results;
    std::unique_ptr<Agent> agent;
    kj::Promise<void> running = nullptr;
    bool ended = false;
    std::string refusal;  // the last one
  };

  explicit Fleet(job::Policy policy = {}, absl::Duration proof_takes = absl::Seconds(40))
      : policy_(policy), proof_takes_(proof_takes) {
    StartManager();
  }
  ~Fleet() noexcept {
    workers_.clear();
    KillManager();
  }

  job::Queue& queue() { return *queue_; }
  Hub& hub() { return *hub_; }
  bool ManagerRuns() const { return hub_ != nullptr; }
  absl::Time Now() const { return clock_.Now(); }

  void StartManager() {
    queue_ = job::Queue::Open(*store_, clock_, policy_).value();
    changes_ = queue_->OnChange([this](const job::JobRecord& record) {
      if (on_change) on_change(record);
    });
    hub_ = std::make_unique<Hub>(
        *queue_, verifier, hub_executor, timer_, clock_,
        std::map<filecoin::PoStProofType, std::string>{{kFleetType, std::string(64, 'a')}});
  }
  void KillManager() {
    for (auto& worker : workers_) worker->wire->Cut();
    hub_ = nullptr;
    queue_ = nullptr;
    loop_.Scope().poll();
  }

  static Capabilities CapabilitiesOf(const std::string& name, const std::string& instance) {
    Capabilities capabilities;
    capabilities.name = name;
    capabilities.stores = {"store-a", "store-b"};
    capabilities.verifying_keys = {{kFleetType, std::string(64, 'a')}};
    capabilities.instance = instance;
    return capabilities;
  }

  std::size_t AddWorker(const std::string& name, AgentOptions options = {}) {
    auto worker = std::make_unique<Worker>();
    worker->name = name;
    worker->address = absl::StrFormat("10.0.0.%d:7", workers_.size() + 1);
    worker->results = std::make_unique<ResultStore>(
        ResultStore::Open(folder_ / absl::StrFormat("worker-%d", workers_.size())).value());
    workers_.push_back(std::move(worker));
    StartWorker(workers_.size() - 1, std::move(options));
    return workers_.size() - 1;
  }
  // A new process of it.
  void StartWorker(std::size_t index, AgentOptions options = {}) {
    Worker& worker = *workers_[index];
    options.capabilities =
        CapabilitiesOf(worker.name, absl::StrFormat("%s-%d", worker.address, ++instances_));
    options.stores = {{"store-a", "/one"}, {"store-b", "/two"}};
    worker.executor = std::make_unique<TimedExecutor>(clock_, proof_takes_);
    std::vector<std::unique_ptr<Manager>> managers;
    managers.push_back(std::make_unique<Door>(*this, worker));
    worker.agent = std::make_unique<Agent>(std::move(options), prover, *worker.results,
                                           *worker.executor, timer_, clock_, std::move(managers));
    worker.ended = false;
    auto running = worker.agent->Run().then([&worker] { worker.ended = true; });
    worker.running = running.eagerlyEvaluate(
        [](kj::Exception&& e) { ADD_FAILURE() << e.getDescription().cStr(); });
    loop_.Scope().poll();
  }
  void KillWorker(std::size_t index) {
    Worker& worker = *workers_[index];
    worker.running = nullptr;
    worker.agent = nullptr;
    worker.wire->Cut();
    worker.executor = nullptr;
    loop_.Scope().poll();
  }
  Worker& worker(std::size_t index) { return *workers_[index]; }

  void Pass(absl::Duration duration) {
    constexpr absl::Duration kStep = absl::Milliseconds(100);
    for (; duration > absl::ZeroDuration(); duration -= kStep) {
      clock_.Advance(kStep);
      timer_.advanceTo(timer_.now() + 100 * kj::MILLISECONDS);
      loop_.Scope().poll();
      for (auto& worker : workers_) {
        if (worker->executor != nullptr) worker->executor->RunDue();
      }
      loop_.Scope().poll();
      if (queue_ != nullptr && absl::ToUnixMillis(clock_.Now()) % 1000 == 0) {
        ASSERT_OK(queue_->Tick());
        loop_.Scope().poll();
      }
    }
  }

  job::JobId AddJob(std::uint64_t number, absl::Duration closes_in = absl::Minutes(60)) {
    const job::JobId id =
        queue_->Ensure(job::MakeSpec(number, clock_.Now() - job::kStart + closes_in)).value().id;
    loop_.Scope().poll();
    return id;
  }
  // Of a call that needs no time.
  template <typename T>
  T Answer(kj::Promise<T>& promise) {
    return promise.wait(loop_.Scope());
  }
  job::JobRecord Job(const job::JobId& id) { return queue_->Get(id).value(); }

  std::shared_ptr<FakeProver> prover = std::make_shared<FakeProver>();
  std::shared_ptr<FakeVerifier> verifier = std::make_shared<FakeVerifier>();
  HeldExecutor hub_executor;
  std::function<void(const job::JobRecord&)> on_change;

 private:
  // A worker's way to whatever manager runs.
  class Door final : public Manager {
   public:
    Door(Fleet& fleet, Worker& worker) : fleet_(fleet), worker_(worker) {}
    const std::string& Name() const override { return name_; }
    async::Task<absl::StatusOr<std::shared_ptr<Session>>> Connect(
        Capabilities capabilities) override {
      if (!worker_.wire->up || fleet_.hub_ == nullptr) co_return simulation::WiredSession::Down();
      auto session = fleet_.hub_->Register(std::move(capabilities), worker_.address);
      if (!session.ok()) {
        worker_.refusal = std::string(session.status().message());
        co_return session.status();
      }
      co_return std::shared_ptr<Session>(
          std::make_shared<simulation::WiredSession>(*session, worker_.wire));
    }

   private:
    Fleet& fleet_;
    Worker& worker_;
    const std::string name_ = "manager";
  };

  const job::Policy policy_;
  const absl::Duration proof_takes_;
  testing_support::Loop loop_;
  SimClock clock_{job::kStart};
  kj::TimerImpl timer_{kj::origin<kj::TimePoint>()};
  testing_support::TempDir folder_;
  std::unique_ptr<store::Store> store_ = store::OpenMemoryStore();
  std::unique_ptr<job::Queue> queue_;
  Subscription changes_;
  std::unique_ptr<Hub> hub_;
  std::vector<std::unique_ptr<Worker>> workers_;
  int instances_ = 0;
};

}  // namespace damocles::worker
