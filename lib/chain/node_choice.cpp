// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "lib/chain/node_choice.h"

#include <algorithm>

#include "absl/strings/str_format.h"

#include "damocles/base/check.h"

namespace damocles::chain::internal {

namespace {

// So many looks at least: after a pause of this process two may be far apart.
constexpr unsigned kLooksMin = 4;

}  // namespace

NodeChoice::NodeChoice(std::size_t nodes, kj::Duration patience, kj::Duration still)
    : patience_(patience), still_(still), nodes_(nodes) {
  DAMOCLES_DCHECK(nodes > 0);
}

void NodeChoice::Take(Node& node, const HeadSight& head, kj::TimePoint now) const {
  // Going back and forth is no progress.
  if (!node.head || head.weight > node.heaviest) {
    node.advanced = now;
    node.heaviest = head.weight;
  }
  node.head = head;
}

bool NodeChoice::StandsStill(const Node& node, kj::Duration limit, kj::TimePoint now) const {
  return node.advanced && now - *node.advanced >= limit;
}

std::string NodeChoice::Why(const Node& node, const HeadSight& best, kj::TimePoint now) const {
  const std::string other = absl::StrFormat("another node is at epoch %d", best.epoch.Value());
  const std::int64_t epoch = node.head->epoch.Value();
  if (StandsStill(node, patience_, now)) {
    return absl::StrFormat("its head stands still at epoch %d for %d s, %s", epoch,
                           (now - *node.advanced) / kj::SECONDS, other);
  }
  if (node.head->epoch >= best.epoch) {
    return absl::StrFormat("its head of epoch %d is of a lighter branch, %s on a heavier one",
                           epoch, other);
  }
  return absl::StrFormat("its head of epoch %d is behind or of a lighter branch, %s", epoch, other);
}

NodeChoice::Turn NodeChoice::Look(std::size_t current,
                                  const std::vector<std::optional<HeadSight>>& heads,
                                  kj::TimePoint now) {
  DAMOCLES_DCHECK(current < nodes_.size());
  DAMOCLES_DCHECK(heads.size() == nodes_.size());
  Turn turn;
  turn.use = current;
  std::optional<std::size_t> best;  // of those that answered; of equals the one in use
  for (std::size_t i = 0; i < nodes_.size(); ++i) {
    if (!heads[i]) continue;
    Take(nodes_[i], *heads[i], now);
    if (!best || heads[i]->weight > heads[*best]->weight ||
        (i == current && heads[i]->weight == heads[*best]->weight)) {
      best = i;
    }
  }
  if (best) heaviest_ = std::max(heaviest_, heads[*best]->weight);
  for (std::size_t i = 0; i < nodes_.size(); ++i) {
    Node& node = nodes_[i];
    if (!best) {
      node.lags = false;  // nobody knows better: each is tried
      continue;
    }
    if (!heads[i]) continue;
    if (heads[i]->weight >= heads[*best]->weight) {
      node.lighter.reset();
      node.lighter_looks = 0;
      node.lags = false;
      // It may only be that the better one does not answer.
      if (node.said && heads[i]->weight >= heaviest_) {
        node.said = false;
        turn.news.push_back({HeadNews::Kind::kKeepsUp, i, ""});
      }
      continue;
    }
    if (!node.lighter) node.lighter = now;
    ++node.lighter_looks;
    node.lags = node.lags || (node.lighter_looks >= kLooksMin && now - *node.lighter >= patience_);
    if (node.lags && !node.said) {
      node.said = true;
      turn.news.push_back({HeadNews::Kind::kLags, i, Why(node, *heads[*best], now)});
    }
  }
  if (best && nodes_[current].lags) turn.use = *best;

  if (!heads[turn.use]) return turn;
  const Node& used = nodes_[turn.use];
  const bool stands = StandsStill(used, still_, now);
  // Where a node is ahead of it, that is what is said.
  if (stands && !standing_ && heads[turn.use]->weight >= heads[*best]->weight) {
    standing_ = true;
    turn.news.push_back(
        {HeadNews::Kind::kStandsStill, turn.use,
         absl::StrFormat("its head stands still at epoch %d for %d s", used.head->epoch.Value(),
                         (now - *used.advanced) / kj::SECONDS)});
  } else if (!stands && standing_) {
    standing_ = false;
    turn.news.push_back({HeadNews::Kind::kMoves, turn.use, ""});
  }
  return turn;
}

}  // namespace damocles::chain::internal
