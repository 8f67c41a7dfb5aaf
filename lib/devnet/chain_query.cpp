// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// Tipsets, randomness and the state of miners.

#include <algorithm>

#include "absl/strings/str_format.h"
#include "lib/devnet/chain_core.h"

#include "damocles/hash/sha256.h"

namespace damocles::devnet {

using chain::HeadChange;
using chain::HeadChangeKind;
using filecoin::Address;
using filecoin::BitField;
using filecoin::ChainEpoch;
using filecoin::Cid;
using filecoin::DomainTag;
using filecoin::EpochDelta;
using filecoin::SectorNumber;
using filecoin::TipSet;
using filecoin::TipSetKey;
using filecoin::TokenAmount;

namespace {

// A period of mainnet: whoever asks for a round further away is mistaken, and each round between
// is an entry of the answer.
constexpr EpochDelta kRoundsAheadMax(2880);

absl::Status NoSuchActor(const Address& address) {
  return absl::NotFoundError(
      absl::StrFormat("resolution lookup failed (%s): resolve address %s: actor not found",
                      address.ToString(), address.ToString()));
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

chain::Partition PartitionOf(const PartitionRecord& record) {
  return {.all_sectors = record.sectors,
          .faulty_sectors = record.faults,
          .recovering_sectors = record.recoveries,
          .live_sectors = record.Live(),
          .active_sectors = record.Active()};
}

BitField ActiveOf(const MinerState& miner) {
  BitField active;
  for (const auto& deadline : miner.deadlines) {
    for (const PartitionRecord& partition : deadline->partitions) {
      active = Union(active, partition.Active());
    }
  }
  return active;
}

TokenAmount PowerOf(const MinerState& miner) {
  return TokenAmount(miner.ActiveSectors()) * miner.sector_size;
}

TokenAmount PowerOf(const internal::World& world) {
  TokenAmount power;
  for (const auto& [id, miner] : world.miners) power += PowerOf(*miner);
  return power;
}

}  // namespace

// ---------------------------------------------------------------- lookups

absl::StatusOr<NodePtr> ChainCore::Resolve(const TipSetKey& key) const {
  if (key.Empty()) return NodePtr(Head());
  if (key.Cids().size() == 1) {
    if (const auto found = nodes.find(key.Cids().front()); found != nodes.end()) {
      return NodePtr(found->second);
    }
  }
  return absl::NotFoundError(
      absl::StrFormat("loading tipset %s: block not found on this chain", key.ToString()));
}

bool ChainCore::IsCanonical(const Node& node) const {
  const auto found = std::lower_bound(
      canonical.begin(), canonical.end(), node.Height(),
      [](const std::shared_ptr<Node>& n, ChainEpoch epoch) { return n->Height() < epoch; });
  return found != canonical.end() && found->get() == &node;
}

NodePtr ChainCore::AtOrBefore(NodePtr from, ChainEpoch epoch) const {
  while (from->parent && from->Height() > epoch && !IsCanonical(*from)) from = from->parent;
  if (from->Height() <= epoch || !from->parent) return from;
  const auto after = std::upper_bound(
      canonical.begin(), canonical.end(), epoch,
      [](ChainEpoch e, const std::shared_ptr<Node>& n) { return e < n->Height(); });
  return after == canonical.begin() ? *after : *std::prev(after);
}

absl::StatusOr<NodePtr> ChainCore::AtOrAfter(NodePtr from, ChainEpoch epoch) const {
  if (epoch > from->Height()) {
    return absl::InvalidArgumentError(absl::StrFormat(
        "looking for tipset with height greater than start point: epoch %d, start %d",
        epoch.Value(), from->Height().Value()));
  }
  while (from->parent && from->parent->Height() >= epoch && !IsCanonical(*from)) {
    from = from->parent;
  }
  if (!from->parent || from->parent->Height() < epoch) return from;
  return NodePtr(*std::lower_bound(
      canonical.begin(), canonical.end(), epoch,
      [](const std::shared_ptr<Node>& n, ChainEpoch e) { return n->Height() < e; }));
}

absl::StatusOr<const MinerState*> ChainCore::MinerAt(const internal::World& world,
                                                     const Address& miner) const {
  const MinerState* state = world.FindMiner(miner);
  if (state != nullptr) return state;
  return absl::NotFoundError("failed to load miner actor: actor not found");
}

// ---------------------------------------------------------------- chain

const TipSet& Chain::ChainHead() const {
  return core_->Head()->tip_set;
}

absl::StatusOr<TipSet> Chain::ChainGetTipSet(const TipSetKey& key) const {
  DAMOCLES_ASSIGN_OR_RETURN(const NodePtr node, core_->Resolve(key));
  return node->tip_set;
}

absl::StatusOr<TipSet> Chain::ChainGetTipSetByHeight(ChainEpoch epoch, const TipSetKey& key) const {
  DAMOCLES_ASSIGN_OR_RETURN(const NodePtr node, core_->Resolve(key));
  if (epoch > node->Height() || epoch < ChainEpoch(0)) {
    return absl::InvalidArgumentError(absl::StrFormat(
        "looking for tipset with height greater than start point: epoch %d, start %d",
        epoch.Value(), node->Height().Value()));
  }
  return core_->AtOrBefore(node, epoch)->tip_set;
}

absl::StatusOr<TipSet> Chain::ChainGetTipSetAfterHeight(ChainEpoch epoch,
                                                        const TipSetKey& key) const {
  DAMOCLES_ASSIGN_OR_RETURN(const NodePtr node, core_->Resolve(key));
  DAMOCLES_ASSIGN_OR_RETURN(const NodePtr found, core_->AtOrAfter(node, epoch));
  return found->tip_set;
}

absl::StatusOr<std::vector<HeadChange>> Chain::ChainGetPath(const TipSetKey& from,
                                                            const TipSetKey& to) const {
  DAMOCLES_ASSIGN_OR_RETURN(NodePtr left, core_->Resolve(from));
  DAMOCLES_ASSIGN_OR_RETURN(NodePtr right, core_->Resolve(to));
  std::vector<HeadChange> path;
  std::vector<HeadChange> applies;
  while (left != right) {
    if (left->Height() >= right->Height()) {
      path.push_back({HeadChangeKind::kRevert, left->tip_set});
      left = left->parent;
    } else {
      applies.push_back({HeadChangeKind::kApply, right->tip_set});
      right = right->parent;
    }
  }
  path.insert(path.end(), applies.rbegin(), applies.rend());
  return path;
}

absl::StatusOr<TokenAmount> Chain::ChainTipSetWeight(const TipSetKey& key) const {
  DAMOCLES_ASSIGN_OR_RETURN(const NodePtr node, core_->Resolve(key));
  return node->Header().parent_weight + 1000;
}

absl::StatusOr<filecoin::BlockHeader> Chain::ChainGetBlock(const Cid& block) const {
  DAMOCLES_ASSIGN_OR_RETURN(const NodePtr node, core_->Resolve(TipSetKey({block})));
  return node->Header();
}

absl::StatusOr<filecoin::Message> Chain::ChainGetMessage(const Cid& message) const {
  const auto found = core_->known.find(message);
  if (found == core_->known.end()) {
    return absl::NotFoundError(absl::StrFormat("message %s: not found", message.ToString()));
  }
  return found->second.message;
}

absl::StatusOr<chain::BlockMessages> Chain::ChainGetBlockMessages(const Cid& block) const {
  DAMOCLES_ASSIGN_OR_RETURN(const NodePtr node, core_->Resolve(TipSetKey({block})));
  return chain::BlockMessages{
      .bls_messages = {}, .secpk_messages = node->messages, .cids = node->message_cids};
}

// ---------------------------------------------------------------- network

chain::NodeVersion Chain::Version() const {
  constexpr std::uint32_t kApiVersion = 0x020300;
  return {.version = "1.36.0+damocles-devnet",
          .api_version = kApiVersion,
          .block_delay_secs = core_->config.block_delay_secs,
          .agent = "damocles-devnet"};
}

std::string Chain::StateNetworkName() const {
  return core_->config.network_name;
}

chain::NetworkParams Chain::StateGetNetworkParams() const {
  chain::NetworkParams params;
  params.network_name = core_->config.network_name;
  params.block_delay_secs = core_->config.block_delay_secs;
  params.consensus_miner_min_power = 0;
  params.pre_commit_challenge_delay = EpochDelta(10);
  params.genesis_timestamp = core_->config.genesis_timestamp;
  return params;
}

// ---------------------------------------------------------------- randomness

namespace {

absl::Status CheckPast(ChainEpoch epoch, const Node& node) {
  if (epoch < ChainEpoch(0)) {
    return absl::InvalidArgumentError("cannot draw randomness from before the genesis");
  }
  if (epoch > node.Height()) {
    return absl::InvalidArgumentError(
        absl::StrFormat("cannot draw randomness from the future: epoch %d, head %d", epoch.Value(),
                        node.Height().Value()));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<Bytes32> Chain::StateGetRandomnessDigestFromBeacon(ChainEpoch epoch,
                                                                  const TipSetKey& key) const {
  DAMOCLES_ASSIGN_OR_RETURN(const NodePtr node, core_->Resolve(key));
  DAMOCLES_RETURN_IF_ERROR(CheckPast(epoch, *node));
  return filecoin::RandomnessDigest(core_->Beacon(epoch).data);
}

absl::StatusOr<Bytes32> Chain::StateGetRandomnessDigestFromTickets(ChainEpoch epoch,
                                                                   const TipSetKey& key) const {
  DAMOCLES_ASSIGN_OR_RETURN(const NodePtr node, core_->Resolve(key));
  DAMOCLES_RETURN_IF_ERROR(CheckPast(epoch, *node));
  DAMOCLES_ASSIGN_OR_RETURN(const NodePtr found, core_->AtOrAfter(node, epoch));
  return filecoin::RandomnessDigest(found->Header().ticket->vrf_proof);
}

absl::StatusOr<Bytes32> Chain::StateGetRandomnessFromBeacon(std::int64_t tag, ChainEpoch epoch,
                                                            ByteSpan entropy,
                                                            const TipSetKey& key) const {
  DAMOCLES_ASSIGN_OR_RETURN(const Bytes32 digest, StateGetRandomnessDigestFromBeacon(epoch, key));
  return filecoin::DrawFromDigest(digest, static_cast<DomainTag>(tag), epoch, entropy);
}

absl::StatusOr<Bytes32> Chain::StateGetRandomnessFromTickets(std::int64_t tag, ChainEpoch epoch,
                                                             ByteSpan entropy,
                                                             const TipSetKey& key) const {
  DAMOCLES_ASSIGN_OR_RETURN(const Bytes32 digest, StateGetRandomnessDigestFromTickets(epoch, key));
  return filecoin::DrawFromDigest(digest, static_cast<DomainTag>(tag), epoch, entropy);
}

absl::StatusOr<filecoin::BeaconEntry> Chain::StateGetBeaconEntry(ChainEpoch epoch) const {
  return core_->Beacon(epoch);
}

// ---------------------------------------------------------------- miners

absl::StatusOr<filecoin::DeadlineInfo> Chain::StateMinerProvingDeadline(
    const Address& miner, const TipSetKey& key) const {
  DAMOCLES_ASSIGN_OR_RETURN(const NodePtr node, core_->Resolve(key));
  DAMOCLES_ASSIGN_OR_RETURN(const MinerState* state, core_->MinerAt(node->Before(), miner));
  return filecoin::RecordedDeadline(core_->config.policy.period, state->proving_period_start,
                                    state->current_deadline, node->Height());
}

absl::StatusOr<std::vector<chain::DeadlineState>> Chain::StateMinerDeadlines(
    const Address& miner, const TipSetKey& key) const {
  DAMOCLES_ASSIGN_OR_RETURN(const NodePtr node, core_->Resolve(key));
  DAMOCLES_ASSIGN_OR_RETURN(const MinerState* state, core_->MinerAt(node->Before(), miner));
  std::vector<chain::DeadlineState> deadlines;
  for (const auto& record : state->deadlines) {
    deadlines.push_back({.post_submissions = record->posted,
                         .disputable_proof_count = record->proofs_snapshot.size(),
                         .daily_fee = core_->config.policy.fees.daily * record->LiveSectors()});
  }
  return deadlines;
}

absl::StatusOr<std::vector<chain::Partition>> Chain::StateMinerPartitions(
    const Address& miner, std::uint64_t deadline, const TipSetKey& key) const {
  DAMOCLES_ASSIGN_OR_RETURN(const NodePtr node, core_->Resolve(key));
  DAMOCLES_ASSIGN_OR_RETURN(const MinerState* state, core_->MinerAt(node->Before(), miner));
  if (deadline >= state->deadlines.size()) {
    return absl::InvalidArgumentError(
        absl::StrFormat("failed to load the deadline: invalid deadline %d of %d", deadline,
                        state->deadlines.size()));
  }
  std::vector<chain::Partition> partitions;
  for (const PartitionRecord& record : state->Deadline(deadline).partitions) {
    partitions.push_back(PartitionOf(record));
  }
  return partitions;
}

absl::StatusOr<std::vector<chain::SectorOnChainInfo>> Chain::StateMinerSectors(
    const Address& miner, const std::optional<BitField>& sectors, const TipSetKey& key) const {
  DAMOCLES_ASSIGN_OR_RETURN(const NodePtr node, core_->Resolve(key));
  DAMOCLES_ASSIGN_OR_RETURN(const MinerState* state, core_->MinerAt(node->Before(), miner));
  std::vector<chain::SectorOnChainInfo> list;
  if (!sectors.has_value()) {
    for (const auto& [number, sector] : *state->sectors) list.push_back(InfoOf(sector));
    return list;
  }
  // By what the miner has, not by the set: a set may name 2^63 sectors.
  for (const auto& [number, sector] : *state->sectors) {
    if (sectors->Contains(number)) list.push_back(InfoOf(sector));
  }
  return list;
}

absl::StatusOr<std::vector<chain::SectorOnChainInfo>> Chain::StateMinerActiveSectors(
    const Address& miner, const TipSetKey& key) const {
  DAMOCLES_ASSIGN_OR_RETURN(const NodePtr node, core_->Resolve(key));
  DAMOCLES_ASSIGN_OR_RETURN(const MinerState* state, core_->MinerAt(node->Before(), miner));
  return StateMinerSectors(miner, ActiveOf(*state), key);
}

absl::StatusOr<std::optional<chain::SectorOnChainInfo>> Chain::StateSectorGetInfo(
    const Address& miner, SectorNumber sector, const TipSetKey& key) const {
  DAMOCLES_ASSIGN_OR_RETURN(const NodePtr node, core_->Resolve(key));
  DAMOCLES_ASSIGN_OR_RETURN(const MinerState* state, core_->MinerAt(node->Before(), miner));
  const auto found = state->sectors->find(sector);
  if (found == state->sectors->end()) return std::nullopt;
  return InfoOf(found->second);
}

absl::StatusOr<chain::SectorLocation> Chain::StateSectorPartition(const Address& miner,
                                                                  SectorNumber sector,
                                                                  const TipSetKey& key) const {
  DAMOCLES_ASSIGN_OR_RETURN(const NodePtr node, core_->Resolve(key));
  DAMOCLES_ASSIGN_OR_RETURN(const MinerState* state, core_->MinerAt(node->Before(), miner));
  for (std::uint64_t d = 0; d < state->deadlines.size(); ++d) {
    const std::vector<PartitionRecord>& partitions = state->Deadline(d).partitions;
    for (std::uint64_t p = 0; p < partitions.size(); ++p) {
      if (partitions[p].sectors.Contains(sector)) return chain::SectorLocation{d, p};
    }
  }
  return absl::NotFoundError(absl::StrFormat("sector %d not due at any deadline", sector));
}

absl::StatusOr<BitField> Chain::StateMinerFaults(const Address& miner, const TipSetKey& key) const {
  DAMOCLES_ASSIGN_OR_RETURN(const NodePtr node, core_->Resolve(key));
  DAMOCLES_ASSIGN_OR_RETURN(const MinerState* state, core_->MinerAt(node->Before(), miner));
  BitField faults;
  for (const auto& deadline : state->deadlines) {
    for (const PartitionRecord& record : deadline->partitions) {
      faults = Union(faults, record.faults);
    }
  }
  return faults;
}

absl::StatusOr<BitField> Chain::StateMinerRecoveries(const Address& miner,
                                                     const TipSetKey& key) const {
  DAMOCLES_ASSIGN_OR_RETURN(const NodePtr node, core_->Resolve(key));
  DAMOCLES_ASSIGN_OR_RETURN(const MinerState* state, core_->MinerAt(node->Before(), miner));
  BitField recoveries;
  for (const auto& deadline : state->deadlines) {
    for (const PartitionRecord& record : deadline->partitions) {
      recoveries = Union(recoveries, record.recoveries);
    }
  }
  return recoveries;
}

absl::StatusOr<chain::MinerInfo> Chain::StateMinerInfo(const Address& miner,
                                                       const TipSetKey& key) const {
  DAMOCLES_ASSIGN_OR_RETURN(const NodePtr node, core_->Resolve(key));
  DAMOCLES_ASSIGN_OR_RETURN(const MinerState* state, core_->MinerAt(node->Before(), miner));
  chain::MinerInfo info;
  info.owner = Address::FromId(state->owner);
  info.worker = Address::FromId(state->worker);
  for (const filecoin::ActorId id : state->control) {
    info.control_addresses.push_back(Address::FromId(id));
  }
  info.worker_change_epoch = ChainEpoch(-1);
  info.window_post_proof_type = state->window_post_proof_type;
  info.sector_size = state->sector_size;
  info.window_post_partition_sectors = state->partition_sectors;
  info.consensus_fault_elapsed = state->consensus_fault_elapsed;
  info.beneficiary = info.owner;
  info.beneficiary_term = chain::BeneficiaryTerm{};
  return info;
}

absl::StatusOr<chain::MinerPower> Chain::StateMinerPower(const Address& miner,
                                                         const TipSetKey& key) const {
  DAMOCLES_ASSIGN_OR_RETURN(const NodePtr node, core_->Resolve(key));
  DAMOCLES_ASSIGN_OR_RETURN(const MinerState* state, core_->MinerAt(node->Before(), miner));
  const TokenAmount power = PowerOf(*state);
  const TokenAmount total = PowerOf(node->Before());
  return chain::MinerPower{.miner_power = {power, power},
                           .total_power = {total, total},
                           .has_min_power = power.Sign() > 0};
}

absl::StatusOr<TokenAmount> Chain::StateMinerAvailableBalance(const Address& miner,
                                                              const TipSetKey& key) const {
  DAMOCLES_ASSIGN_OR_RETURN(const NodePtr node, core_->Resolve(key));
  DAMOCLES_ASSIGN_OR_RETURN(const MinerState* state, core_->MinerAt(node->Before(), miner));
  return state->balance - state->fee_debt;
}

absl::StatusOr<chain::MinerSectorCounts> Chain::StateMinerSectorCount(const Address& miner,
                                                                      const TipSetKey& key) const {
  DAMOCLES_ASSIGN_OR_RETURN(const NodePtr node, core_->Resolve(key));
  DAMOCLES_ASSIGN_OR_RETURN(const MinerState* state, core_->MinerAt(node->Before(), miner));
  chain::MinerSectorCounts counts{
      .live = state->LiveSectors(), .active = state->ActiveSectors(), .faulty = 0};
  for (const auto& deadline : state->deadlines) counts.faulty += deadline->FaultySectors();
  return counts;
}

absl::StatusOr<std::vector<Address>> Chain::StateListMiners(const TipSetKey& key) const {
  DAMOCLES_ASSIGN_OR_RETURN(const NodePtr node, core_->Resolve(key));
  std::vector<Address> list;
  for (const auto& [id, miner] : node->Before().miners) list.push_back(Address::FromId(id));
  return list;
}

absl::StatusOr<MinerState> Chain::MinerAfterHead(filecoin::ActorId miner) const {
  DAMOCLES_ASSIGN_OR_RETURN(const MinerState* state,
                            core_->MinerAt(core_->Head()->after, Address::FromId(miner)));
  return *state;
}

// ---------------------------------------------------------------- accounts

absl::StatusOr<chain::Actor> Chain::StateGetActor(const Address& address,
                                                  const TipSetKey& key) const {
  DAMOCLES_ASSIGN_OR_RETURN(const NodePtr node, core_->Resolve(key));
  const auto code = [](std::string_view name) {
    return Cid::Make(filecoin::kCodecRaw, filecoin::kHashIdentity, AsBytes(name));
  };
  const internal::World& world = node->Before();
  chain::Actor actor;
  actor.head = node->Header().parent_state_root;
  if (const internal::Account* account = world.FindAccount(address); account != nullptr) {
    actor.code = code("fil/18/account");
    actor.nonce = account->nonce;
    actor.balance = account->balance;
    return actor;
  }
  const absl::StatusOr<const MinerState*> miner = core_->MinerAt(world, address);
  if (!miner.ok()) return NoSuchActor(address);
  actor.code = code("fil/18/storageminer");
  actor.balance = (*miner)->balance;
  return actor;
}

absl::StatusOr<Address> Chain::StateLookupId(const Address& address, const TipSetKey& key) const {
  DAMOCLES_ASSIGN_OR_RETURN(const NodePtr node, core_->Resolve(key));
  if (const internal::Account* account = node->Before().FindAccount(address); account != nullptr) {
    return Address::FromId(account->id);
  }
  if (const MinerState* miner = node->Before().FindMiner(address); miner != nullptr) {
    return Address::FromId(miner->id);
  }
  // Here the node does not wrap the error, so that it keeps its code.
  return absl::NotFoundError("actor not found");
}

absl::StatusOr<Address> Chain::StateAccountKey(const Address& address, const TipSetKey& key) const {
  DAMOCLES_ASSIGN_OR_RETURN(const NodePtr node, core_->Resolve(key));
  if (const internal::Account* account = node->Before().FindAccount(address); account != nullptr) {
    return account->key;
  }
  if (core_->MinerAt(node->Before(), address).ok()) {
    return absl::InvalidArgumentError(absl::StrFormat(
        "failed to get account actor state for %s: it is a miner", address.ToString()));
  }
  return NoSuchActor(address);
}

absl::StatusOr<TokenAmount> Chain::WalletBalance(const Address& address) const {
  const internal::Account* account = core_->Head()->Before().FindAccount(address);
  return account == nullptr ? TokenAmount(0) : account->balance;
}

bool Chain::WalletHas(const Address& address) const {
  const internal::Account* account = core_->Head()->Before().FindAccount(address);
  return core_->wallet.Has(account == nullptr ? address : account->key);
}

std::vector<Address> Chain::WalletList() const {
  return core_->wallet.List();
}

absl::StatusOr<filecoin::Signature> Chain::WalletSign(const Address& address, ByteSpan data) const {
  const internal::Account* account = core_->Head()->Before().FindAccount(address);
  return core_->wallet.Sign(account == nullptr ? address : account->key, data);
}

// ---------------------------------------------------------------- block production

absl::StatusOr<std::optional<chain::MiningBaseInfo>> Chain::MinerGetBaseInfo(
    const Address& miner, ChainEpoch round, const TipSetKey& key) const {
  DAMOCLES_ASSIGN_OR_RETURN(const NodePtr node, core_->Resolve(key));
  if (round <= node->Height()) {
    return absl::InvalidArgumentError(absl::StrFormat("round %d is not after the base, height %d",
                                                      round.Value(), node->Height().Value()));
  }
  if (round - node->Height() > kRoundsAheadMax) {
    return absl::InvalidArgumentError(
        absl::StrFormat("round %d is more than %d epochs after the base, height %d", round.Value(),
                        kRoundsAheadMax.Count(), node->Height().Value()));
  }
  const ChainEpoch lookback = std::max(ChainEpoch(0), round - core_->config.finality);
  const NodePtr then = core_->AtOrBefore(node, lookback);
  const internal::World& old_world = then->after;
  DAMOCLES_ASSIGN_OR_RETURN(const MinerState* now, core_->MinerAt(node->after, miner));
  const absl::StatusOr<const MinerState*> old = core_->MinerAt(old_world, miner);
  if (!old.ok()) return std::nullopt;
  const BitField active = ActiveOf(**old);
  if (active.Empty()) return std::nullopt;

  chain::MiningBaseInfo info;
  info.prev_beacon_entry = node->Header().beacon_entries.back();
  for (ChainEpoch e = node->Height() + EpochDelta(1); e <= round; ++e) {
    info.beacon_entries.push_back(core_->Beacon(e));
  }
  // One sector, chosen by the challenge (docs/post.md 2).
  const Bytes32 challenge = filecoin::MaskForProver(
      filecoin::Draw(info.beacon_entries.back().data, DomainTag::kWinningPoStChallengeSeed, round,
                     filecoin::MinerEntropy(now->id)));
  const Address id = Address::FromId(now->id);
  Bytes input(id.Payload().begin(), id.Payload().end());
  input.resize(32, 0);
  Append(input, challenge);
  AppendLe64(input, 0);
  const std::uint64_t index = LoadLe64(hash::Sha256Of(input).data()) % active.Count();
  DAMOCLES_ASSIGN_OR_RETURN(const BitField chosen, filecoin::Slice(active, index, 1));
  const SectorRecord& sector = (*old)->sectors->at(*chosen.First());
  info.sectors.push_back({.seal_proof = sector.seal_proof,
                          .sector_number = sector.number,
                          .sector_key = std::nullopt,
                          .sealed_cid = Cid::OfCommR(sector.comm_r)});
  info.miner_power = PowerOf(**old);
  info.network_power = PowerOf(old_world);
  const internal::Account* worker = node->after.FindAccount(now->worker);
  info.worker_key = worker == nullptr ? Address() : worker->key;
  info.sector_size = now->sector_size;
  info.eligible_for_mining =
      PowerOf(*now).Sign() > 0 && now->fee_debt.IsZero() && now->consensus_fault_elapsed < round;
  return info;
}

// ---------------------------------------------------------------- reports

std::vector<ExecutedPost> Chain::ExecutedPosts() const {
  std::vector<ExecutedPost> posts;
  for (const std::shared_ptr<Node>& node : core_->canonical) {
    posts.insert(posts.end(), node->posts.begin(), node->posts.end());
  }
  return posts;
}

std::vector<DeadlineOutcome> Chain::DeadlineOutcomes() const {
  std::vector<DeadlineOutcome> outcomes;
  for (const std::shared_ptr<Node>& node : core_->canonical) {
    for (const internal::MinerCron& cron : node->crons) {
      outcomes.push_back({.miner = cron.miner, .epoch = cron.epoch, .end = cron.end});
    }
  }
  return outcomes;
}

}  // namespace damocles::devnet
