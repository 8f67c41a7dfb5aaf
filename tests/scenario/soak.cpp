// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "tests/scenario/soak.h"

#include <algorithm>
#include <fstream>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_format.h"
#include "tests/scenario/world.h"

#include "damocles/base/check.h"
#include "damocles/base/invariant.h"
#include "damocles/filecoin/miner_params.h"

namespace damocles::scenario {
namespace {

using filecoin::ChainEpoch;
using filecoin::EpochDelta;
using filecoin::SectorNumber;

constexpr std::uint64_t kPeriods = 3;
// Rows of the manager's store, jobs and memory of a life: far above what any of them needs, far
// below what grows with every block.
constexpr std::size_t kRowsMax = 4000;
constexpr std::uint64_t kMemoryMaxKb = 600'000;

// ---------------------------------------------------------------- what is drawn

struct Cluster {
  WorldOptions options;
  absl::Duration proof_takes;  // of one proof
  std::map<SectorNumber, std::pair<filecoin::ActorId, std::uint64_t>> partition_of;
  std::string text;
};

class Dice {
 public:
  explicit Dice(std::uint64_t seed) : random_(seed) {}
  std::uint64_t Between(std::uint64_t low, std::uint64_t high) {
    return low + random_.Below(high - low + 1);
  }
  bool Chance(std::uint64_t percent) { return random_.Below(100) < percent; }
  // Nothing in half of the lives.
  std::uint64_t Rate(std::uint64_t max) { return Chance(50) ? 0 : Between(1, max); }
  template <typename T>
  void Shuffle(std::vector<T>& items) {
    for (std::size_t i = items.size(); i > 1; --i) {
      std::swap(items[i - 1], items[random_.Below(i)]);
    }
  }

 private:
  SeededRandom random_;
};

// Partitions of a few sectors each, whose numbers are mixed up with those of their neighbours.
devnet::GenesisMiner DrawMiner(Dice& dice, std::uint64_t index, std::uint64_t deadlines,
                               EpochDelta window, Cluster& cluster) {
  devnet::GenesisMiner miner;
  miner.id = 1000 + index;
  const bool large = dice.Chance(50);
  miner.window_post_proof_type =
      large ? filecoin::PoStProofType::kWindow32GiBV1_1 : filecoin::PoStProofType::kWindow2KiBV1_1;
  miner.control_addresses = dice.Between(0, 3);
  miner.period_shift = EpochDelta(
      static_cast<std::int64_t>(dice.Between(0, static_cast<std::uint64_t>(2 * window.Count()))));
  std::uint64_t count = 0;
  std::vector<std::vector<std::uint64_t>> sizes(deadlines);
  for (std::uint64_t deadline = 0; deadline < deadlines; ++deadline) {
    if (dice.Chance(25)) continue;
    sizes[deadline].resize(dice.Between(1, dice.Chance(40) ? 6 : 2));
    for (std::uint64_t& size : sizes[deadline]) count += size = dice.Between(1, large ? 6 : 2);
  }
  if (count == 0) sizes[0] = {count = 2};
  std::vector<SectorNumber> numbers;
  for (std::uint64_t i = 1; i <= count; ++i) numbers.push_back(10'000 * (index + 1) + i);
  dice.Shuffle(numbers);
  for (std::uint64_t deadline = 0; deadline < deadlines; ++deadline) {
    for (std::uint64_t partition = 0; partition < sizes[deadline].size(); ++partition) {
      for (std::uint64_t i = 0; i < sizes[deadline][partition]; ++i) {
        devnet::GenesisSector sector;
        sector.number = numbers.back();
        numbers.pop_back();
        StoreLe64(sector.number * 1'000'003 + miner.id, sector.comm_r.data());
        sector.deadline = deadline;
        sector.partition = partition;
        cluster.partition_of[sector.number] = {miner.id, deadline * 100 + partition};
        miner.sectors.push_back(sector);
      }
    }
  }
  return miner;
}

// Proofs of all miners that may fall due in one window.
std::uint64_t ProofsOfAWindow(const std::vector<devnet::GenesisMiner>& miners) {
  std::uint64_t sum = 0;
  for (const devnet::GenesisMiner& miner : miners) {
    const bool large = miner.window_post_proof_type == filecoin::PoStProofType::kWindow32GiBV1_1;
    std::map<std::uint64_t, std::pair<std::set<std::uint64_t>, std::uint64_t>> deadlines;
    for (const devnet::GenesisSector& sector : miner.sectors) {
      deadlines[*sector.deadline].first.insert(*sector.partition);
      ++deadlines[*sector.deadline].second;
    }
    std::uint64_t most = 0;
    for (const auto& [index, deadline] : deadlines) {
      // Proofs of the deadline, but one for each message at least, and one for each partition to be
      // on the safe side.
      const std::uint64_t proofs = large ? deadline.first.size() : (deadline.second + 1) / 2;
      most = std::max<std::uint64_t>({most, proofs, deadline.first.size()});
    }
    sum += 2 * most;  // windows of two miners overlap in two ways
  }
  return sum;
}

Cluster Draw(Dice& dice, std::uint64_t seed) {
  Cluster cluster;
  WorldOptions& options = cluster.options;
  options.seed = seed;
  options.config = SmallConfig();
  const EpochDelta window(static_cast<std::int64_t>(dice.Between(2, 6) * 10));
  const std::uint64_t deadlines = dice.Between(6, 8);
  const EpochDelta lookback(static_cast<std::int64_t>(dice.Between(5, 10)));
  auto& policy = options.config.policy;
  policy.period = {window * static_cast<std::int64_t>(deadlines), window, deadlines, lookback,
                   lookback + EpochDelta(static_cast<std::int64_t>(dice.Between(2, 10)))};
  policy.fault_max_age = policy.period.proving_period * 42;
  options.config.first_open = policy.period.proving_period;
  options.config.genesis_blocks = EpochDelta(30);
  options.config.inclusion_delay = dice.Chance(30) ? 1 : 0;
  const std::uint64_t miners = dice.Between(1, 4);
  for (std::uint64_t i = 0; i < miners; ++i) {
    options.miners.push_back(DrawMiner(dice, i, deadlines, window, cluster));
  }
  using Hands = WorldOptions::Hands;
  const std::uint64_t hands = dice.Between(0, 3);
  options.hands = hands == 0 ? Hands::kModel : hands == 1 ? Hands::kLocal : Hands::kAgents;
  options.workers = options.hands == Hands::kLocal ? 1 : dice.Between(2, 4);
  // All proofs of a window take one worker at most a third of it: the rest is for troubles.
  const absl::Duration most = absl::Seconds(30) * window.Count() / 3 /
                              static_cast<std::int64_t>(ProofsOfAWindow(options.miners));
  cluster.proof_takes =
      absl::Trunc(most * static_cast<double>(dice.Between(10, 100)) / 100, absl::Milliseconds(1));
  options.proof_takes = cluster.proof_takes;
  options.null_rounds = dice.Rate(120);
  options.reorgs = dice.Rate(30);
  options.reorg_depth_max = 2;
  options.call_faults = dice.Rate(40);
  options.poster.parallel = dice.Chance(70);
  options.poster.recovering_alone = dice.Chance(30);
  options.poster.max_partitions_per_message = dice.Between(0, 3);
  options.restart_after = absl::Seconds(static_cast<double>(dice.Between(1, 20)));
  cluster.text = absl::StrFormat(
      "%d miners, %d sectors, window %d, %d deadlines, %s, proof %s, nulls %d, reorgs %d, calls %d",
      miners, cluster.partition_of.size(), window.Count(), deadlines,
      options.hands == Hands::kLocal
          ? "local"
          : absl::StrFormat("%d %s", options.workers,
                            options.hands == Hands::kAgents ? "agents" : "model workers"),
      absl::FormatDuration(cluster.proof_takes), options.null_rounds, options.reorgs,
      options.call_faults);
  return cluster;
}

// ---------------------------------------------------------------- a life

class Life {
 public:
  explicit Life(std::uint64_t seed)
      : dice_(seed ^ 0x9e3779b97f4a7c15),
        cluster_(Draw(dice_, seed)),
        prover_(cluster_.proof_takes),
        world_(cluster_.options, prover_),
        shape_(cluster_.options.config.policy.period),
        window_(shape_.challenge_window.Count()),
        first_(ChainEpoch(0) + cluster_.options.config.first_open),
        end_(first_ + shape_.proving_period * static_cast<std::int64_t>(kPeriods)) {
    world_.on_block = [this](ChainEpoch head) { OnBlock(head); };
    next_outage_ = first_ + Epochs(dice_.Between(0, static_cast<std::uint64_t>(window_)));
  }

  SoakResult Run() {
    // The last windows come to their end in peace.
    world_.RunTo(end_ + EpochDelta(window_ + 2 * 3 + 8));
    const std::string judged =
        world_.Problems(first_, [this](SectorNumber sector, const devnet::ExecutedPost& post) {
          return WasBad(sector, post.post->challenge - EpochDelta(2), post.epoch);
        });
    problems_ += judged;
    JudgeTimes();
    JudgeFees();
    JudgeBounds();
    std::string troubles;
    for (const auto& [name, count] : happened_) {
      troubles += absl::StrFormat("%s%s %d", troubles.empty() ? "" : ", ", name, count);
    }
    return {cluster_.text, troubles.empty() ? "none" : troubles, problems_};
  }

 private:
  static EpochDelta Epochs(std::uint64_t count) {
    return EpochDelta(static_cast<std::int64_t>(count));
  }
  void Say(const std::string& line) { problems_ += line + "\n"; }
  void Happened(const std::string& what) {
    ++happened_[what];
    LogInfo("soak", "trouble", {{"epoch", head_.Value()}, {"what", what}});
  }
  void Later(EpochDelta after, std::function<void()> what) {
    later_.emplace(head_ + after, std::move(what));
  }

  void OnBlock(ChainEpoch head) {
    const ChainEpoch before = head_;
    head_ = head;
    while (!later_.empty() && later_.begin()->first <= head) {
      const auto what = std::move(later_.begin()->second);
      later_.erase(later_.begin());
      what();
    }
    JudgeDeclarations(before, head);
    NoteFees();
    if (world_.ManagerRuns() && world_.Jobs() > JobsMax()) {
      Say(absl::StrFormat("%d jobs at epoch %d", world_.Jobs(), head.Value()));
    }
    if (head < first_ || head >= end_ - EpochDelta(window_)) return;
    Small();
    if (head >= next_outage_) Outage();
    if (dice_.Chance(3)) SpoilSectors();
  }

  // What costs a moment; any number of them.
  void Small() {
    if (dice_.Chance(2)) {
      world_.KillAtWrite(dice_.Between(1, 10));
      Happened("manager killed at a write");
    }
    // What a store forgets is of the last minutes.
    if (head_.Value() % 3 == 0) world_.RememberDisk();
    if (dice_.Chance(2)) {
      world_.node().DropSubscriptions();
      Happened("subscription dropped");
    }
    if (dice_.Chance(1)) {
      DAMOCLES_CHECK(world_.chain().DropNextMessages(1).ok());
      Happened("message dropped");
    }
    if (IsLocal()) return;
    const std::size_t worker = dice_.Between(0, cluster_.options.workers - 1);
    const absl::Duration away = absl::Seconds(static_cast<double>(dice_.Between(1, 60)));
    if (dice_.Chance(2)) {
      world_.KillWorker(worker, away);
      Happened("worker killed");
    } else if (world_.crew() != nullptr && dice_.Chance(2)) {
      world_.DrainWorker(worker, away);
      Happened("worker drained");
    } else if (world_.crew() != nullptr && dice_.Chance(3)) {
      world_.crew()->Cut(worker);
      Happened("connection cut");
    }
  }

  // What stops the work for a while: one at a time, at most a sixth of a window, and then a window
  // and a half of peace before the next.
  void Outage() {
    const auto longest = static_cast<std::uint64_t>(window_ / 6);
    const EpochDelta lasts = Epochs(dice_.Between(1, longest));
    next_outage_ = head_ + lasts + EpochDelta(window_ + window_ / 2) +
                   Epochs(dice_.Between(0, static_cast<std::uint64_t>(window_)));
    switch (dice_.Between(0, 11)) {
      case 0:
        Happened("node down");
        world_.node().SetDown(true);
        Later(lasts, [this] { world_.node().SetDown(false); });
        break;
      case 1:
        Happened("node hangs");
        world_.api().SetHanging(true);
        Later(lasts, [this] { world_.api().SetHanging(false); });
        break;
      case 2:
        Happened("node silent");
        world_.node().SetSilent(true);
        Later(lasts, [this] { world_.node().SetSilent(false); });
        break;
      case 3:
        Happened("node stuck");
        world_.node().SetSilent(true);
        world_.api().SetStuck(world_.chain().ChainHead());
        Later(lasts, [this] {
          world_.node().SetSilent(false);
          world_.api().SetStuck(std::nullopt);
        });
        break;
      case 4:
        Happened("node behind");
        world_.node().SetSilent(true);
        world_.api().SetLag(Epochs(dice_.Between(1, 2)));
        Later(lasts, [this] {
          world_.node().SetSilent(false);
          world_.api().SetLag(EpochDelta(0));
        });
        break;
      case 5:
        Happened("disk full");
        world_.refuse_write = [](const store::Batch&) { return true; };
        Later(lasts, [this] { world_.refuse_write = nullptr; });
        break;
      case 6:
        Happened("miner disabled and enabled");
        {
          const filecoin::ActorId miner =
              cluster_.options.miners[dice_.Between(0, cluster_.options.miners.size() - 1)].id;
          world_.SetEnabled(miner, false);
          Later(lasts, [this, miner] { world_.SetEnabled(miner, true); });
        }
        break;
      case 7:
        Happened("store forgot");
        world_.KillManagerAndForget();
        break;
      case 8:
        Happened("checks hang");
        world_.check_takes = absl::Hours(1);
        Later(lasts, [this] { world_.check_takes = absl::Milliseconds(100); });
        break;
      case 9:
        if (cluster_.options.workers < 2) break;
        Happened("worker without its mount");
        world_.blind_workers = {dice_.Between(0, cluster_.options.workers - 1)};
        Later(lasts, [this] { world_.blind_workers.clear(); });
        break;
      case 10:
        if (world_.crew() == nullptr || IsLocal()) break;
        Happened("network between manager and workers down");
        for (std::size_t i = 0; i < cluster_.options.workers; ++i) {
          world_.crew()->SetWire(i, false);
        }
        Later(lasts, [this] {
          for (std::size_t i = 0; i < cluster_.options.workers; ++i) {
            world_.crew()->SetWire(i, true);
          }
        });
        break;
      default:
        Skew();
        break;
    }
  }

  // Clocks are off by up to 90 s from now on, either way.
  void Skew() {
    Happened("clocks set off");
    const auto off = [this] {
      return absl::Seconds(static_cast<double>(dice_.Between(0, 180)) - 90);
    };
    const absl::Duration manager = off();
    world_.SetManagerSkew(manager);
    // In local mode both have one clock.
    if (world_.crew() == nullptr) return;
    for (std::size_t i = 0; i < cluster_.options.workers; ++i) {
      world_.crew()->SetSkew(i, IsLocal() ? manager : off());
    }
  }

  // Some sectors of one deadline's partitions go bad for good or for a time; one of each partition
  // stays sound.
  void SpoilSectors() {
    std::map<std::pair<filecoin::ActorId, std::uint64_t>, std::vector<SectorNumber>> sound;
    for (const auto& [sector, partition] : cluster_.partition_of) {
      if (!IsBad(sector)) sound[partition].push_back(sector);
    }
    auto chosen = sound.begin();
    std::advance(chosen, dice_.Between(0, sound.size() - 1));
    std::vector<SectorNumber>& sectors = chosen->second;
    if (sectors.size() < 2) return;
    dice_.Shuffle(sectors);
    sectors.resize(dice_.Between(1, sectors.size() - 1));
    const bool found_by_prover = dice_.Chance(50);
    Happened(found_by_prover ? "sectors damaged" : "sectors unreadable");
    for (const SectorNumber sector : sectors) {
      (found_by_prover ? prover_.damaged : world_.unreadable).insert(sector);
      bad_[sector].push_back({head_, kForGood});
    }
    if (dice_.Chance(20)) return;
    Later(Epochs(dice_.Between(1, static_cast<std::uint64_t>(4 * window_))), [this, sectors] {
      for (const SectorNumber sector : sectors) {
        prover_.damaged.erase(sector);
        world_.unreadable.erase(sector);
        bad_[sector].back().until = head_;
      }
    });
  }
  bool IsLocal() const { return cluster_.options.hands == WorldOptions::Hands::kLocal; }
  bool IsBad(SectorNumber sector) const {
    const auto found = bad_.find(sector);
    return found != bad_.end() && found->second.back().until == kForGood;
  }
  // At any time in between, ends included.
  bool WasBad(SectorNumber sector, ChainEpoch from, ChainEpoch to) const {
    const auto found = bad_.find(sector);
    if (found == bad_.end()) return false;
    return std::any_of(found->second.begin(), found->second.end(),
                       [&](const BadTime& time) { return time.from <= to && time.until >= from; });
  }

  std::size_t JobsMax() const { return cluster_.options.miners.size() * 6 * 8; }

  // ---- what must hold

  // When declarations for a window close, what is faulty in it and was readable since three windows
  // (recoveries are declared while the second window before it is open) is declared.
  void JudgeDeclarations(ChainEpoch before, ChainEpoch head) {
    for (const devnet::GenesisMiner& genesis : cluster_.options.miners) {
      const absl::StatusOr<devnet::MinerState> miner = world_.chain().MinerAfterHead(genesis.id);
      DAMOCLES_CHECK(miner.ok());
      for (std::uint64_t index = 0; index < shape_.deadlines; ++index) {
        const filecoin::DeadlineInfo deadline = filecoin::NextNotElapsed(
            filecoin::MakeDeadlineInfo(shape_, miner->proving_period_start, index, head));
        const ChainEpoch cutoff = deadline.open - shape_.fault_declaration_cutoff;
        if (before >= cutoff || head < cutoff || head < first_ + shape_.proving_period) continue;
        for (const devnet::PartitionRecord& partition : miner->Deadline(index).partitions) {
          const auto undeclared = Difference(partition.faults, partition.recoveries).ToVector(1000);
          DAMOCLES_CHECK(undeclared.ok());
          for (const SectorNumber sector : *undeclared) {
            if (WasBad(sector, head - EpochDelta(4 * window_), head)) continue;
            Say(absl::StrFormat("sector %d is readable but was not declared for the window at %d",
                                sector, deadline.open.Value()));
          }
        }
      }
    }
  }

  // Every proof is on the chain some epochs before the close: on the main network five of sixty.
  void JudgeTimes() {
    const EpochDelta margin(std::max<std::int64_t>(1, window_ / 12));
    for (const devnet::ExecutedPost& post : world_.chain().ExecutedPosts()) {
      if (post.exit_code != 0) continue;
      const filecoin::DeadlineInfo deadline = filecoin::MakeDeadlineInfo(
          shape_, post.post->period_start, post.post->deadline, post.epoch);
      if (deadline.open < first_ || post.epoch < deadline.close - margin) continue;
      Say(absl::StrFormat("f0%d deadline %d open %d: posted only at %d", post.miner, deadline.index,
                          deadline.open.Value(), post.epoch.Value()));
    }
  }

  // Fees by the actor's rules: the daily fee of live sectors, and the continued fault of those that
  // were faulty before the deadline's end.
  void NoteFees() {
    for (const devnet::GenesisMiner& genesis : cluster_.options.miners) {
      const absl::StatusOr<devnet::MinerState> miner = world_.chain().MinerAfterHead(genesis.id);
      DAMOCLES_CHECK(miner.ok());
      paid_at_[genesis.id][head_] = miner->fee_debt - miner->balance;
    }
  }
  // As the chain has it that is there at the end: what was seen on the way may be of a branch that
  // a reorg took away.
  std::uint64_t FaultyBefore(const devnet::DeadlineOutcome& outcome) {
    const devnet::Chain& chain = world_.chain();
    const auto next = chain.ChainGetTipSetAfterHeight(outcome.epoch, chain.ChainHead().Key());
    DAMOCLES_CHECK(next.ok());
    const auto partitions = chain.StateMinerPartitions(filecoin::Address::FromId(outcome.miner),
                                                       outcome.end.deadline, next->Key());
    DAMOCLES_CHECK(partitions.ok());
    std::uint64_t faulty = 0;
    for (const chain::Partition& partition : *partitions) {
      faulty += partition.faulty_sectors.Count();
    }
    return faulty;
  }
  void JudgeFees() {
    const devnet::FeeSchedule& fees = cluster_.options.config.policy.fees;
    std::map<filecoin::ActorId, filecoin::TokenAmount> owed;
    // From the last block that was seen by then on; there may be none at the very epoch.
    const auto& seen = paid_at_.begin()->second;
    const auto later = seen.upper_bound(first_);
    if (later == seen.begin()) return;
    const ChainEpoch from = std::prev(later)->first;
    for (const devnet::DeadlineOutcome& outcome : world_.chain().DeadlineOutcomes()) {
      if (outcome.epoch <= from || outcome.epoch > head_) continue;
      std::uint64_t live = 0;
      for (const devnet::PartitionEnd& partition : outcome.end.partitions) live += partition.live;
      owed[outcome.miner] += fees.daily * live + fees.continued_fault * FaultyBefore(outcome);
    }
    for (const auto& [miner, paid] : paid_at_) {
      const filecoin::TokenAmount sum = paid.rbegin()->second - paid.at(from);
      if (sum != owed[miner]) {
        Say(absl::StrFormat("f0%d paid %s of fees, the actor's rules say %s", miner, sum.ToString(),
                            owed[miner].ToString()));
      }
    }
  }

  void JudgeBounds() {
    const auto rows = store::List(world_.disk(), "");
    DAMOCLES_CHECK(rows.ok());
    if (rows->size() > kRowsMax) Say(absl::StrFormat("%d rows in the store", rows->size()));
    if (InvariantViolations() > 0) Say("invariants were violated, see the log");
    std::ifstream status("/proc/self/status");
    for (std::string word; status >> word;) {
      std::uint64_t number = 0;
      if (word == "VmHWM:" && status >> number && number > kMemoryMaxKb) {
        Say(absl::StrFormat("%d kB of memory", number));
      }
      if (word == "Threads:" && status >> number && number != 1) {
        Say(absl::StrFormat("%d threads", number));
      }
    }
  }

  struct BadTime {
    ChainEpoch from;
    ChainEpoch until;
  };
  static constexpr ChainEpoch kForGood{1'000'000'000};

  Dice dice_;
  Cluster cluster_;
  ModelProver prover_;
  World world_;
  const filecoin::PeriodShape shape_;
  const std::int64_t window_;
  const ChainEpoch first_;
  const ChainEpoch end_;
  ChainEpoch head_{};
  ChainEpoch next_outage_{};
  std::multimap<ChainEpoch, std::function<void()>> later_;
  std::map<SectorNumber, std::vector<BadTime>> bad_;
  std::map<std::string, int> happened_;
  std::map<filecoin::ActorId, std::map<ChainEpoch, filecoin::TokenAmount>> paid_at_;
  std::string problems_;
};

}  // namespace

SoakResult RunSoak(std::uint64_t seed) {
  return Life(seed).Run();
}

}  // namespace damocles::scenario
