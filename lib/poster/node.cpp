// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "lib/poster/node.h"

#include <algorithm>

#include "absl/strings/str_format.h"

#include "damocles/filecoin/bitfield.h"
#include "damocles/filecoin/randomness.h"

namespace damocles::poster::internal {
namespace {

using filecoin::Address;
using filecoin::BitField;
using filecoin::ChainEpoch;
using filecoin::DomainTag;
using filecoin::TipSetKey;

}  // namespace

Node::Result<Bytes32> Node::ChallengeRandomness(filecoin::ActorId miner, ChainEpoch challenge,
                                                TipSetKey key) {
  co_return co_await Read(&chain::ChainReader::StateGetRandomnessFromBeacon,
                          static_cast<std::int64_t>(DomainTag::kWindowedPoStChallengeSeed),
                          challenge, filecoin::MinerEntropy(miner), std::move(key));
}

Node::Result<chain::MinerInfo> Node::InfoOf(filecoin::ActorId miner, TipSetKey key) {
  DAMOCLES_CO_ASSIGN_OR_RETURN(chain::MinerInfo info, co_await reader_.StateMinerInfo(
                                                          Address::FromId(miner), std::move(key)));
  if (!filecoin::IsRegistered(info.window_post_proof_type)) {
    co_return absl::DataLossError(absl::StrFormat("miner f0%d has the unknown proof type %d", miner,
                                                  filecoin::ToNumber(info.window_post_proof_type)));
  }
  DAMOCLES_CO_ASSIGN_OR_RETURN(info.window_post_proof_type,
                               filecoin::ToV1_1(info.window_post_proof_type));
  co_return info;
}

Node::Result<std::vector<PlannedSector>> Node::SectorsOf(filecoin::ActorId miner, BitField numbers,
                                                         TipSetKey key) {
  std::vector<PlannedSector> out;
  if (numbers.Empty()) co_return out;
  const std::uint64_t wanted = numbers.Count();
  DAMOCLES_CO_ASSIGN_OR_RETURN(
      const std::vector<chain::SectorOnChainInfo> infos,
      co_await reader_.StateMinerSectors(Address::FromId(miner), numbers, std::move(key)));
  for (const chain::SectorOnChainInfo& info : infos) {
    PlannedSector sector;
    sector.number = info.sector_number;
    DAMOCLES_CO_ASSIGN_OR_RETURN(sector.comm_r, info.sealed_cid.ToCommR());
    sector.upgraded = info.sector_key_cid.has_value();
    out.push_back(std::move(sector));
  }
  std::sort(out.begin(), out.end(),
            [](const PlannedSector& a, const PlannedSector& b) { return a.number < b.number; });
  // Less than asked for is an answer of a node that is behind, not of a bad sector.
  if (out.size() != wanted) {
    co_return absl::UnavailableError(
        absl::StrFormat("the node knows %d of %d sectors of f0%d", out.size(), wanted, miner));
  }
  co_return out;
}

Node::Result<event::InputsRead> Node::ReadInputs(filecoin::ActorId miner,
                                                 filecoin::DeadlineInfo deadline,
                                                 action::ReadInputs question,
                                                 filecoin::TipSet head) {
  const Address address = Address::FromId(miner);
  filecoin::TipSet at = head;
  if (head.Height() > question.not_after) {
    DAMOCLES_CO_ASSIGN_OR_RETURN(
        at, co_await reader_.ChainGetTipSetByHeight(question.not_after, head.Key()));
  }
  event::InputsRead out;
  DAMOCLES_CO_ASSIGN_OR_RETURN(out.randomness,
                               co_await ChallengeRandomness(miner, question.challenge, head.Key()));
  DAMOCLES_CO_ASSIGN_OR_RETURN(const chain::MinerInfo info, co_await InfoOf(miner, at.Key()));
  out.proof_type = info.window_post_proof_type;
  out.partition_sectors = info.window_post_partition_sectors;
  DAMOCLES_CO_ASSIGN_OR_RETURN(
      const std::vector<chain::Partition> partitions,
      co_await reader_.StateMinerPartitions(address, question.deadline_index, at.Key()));
  BitField posted;
  if (at.Height() >= deadline.open) {
    DAMOCLES_CO_ASSIGN_OR_RETURN(const std::vector<chain::DeadlineState> deadlines,
                                 co_await reader_.StateMinerDeadlines(address, at.Key()));
    if (question.deadline_index < deadlines.size()) {
      posted = deadlines[question.deadline_index].post_submissions;
    }
  }
  std::vector<BitField> wanted;
  wanted.reserve(partitions.size());
  for (const chain::Partition& partition : partitions) {
    wanted.push_back(Union(Difference(partition.live_sectors, partition.faulty_sectors),
                           partition.recovering_sectors));
  }
  DAMOCLES_CO_ASSIGN_OR_RETURN(const std::vector<PlannedSector> sectors,
                               co_await SectorsOf(miner, filecoin::Union(wanted), at.Key()));
  for (std::size_t i = 0; i < partitions.size(); ++i) {
    PartitionInput input;
    input.index = filecoin::ChainPartition(i);
    input.recovering = !partitions[i].recovering_sectors.Empty();
    input.posted = posted.Contains(i);
    for (const PlannedSector& sector : sectors) {
      if (wanted[i].Contains(sector.number)) input.sectors.push_back(sector);
    }
    out.partitions.push_back(std::move(input));
  }
  co_return out;
}

Node::Result<delivery::event::Explained> Node::Explain(delivery::action::Explain question) {
  DAMOCLES_CO_ASSIGN_OR_RETURN(const chain::InvocResult result,
                               co_await reader_.StateReplay(TipSetKey(), question.cid));
  co_return delivery::event::Explained{result.error};
}

Node::Result<recovery::FaultsRead> Node::ReadFaults(filecoin::ActorId miner,
                                                    std::uint64_t deadline_index,
                                                    filecoin::TipSet head) {
  DAMOCLES_CO_ASSIGN_OR_RETURN(
      const std::vector<chain::Partition> partitions,
      co_await reader_.StateMinerPartitions(Address::FromId(miner), deadline_index, head.Key()));
  recovery::FaultsRead out;
  for (std::size_t i = 0; i < partitions.size(); ++i) {
    BitField faulty = Difference(partitions[i].faulty_sectors, partitions[i].recovering_sectors);
    if (faulty.Empty()) continue;
    FaultyPartition partition;
    partition.index = filecoin::ChainPartition(i);
    DAMOCLES_CO_ASSIGN_OR_RETURN(partition.sectors,
                                 co_await SectorsOf(miner, std::move(faulty), head.Key()));
    out.partitions.push_back(std::move(partition));
  }
  if (!out.partitions.empty()) {
    DAMOCLES_CO_ASSIGN_OR_RETURN(const chain::MinerInfo info, co_await InfoOf(miner, head.Key()));
    out.proof_type = info.window_post_proof_type;
  }
  co_return out;
}

}  // namespace damocles::poster::internal
