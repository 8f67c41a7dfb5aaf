// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "lib/devnet/miner_view.h"

#include <algorithm>

#include "absl/strings/str_format.h"
#include "lib/devnet/seed.h"

#include "damocles/base/status.h"
#include "damocles/hash/sha256.h"

namespace damocles::devnet::internal {

using filecoin::Address;
using filecoin::BitField;
using filecoin::ChainEpoch;
using filecoin::Cid;
using filecoin::EpochDelta;
using filecoin::TokenAmount;

namespace {

// A period of mainnet: whoever asks for a round further away is mistaken, and each round between
// is an entry of the answer.
constexpr EpochDelta kRoundsAheadMax(2880);

// All of one kind, of all its partitions.
template <typename SetOf>
BitField Together(const MinerState& miner, SetOf set_of) {
  BitField all;
  for (const auto& deadline : miner.deadlines) {
    for (const PartitionRecord& partition : deadline->partitions) {
      all = Union(all, set_of(partition));
    }
  }
  return all;
}

absl::Status CheckRound(ChainEpoch round, ChainEpoch base) {
  if (round <= base) {
    return absl::InvalidArgumentError(
        absl::StrFormat("round %d is not after the base, height %d", round.Value(), base.Value()));
  }
  if (round - base > kRoundsAheadMax) {
    return absl::InvalidArgumentError(
        absl::StrFormat("round %d is more than %d epochs after the base, height %d", round.Value(),
                        kRoundsAheadMax.Count(), base.Value()));
  }
  return absl::OkStatus();
}

// One sector of `active`, chosen by the challenge (docs/post.md 2).
absl::StatusOr<std::uint64_t> ChallengedSector(const BitField& active, ByteSpan beacon,
                                               ChainEpoch round, filecoin::ActorId miner) {
  const Bytes32 challenge =
      filecoin::MaskForProver(filecoin::Draw(beacon, filecoin::DomainTag::kWinningPoStChallengeSeed,
                                             round, filecoin::MinerEntropy(miner)));
  const Address id = Address::FromId(miner);
  Bytes input(id.Payload().begin(), id.Payload().end());
  input.resize(32, 0);
  Append(input, challenge);
  AppendLe64(input, 0);
  const std::uint64_t index = LoadLe64(hash::Sha256Of(input).data()) % active.Count();
  DAMOCLES_ASSIGN_OR_RETURN(const BitField chosen, filecoin::Slice(active, index, 1));
  return *chosen.First();
}

}  // namespace

absl::StatusOr<const MinerState*> MinerAt(const World& world, const Address& miner) {
  const MinerState* state = world.FindMiner(miner);
  if (state != nullptr) return state;
  return absl::NotFoundError("failed to load miner actor: actor not found");
}

chain::MinerInfo InfoOf(const MinerState& miner) {
  chain::MinerInfo info;
  info.owner = Address::FromId(miner.owner);
  info.worker = Address::FromId(miner.worker);
  for (const filecoin::ActorId id : miner.control) {
    info.control_addresses.push_back(Address::FromId(id));
  }
  info.worker_change_epoch = ChainEpoch(-1);
  info.window_post_proof_type = miner.window_post_proof_type;
  info.sector_size = miner.sector_size;
  info.window_post_partition_sectors = miner.partition_sectors;
  info.consensus_fault_elapsed = miner.consensus_fault_elapsed;
  info.beneficiary = info.owner;
  info.beneficiary_term = chain::BeneficiaryTerm{};
  return info;
}

std::vector<chain::DeadlineState> DeadlinesOf(const ActorPolicy& policy, const MinerState& miner) {
  std::vector<chain::DeadlineState> deadlines;
  for (const auto& record : miner.deadlines) {
    deadlines.push_back({.post_submissions = record->posted,
                         .disputable_proof_count = record->proofs_snapshot.size(),
                         .daily_fee = policy.fees.daily * record->LiveSectors()});
  }
  return deadlines;
}

absl::StatusOr<std::vector<chain::Partition>> PartitionsOf(const MinerState& miner,
                                                           std::uint64_t deadline) {
  if (deadline >= miner.deadlines.size()) {
    return absl::InvalidArgumentError(
        absl::StrFormat("failed to load the deadline: invalid deadline %d of %d", deadline,
                        miner.deadlines.size()));
  }
  std::vector<chain::Partition> partitions;
  for (const PartitionRecord& record : miner.Deadline(deadline).partitions) {
    partitions.push_back({.all_sectors = record.sectors,
                          .faulty_sectors = record.faults,
                          .recovering_sectors = record.recoveries,
                          .live_sectors = record.Live(),
                          .active_sectors = record.Active()});
  }
  return partitions;
}

chain::SectorOnChainInfo InfoOf(const SectorRecord& sector) {
  chain::SectorOnChainInfo info;
  info.sector_number = sector.number;
  info.seal_proof = sector.seal_proof;
  info.sealed_cid = Cid::OfCommR(sector.comm_r);
  info.activation = sector.activation;
  info.expiration = sector.expiration;
  info.expected_day_reward = TokenAmount(0);
  info.expected_storage_pledge = TokenAmount(0);
  info.power_base_epoch = sector.activation;
  info.replaced_day_reward = TokenAmount(0);
  return info;
}

std::vector<chain::SectorOnChainInfo> SectorsOf(const MinerState& miner,
                                                const std::optional<BitField>& sectors) {
  std::vector<chain::SectorOnChainInfo> list;
  // By what the miner has, not by the set: a set may name 2^63 sectors.
  for (const auto& [number, sector] : *miner.sectors) {
    if (!sectors.has_value() || sectors->Contains(number)) list.push_back(InfoOf(sector));
  }
  return list;
}

absl::StatusOr<chain::SectorLocation> LocationOf(const MinerState& miner,
                                                 filecoin::SectorNumber sector) {
  for (std::uint64_t d = 0; d < miner.deadlines.size(); ++d) {
    const std::vector<PartitionRecord>& partitions = miner.Deadline(d).partitions;
    for (std::uint64_t p = 0; p < partitions.size(); ++p) {
      if (partitions[p].sectors.Contains(sector)) return chain::SectorLocation{d, p};
    }
  }
  return absl::NotFoundError(absl::StrFormat("sector %d not due at any deadline", sector));
}

BitField ActiveOf(const MinerState& miner) {
  return Together(miner, [](const PartitionRecord& partition) { return partition.Active(); });
}

BitField FaultsOf(const MinerState& miner) {
  return Together(miner, [](const PartitionRecord& partition) { return partition.faults; });
}

BitField RecoveriesOf(const MinerState& miner) {
  return Together(miner, [](const PartitionRecord& partition) { return partition.recoveries; });
}

chain::MinerSectorCounts CountsOf(const MinerState& miner) {
  chain::MinerSectorCounts counts{
      .live = miner.LiveSectors(), .active = miner.ActiveSectors(), .faulty = 0};
  for (const auto& deadline : miner.deadlines) counts.faulty += deadline->FaultySectors();
  return counts;
}

TokenAmount PowerOf(const MinerState& miner) {
  return TokenAmount(miner.ActiveSectors()) * miner.sector_size;
}

TokenAmount PowerOf(const World& world) {
  TokenAmount power;
  for (const auto& [id, miner] : world.miners) power += PowerOf(*miner);
  return power;
}

absl::StatusOr<std::optional<chain::MiningBaseInfo>> MiningBaseOf(const ChainConfig& config,
                                                                  const Tipsets& tipsets,
                                                                  const NodePtr& base,
                                                                  const Address& miner,
                                                                  ChainEpoch round) {
  DAMOCLES_RETURN_IF_ERROR(CheckRound(round, base->Height()));
  const ChainEpoch lookback = std::max(ChainEpoch(0), round - config.finality);
  const NodePtr then = tipsets.AtOrBefore(base, lookback);
  DAMOCLES_ASSIGN_OR_RETURN(const MinerState* now, MinerAt(base->after, miner));
  const MinerState* old = then->after.FindMiner(miner);
  if (old == nullptr) return std::nullopt;
  const BitField active = ActiveOf(*old);
  if (active.Empty()) return std::nullopt;

  chain::MiningBaseInfo info;
  info.prev_beacon_entry = base->Header().beacon_entries.back();
  for (ChainEpoch e = base->Height() + EpochDelta(1); e <= round; ++e) {
    info.beacon_entries.push_back(BeaconOf(config.seed, e));
  }
  DAMOCLES_ASSIGN_OR_RETURN(
      const std::uint64_t number,
      ChallengedSector(active, info.beacon_entries.back().data, round, now->id));
  const SectorRecord& sector = old->sectors->at(number);
  info.sectors.push_back({.seal_proof = sector.seal_proof,
                          .sector_number = sector.number,
                          .sector_key = std::nullopt,
                          .sealed_cid = Cid::OfCommR(sector.comm_r)});
  info.miner_power = PowerOf(*old);
  info.network_power = PowerOf(then->after);
  const Account* worker = base->after.FindAccount(now->worker);
  info.worker_key = worker == nullptr ? Address() : worker->key;
  info.sector_size = now->sector_size;
  info.eligible_for_mining =
      PowerOf(*now).Sign() > 0 && now->fee_debt.IsZero() && now->consensus_fault_elapsed < round;
  return info;
}

}  // namespace damocles::devnet::internal
