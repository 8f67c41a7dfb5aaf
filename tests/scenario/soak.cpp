// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "tests/scenario/soak.h"

#include <algorithm>
#include <deque>
#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_format.h"
#include "tests/scenario/soak_draw.h"
#include "tests/scenario/soak_judge.h"
#include "tests/scenario/soak_senders.h"

#include "damocles/simulation/world.h"

namespace damocles::simulation {
namespace {

using filecoin::ChainEpoch;
using filecoin::EpochDelta;
using filecoin::SectorNumber;

class Life {
 public:
  explicit Life(std::uint64_t seed)
      : dice_(seed ^ 0x9e3779b97f4a7c15),
        cluster_(DrawCluster(dice_, seed)),
        prover_(cluster_.proof_takes),
        world_(cluster_.options, prover_),
        shape_(cluster_.options.config.policy.period),
        window_(shape_.challenge_window.Count()),
        first_(ChainEpoch(0) + cluster_.options.config.first_open),
        end_(first_ + shape_.proving_period * static_cast<std::int64_t>(kSoakPeriods)),
        senders_(
            seed, world_, cluster_, [this](const std::string& what) { Happened(what); },
            [this] { return MaySetBack(); }),
        judge_(world_, cluster_, [this](SectorNumber sector, ChainEpoch from, ChainEpoch to) {
          return WasBad(sector, from, to);
        }) {
    world_.on_block = [this](ChainEpoch head) { OnBlock(head); };
    next_outage_ = first_ + Epochs(dice_.Between(0, static_cast<std::uint64_t>(window_)));
  }

  SoakResult Run() {
    // The last windows come to their end in peace.
    world_.RunTo(end_ + EpochDelta(window_ + 2 * 3 + 8));
    const std::string problems =
        world_.Problems(first_, [this](SectorNumber sector, const devnet::ExecutedPost& post) {
          return WasBad(sector, post.post->challenge - EpochDelta(2), post.epoch);
        });
    std::string troubles;
    for (const auto& [name, count] : happened_) {
      troubles += absl::StrFormat("%s%s %d", troubles.empty() ? "" : ", ", name, count);
    }
    return {cluster_.text, troubles.empty() ? "none" : troubles, problems + judge_.AtTheEnd()};
  }

 private:
  static EpochDelta Epochs(std::uint64_t count) {
    return EpochDelta(static_cast<std::int64_t>(count));
  }
  void Happened(const std::string& what) {
    ++happened_[what];
    LogInfo("soak", "trouble", {{"epoch", head_.Value()}, {"what", what}});
  }
  void Later(EpochDelta after, std::function<void()> what) {
    later_.emplace(head_ + after, std::move(what));
  }

  void OnBlock(ChainEpoch head) {
    head_ = head;
    while (!later_.empty() && later_.begin()->first <= head) {
      const auto what = std::move(later_.begin()->second);
      later_.erase(later_.begin());
      what();
    }
    judge_.AfterBlock(head);
    writes_before_.push_back(world_.Writes());
    if (writes_before_.size() > kBlocksForgotten) writes_before_.pop_front();
    const bool peace = head < first_ || head >= end_ - EpochDelta(window_);
    senders_.AfterBlock(head, peace);
    if (peace) return;
    Small();
    if (dice_.Chance(2) && MaySetBack()) {
      world_.KillAtWrite(dice_.Between(1, 10));
      Happened("manager killed at a write");
      Later(Epochs(2), [this] { world_.KillAtWrite(0); });
    }
    if (head >= std::max(next_outage_, next_setback_)) Outage();
    if (dice_.Chance(3)) SpoilSectors();
  }

  // Of what takes the manager some epochs to mend, its own death or a message that is gone: true if
  // it may happen now.  A quarter of a window is the reserve for it, so there is one in that time.
  bool MaySetBack() {
    if (head_ < std::max(first_, next_setback_) || head_ >= end_) return false;
    next_setback_ = head_ + EpochDelta(2 + window_ / 4);
    return true;
  }

  // What costs a moment; any number of them.
  void Small() {
    if (dice_.Chance(2)) {
      world_.node().DropSubscriptions();
      Happened("subscription dropped");
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

  // What stops the work for a while: one at a time, at most a tenth of a window, and then a window
  // and a half of peace before the next.
  void Outage() {
    const auto longest = static_cast<std::uint64_t>(window_ / 10);
    const EpochDelta lasts = Epochs(dice_.Between(1, longest));
    next_outage_ = head_ + lasts + EpochDelta(window_ + window_ / 2) +
                   Epochs(dice_.Between(0, static_cast<std::uint64_t>(window_)));
    next_setback_ = head_ + lasts + EpochDelta(window_ / 4);
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
        world_.KillManager();
        // What a store forgets is of the last minutes.
        world_.ForgetAtRestart(world_.Writes() -
                               writes_before_[dice_.Between(0, writes_before_.size() - 1)]);
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

  struct BadTime {
    ChainEpoch from;
    ChainEpoch until;
  };
  static constexpr ChainEpoch kForGood{1'000'000'000};
  static constexpr std::size_t kBlocksForgotten = 4;

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
  ChainEpoch next_setback_{};
  std::deque<std::uint64_t> writes_before_;  // of the last blocks, the latest last
  std::multimap<ChainEpoch, std::function<void()>> later_;
  std::map<SectorNumber, std::vector<BadTime>> bad_;
  std::map<std::string, int> happened_;
  SoakSenders senders_;
  SoakJudge judge_;
};

}  // namespace

SoakResult RunSoak(std::uint64_t seed) {
  return Life(seed).Run();
}

}  // namespace damocles::simulation
