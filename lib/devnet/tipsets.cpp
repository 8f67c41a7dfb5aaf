// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "lib/devnet/tipsets.h"

#include <algorithm>

#include "absl/strings/str_format.h"

namespace damocles::devnet::internal {

using filecoin::ChainEpoch;

void Tipsets::Adopt(std::shared_ptr<Node> node) {
  for (const filecoin::SignedMessage& message : node->messages) {
    included_[{message.message.from, message.message.nonce}].push_back(node);
  }
  nodes_.emplace(node->cid, node);
  canonical_.push_back(std::move(node));
}

std::shared_ptr<Node> Tipsets::TakeBack() {
  std::shared_ptr<Node> node = std::move(canonical_.back());
  canonical_.pop_back();
  return node;
}

absl::StatusOr<NodePtr> Tipsets::Resolve(const filecoin::TipSetKey& key) const {
  if (key.Empty()) return NodePtr(Head());
  if (key.Cids().size() == 1) {
    if (const auto found = nodes_.find(key.Cids().front()); found != nodes_.end()) {
      return NodePtr(found->second);
    }
  }
  return absl::NotFoundError(
      absl::StrFormat("loading tipset %s: block not found on this chain", key.ToString()));
}

bool Tipsets::IsCanonical(const Node& node) const {
  const auto found = std::lower_bound(
      canonical_.begin(), canonical_.end(), node.Height(),
      [](const std::shared_ptr<Node>& n, ChainEpoch epoch) { return n->Height() < epoch; });
  return found != canonical_.end() && found->get() == &node;
}

NodePtr Tipsets::AtOrBefore(NodePtr from, ChainEpoch epoch) const {
  while (from->parent && from->Height() > epoch && !IsCanonical(*from)) from = from->parent;
  if (from->Height() <= epoch || !from->parent) return from;
  const auto after = std::upper_bound(
      canonical_.begin(), canonical_.end(), epoch,
      [](ChainEpoch e, const std::shared_ptr<Node>& n) { return e < n->Height(); });
  return after == canonical_.begin() ? *after : *std::prev(after);
}

absl::StatusOr<NodePtr> Tipsets::AtOrAfter(NodePtr from, ChainEpoch epoch) const {
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
      canonical_.begin(), canonical_.end(), epoch,
      [](const std::shared_ptr<Node>& n, ChainEpoch e) { return n->Height() < e; }));
}

const std::vector<NodePtr>& Tipsets::WithMessage(const filecoin::Address& sender,
                                                 std::uint64_t nonce) const {
  static const auto* none = new std::vector<NodePtr>();
  const auto found = included_.find({sender, nonce});
  return found == included_.end() ? *none : found->second;
}

}  // namespace damocles::devnet::internal
