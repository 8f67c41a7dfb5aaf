// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// The agent alone, with managers that answer when a test says so.

#include "damocles/worker/agent.h"

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "tests/job/job_support.h"
#include "tests/support/loop.h"
#include "tests/support/temp_dir.h"
#include "tests/worker/worker_support.h"

#include "damocles/async/event.h"

namespace damocles::worker {
namespace {

// What a manager was asked, and when it may answer.
struct Script {
  bool connects_late = false;
  async::Event connect;
  std::vector<Capabilities> offers;
  int asked_for_work = 0;
  async::Event no_work;
};

class ScriptedSession final : public Session {
 public:
  explicit ScriptedSession(std::shared_ptr<Script> script) : script_(std::move(script)) {}
  async::Task<absl::StatusOr<std::optional<job::Assignment>>> Allocate(
      absl::Duration /*wait*/) override {
    ++script_->asked_for_work;
    co_await script_->no_work.Next();
    co_return std::nullopt;
  }
  async::Task<absl::StatusOr<std::vector<bool>>> Heartbeat(std::vector<AttemptId> attempts,
                                                           bool /*leaving*/) override {
    co_return std::vector<bool>(attempts.size(), true);
  }
  void NoteClock(absl::Duration /*ahead*/) override {}
  absl::Duration HeartbeatInterval() const override { return absl::Hours(1); }
  async::Task<absl::StatusOr<Receipt>> Finish(AttemptId /*attempt*/, Bytes /*proof*/) override {
    co_return Receipt{};
  }
  async::Task<absl::Status> ReportFaults(AttemptId /*attempt*/,
                                         std::vector<job::SectorFault> /*faults*/) override {
    co_return absl::OkStatus();
  }
  async::Task<absl::Status> Fail(AttemptId /*attempt*/, job::FailureKind /*kind*/,
                                 std::string /*reason*/) override {
    co_return absl::OkStatus();
  }

 private:
  const std::shared_ptr<Script> script_;
};

class ScriptedManager final : public Manager {
 public:
  ScriptedManager(std::string name, std::shared_ptr<Script> script)
      : name_(std::move(name)), script_(std::move(script)) {}
  const std::string& Name() const override { return name_; }
  async::Task<absl::StatusOr<std::shared_ptr<Session>>> Connect(
      Capabilities capabilities) override {
    script_->offers.push_back(std::move(capabilities));
    if (script_->connects_late) co_await script_->connect.Next();
    co_return std::shared_ptr<Session>(std::make_shared<ScriptedSession>(script_));
  }

 private:
  const std::string name_;
  const std::shared_ptr<Script> script_;
};

class AgentTest : public testing::Test {
 protected:
  AgentTest() : results_(ResultStore::Open(dir_.Path()).value()) {
    options_.capabilities.name = "w1";
  }
  ~AgentTest() noexcept override {}  // NOLINT(modernize-use-equals-default)

  std::shared_ptr<Script> AddManager() {
    scripts_.push_back(std::make_shared<Script>());
    return scripts_.back();
  }
  void Start() {
    std::vector<std::unique_ptr<Manager>> managers;
    for (const auto& script : scripts_) {
      managers.push_back(
          std::make_unique<ScriptedManager>("m" + std::to_string(managers.size()), script));
    }
    agent_.emplace(options_, std::make_shared<FakeProver>(), results_, executor_, timer_, clock_,
                   std::move(managers));
    running_ = agent_->Run().eagerlyEvaluate(
        [](kj::Exception&& exception) { ADD_FAILURE() << exception.getDescription().cStr(); });
    loop_.Scope().poll();
  }
  void Pass(kj::Duration time) {
    timer_.advanceTo(timer_.now() + time);
    loop_.Scope().poll();
  }

  testing_support::Loop loop_;
  SimClock clock_{job::kStart};
  kj::TimerImpl timer_{kj::origin<kj::TimePoint>()};
  testing_support::TempDir dir_;
  ResultStore results_;
  async::InlineExecutor executor_;
  AgentOptions options_;
  std::vector<std::shared_ptr<Script>> scripts_;
  std::optional<Agent> agent_;
  kj::Promise<void> running_ = nullptr;
};

TEST_F(AgentTest, WhatChangesWhileItConnectsIsToldAnew) {
  const auto manager = AddManager();
  manager->connects_late = true;
  options_.refresh_interval = absl::Seconds(30);
  options_.refresh = [] {
    Capabilities capabilities;
    capabilities.name = "w1";
    capabilities.stores = {"new"};
    return capabilities;
  };
  Start();
  ASSERT_EQ(manager->offers.size(), 1U);
  Pass(30 * kj::SECONDS);  // the look that finds the store, while the manager is slow
  manager->connect.Fire();
  loop_.Scope().poll();
  Pass(1 * kj::SECONDS);
  ASSERT_EQ(manager->offers.size(), 2U);
  EXPECT_EQ(manager->offers[0].stores, (std::vector<std::string>{}));
  EXPECT_EQ(manager->offers[1].stores, (std::vector<std::string>{"new"}));
  const int asked = manager->asked_for_work;
  manager->connect.Fire();
  loop_.Scope().poll();
  EXPECT_EQ(manager->asked_for_work, asked + 1) << "and that session is used";
}

TEST_F(AgentTest, OneManagerIsAskedAtATimeAndTheNextOneAtOnce) {
  const auto first = AddManager();
  const auto second = AddManager();
  Start();
  Pass(10 * kj::SECONDS);
  EXPECT_EQ(first->asked_for_work, 1);
  EXPECT_EQ(second->asked_for_work, 0);
  first->no_work.Fire();
  loop_.Scope().poll();
  EXPECT_EQ(second->asked_for_work, 1) << "without a pause";
  EXPECT_EQ(first->asked_for_work, 1);
  second->no_work.Fire();
  loop_.Scope().poll();
  Pass(100 * kj::MILLISECONDS);
  EXPECT_EQ(first->asked_for_work, 2);
  EXPECT_EQ(second->asked_for_work, 1);
}

}  // namespace
}  // namespace damocles::worker
