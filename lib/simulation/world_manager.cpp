// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// The manager of the world: its lives, its disk, what it is told.

#include <algorithm>
#include <utility>

#include "absl/strings/str_format.h"
#include "lib/simulation/world_parts.h"

#include "damocles/base/check.h"

namespace damocles::simulation {

using filecoin::EpochDelta;

store::Store& World::disk() {
  return *disk_;
}

void World::Damage(std::string_view prefix) {
  disk_->Damage(prefix);
}

class World::Sectors final : public poster::SectorSource {
 public:
  explicit Sectors(World& world) : world_(world) {}
  async::Task<absl::StatusOr<std::vector<poster::SectorVerdict>>> Check(
      filecoin::ActorId, filecoin::PoStProofType, std::vector<poster::PlannedSector> sectors,
      absl::Duration budget) override {
    co_await world_.timer_.afterDelay(ToKj(std::min(budget, world_.check_takes)));
    std::vector<poster::SectorVerdict> out;
    for (const poster::PlannedSector& sector : sectors) {
      poster::SectorVerdict verdict;
      verdict.number = sector.number;
      verdict.sealed_store = verdict.cache_store = "store";
      verdict.wrong = world_.wrong.contains(sector.number);
      if (world_.unreadable.contains(sector.number)) verdict.reason = "unreadable on purpose";
      if (verdict.wrong) verdict.reason = "wrong on purpose";
      verdict.readers = world_.readers;
      out.push_back(std::move(verdict));
    }
    co_return out;
  }

 private:
  World& world_;
};

void World::TakeDownManager() {
  if (crew_ != nullptr) crew_->ManagerDies();
  manager_.reset();
}

std::vector<poster::MinerPolicy> World::Policies() const {
  std::vector<poster::MinerPolicy> miners;
  for (const devnet::GenesisMiner& genesis : options_.miners) {
    poster::MinerPolicy miner;
    miner.miner = genesis.id;
    miner.enabled = !disabled_.contains(genesis.id);
    miner.poster = options_.poster;
    miner.senders = options_.senders;
    const auto own = options_.fees_of.find(genesis.id);
    miner.post_fees = own != options_.fees_of.end() ? own->second : options_.fees;
    miner.recovery_fees = miner.post_fees;
    miner.poster.confirmation_depth =
        EpochDelta(static_cast<std::int64_t>(options_.config.confirmation_depth));
    miners.push_back(std::move(miner));
  }
  return miners;
}

void World::SetEnabled(bool enabled) {
  for (const devnet::GenesisMiner& miner : options_.miners) SetEnabled(miner.id, enabled);
}

void World::SetEnabled(filecoin::ActorId miner, bool enabled) {
  if (enabled) {
    disabled_.erase(miner);
  } else {
    disabled_.insert(miner);
  }
  if (manager_ != nullptr) manager_->runner->SetMiners(Policies());
}

void World::StartManager() {
  start_manager_at_.reset();
  dead_ = false;
  disk_->Forget(std::exchange(forget_writes_, 0));
  api_->SetDead(false);
  auto manager = std::make_unique<Manager>(timer_);
  absl::StatusOr<std::unique_ptr<job::Queue>> queue =
      job::Queue::Open(*disk_, manager_clock_, job::Policy{});
  DAMOCLES_CHECK(queue.ok());
  manager->queue = *std::move(queue);
  manager->job_changes = manager->queue->OnChange([this](const job::JobRecord& job) {
    LogInfo("simulation", "job",
            {{"epoch", Head().Value()},
             {"id", job.id.ToString()},
             {"miner", job.spec->miner},
             {"deadline", job.spec->deadline_index},
             {"state", job::DescribeState(job)},
             {"try", job.tries},
             {"worker", job.worker},
             {"error", job.error}});
  });
  manager->jobs = poster::MakeQueueJobs(*manager->queue);
  manager->sectors = std::make_unique<Sectors>(*this);
  poster::RunnerOptions runner_options;
  absl::StatusOr<std::unique_ptr<poster::Runner>> runner = poster::Runner::Open(
      poster::RunnerParts{api_->Node(), api_->Node(), api_->Node(), *manager->jobs,
                          *manager->sectors, *disk_, manager_clock_, timer_, manager->writes},
      runner_options, Policies());
  if (!runner.ok()) LogError("simulation", "no_runner", {{"error", runner.status()}});
  DAMOCLES_CHECK(runner.ok());
  manager->runner = *std::move(runner);
  manager_ = std::move(manager);
  manager_->tick = Tick().ToPromise().eagerlyEvaluate(nullptr);
  if (crew_ != nullptr) {
    crew_->SetBlind(blind_workers);
    crew_->ManagerStarted(*manager_->queue);
  }
  manager_->runner->Start();
}

// Only marks it: what runs at this moment is part of the manager.  It is taken down by the next
// turn; until then it can neither write nor speak to the node.
void World::KillManager() {
  dead_ = true;
  api_->SetDead(true);
}

async::Task<void> World::Tick() {
  while (true) {
    co_await timer_.afterDelay(ToKj(job::Queue::kTickPeriod));
    if (!dead_) (void)manager_->queue->Tick();
  }
}

std::vector<poster::DeadlineRecord> World::Records() const {
  absl::StatusOr<std::vector<poster::DeadlineRecord>> records =
      poster::ListRecords(*disk_, poster::RecordFilter{});
  DAMOCLES_CHECK(records.ok());
  return *std::move(records);
}

std::vector<poster::DeadlineRecord> World::Listed() {
  kj::Promise<absl::StatusOr<std::vector<poster::DeadlineRecord>>> listing =
      manager_->runner->ListRecords({}).ToPromise().eagerlyEvaluate(nullptr);
  while (!listing.poll(scope_)) Turn();
  absl::StatusOr<std::vector<poster::DeadlineRecord>> records = listing.wait(scope_);
  DAMOCLES_CHECK(records.ok());
  return *std::move(records);
}

std::size_t World::Jobs() const {
  return ManagerRuns() ? manager_->queue->List().size() : 0;
}

}  // namespace damocles::simulation
