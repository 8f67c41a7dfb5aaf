// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "tests/scenario/soak_draw.h"

#include <algorithm>
#include <set>

#include "absl/strings/str_format.h"

#include "damocles/filecoin/token_amount.h"

namespace damocles::simulation {
namespace {

using filecoin::EpochDelta;
using filecoin::SectorNumber;

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

// With others on the chain: the first cap may be below the base fee, the highest one never is.
void DrawOthers(std::uint64_t seed, EpochDelta window, Cluster& cluster) {
  Dice dice(seed ^ 0xd1b54a32d192ed03);
  cluster.others = dice.Chance(50);
  if (!cluster.others) return;
  // A call that hangs takes two epochs: too many of them leave no time to outbid others.
  cluster.options.call_faults = std::min<std::uint64_t>(cluster.options.call_faults, 10);
  // So do null rounds, where a quarter of the window is five epochs.
  if (window.Count() < 60) {
    cluster.options.null_rounds = std::min<std::uint64_t>(cluster.options.null_rounds, 60);
  }
  poster::FeePolicy& fees = cluster.options.fees;
  if (dice.Chance(50)) {
    fees.gas_fee_cap = filecoin::TokenAmount(static_cast<std::int64_t>(dice.Between(200, 200'000)));
  }
  fees.max_gas_fee_cap = filecoin::Fil(1) / 1'000'000;
}

}  // namespace

Cluster DrawCluster(Dice& dice, std::uint64_t seed) {
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
  std::set<std::pair<filecoin::ActorId, std::uint64_t>> partitions;
  for (const auto& [sector, partition] : cluster.partition_of) partitions.insert(partition);
  cluster.partitions = partitions.size();
  DrawOthers(seed, window, cluster);
  cluster.text = absl::StrFormat(
      "%d miners, %d sectors, window %d, %d deadlines, %s, proof %s, nulls %d, reorgs %d, calls "
      "%d%s",
      miners, cluster.partition_of.size(), window.Count(), deadlines,
      options.hands == Hands::kLocal
          ? "local"
          : absl::StrFormat("%d %s", options.workers,
                            options.hands == Hands::kAgents ? "agents" : "model workers"),
      absl::FormatDuration(cluster.proof_takes), options.null_rounds, options.reorgs,
      options.call_faults, cluster.others ? ", others" : "");
  return cluster;
}

}  // namespace damocles::simulation
