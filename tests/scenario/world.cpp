// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "tests/scenario/world.h"

#include <algorithm>
#include <deque>
#include <utility>

#include "absl/strings/str_format.h"
#include "tests/scenario/late_executor.h"

#include "damocles/async/offload.h"
#include "damocles/base/check.h"
#include "damocles/poster/proof_jobs.h"
#include "damocles/poster/sector_source.h"

namespace damocles::scenario {
namespace {

using filecoin::ChainEpoch;
using filecoin::EpochDelta;

kj::Duration ToKj(absl::Duration duration) {
  return absl::ToInt64Nanoseconds(duration) * kj::NANOSECONDS;
}
absl::Duration FromKj(kj::Duration duration) {
  return absl::Nanoseconds(duration / kj::NANOSECONDS);
}

devnet::ChainConfig ConfigWith(std::uint64_t deadlines) {
  devnet::ChainConfig config;
  const EpochDelta window(10);
  config.policy.period = {window * static_cast<std::int64_t>(deadlines), window, deadlines,
                          EpochDelta(5), EpochDelta(7)};
  config.policy.fault_max_age = config.policy.period.proving_period * 42;
  config.policy.dispute_window = EpochDelta(60);
  config.finality = EpochDelta(60);
  config.confirmation_depth = 3;
  config.genesis_blocks = EpochDelta(20);
  config.first_open = config.policy.period.proving_period;
  config.genesis_timestamp = 1'700'000'000;
  config.block_delay_secs = 30;
  return config;
}

}  // namespace

devnet::ChainConfig SmallConfig() {
  return ConfigWith(12);
}
devnet::ChainConfig DayConfig() {
  return ConfigWith(48);
}

devnet::GenesisMiner MinerWith(filecoin::ActorId id, const std::vector<std::uint64_t>& deadlines,
                               std::uint64_t partitions) {
  devnet::GenesisMiner miner;
  miner.id = id;
  filecoin::SectorNumber number = 1;
  for (const std::uint64_t deadline : deadlines) {
    for (std::uint64_t partition = 0; partition < partitions; ++partition) {
      for (int i = 0; i < 2; ++i) {
        devnet::GenesisSector sector;
        sector.number = number;
        StoreLe64(number * 1'000'003 + id, sector.comm_r.data());
        sector.deadline = deadline;
        sector.partition = partition;
        miner.sectors.push_back(sector);
        ++number;
      }
    }
  }
  return miner;
}

// The manager's disk: outlives it.  Counts writes; after the one that kills it nothing is written
// any more by that life.
class World::Disk final : public store::Store {
 public:
  explicit Disk(World& world) : world_(world), inner_(store::OpenMemoryStore()) {}
  absl::StatusOr<std::optional<std::string>> Get(std::string_view key) const override {
    return inner_->Get(key);
  }
  absl::Status Scan(std::string_view prefix, const Visitor& visit) const override {
    return inner_->Scan(prefix, visit);
  }
  absl::Status Write(const store::Batch& batch) override {
    if (world_.dead_) return absl::UnavailableError("the process is dead");
    if (world_.refuse_write && world_.refuse_write(batch)) {
      return absl::UnavailableError("the disk is full");
    }
    store::Batch undo;
    for (const store::Batch::Operation& operation : batch.Operations()) {
      const auto before = inner_->Get(operation.key);
      DAMOCLES_CHECK(before.ok());
      if (before->has_value()) {
        undo.Put(operation.key, **before);
      } else {
        undo.Delete(operation.key);
      }
    }
    const absl::Status status = inner_->Write(batch);
    if (status.ok()) undo_.push_back(std::move(undo));
    if (undo_.size() > kRemembered) undo_.pop_front();
    if (++world_.writes_ == world_.kill_at_write_) world_.KillManager();
    return status;
  }
  // Takes the last writes back.
  void Forget(std::size_t writes) {
    for (; writes > 0 && !undo_.empty(); --writes) {
      DAMOCLES_CHECK(inner_->Write(undo_.back()).ok());
      undo_.pop_back();
    }
  }

 private:
  static constexpr std::size_t kRemembered = 500;
  World& world_;
  std::unique_ptr<store::Store> inner_;
  std::deque<store::Batch> undo_;  // of each write, the latest last
};

store::Store& World::disk() {
  return *disk_;
}

void World::RememberDisk() {
  absl::StatusOr<std::vector<store::Entry>> rows = store::List(*disk_, "");
  DAMOCLES_CHECK(rows.ok());
  remembered_ = *std::move(rows);
}

void World::KillManagerAndForget() {
  KillManager();
  forget_ = true;
}

void World::Damage(std::string_view prefix) {
  const absl::StatusOr<std::vector<store::Entry>> rows = store::List(*disk_, prefix);
  DAMOCLES_CHECK(rows.ok());
  store::Batch batch;
  for (const store::Entry& row : *rows) {
    batch.Put(row.key, row.value.substr(0, row.value.size() / 2));
  }
  WriteWhileDead(batch);
}

void World::WriteWhileDead(const store::Batch& batch) {
  const bool dead = std::exchange(dead_, false);
  const auto refuse = std::exchange(refuse_write, nullptr);
  DAMOCLES_CHECK(disk_->Write(batch).ok());
  dead_ = dead;
  refuse_write = refuse;
}

void World::Forget() {
  const absl::StatusOr<std::vector<store::Entry>> rows = store::List(*disk_, "");
  DAMOCLES_CHECK(rows.ok());
  store::Batch batch;
  for (const store::Entry& row : *rows) batch.Delete(row.key);
  for (const store::Entry& row : remembered_) batch.Put(row.key, row.value);
  WriteWhileDead(batch);
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

struct World::Manager {
  explicit Manager(kj::Timer& timer) : writes(timer, 2 * kj::MILLISECONDS) {}

  LateExecutor writes;  // none of them outlives its manager
  std::unique_ptr<job::Queue> queue;
  std::unique_ptr<poster::ProofJobs> jobs;
  std::unique_ptr<Sectors> sectors;
  std::unique_ptr<poster::Runner> runner;
  kj::Promise<void> tick = nullptr;
};

World::World(WorldOptions options, Prover& prover)
    : options_(std::move(options)),
      prover_(prover),
      random_(options_.seed),
      clock_(absl::FromUnixSeconds(static_cast<std::int64_t>(options_.config.genesis_timestamp))),
      timer_(kj::origin<kj::TimePoint>()),
      next_block_at_(kj::origin<kj::TimePoint>()) {
  options_.config.seed = options_.seed;
  devnet::Genesis genesis;
  genesis.miners = options_.miners;
  devnet::ChainOptions chain_options;
  chain_options.verify = [this](const devnet::PostStatement& statement, ByteSpan proof) {
    return prover_.Verify(statement, proof);
  };
  absl::StatusOr<std::unique_ptr<devnet::Chain>> chain =
      devnet::Chain::InMemory(options_.config, genesis, std::move(chain_options));
  if (!chain.ok()) LogError("scenario", "no_chain", {{"error", chain.status()}});
  DAMOCLES_CHECK(chain.ok());
  chain_ = *std::move(chain);
  direct_ = std::make_unique<devnet::DirectApi>(*chain_);
  api_ = std::make_unique<CountedApi>(*direct_);
  api_->OnDie([this] { KillManager(); });
  api_->SetLateness([this] { return timer_.afterDelay(90 * kj::SECONDS); });
  if (options_.call_faults > 0) {
    api_->FailAtRandom([this] {
      if (!Chance(options_.call_faults)) return CallFault::kNone;
      const CallFault faults[] = {CallFault::kRefuse, CallFault::kLoseAnswer, CallFault::kHang};
      return faults[random_.Below(3)];
    });
  }
  disk_ = std::make_unique<Disk>(*this);
  // Nothing can be missed before the first window opens: go there at once.
  const ChainEpoch begin = ChainEpoch(0) + options_.config.first_open - EpochDelta(8);
  while (Head() < begin) DAMOCLES_CHECK(chain_->Advance().ok());
  clock_.Set(absl::FromUnixSeconds(static_cast<std::int64_t>(chain_->ChainHead().MinTimestamp())));
  next_block_at_ = timer_.now() +
                   ToKj(absl::Seconds(static_cast<std::int64_t>(options_.config.block_delay_secs)));
  if (options_.hands != WorldOptions::Hands::kModel) {
    const bool local = options_.hands == WorldOptions::Hands::kLocal;
    if (local) options_.workers = 1;
    crew_ = std::make_unique<Crew>(
        CrewOptions{
            .workers = options_.workers, .local = local, .proof_takes = options_.proof_takes},
        prover_, timer_, clock_, manager_clock_, [this] { return !dead_; });
  }
  for (std::size_t worker = 0; worker < options_.workers; ++worker) {
    workers_.push_back(crew_ != nullptr ? kj::Promise<void>(kj::READY_NOW)
                                        : Work(worker).ToPromise().eagerlyEvaluate(nullptr));
  }
  StartManager();
}

World::~World() noexcept {
  workers_.clear();
  TakeDownManager();
}

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
    miner.post_fees = options_.fees;
    miner.recovery_fees = options_.fees;
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
  manager->queue->OnChange([this](const job::JobRecord& job) {
    LogInfo("scenario", "job",
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
  absl::StatusOr<std::unique_ptr<poster::Runner>> runner =
      poster::Runner::Open(poster::RunnerParts{api_->Api(), *manager->jobs, *manager->sectors,
                                               *disk_, manager_clock_, timer_, manager->writes},
                           runner_options, Policies());
  if (!runner.ok()) LogError("scenario", "no_runner", {{"error", runner.status()}});
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

void World::KillWorker(std::size_t worker, absl::Duration back_after) {
  if (crew_ != nullptr && options_.hands == WorldOptions::Hands::kLocal) return KillManager();
  if (crew_ != nullptr) crew_->KillWorker(worker);
  workers_[worker] = Revive(worker, back_after).ToPromise().eagerlyEvaluate(nullptr);
}

void World::DrainWorker(std::size_t worker, absl::Duration back_after) {
  DAMOCLES_CHECK(crew_ != nullptr);
  crew_->Drain(worker);
  workers_[worker] = ReviveOnceEnded(worker, back_after).ToPromise().eagerlyEvaluate(nullptr);
}

async::Task<void> World::ReviveOnceEnded(std::size_t worker, absl::Duration after) {
  while (crew_->Runs(worker)) co_await timer_.afterDelay(1 * kj::SECONDS);
  co_await timer_.afterDelay(ToKj(after));
  crew_->StartWorker(worker);
}

async::Task<void> World::Revive(std::size_t worker, absl::Duration after) {
  co_await timer_.afterDelay(ToKj(after));
  if (crew_ != nullptr) {
    crew_->StartWorker(worker);
    co_return;
  }
  if (manager_ != nullptr && !dead_) {
    (void)manager_->queue->WorkerStarted(absl::StrFormat("worker-%d", worker));
  }
  co_await Work(worker);
}

void World::Every(absl::Duration period, std::function<void()> what) {
  repeated_.push_back(Repeat(period, std::move(what)).ToPromise().eagerlyEvaluate(nullptr));
}

async::Task<void> World::Repeat(absl::Duration period, std::function<void()> what) {
  while (true) {
    co_await timer_.afterDelay(ToKj(period));
    what();
  }
}

async::Task<void> World::Tick() {
  while (true) {
    co_await timer_.afterDelay(ToKj(job::Queue::kTickPeriod));
    if (!dead_) (void)manager_->queue->Tick();
  }
}

// A worker polls, computes in virtual time with heartbeats, and keeps its result until it is taken.
async::Task<void> World::Work(std::size_t worker) {
  job::WorkerOffer offer;
  offer.name = absl::StrFormat("worker-%d", worker);
  offer.all_stores = true;
  const auto queue = [this]() -> job::Queue* {
    return manager_ != nullptr && !dead_ ? manager_->queue.get() : nullptr;
  };
  while (true) {
    co_await timer_.afterDelay(1 * kj::SECONDS);
    if (queue() == nullptr) continue;
    absl::StatusOr<std::optional<job::Assignment>> assigned = queue()->Allocate(offer);
    if (queue() == nullptr) continue;  // it died over the answer
    if (!assigned.ok() || !assigned->has_value()) continue;
    const job::Assignment job = **assigned;
    const bool blind = blind_workers.contains(worker);
    const absl::Time end = clock_.Now() + (blind ? absl::Seconds(1) : prover_.Takes(*job.spec));
    bool cancelled = false;
    const bool hangs = hung_workers.contains(worker);
    while ((hangs || clock_.Now() < end) && !cancelled) {
      co_await timer_.afterDelay(
          ToKj(hangs ? absl::Seconds(5) : std::min(absl::Seconds(5), end - clock_.Now())));
      if (queue() == nullptr) continue;
      const absl::StatusOr<job::HeartbeatReply> reply =
          queue()->Heartbeat(job.id, job.attempt, offer.name);
      cancelled = reply.ok() && *reply == job::HeartbeatReply::kCancel;
    }
    if (cancelled) continue;
    absl::StatusOr<Proved> proved = Proved{};
    if (blind) {
      for (const job::JobSector& sector : job.spec->sectors) {
        proved->faults.push_back({sector.number, "no such file"});
      }
    } else {
      proved = prover_.Prove(*job.spec);
    }
    while (true) {
      if (queue() != nullptr) {
        absl::Status status;
        if (!proved.ok()) {
          status = queue()
                       ->Fail(job.id, job.attempt, offer.name,
                              std::string(proved.status().message()), job::FailureKind::kAttempt)
                       .status();
        } else if (!proved->faults.empty()) {
          status = queue()->FinishFaults(job.id, job.attempt, offer.name, proved->faults).status();
        } else {
          status = queue()->FinishProven(job.id, job.attempt, offer.name, proved->proof).status();
        }
        if (queue() != nullptr && (status.ok() || absl::IsNotFound(status))) break;
      }
      co_await timer_.afterDelay(1 * kj::SECONDS);
    }
  }
}

void World::AdvanceTo(kj::TimePoint time) {
  time = std::max(time, timer_.now());  // what is due by now still has to be woken
  clock_.Advance(FromKj(time - timer_.now()));
  timer_.advanceTo(time);
}

void World::MakeBlock() {
  devnet::AdvanceOptions advance;
  advance.null_rounds = nulls_before_next_;
  DAMOCLES_CHECK(chain_->Advance(advance).ok());
  nulls_before_next_ = Chance(options_.null_rounds) ? 1 + random_.Below(3) : 0;
  const auto after = [this] {
    return Head() + EpochDelta(1 + static_cast<std::int64_t>(nulls_before_next_));
  };
  while (null_at.contains(after())) ++nulls_before_next_;
  next_block_at_ =
      timer_.now() + ToKj(absl::Seconds(static_cast<std::int64_t>(options_.config.block_delay_secs *
                                                                  (1 + nulls_before_next_))));
  if (Chance(options_.reorgs)) (void)chain_->Reorg(1 + random_.Below(options_.reorg_depth_max));
  if (options_.workers > 0 && Chance(options_.worker_deaths)) {
    KillWorker(random_.Below(options_.workers), absl::Seconds(20));
  }
  if (Chance(options_.manager_deaths)) KillManager();
  if (on_block) on_block(Head());
  if (crew_ != nullptr) crew_->SetBlind(blind_workers);
}

void World::Turn() {
  scope_.poll();
  if (dead_ && manager_ != nullptr) {
    TakeDownManager();
    if (std::exchange(forget_, false)) Forget();
    ++restarts_;
    start_manager_at_ = timer_.now() + ToKj(options_.restart_after);
  }
  kj::TimePoint next = next_block_at_;
  KJ_IF_MAYBE (event, timer_.nextEvent()) next = std::min(next, *event);
  if (start_manager_at_) next = std::min(next, *start_manager_at_);
  AdvanceTo(next);
  if (start_manager_at_ && timer_.now() >= *start_manager_at_) StartManager();
  if (timer_.now() >= next_block_at_) MakeBlock();
}

void World::RunTo(ChainEpoch epoch) {
  while (Head() < epoch) Turn();
  scope_.poll();
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

std::string World::Problems(ChainEpoch from,
                            const std::set<filecoin::SectorNumber>& may_be_skipped) const {
  return Problems(from, [&](filecoin::SectorNumber sector, const devnet::ExecutedPost&) {
    return may_be_skipped.contains(sector);
  });
}

std::string World::Problems(ChainEpoch from, const MaySkip& may_skip) const {
  std::string out;
  const auto say = [&](std::string line) { out += line + "\n"; };
  const filecoin::PeriodShape& shape = options_.config.policy.period;
  using Partition = std::tuple<filecoin::ActorId, std::int64_t, std::uint64_t, std::uint64_t>;
  std::set<Partition> judged;
  for (const devnet::DeadlineOutcome& outcome : chain_->DeadlineOutcomes()) {
    const filecoin::DeadlineInfo deadline = filecoin::MakeDeadlineInfo(
        shape, outcome.end.period_start, outcome.end.deadline, outcome.epoch);
    if (deadline.open < from) continue;
    for (const devnet::PartitionEnd& partition : outcome.end.partitions) {
      judged.insert({outcome.miner, outcome.end.period_start.Value(), outcome.end.deadline,
                     partition.partition});
      if (partition.must_be_posted && !partition.posted) {
        say(absl::StrFormat("f0%d deadline %d partition %d open %d: missed", outcome.miner,
                            outcome.end.deadline, partition.partition, deadline.open.Value()));
      }
    }
  }
  if (judged.empty()) say("no deadline was judged");
  std::set<Partition> posted;
  for (const devnet::ExecutedPost& post : chain_->ExecutedPosts()) {
    if (post.exit_code != 0) {
      say(absl::StrFormat("f0%d: message at epoch %d failed with %d: %s", post.miner,
                          post.epoch.Value(), post.exit_code, post.error));
      continue;
    }
    for (const devnet::AcceptedPost::Part& part : post.post->partitions) {
      const Partition key{post.miner, post.post->period_start.Value(), post.post->deadline,
                          part.partition};
      if (!posted.insert(key).second) say("a partition was posted twice");
      for (const std::uint64_t sector : part.skipped) {
        if (!may_skip(sector, post)) {
          say(absl::StrFormat("sector %d was skipped for no reason at epoch %d", sector,
                              post.epoch.Value()));
        }
      }
    }
  }
  for (const poster::DeadlineRecord& record : Records()) {
    if (record.deadline.open < from) continue;
    const EpochDelta grace =
        EpochDelta(2 * static_cast<std::int64_t>(options_.config.confirmation_depth)) +
        EpochDelta(6);
    const bool over = Head() >= record.deadline.close + grace;
    if (record.state == poster::DeadlineState::kMissed ||
        (over && record.state != poster::DeadlineState::kConfirmed)) {
      say(absl::StrFormat("record of f0%d open %d: %s: %s", record.miner,
                          record.deadline.open.Value(), std::string(Name(record.state)),
                          record.reason));
    }
  }
  return out;
}

}  // namespace damocles::scenario
