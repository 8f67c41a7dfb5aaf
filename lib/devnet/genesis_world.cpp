// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "lib/devnet/genesis_world.h"

#include <limits>
#include <map>
#include <memory>
#include <set>
#include <utility>

#include "absl/strings/str_format.h"

#include "damocles/base/status.h"

namespace damocles::devnet::internal {
namespace {

using filecoin::ActorId;
using filecoin::ChainEpoch;
using filecoin::EpochDelta;
using Accounts = std::map<ActorId, Account>;

constexpr ActorId kMinerIdMax = static_cast<ActorId>(std::numeric_limits<std::int64_t>::max());
constexpr std::uint64_t kControlAddressesMax = 10;  // as on the network

absl::Status CheckMiners(const Genesis& genesis, std::set<ActorId>& taken) {
  if (genesis.miners.empty()) {
    return absl::InvalidArgumentError("no miner: a chain needs one with a sector at least");
  }
  for (const GenesisMiner& miner : genesis.miners) {
    if (miner.id > kMinerIdMax) {
      return absl::InvalidArgumentError(absl::StrFormat(
          "miner f0%d: the largest number of an actor is %d", miner.id, kMinerIdMax));
    }
    if (!taken.insert(miner.id).second) {
      return absl::InvalidArgumentError(absl::StrFormat("miner f0%d is there twice", miner.id));
    }
    if (miner.control_addresses > kControlAddressesMax) {
      return absl::InvalidArgumentError(
          absl::StrFormat("miner f0%d: %d control addresses, at most %d", miner.id,
                          miner.control_addresses, kControlAddressesMax));
    }
  }
  return absl::OkStatus();
}

// New accounts with keys of the wallet, their numbers beside those of the miners.
class AccountMaker {
 public:
  AccountMaker(std::uint64_t seed, std::set<ActorId> taken, Wallet& wallet)
      : seed_(seed), taken_(std::move(taken)), wallet_(wallet) {}

  ActorId Make() {
    while (taken_.contains(next_id_)) ++next_id_;
    const ActorId id = next_id_++;
    made_.emplace(id, Account{.id = id,
                              .key = wallet_.MakeKey(seed_, keys_++),
                              .nonce = 0,
                              .balance = filecoin::Fil(10'000)});
    return id;
  }
  Accounts Take() { return std::move(made_); }

 private:
  const std::uint64_t seed_;
  const std::set<ActorId> taken_;
  Wallet& wallet_;
  ActorId next_id_ = 100;
  std::uint64_t keys_ = 0;
  Accounts made_;
};

// Owner, worker and control addresses: its own, or those of a miner that is in `world`.
absl::Status GiveAddresses(const GenesisMiner& miner, const World& world, AccountMaker& accounts,
                           MinerState& identity) {
  if (miner.addresses_of) {
    const MinerState* other =
        *miner.addresses_of < miner.id ? world.FindMiner(*miner.addresses_of) : nullptr;
    if (other == nullptr) {
      return absl::InvalidArgumentError(
          absl::StrFormat("miner f0%d: addresses_of f0%d: no miner of that number comes before",
                          miner.id, *miner.addresses_of));
    }
    identity.owner = other->owner;
    identity.worker = other->worker;
    identity.control = other->control;
    return absl::OkStatus();
  }
  identity.owner = accounts.Make();
  identity.worker = accounts.Make();
  for (std::uint64_t c = 0; c < miner.control_addresses; ++c) {
    identity.control.push_back(accounts.Make());
  }
  return absl::OkStatus();
}

// `usual_shift`: of its proving period, where the genesis states none.
absl::StatusOr<MinerState> MinerOf(const ChainConfig& config, const GenesisMiner& miner,
                                   EpochDelta usual_shift, const World& world,
                                   AccountMaker& accounts) {
  const std::int64_t type = ToNumber(miner.window_post_proof_type);
  if (type < 10 || type > 14) {
    return absl::InvalidArgumentError(absl::StrFormat(
        "miner f0%d: proof type %d; window proofs of this network are 10 to 14", miner.id, type));
  }
  const filecoin::SectorSize size = filecoin::SectorSizeOf(miner.window_post_proof_type);
  const EpochDelta shift = miner.period_shift.value_or(usual_shift);
  MinerState identity;
  identity.id = miner.id;
  DAMOCLES_RETURN_IF_ERROR(GiveAddresses(miner, world, accounts, identity));
  identity.window_post_proof_type = miner.window_post_proof_type;
  identity.sector_size = ToBytes(size);
  identity.partition_sectors =
      miner.partition_sectors.value_or(filecoin::WindowPartitionSectors(size));
  if (identity.partition_sectors == 0 || shift < EpochDelta(0)) {
    return absl::InvalidArgumentError(absl::StrFormat(
        "miner f0%d: partition_sectors and period_shift must not be below 1 and 0", miner.id));
  }
  // The actor allows one partition of a proof for each of the chain's: with more sectors in one
  // than a proof's holds, nothing could be proven.
  if (const auto most = filecoin::WindowPartitionSectors(size); identity.partition_sectors > most) {
    return absl::InvalidArgumentError(absl::StrFormat(
        "miner f0%d: partition_sectors %d: a proof of its sector size shows at most %d", miner.id,
        identity.partition_sectors, most));
  }
  identity.balance = filecoin::Fil(100'000);
  const ChainEpoch first_open = ChainEpoch(0) + config.first_open + shift;
  MinerState state = MakeMiner(
      config.policy, std::move(identity),
      filecoin::PeriodStartAt(config.policy.period, first_open, ChainEpoch(0)), ChainEpoch(0));
  state.cron_active = true;
  return state;
}

std::vector<SectorRecord> RecordsOf(const MinerState& miner, ChainEpoch epoch,
                                    const std::vector<GenesisSector>& sectors) {
  // Of a generation whose sectors have the window proof of the miner; far from their end.
  constexpr EpochDelta kLifetime(3'680'640);
  const std::int64_t size_index = ToNumber(miner.window_post_proof_type) % 5;
  std::vector<SectorRecord> records;
  records.reserve(sectors.size());
  for (const GenesisSector& sector : sectors) {
    records.push_back({.number = sector.number,
                       .comm_r = sector.comm_r,
                       .seal_proof = static_cast<filecoin::SealProofType>(5 + size_index),
                       .activation = epoch,
                       .expiration = epoch + kLifetime});
  }
  return records;
}

}  // namespace

absl::StatusOr<World> WorldOf(const ChainConfig& config, const Genesis& genesis, Wallet& wallet) {
  std::set<ActorId> taken;
  DAMOCLES_RETURN_IF_ERROR(CheckMiners(genesis, taken));
  AccountMaker accounts(config.seed, std::move(taken), wallet);
  World world;
  world.accounts = std::make_shared<Accounts>();
  const std::int64_t half_window = config.policy.period.challenge_window.Count() / 2;
  for (std::size_t i = 0; i < genesis.miners.size(); ++i) {
    const EpochDelta usual_shift = EpochDelta(static_cast<std::int64_t>(i) * half_window) %
                                   config.policy.period.proving_period;
    DAMOCLES_ASSIGN_OR_RETURN(MinerState miner,
                              MinerOf(config, genesis.miners[i], usual_shift, world, accounts));
    world.Put(std::move(miner));
  }
  world.accounts = std::make_shared<Accounts>(accounts.Take());
  return world;
}

absl::Status PlaceSectors(const ActorPolicy& policy, MinerState& miner, ChainEpoch epoch,
                          const std::vector<GenesisSector>& sectors) {
  std::map<std::pair<std::uint64_t, std::uint64_t>, std::vector<GenesisSector>> in_partition;
  std::map<std::uint64_t, std::vector<GenesisSector>> in_deadline;
  std::vector<GenesisSector> anywhere;
  std::set<filecoin::SectorNumber> numbers;
  for (const GenesisSector& sector : sectors) {
    if (sector.number > filecoin::kSectorNumberMax || !numbers.insert(sector.number).second) {
      return absl::InvalidArgumentError(absl::StrFormat(
          "miner f0%d: sector number %d is too large or there twice", miner.id, sector.number));
    }
    if (!sector.deadline.has_value()) {
      anywhere.push_back(sector);
    } else if (sector.partition.has_value()) {
      in_partition[{*sector.deadline, *sector.partition}].push_back(sector);
    } else {
      in_deadline[*sector.deadline].push_back(sector);
    }
  }
  for (const auto& [place, group] : in_partition) {
    DAMOCLES_RETURN_IF_ERROR(AddSectorsToPartition(policy, miner, place.first, place.second,
                                                   RecordsOf(miner, epoch, group)));
  }
  for (const auto& [deadline, group] : in_deadline) {
    DAMOCLES_RETURN_IF_ERROR(
        devnet::AddSectors(policy, miner, deadline, RecordsOf(miner, epoch, group)).status());
  }
  if (!anywhere.empty()) {
    DAMOCLES_RETURN_IF_ERROR(
        AssignSectors(policy, miner, epoch, RecordsOf(miner, epoch, anywhere)).status());
    miner.cron_active = true;
  }
  return absl::OkStatus();
}

void ExcuseEarlyDeadlines(const ActorPolicy& policy, MinerState& miner, ChainEpoch epoch,
                          ChainEpoch first_open) {
  filecoin::DeadlineInfo deadline =
      filecoin::DeadlineAt(policy.period, miner.proving_period_start, epoch);
  for (; deadline.open < first_open; deadline = filecoin::Next(deadline)) {
    DeadlineRecord& record = miner.MutableDeadline(deadline.index);
    for (std::uint64_t i = 0; i < record.partitions.size(); ++i) record.posted.Set(i);
  }
}

}  // namespace damocles::devnet::internal
