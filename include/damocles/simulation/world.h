// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// A chain, a manager and workers in one thread and in virtual time.  Everything follows from the
// options and their seed; a failure that is printed with its seed can be run again.

#pragma once

#include <kj/async.h>
#include <kj/timer.h>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

#include "damocles/async/task.h"
#include "damocles/base/clock.h"
#include "damocles/base/random.h"
#include "damocles/devnet/chain.h"
#include "damocles/devnet/direct_api.h"
#include "damocles/devnet/genesis.h"
#include "damocles/job/queue.h"
#include "damocles/poster/runner.h"
#include "damocles/simulation/counted_api.h"
#include "damocles/simulation/crew.h"
#include "damocles/simulation/disk.h"
#include "damocles/simulation/model_prover.h"
#include "damocles/store/store.h"

namespace damocles::simulation {

struct WorldOptions {
  std::uint64_t seed = 1;
  devnet::ChainConfig config;
  std::vector<devnet::GenesisMiner> miners;
  std::size_t workers = 2;
  // Who proves: a short model of a worker at the queue, or hub and agents as the programs have them
  // (see crew.h), in local mode too.
  enum class Hands { kModel, kAgents, kLocal };
  Hands hands = Hands::kModel;
  absl::Duration proof_takes = absl::Seconds(30);   // of agents; the model asks its prover
  absl::Duration restart_after = absl::Seconds(2);  // a killed manager comes back
  poster::PosterPolicy poster;
  poster::FeePolicy fees;
  std::map<filecoin::ActorId, poster::FeePolicy> fees_of = {};  // of those that have others
  std::vector<filecoin::Address> senders;  // configured ones; empty: any of the miner
  // Chances in 1000, at each new block.
  std::uint64_t null_rounds = 0;
  std::uint64_t reorgs = 0;
  std::uint64_t reorg_depth_max = 3;
  std::uint64_t worker_deaths = 0;
  std::uint64_t manager_deaths = 0;
  // Chance in 1000 of each call to the node to go wrong.
  std::uint64_t call_faults = 0;
};

// 12 deadlines of 10 epochs of 30 s; look-back 5, cut-off 7.
devnet::ChainConfig SmallConfig();
// 48 deadlines of 10 epochs.
devnet::ChainConfig DayConfig();
// `partitions` partitions of two sectors in each of the deadlines; numbers from 1 on.
devnet::GenesisMiner MinerWith(filecoin::ActorId id, const std::vector<std::uint64_t>& deadlines,
                               std::uint64_t partitions);

class World {
 public:
  World(WorldOptions options, Prover& prover);
  ~World() noexcept;

  // Lets the time pass until the head is at `epoch` or above.
  void RunTo(filecoin::ChainEpoch epoch);
  filecoin::ChainEpoch Head() const { return chain_->ChainHead().Height(); }

  // The manager dies at once after its write number `number` (from 1, counted from here on).
  void KillAtWrite(std::uint64_t number) { kill_at_write_ = writes_ + number; }
  std::uint64_t Writes() const { return writes_; }
  void KillManager();
  void KillWorker(std::size_t worker, absl::Duration back_after);
  // Of agents: ends as SIGTERM ends it; a new process starts a while after that.
  void DrainWorker(std::size_t worker, absl::Duration back_after);
  // Connections and clocks of the workers; null if they are a model.
  Crew* crew() { return crew_.get(); }
  // The manager's clock is this much ahead of the chain's time.
  void SetManagerSkew(absl::Duration ahead) { manager_clock_.ahead = ahead; }

  // What went wrong, a line each; empty if all is well.  Windows that open before `from` or close
  // after the head are not judged.  Sectors in `may_be_skipped` are unreadable on purpose.
  std::string Problems(filecoin::ChainEpoch from,
                       const std::set<filecoin::SectorNumber>& may_be_skipped = {}) const;
  // The same with a question for each skipped sector.
  using MaySkip = std::function<bool(filecoin::SectorNumber, const devnet::ExecutedPost&)>;
  std::string Problems(filecoin::ChainEpoch from, const MaySkip& may_skip) const;
  // Partitions of deadlines that ended at `from` or later which were to be posted and were not.
  int Missed(filecoin::ActorId miner, filecoin::ChainEpoch from) const;
  // Whether a message that failed had to be sent all the same; none: none had.
  std::function<bool(const devnet::ExecutedPost&)> may_fail;
  std::vector<poster::DeadlineRecord> Records() const;
  // What the running manager tells of them; needs one that is not killed meanwhile.
  std::vector<poster::DeadlineRecord> Listed();

  devnet::Chain& chain() { return *chain_; }
  devnet::DirectApi& node() { return *direct_; }
  CountedApi& api() { return *api_; }
  store::Store& disk();
  int Restarts() const { return restarts_; }
  bool ManagerRuns() const { return manager_ != nullptr && !dead_; }
  // Jobs of the running manager.
  std::size_t Jobs() const;

  // As a reload of the configuration does it; survives a restart.  Of all miners, or of one.
  void SetEnabled(bool enabled);
  void SetEnabled(filecoin::ActorId miner, bool enabled);
  // Spoils all rows under the prefix, also while the manager is dead.
  void Damage(std::string_view prefix);
  // The next start of a manager finds a disk without the last `writes` that it had acknowledged.
  void ForgetAtRestart(std::size_t writes) { forget_writes_ = writes; }
  // True: the disk does not take this batch.
  std::function<bool(const store::Batch&)> refuse_write;

  std::set<filecoin::SectorNumber> unreadable;           // as the sector check sees it; may pass
  std::set<filecoin::SectorNumber> wrong;                // as it sees it; proven so
  std::size_t readers = 0;                               // workers that have the stores, it is told
  absl::Duration check_takes = absl::Milliseconds(100);  // but no more than its budget
  std::set<std::size_t> blind_workers;  // their mounts are empty: they find nothing
  std::set<std::size_t> hung_workers;   // take a job, beat, and never end (kModel only)
  // Epochs without a block.
  std::set<filecoin::ChainEpoch> null_at;
  // From now on, again and again.
  void Every(absl::Duration period, std::function<void()> what);
  // Called at each block, after it was made.
  std::function<void(filecoin::ChainEpoch)> on_block;

 private:
  class Sectors;
  struct Manager;

  std::vector<poster::MinerPolicy> Policies() const;
  void StartManager();
  void TakeDownManager();
  void Turn();
  void MakeBlock();
  void AdvanceTo(kj::TimePoint time);
  async::Task<void> Tick();
  async::Task<void> Repeat(absl::Duration period, std::function<void()> what);
  async::Task<void> Work(std::size_t worker);
  async::Task<void> Revive(std::size_t worker, absl::Duration after);
  async::Task<void> ReviveOnceEnded(std::size_t worker, absl::Duration after);
  bool Chance(std::uint64_t in_1000) { return random_.Below(1000) < in_1000; }

  WorldOptions options_;
  Prover& prover_;
  SeededRandom random_;
  SimClock clock_;
  SkewedClock manager_clock_{clock_};
  kj::EventLoop loop_;
  kj::WaitScope scope_{loop_};
  kj::TimerImpl timer_;
  std::unique_ptr<devnet::Chain> chain_;
  std::unique_ptr<devnet::DirectApi> direct_;
  std::unique_ptr<CountedApi> api_;
  std::unique_ptr<Disk> disk_;
  std::uint64_t writes_ = 0;
  std::uint64_t kill_at_write_ = 0;
  bool dead_ = false;
  std::set<filecoin::ActorId> disabled_;
  int restarts_ = 0;
  std::size_t forget_writes_ = 0;
  std::unique_ptr<Crew> crew_;
  std::unique_ptr<Manager> manager_;
  std::vector<kj::Promise<void>> workers_;
  kj::TimePoint next_block_at_;
  std::uint64_t nulls_before_next_ = 0;
  std::optional<kj::TimePoint> start_manager_at_;
  std::vector<kj::Promise<void>> repeated_;
};

}  // namespace damocles::simulation
