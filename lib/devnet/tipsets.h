// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// The tipsets of all branches, with the states before and after them.

#pragma once

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "lib/devnet/world.h"

#include "damocles/devnet/base_fee.h"
#include "damocles/devnet/chain.h"

namespace damocles::devnet::internal {

// A change by hand, after the block that carries it was executed.
struct AdminChange {
  enum class Kind { kFunds, kConsensusFault, kAddSectors };
  Kind kind = Kind::kFunds;
  filecoin::ActorId miner = 0;
  filecoin::TokenAmount balance;
  filecoin::TokenAmount fee_debt;
  filecoin::ChainEpoch elapsed{};
  std::vector<GenesisSector> sectors;
};

// One tipset of one block.
struct Node {
  filecoin::TipSet tip_set;
  filecoin::Cid cid;
  std::shared_ptr<const Node> parent;  // null for the genesis
  std::vector<filecoin::SignedMessage> messages;
  std::vector<filecoin::Cid> message_cids;

  // After its messages and cron were executed; queries at its child see this.
  World after;
  filecoin::Cid root_after;
  std::vector<Receipt> receipts;
  filecoin::Cid receipts_root;
  std::vector<ExecutedPost> posts;
  std::vector<MinerCron> crons;
  std::vector<AdminChange> admin;
  bool base_fee_by_hand = false;  // its own was set
  filecoin::TokenAmount next_base_fee;
  std::vector<PricedGas> load;  // its messages and the foreign traffic, as they weigh

  filecoin::ChainEpoch Height() const { return tip_set.Height(); }
  const filecoin::BlockHeader& Header() const { return tip_set.Blocks().front(); }
  // What queries at this tipset see.
  const World& Before() const { return parent ? parent->after : after; }
};
using NodePtr = std::shared_ptr<const Node>;

// One branch is canonical: it ends in the head.
class Tipsets {
 public:
  const std::shared_ptr<Node>& Head() const { return canonical_.back(); }
  // By height, gaps for null rounds left out.
  const std::vector<std::shared_ptr<Node>>& Canonical() const { return canonical_; }

  // Its parent is the head: now it is.
  void Adopt(std::shared_ptr<Node> node);
  // The head's parent becomes the head.
  std::shared_ptr<Node> TakeBack();

  // Empty: the head.  NOT_FOUND.
  absl::StatusOr<NodePtr> Resolve(const filecoin::TipSetKey& key) const;
  // On the branch of `from`: the last tipset at or before `epoch`, the first at or after it.
  NodePtr AtOrBefore(NodePtr from, filecoin::ChainEpoch epoch) const;
  absl::StatusOr<NodePtr> AtOrAfter(NodePtr from, filecoin::ChainEpoch epoch) const;
  // All that included a message with that sender and nonce, of any branch.
  const std::vector<NodePtr>& WithMessage(const filecoin::Address& sender,
                                          std::uint64_t nonce) const;

 private:
  bool IsCanonical(const Node& node) const;

  std::map<filecoin::Cid, std::shared_ptr<Node>> nodes_;  // of all branches
  std::vector<std::shared_ptr<Node>> canonical_;
  std::map<std::pair<filecoin::Address, std::uint64_t>, std::vector<NodePtr>> included_;
};

}  // namespace damocles::devnet::internal
