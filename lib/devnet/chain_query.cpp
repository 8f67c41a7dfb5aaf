// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// Tipsets, randomness and the state of miners.

#include <algorithm>

#include "absl/strings/str_format.h"
#include "lib/devnet/chain_core.h"
#include "lib/devnet/miner_view.h"
#include "lib/devnet/seed.h"

#include "damocles/base/status.h"

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
using internal::Node;
using internal::NodePtr;

namespace {

absl::Status NoSuchActor(const Address& address) {
  return absl::NotFoundError(
      absl::StrFormat("resolution lookup failed (%s): resolve address %s: actor not found",
                      address.ToString(), address.ToString()));
}

}  // namespace

// ---------------------------------------------------------------- chain

const TipSet& Chain::ChainHead() const {
  return core_->Tips().Head()->tip_set;
}

absl::StatusOr<TipSet> Chain::ChainGetTipSet(const TipSetKey& key) const {
  DAMOCLES_ASSIGN_OR_RETURN(const NodePtr node, core_->Tips().Resolve(key));
  return node->tip_set;
}

absl::StatusOr<TipSet> Chain::ChainGetTipSetByHeight(ChainEpoch epoch, const TipSetKey& key) const {
  DAMOCLES_ASSIGN_OR_RETURN(const NodePtr node, core_->Tips().Resolve(key));
  if (epoch > node->Height() || epoch < ChainEpoch(0)) {
    return absl::InvalidArgumentError(absl::StrFormat(
        "looking for tipset with height greater than start point: epoch %d, start %d",
        epoch.Value(), node->Height().Value()));
  }
  return core_->Tips().AtOrBefore(node, epoch)->tip_set;
}

absl::StatusOr<TipSet> Chain::ChainGetTipSetAfterHeight(ChainEpoch epoch,
                                                        const TipSetKey& key) const {
  DAMOCLES_ASSIGN_OR_RETURN(const NodePtr node, core_->Tips().Resolve(key));
  DAMOCLES_ASSIGN_OR_RETURN(const NodePtr found, core_->Tips().AtOrAfter(node, epoch));
  return found->tip_set;
}

absl::StatusOr<std::vector<HeadChange>> Chain::ChainGetPath(const TipSetKey& from,
                                                            const TipSetKey& to) const {
  DAMOCLES_ASSIGN_OR_RETURN(NodePtr left, core_->Tips().Resolve(from));
  DAMOCLES_ASSIGN_OR_RETURN(NodePtr right, core_->Tips().Resolve(to));
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
  DAMOCLES_ASSIGN_OR_RETURN(const NodePtr node, core_->Tips().Resolve(key));
  return node->Header().parent_weight + 1000;
}

absl::StatusOr<filecoin::BlockHeader> Chain::ChainGetBlock(const Cid& block) const {
  DAMOCLES_ASSIGN_OR_RETURN(const NodePtr node, core_->Tips().Resolve(TipSetKey({block})));
  return node->Header();
}

absl::StatusOr<filecoin::Message> Chain::ChainGetMessage(const Cid& message) const {
  const filecoin::SignedMessage* found = core_->Known(message);
  if (found == nullptr) {
    return absl::NotFoundError(absl::StrFormat("message %s: not found", message.ToString()));
  }
  return found->message;
}

absl::StatusOr<chain::BlockMessages> Chain::ChainGetBlockMessages(const Cid& block) const {
  DAMOCLES_ASSIGN_OR_RETURN(const NodePtr node, core_->Tips().Resolve(TipSetKey({block})));
  return chain::BlockMessages{
      .bls_messages = {}, .secpk_messages = node->messages, .cids = node->message_cids};
}

// ---------------------------------------------------------------- network

chain::NodeVersion Chain::Version() const {
  constexpr std::uint32_t kApiVersion = 0x020300;
  return {.version = "1.36.0+damocles-devnet",
          .api_version = kApiVersion,
          .block_delay_secs = core_->Config().block_delay_secs,
          .agent = "damocles-devnet"};
}

std::string Chain::StateNetworkName() const {
  return core_->Config().network_name;
}

chain::NetworkParams Chain::StateGetNetworkParams() const {
  chain::NetworkParams params;
  params.network_name = core_->Config().network_name;
  params.block_delay_secs = core_->Config().block_delay_secs;
  params.consensus_miner_min_power = 0;
  params.pre_commit_challenge_delay = EpochDelta(10);
  params.genesis_timestamp = core_->Config().genesis_timestamp;
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
  DAMOCLES_ASSIGN_OR_RETURN(const NodePtr node, core_->Tips().Resolve(key));
  DAMOCLES_RETURN_IF_ERROR(CheckPast(epoch, *node));
  return filecoin::RandomnessDigest(internal::BeaconOf(core_->Config().seed, epoch).data);
}

absl::StatusOr<Bytes32> Chain::StateGetRandomnessDigestFromTickets(ChainEpoch epoch,
                                                                   const TipSetKey& key) const {
  DAMOCLES_ASSIGN_OR_RETURN(const NodePtr node, core_->Tips().Resolve(key));
  DAMOCLES_RETURN_IF_ERROR(CheckPast(epoch, *node));
  DAMOCLES_ASSIGN_OR_RETURN(const NodePtr found, core_->Tips().AtOrAfter(node, epoch));
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
  return internal::BeaconOf(core_->Config().seed, epoch);
}

// ---------------------------------------------------------------- miners

absl::StatusOr<filecoin::DeadlineInfo> Chain::StateMinerProvingDeadline(
    const Address& miner, const TipSetKey& key) const {
  DAMOCLES_ASSIGN_OR_RETURN(const NodePtr node, core_->Tips().Resolve(key));
  DAMOCLES_ASSIGN_OR_RETURN(const MinerState* state, internal::MinerAt(node->Before(), miner));
  return filecoin::RecordedDeadline(core_->Config().policy.period, state->proving_period_start,
                                    state->current_deadline, node->Height());
}

absl::StatusOr<std::vector<chain::DeadlineState>> Chain::StateMinerDeadlines(
    const Address& miner, const TipSetKey& key) const {
  DAMOCLES_ASSIGN_OR_RETURN(const NodePtr node, core_->Tips().Resolve(key));
  DAMOCLES_ASSIGN_OR_RETURN(const MinerState* state, internal::MinerAt(node->Before(), miner));
  return internal::DeadlinesOf(core_->Config().policy, *state);
}

absl::StatusOr<std::vector<chain::Partition>> Chain::StateMinerPartitions(
    const Address& miner, std::uint64_t deadline, const TipSetKey& key) const {
  DAMOCLES_ASSIGN_OR_RETURN(const NodePtr node, core_->Tips().Resolve(key));
  DAMOCLES_ASSIGN_OR_RETURN(const MinerState* state, internal::MinerAt(node->Before(), miner));
  return internal::PartitionsOf(*state, deadline);
}

absl::StatusOr<std::vector<chain::SectorOnChainInfo>> Chain::StateMinerSectors(
    const Address& miner, const std::optional<BitField>& sectors, const TipSetKey& key) const {
  DAMOCLES_ASSIGN_OR_RETURN(const NodePtr node, core_->Tips().Resolve(key));
  DAMOCLES_ASSIGN_OR_RETURN(const MinerState* state, internal::MinerAt(node->Before(), miner));
  return internal::SectorsOf(*state, sectors);
}

absl::StatusOr<std::vector<chain::SectorOnChainInfo>> Chain::StateMinerActiveSectors(
    const Address& miner, const TipSetKey& key) const {
  DAMOCLES_ASSIGN_OR_RETURN(const NodePtr node, core_->Tips().Resolve(key));
  DAMOCLES_ASSIGN_OR_RETURN(const MinerState* state, internal::MinerAt(node->Before(), miner));
  return internal::SectorsOf(*state, internal::ActiveOf(*state));
}

absl::StatusOr<std::optional<chain::SectorOnChainInfo>> Chain::StateSectorGetInfo(
    const Address& miner, SectorNumber sector, const TipSetKey& key) const {
  DAMOCLES_ASSIGN_OR_RETURN(const NodePtr node, core_->Tips().Resolve(key));
  DAMOCLES_ASSIGN_OR_RETURN(const MinerState* state, internal::MinerAt(node->Before(), miner));
  const auto found = state->sectors->find(sector);
  if (found == state->sectors->end()) return std::nullopt;
  return internal::InfoOf(found->second);
}

absl::StatusOr<chain::SectorLocation> Chain::StateSectorPartition(const Address& miner,
                                                                  SectorNumber sector,
                                                                  const TipSetKey& key) const {
  DAMOCLES_ASSIGN_OR_RETURN(const NodePtr node, core_->Tips().Resolve(key));
  DAMOCLES_ASSIGN_OR_RETURN(const MinerState* state, internal::MinerAt(node->Before(), miner));
  return internal::LocationOf(*state, sector);
}

absl::StatusOr<BitField> Chain::StateMinerFaults(const Address& miner, const TipSetKey& key) const {
  DAMOCLES_ASSIGN_OR_RETURN(const NodePtr node, core_->Tips().Resolve(key));
  DAMOCLES_ASSIGN_OR_RETURN(const MinerState* state, internal::MinerAt(node->Before(), miner));
  return internal::FaultsOf(*state);
}

absl::StatusOr<BitField> Chain::StateMinerRecoveries(const Address& miner,
                                                     const TipSetKey& key) const {
  DAMOCLES_ASSIGN_OR_RETURN(const NodePtr node, core_->Tips().Resolve(key));
  DAMOCLES_ASSIGN_OR_RETURN(const MinerState* state, internal::MinerAt(node->Before(), miner));
  return internal::RecoveriesOf(*state);
}

absl::StatusOr<chain::MinerInfo> Chain::StateMinerInfo(const Address& miner,
                                                       const TipSetKey& key) const {
  DAMOCLES_ASSIGN_OR_RETURN(const NodePtr node, core_->Tips().Resolve(key));
  DAMOCLES_ASSIGN_OR_RETURN(const MinerState* state, internal::MinerAt(node->Before(), miner));
  return internal::InfoOf(*state);
}

absl::StatusOr<chain::MinerPower> Chain::StateMinerPower(const Address& miner,
                                                         const TipSetKey& key) const {
  DAMOCLES_ASSIGN_OR_RETURN(const NodePtr node, core_->Tips().Resolve(key));
  DAMOCLES_ASSIGN_OR_RETURN(const MinerState* state, internal::MinerAt(node->Before(), miner));
  const TokenAmount power = internal::PowerOf(*state);
  const TokenAmount total = internal::PowerOf(node->Before());
  return chain::MinerPower{.miner_power = {power, power},
                           .total_power = {total, total},
                           .has_min_power = power.Sign() > 0};
}

absl::StatusOr<TokenAmount> Chain::StateMinerAvailableBalance(const Address& miner,
                                                              const TipSetKey& key) const {
  DAMOCLES_ASSIGN_OR_RETURN(const NodePtr node, core_->Tips().Resolve(key));
  DAMOCLES_ASSIGN_OR_RETURN(const MinerState* state, internal::MinerAt(node->Before(), miner));
  return state->balance - state->fee_debt;
}

absl::StatusOr<chain::MinerSectorCounts> Chain::StateMinerSectorCount(const Address& miner,
                                                                      const TipSetKey& key) const {
  DAMOCLES_ASSIGN_OR_RETURN(const NodePtr node, core_->Tips().Resolve(key));
  DAMOCLES_ASSIGN_OR_RETURN(const MinerState* state, internal::MinerAt(node->Before(), miner));
  return internal::CountsOf(*state);
}

absl::StatusOr<std::vector<Address>> Chain::StateListMiners(const TipSetKey& key) const {
  DAMOCLES_ASSIGN_OR_RETURN(const NodePtr node, core_->Tips().Resolve(key));
  std::vector<Address> list;
  for (const auto& [id, miner] : node->Before().miners) list.push_back(Address::FromId(id));
  return list;
}

absl::StatusOr<MinerState> Chain::MinerAfterHead(filecoin::ActorId miner) const {
  DAMOCLES_ASSIGN_OR_RETURN(const MinerState* state,
                            internal::MinerAt(core_->Tips().Head()->after, Address::FromId(miner)));
  return *state;
}

// ---------------------------------------------------------------- accounts

absl::StatusOr<chain::Actor> Chain::StateGetActor(const Address& address,
                                                  const TipSetKey& key) const {
  DAMOCLES_ASSIGN_OR_RETURN(const NodePtr node, core_->Tips().Resolve(key));
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
  const absl::StatusOr<const MinerState*> miner = internal::MinerAt(world, address);
  if (!miner.ok()) return NoSuchActor(address);
  actor.code = code("fil/18/storageminer");
  actor.balance = (*miner)->balance;
  return actor;
}

absl::StatusOr<Address> Chain::StateLookupId(const Address& address, const TipSetKey& key) const {
  DAMOCLES_ASSIGN_OR_RETURN(const NodePtr node, core_->Tips().Resolve(key));
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
  DAMOCLES_ASSIGN_OR_RETURN(const NodePtr node, core_->Tips().Resolve(key));
  if (const internal::Account* account = node->Before().FindAccount(address); account != nullptr) {
    return account->key;
  }
  if (internal::MinerAt(node->Before(), address).ok()) {
    return absl::InvalidArgumentError(absl::StrFormat(
        "failed to get account actor state for %s: it is a miner", address.ToString()));
  }
  return NoSuchActor(address);
}

absl::StatusOr<TokenAmount> Chain::WalletBalance(const Address& address) const {
  const internal::Account* account = core_->Tips().Head()->Before().FindAccount(address);
  return account == nullptr ? TokenAmount(0) : account->balance;
}

bool Chain::WalletHas(const Address& address) const {
  const internal::Account* account = core_->Tips().Head()->Before().FindAccount(address);
  return core_->Keys().Has(account == nullptr ? address : account->key);
}

std::vector<Address> Chain::WalletList() const {
  return core_->Keys().List();
}

absl::StatusOr<filecoin::Signature> Chain::WalletSign(const Address& address, ByteSpan data) const {
  const internal::Account* account = core_->Tips().Head()->Before().FindAccount(address);
  return core_->Keys().Sign(account == nullptr ? address : account->key, data);
}

// ---------------------------------------------------------------- block production

absl::StatusOr<std::optional<chain::MiningBaseInfo>> Chain::MinerGetBaseInfo(
    const Address& miner, ChainEpoch round, const TipSetKey& key) const {
  DAMOCLES_ASSIGN_OR_RETURN(const NodePtr node, core_->Tips().Resolve(key));
  return internal::MiningBaseOf(core_->Config(), core_->Tips(), node, miner, round);
}

// ---------------------------------------------------------------- reports

std::vector<ExecutedPost> Chain::ExecutedPosts() const {
  std::vector<ExecutedPost> posts;
  for (const std::shared_ptr<Node>& node : core_->Tips().Canonical()) {
    posts.insert(posts.end(), node->posts.begin(), node->posts.end());
  }
  return posts;
}

std::vector<DeadlineOutcome> Chain::DeadlineOutcomes() const {
  std::vector<DeadlineOutcome> outcomes;
  for (const std::shared_ptr<Node>& node : core_->Tips().Canonical()) {
    for (const internal::MinerCron& cron : node->crons) {
      outcomes.push_back({.miner = cron.miner, .epoch = cron.epoch, .end = cron.end});
    }
  }
  return outcomes;
}

}  // namespace damocles::devnet
