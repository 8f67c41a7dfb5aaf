// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "lib/devnet/block_maker.h"

#include <iterator>
#include <utility>

#include "lib/devnet/seed.h"

#include "damocles/base/check.h"

namespace damocles::devnet::internal {

using filecoin::ChainEpoch;
using filecoin::Cid;
using filecoin::EpochDelta;
using filecoin::SignedMessage;

namespace {

Cid CidOfList(const std::vector<Cid>& cids) {
  filecoin::cbor::Writer writer;
  filecoin::cbor::WriteArray(writer, cids);
  return Cid::OfDagCbor(writer.Written());
}

Cid CidOfReceipts(const std::vector<Receipt>& receipts) {
  filecoin::cbor::Writer writer;
  writer.Array(receipts.size());
  for (const Receipt& receipt : receipts) {
    writer.Array(4);
    writer.Int(receipt.exit_code);
    writer.ByteString(receipt.return_value);
    writer.Int(receipt.gas_used);
    writer.Null();
  }
  return Cid::OfDagCbor(writer.Written());
}

bool SameWorld(const World& a, const World& b) {
  return a.accounts == b.accounts && a.miners == b.miners;
}

}  // namespace

Cid NextRoot(const Cid& before, const Cid& what) {
  return CidOfList({before, what});
}

// ---------------------------------------------------------------- host of the actor

Bytes32 ChainHost::DrawRandomness(RandomnessSource source, filecoin::DomainTag tag,
                                  ChainEpoch epoch, ByteSpan entropy) {
  if (source == RandomnessSource::kBeacon) {
    return filecoin::Draw(BeaconOf(config_.seed, epoch).data, tag, epoch, entropy);
  }
  const absl::StatusOr<NodePtr> node = tipsets_.AtOrAfter(tip_, epoch);
  // Before a dry run's own block exists its ticket is unknown: no message can commit to it.
  if (!node.ok()) return {};
  return filecoin::Draw((*node)->Header().ticket->vrf_proof, tag, epoch, entropy);
}

absl::StatusOr<bool> ChainHost::VerifyPost(const PostStatement& statement, ByteSpan proof) {
  const Verdict verdict = judge_.Judge(statement, proof, verdicts_);
  if (!verdict.problem.empty()) return absl::InvalidArgumentError(verdict.problem);
  return verdict.valid;
}

// ---------------------------------------------------------------- blocks

filecoin::BlockHeader BlockMaker::HeaderOf(const BlockPlan& plan, const Cid& messages_root) const {
  const auto height = static_cast<std::uint64_t>(plan.height.Value());
  filecoin::BlockHeader header;
  header.miner = filecoin::Address::FromId(genesis_.miners[0].id);
  header.ticket = filecoin::Ticket{
      SeededBytes("damocles devnet ticket", config_.seed, plan.branch, height, kVrfBytes)};
  header.election_proof = filecoin::ElectionProof{
      1, SeededBytes("damocles devnet election", config_.seed, plan.branch, height, kVrfBytes)};
  ChainEpoch first = plan.height;
  if (plan.parent) {
    first = plan.parent->Height() + EpochDelta(1);
    header.parents = {plan.parent->cid};
    header.parent_weight = plan.parent->Header().parent_weight + 1000;
    header.parent_state_root = plan.parent->root_after;
    header.parent_message_receipts = plan.parent->receipts_root;
  } else {
    header.parent_state_root = CidOfList({});
    header.parent_message_receipts = CidOfReceipts({});
  }
  for (; first <= plan.height; ++first) {
    header.beacon_entries.push_back(BeaconOf(config_.seed, first));
  }
  header.height = plan.height;
  header.messages = messages_root;
  // Signatures of BLS messages would be added up here; there are none: the point at infinity.
  Bytes infinity(kVrfBytes, 0);
  infinity[0] = 0xc0;
  header.bls_aggregate = filecoin::Signature{filecoin::SignatureType::kBls, std::move(infinity)};
  header.timestamp = plan.timestamp;
  header.parent_base_fee = plan.base_fee;
  if (plan.parent) {
    const World& world = plan.parent->after;
    const Account* worker = world.FindAccount(world.FindMiner(genesis_.miners[0].id)->worker);
    header.block_sig = *wallet_.Sign(worker->key, SigningBytes(header));
  }
  return header;
}

void BlockMaker::SetTipSet(const BlockPlan& plan, Node& node) const {
  absl::StatusOr<filecoin::TipSet> tip_set =
      filecoin::TipSet::Make({HeaderOf(plan, CidOfList(node.message_cids))});
  DAMOCLES_CHECK(tip_set.ok());
  node.tip_set = *std::move(tip_set);
  node.cid = node.tip_set.Key().Cids().front();
}

std::shared_ptr<Node> BlockMaker::MakeGenesis(World world) const {
  auto node = std::make_shared<Node>();
  SetTipSet({.parent = nullptr,
             .height = ChainEpoch(0),
             .timestamp = config_.genesis_timestamp,
             .messages = {},
             .branch = 0,
             .base_fee = config_.base_fee,
             .foreign = {}},
            *node);
  node->after = std::move(world);
  node->receipts_root = CidOfReceipts({});
  node->root_after = node->Header().parent_state_root;
  return node;
}

std::shared_ptr<Node> BlockMaker::Make(const BlockPlan& plan, VerdictSource& verdicts) const {
  auto node = std::make_shared<Node>();
  node->parent = plan.parent;
  node->messages = plan.messages;
  for (const SignedMessage& message : plan.messages) node->message_cids.push_back(CidOf(message));
  SetTipSet(plan, *node);
  node->load = plan.foreign;
  for (const SignedMessage& message : plan.messages) {
    node->load.push_back(
        {EffectivePremium(plan.base_fee, message.message.gas_fee_cap, message.message.gas_premium),
         message.message.gas_limit});
  }
  node->next_base_fee = config_.base_fee_follows
                            ? NextBaseFee(plan.base_fee, PercentilePremium(node->load))
                            : plan.base_fee;
  Execute(plan.mode, *node, verdicts);
  return node;
}

void BlockMaker::Execute(VerifyMode mode, Node& node, VerdictSource& verdicts) const {
  const NodePtr borrowed(NodePtr(), &node);  // no owner: lives as long as this call
  ChainHost host(config_, tipsets_, judge_, borrowed, verdicts);
  const Rules rules{config_.policy, mode};
  node.after = node.parent->after;
  const auto run_crons = [&](ChainEpoch epoch) {
    std::vector<MinerCron> ended = RunCrons(rules, epoch, node.after);
    std::move(ended.begin(), ended.end(), std::back_inserter(node.crons));
  };
  for (ChainEpoch e = node.parent->Height() + EpochDelta(1); e < node.Height(); ++e) run_crons(e);
  for (std::size_t i = 0; i < node.messages.size(); ++i) {
    const filecoin::Message& message = node.messages[i].message;
    Executed executed = ExecuteMessage(rules, message, node.Height(), node.Header().parent_base_fee,
                                       host, node.after);
    const MinerState* to = node.after.FindMiner(message.to);
    if (message.method == filecoin::kMethodSubmitWindowedPoSt && to != nullptr) {
      node.posts.push_back(PostOf(message, node.message_cids[i], to->id, node.Height(), executed));
    }
    node.receipts.push_back(std::move(executed.receipt));
  }
  run_crons(node.Height());
  node.receipts_root = CidOfReceipts(node.receipts);
  node.root_after = SameWorld(node.after, node.parent->after)
                        ? node.parent->root_after
                        : NextRoot(node.parent->root_after, node.cid);
}

ExecutedPost BlockMaker::PostOf(const filecoin::Message& message, const Cid& cid,
                                filecoin::ActorId miner, ChainEpoch epoch,
                                const Executed& executed) const {
  ExecutedPost post{.message = cid,
                    .miner = miner,
                    .epoch = epoch,
                    .exit_code = executed.receipt.exit_code,
                    .error = executed.receipt.error,
                    .params = message.params,
                    .post = executed.post,
                    .randomness = {}};
  if (post.post.has_value()) {
    const ChainEpoch challenge = post.post->challenge;
    post.randomness = filecoin::MaskForProver(filecoin::Draw(
        BeaconOf(config_.seed, challenge).data, filecoin::DomainTag::kWindowedPoStChallengeSeed,
        challenge, filecoin::MinerEntropy(miner)));
  }
  return post;
}

}  // namespace damocles::devnet::internal
