// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// Time and chain of the world.

#include "damocles/simulation/world.h"

#include <algorithm>
#include <utility>

#include "lib/simulation/world_parts.h"

#include "damocles/base/check.h"

namespace damocles::simulation {
namespace {

using filecoin::ChainEpoch;
using filecoin::EpochDelta;

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
  if (!chain.ok()) LogError("simulation", "no_chain", {{"error", chain.status()}});
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
  disk_ = std::make_unique<Disk>(
      [this](const store::Batch& batch) -> absl::Status {
        if (dead_) return absl::UnavailableError("the process is dead");
        if (refuse_write && refuse_write(batch)) return absl::UnavailableError("the disk is full");
        return absl::OkStatus();
      },
      [this] {
        if (++writes_ == kill_at_write_) KillManager();
      });
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

void World::Every(absl::Duration period, std::function<void()> what) {
  repeated_.push_back(Repeat(period, std::move(what)).ToPromise().eagerlyEvaluate(nullptr));
}

async::Task<void> World::Repeat(absl::Duration period, std::function<void()> what) {
  while (true) {
    co_await timer_.afterDelay(ToKj(period));
    what();
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
  LogInfo("simulation", "block", {{"epoch", Head().Value()}});
  if (on_block) on_block(Head());
  if (crew_ != nullptr) crew_->SetBlind(blind_workers);
}

void World::Turn() {
  scope_.poll();
  if (dead_ && manager_ != nullptr) {
    TakeDownManager();
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

}  // namespace damocles::simulation
