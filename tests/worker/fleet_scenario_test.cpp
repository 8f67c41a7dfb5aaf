// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// Random lives of a manager and its workers, each from a seed: whatever dies, every job is proven,
// and while only the manager dies or connections break, none is proven twice.

#include <algorithm>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "tests/worker/fleet.h"

#include "damocles/base/log.h"
#include "damocles/base/random.h"

namespace damocles::worker {
namespace {

using job::JobState;

constexpr std::size_t kWorkers = 3;
constexpr std::uint64_t kJobs = 10;

class Life {
 public:
  explicit Life(std::uint64_t seed) : random_(seed) {
    for (std::size_t i = 0; i < kWorkers; ++i) fleet_.AddWorker(absl::StrFormat("w%d", i));
    back_at_.assign(kWorkers, absl::InfinitePast());
  }

  void Run(bool workers_die) {
    for (int second = 0; second < 600; ++second) {
      Manager();
      Wires();
      if (workers_die) Workers();
      fleet_.Pass(absl::Seconds(1));
    }
    if (!fleet_.ManagerRuns()) fleet_.StartManager();
    for (std::size_t i = 0; i < kWorkers; ++i) Revive(i);
    for (int second = 0; second < 600; ++second) {
      ResetFailed();
      fleet_.Pass(absl::Seconds(1));
    }
  }

  void ExpectAllProven() {
    ASSERT_EQ(jobs_.size(), kJobs);
    for (const job::JobId& id : jobs_) {
      EXPECT_EQ(fleet_.Job(id).state, JobState::kSucceeded) << fleet_.Job(id).error;
    }
    EXPECT_EQ(fleet_.verifier->refused, 0);
  }
  void ExpectNoneTwice() {
    EXPECT_EQ(fleet_.prover->calls, static_cast<int>(kJobs));
    for (const job::JobId& id : jobs_) EXPECT_EQ(fleet_.Job(id).tries, 1U);
  }
  int Finished() const { return fleet_.prover->calls - fleet_.prover->cancels; }
  int Deaths() const { return deaths_; }
  int Restarts() const { return restarts_; }

 private:
  bool Chance(std::uint64_t in_1000) { return random_.Below(1000) < in_1000; }

  void Manager() {
    if (!fleet_.ManagerRuns()) {
      if (fleet_.Now() < manager_at_) return;
      fleet_.StartManager();
      ++restarts_;
      return;
    }
    ResetFailed();
    if (jobs_.size() < kJobs && Chance(100)) jobs_.push_back(fleet_.AddJob(jobs_.size() + 1));
    // Back before a lease would end.
    if (fleet_.Now() - manager_at_ > absl::Seconds(20) && Chance(60)) {
      manager_at_ = fleet_.Now() + absl::Seconds(1 + static_cast<int>(random_.Below(6)));
      fleet_.KillManager();
    }
  }

  // As the poster does while the window is open.
  void ResetFailed() {
    for (const job::JobId& id : jobs_) {
      if (fleet_.Job(id).state != JobState::kFailed) continue;
      ASSERT_OK(fleet_.queue().Reset(id, true));
    }
  }

  void Wires() {
    simulation::Wire& wire = *fleet_.worker(random_.Below(kWorkers)).wire;
    if (Chance(30)) wire.Cut();
    if (Chance(30)) wire.cut_at_next_assignment = true;
  }

  void Workers() {
    const std::size_t i = random_.Below(kWorkers);
    Fleet::Worker& worker = fleet_.worker(i);
    if (worker.agent == nullptr || worker.ended) {
      if (fleet_.Now() >= back_at_[i]) Revive(i);
    } else if (Chance(20)) {
      fleet_.KillWorker(i);
      ++deaths_;
      back_at_[i] = fleet_.Now() + absl::Seconds(static_cast<int>(random_.Below(30)));
    } else if (Chance(20)) {
      worker.agent->Drain();
    }
  }
  void Revive(std::size_t i) {
    if (fleet_.worker(i).agent != nullptr && !fleet_.worker(i).ended) return;
    fleet_.KillWorker(i);
    fleet_.StartWorker(i);
  }

  SeededRandom random_;
  Fleet fleet_;
  std::vector<job::JobId> jobs_;
  absl::Time manager_at_ = job::kStart;
  std::vector<absl::Time> back_at_;
  int deaths_ = 0;
  int restarts_ = 0;
};

class FleetScenarioTest : public testing::Test {
 protected:
  FleetScenarioTest() {
    SetLogSink([](Severity, std::string_view) {});
  }
};

TEST_F(FleetScenarioTest, RestartsOfTheManagerAndLostConnectionsCostNothing) {
  int restarts = 0;
  for (std::uint64_t seed = 1; seed <= 20 && !HasFailure(); ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    Life life(seed);
    life.Run(/*workers_die=*/false);
    life.ExpectAllProven();
    life.ExpectNoneTwice();
    restarts += life.Restarts();
  }
  EXPECT_GT(restarts, 100);
}

TEST_F(FleetScenarioTest, WorkersThatDieOrDrainCostTheirOwnWorkOnly) {
  int deaths = 0;
  for (std::uint64_t seed = 1; seed <= 20 && !HasFailure(); ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    Life life(seed);
    life.Run(/*workers_die=*/true);
    life.ExpectAllProven();
    EXPECT_LE(life.Finished(), static_cast<int>(kJobs) + life.Deaths());
    deaths += life.Deaths();
  }
  EXPECT_GT(deaths, 40);
}

}  // namespace
}  // namespace damocles::worker
