// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "lib/devnet/chain_core.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_format.h"
#include "lib/devnet/events.h"
#include "lib/devnet/genesis_world.h"
#include "lib/devnet/seed.h"

#include "damocles/base/status.h"

namespace damocles::devnet {

using chain::HeadChange;
using chain::HeadChangeKind;
using filecoin::ChainEpoch;
using filecoin::Cid;
using filecoin::EpochDelta;
using filecoin::SignedMessage;
using internal::AdminChange;
using internal::Node;
using internal::NodePtr;
using internal::VerdictSource;
using nlohmann::json;

namespace {

Genesis InOrder(Genesis genesis) {
  std::sort(genesis.miners.begin(), genesis.miners.end(),
            [](const GenesisMiner& a, const GenesisMiner& b) { return a.id < b.id; });
  return genesis;
}

}  // namespace

// ---------------------------------------------------------------- beginning

ChainCore::ChainCore(const ChainConfig& config, const Genesis& genesis, ChainOptions options)
    : config_(config),
      genesis_(InOrder(genesis)),
      options_mode_(options.mode),
      mode_(options.mode),
      judge_(std::move(options.verify)),
      blocks_(config_, genesis_, wallet_, tipsets_, judge_),
      base_fee_(config.base_fee),
      traffic_(config.traffic),
      traffic_from_(ChainEpoch(0) + config.genesis_blocks + EpochDelta(1)) {}

absl::StatusOr<std::unique_ptr<ChainCore>> ChainCore::Start(const ChainConfig& config,
                                                            const Genesis& genesis,
                                                            ChainOptions options) {
  DAMOCLES_RETURN_IF_ERROR(Validate(config));
  std::unique_ptr<ChainCore> core(new ChainCore(config, genesis, std::move(options)));
  DAMOCLES_RETURN_IF_ERROR(core->Begin());
  return core;
}

absl::Status ChainCore::Begin() {
  DAMOCLES_ASSIGN_OR_RETURN(internal::World world, internal::WorldOf(config_, genesis_, wallet_));
  tipsets_.Adopt(blocks_.MakeGenesis(std::move(world)));

  // The sectors enter so that the state at the last of these blocks shows them.
  VerdictSource none;
  const ChainEpoch last = ChainEpoch(0) + config_.genesis_blocks;
  for (ChainEpoch height(1); height <= last; ++height) {
    const std::shared_ptr<Node> parent = tipsets_.Head();
    if (height == last) {
      for (const GenesisMiner& of_genesis : genesis_.miners) {
        MinerState miner = *parent->after.FindMiner(of_genesis.id);
        DAMOCLES_RETURN_IF_ERROR(
            internal::PlaceSectors(config_.policy, miner, height, of_genesis.sectors));
        internal::ExcuseEarlyDeadlines(config_.policy, miner, height,
                                       ChainEpoch(0) + config_.first_open);
        parent->after.Put(std::move(miner));
      }
      parent->root_after = internal::NextRoot(parent->root_after, parent->cid);
    }
    // The base fee begins to move with the first block to come.
    std::shared_ptr<Node> block =
        blocks_.Make({.parent = parent,
                      .height = height,
                      .timestamp = parent->Header().timestamp + config_.block_delay_secs,
                      .messages = {},
                      .branch = 0,
                      .base_fee = config_.base_fee,
                      .foreign = ForeignLoad(height, config_.base_fee),
                      .mode = mode_},
                     none);
    block->next_base_fee = config_.base_fee;
    tipsets_.Adopt(std::move(block));
  }
  return absl::OkStatus();
}

absl::Status ChainCore::Replay(const std::vector<std::string>& records) {
  for (std::size_t i = 1; i < records.size(); ++i) {
    const json event = json::parse(records[i], nullptr, /*allow_exceptions=*/false);
    absl::Status status = event.is_object() ? Apply(event) : absl::DataLossError("not an object");
    if (!status.ok()) {
      return absl::DataLossError(
          absl::StrFormat("journal: record %d: %s", i, std::string(status.message())));
    }
  }
  mode_ = options_mode_;
  return absl::OkStatus();
}

// ---------------------------------------------------------------- events

absl::Status ChainCore::Record(const json& event) {
  if (read_only_) {
    return absl::FailedPreconditionError("this view of the chain is for reading only");
  }
  if (!journal_) return absl::OkStatus();
  // Texts of a verifier may hold anything.
  return journal_->Append(event.dump(-1, ' ', false, json::error_handler_t::replace));
}

absl::Status ChainCore::Do(const json& event) {
  DAMOCLES_RETURN_IF_ERROR(Record(event));
  return Apply(event);
}

absl::Status ChainCore::Do(const AdminChange& change) {
  DAMOCLES_RETURN_IF_ERROR(Try(change));  // what is on the disk must be applicable
  DAMOCLES_RETURN_IF_ERROR(Record(internal::AdminEvent(change)));
  return ApplyTo(change, *tipsets_.Head());
}

absl::Status ChainCore::Try(const AdminChange& change) const {
  Node trial = *tipsets_.Head();
  return ApplyTo(change, trial);
}

absl::Status ChainCore::Push(const SignedMessage& message, const chain::Uuid& uuid) {
  DAMOCLES_RETURN_IF_ERROR(Record(internal::PushEvent(message, uuid)));
  Take(message, uuid);
  return absl::OkStatus();
}

absl::Status ChainCore::Apply(const json& event) {
  const std::string what = event.value("event", "");
  if (what == "advance" || what == "reorg") return ApplyBlocks(event);
  if (what == "push") {
    DAMOCLES_ASSIGN_OR_RETURN(const internal::Pushed pushed, internal::PushedOf(event));
    Take(pushed.message, pushed.uuid);
    return absl::OkStatus();
  }
  if (what == "drop") {
    DAMOCLES_ASSIGN_OR_RETURN(const Cid cid, Cid::Parse(event.value("message", "")));
    pool_.Drop(cid);
    return absl::OkStatus();
  }
  if (what == "drop_next") {
    drop_next_ += event.value("count", std::uint64_t{0});
    return absl::OkStatus();
  }
  if (what == "base_fee") {
    DAMOCLES_ASSIGN_OR_RETURN(base_fee_, filecoin::TokenAmount::Parse(event.value("value", "")));
    base_fee_by_hand_ = true;
    return Chain::CheckBaseFee(base_fee_);
  }
  if (what == "traffic") {
    DAMOCLES_ASSIGN_OR_RETURN(traffic_, TrafficByName(event.value("script", "")));
    traffic_from_ = tipsets_.Head()->Height() + EpochDelta(1);
    return absl::OkStatus();
  }
  DAMOCLES_ASSIGN_OR_RETURN(const AdminChange change, internal::AdminChangeOf(event));
  return ApplyTo(change, *tipsets_.Head());
}

absl::Status ChainCore::ApplyBlocks(const json& event) {
  VerdictSource recorded = internal::VerdictsOf(event);
  DAMOCLES_ASSIGN_OR_RETURN(mode_, internal::ModeOf(event, options_mode_));
  if (event.value("event", "") == "advance") {
    DAMOCLES_RETURN_IF_ERROR(AdvanceBy(internal::AdvanceOf(event), recorded));
  } else {
    DAMOCLES_RETURN_IF_ERROR(ReorgBy(event.value("depth", std::uint64_t{0}), recorded));
  }
  if (recorded.exhausted || !recorded.list.empty()) {
    return absl::DataLossError("another number of proofs was verified; made by another version?");
  }
  return absl::OkStatus();
}

absl::Status ChainCore::ApplyTo(const AdminChange& change, Node& node) const {
  const MinerState* found = node.after.FindMiner(change.miner);
  if (found == nullptr) {
    return absl::NotFoundError(absl::StrFormat("no miner f0%d on this chain", change.miner));
  }
  MinerState miner = *found;
  switch (change.kind) {
    case AdminChange::Kind::kFunds:
      miner.balance = change.balance;
      miner.fee_debt = change.fee_debt;
      break;
    case AdminChange::Kind::kConsensusFault:
      miner.consensus_fault_elapsed = change.elapsed;
      break;
    case AdminChange::Kind::kAddSectors:
      DAMOCLES_RETURN_IF_ERROR(internal::PlaceSectors(
          config_.policy, miner, node.Height() + EpochDelta(1), change.sectors));
      break;
  }
  node.after.Put(std::move(miner));
  node.root_after = internal::NextRoot(node.root_after, node.cid);
  node.admin.push_back(change);
  return absl::OkStatus();
}

// ---------------------------------------------------------------- blocks

std::vector<PricedGas> ChainCore::ForeignLoad(ChainEpoch height,
                                              const filecoin::TokenAmount& at_base_fee) const {
  return LoadOf(traffic_, (height - traffic_from_).Count(), at_base_fee);
}

absl::Status ChainCore::Advance(const AdvanceOptions& advance) {
  if (read_only_) return Record({});
  VerdictSource live;
  return AdvanceBy(advance, live);
}

absl::Status ChainCore::Reorg(std::uint64_t depth) {
  if (read_only_) return Record({});
  VerdictSource live;
  return ReorgBy(depth, live);
}

absl::Status ChainCore::AdvanceBy(const AdvanceOptions& advance, VerdictSource& verdicts) {
  if (advance.null_rounds > kNullRoundsMax) {
    return absl::InvalidArgumentError(
        absl::StrFormat("%d null rounds, at most %d", advance.null_rounds, kNullRoundsMax));
  }
  const std::shared_ptr<Node> parent = tipsets_.Head();
  ChainEpoch height =
      parent->Height() + EpochDelta(1) + EpochDelta(static_cast<std::int64_t>(advance.null_rounds));
  height += EpochDelta(static_cast<std::int64_t>(internal::NullRoundsBefore(config_, height)));
  const auto rounds = static_cast<std::uint64_t>((height - parent->Height()).Count());
  const std::uint64_t by_delay = parent->Header().timestamp + rounds * config_.block_delay_secs;
  const std::vector<PricedGas> foreign = ForeignLoad(height, base_fee_);
  std::shared_ptr<Node> node = blocks_.Make(
      {.parent = parent,
       .height = height,
       .timestamp = std::max(advance.timestamp.value_or(by_delay), parent->Header().timestamp + 1),
       .messages = pool_.Select({.world = parent->after,
                                 .height = height,
                                 .base_fee = base_fee_,
                                 .inclusion_delay = config_.inclusion_delay,
                                 .foreign = foreign}),
       .branch = branch_,
       .base_fee = base_fee_,
       .foreign = foreign,
       .mode = mode_},
      verdicts);
  node->base_fee_by_hand = base_fee_by_hand_;
  if (!verdicts.recorded) {
    DAMOCLES_RETURN_IF_ERROR(Record(internal::AdvanceEvent(advance, mode_, verdicts)));
  }
  const filecoin::TipSet tip_set = node->tip_set;
  base_fee_ = node->next_base_fee;
  base_fee_by_hand_ = false;
  tipsets_.Adopt(std::move(node));
  pool_.Prune(tipsets_.Head()->after);
  head_observers_.Tell({{HeadChangeKind::kApply, tip_set}});
  return absl::OkStatus();
}

absl::Status ChainCore::CheckReorg(std::uint64_t depth) const {
  const auto permanent = static_cast<std::uint64_t>(config_.genesis_blocks.Count()) + 1;
  const std::uint64_t most = tipsets_.Canonical().size() - permanent;
  if (depth > 0 && depth <= most) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrFormat(
      "reorg of %d tipsets: must be 1 to %d, the blocks of the genesis stay", depth, most));
}

absl::Status ChainCore::ReorgBy(std::uint64_t depth, VerdictSource& verdicts) {
  DAMOCLES_RETURN_IF_ERROR(CheckReorg(depth));
  const std::vector<std::shared_ptr<Node>>& canonical = tipsets_.Canonical();
  const std::size_t keep = canonical.size() - depth;
  std::vector<std::shared_ptr<Node>> replacement;
  NodePtr parent = canonical[keep - 1];
  for (std::size_t i = keep; i < canonical.size(); ++i) {
    const Node& old = *canonical[i];
    const filecoin::TokenAmount base_fee =
        old.base_fee_by_hand ? old.Header().parent_base_fee : parent->next_base_fee;
    std::shared_ptr<Node> node = blocks_.Make({.parent = parent,
                                               .height = old.Height(),
                                               .timestamp = old.Header().timestamp,
                                               .messages = {},
                                               .branch = branch_ + 1,
                                               .base_fee = base_fee,
                                               .foreign = ForeignLoad(old.Height(), base_fee),
                                               .mode = mode_},
                                              verdicts);
    // What was changed by hand is no part of a branch: it holds on the new one too.
    node->base_fee_by_hand = old.base_fee_by_hand;
    for (const AdminChange& change : old.admin) {
      DAMOCLES_RETURN_IF_ERROR(ApplyTo(change, *node));
    }
    parent = node;
    replacement.push_back(std::move(node));
  }
  if (!verdicts.recorded) {
    DAMOCLES_RETURN_IF_ERROR(Record(internal::ReorgEvent(depth, mode_, verdicts)));
  }
  ++branch_;
  if (!base_fee_by_hand_) base_fee_ = parent->next_base_fee;
  std::vector<HeadChange> changes;
  std::vector<SignedMessage> homeless;
  while (canonical.size() > keep) {
    const std::shared_ptr<Node> node = tipsets_.TakeBack();
    changes.push_back({HeadChangeKind::kRevert, node->tip_set});
    homeless.insert(homeless.end(), node->messages.begin(), node->messages.end());
  }
  for (std::shared_ptr<Node>& node : replacement) {
    changes.push_back({HeadChangeKind::kApply, node->tip_set});
    tipsets_.Adopt(std::move(node));
  }
  for (const SignedMessage& message : homeless) {
    pool_.Add(message, tipsets_.Head()->Height());
  }
  pool_.Prune(tipsets_.Head()->after);
  head_observers_.Tell(changes);
  return absl::OkStatus();
}

// ---------------------------------------------------------------- messages

void ChainCore::Take(const SignedMessage& message, const chain::Uuid& uuid) {
  known_.emplace(CidOf(message), message);
  if (uuid != chain::Uuid{}) by_uuid_.emplace(uuid, message);
  if (drop_next_ > 0) {
    --drop_next_;
    return;
  }
  pool_.Add(message, tipsets_.Head()->Height());
}

const SignedMessage* ChainCore::Known(const Cid& message) const {
  const auto found = known_.find(message);
  return found == known_.end() ? nullptr : &found->second;
}

const SignedMessage* ChainCore::ByUuid(const chain::Uuid& uuid) const {
  const auto found = by_uuid_.find(uuid);
  return found == by_uuid_.end() ? nullptr : &found->second;
}

}  // namespace damocles::devnet
