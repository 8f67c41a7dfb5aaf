// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "lib/chain/node_choice.h"

#include <algorithm>

#include "absl/strings/str_format.h"

#include "damocles/base/check.h"

namespace damocles::chain::internal {

namespace {

// So many looks at least: after a pause of this process two may be far apart.
constexpr unsigned kLooksMin = 4;
// Of the patience: as long a node that was left must be good before it is used again, at first and
// at most, and as long it must then stay in use to count as sound.
constexpr int kReturnMin = 2;
constexpr int kReturnMax = 20;
constexpr int kSound = 20;

}  // namespace

NodeChoice::NodeChoice(std::size_t nodes, Times times) : times_(times), nodes_(nodes) {
  DAMOCLES_DCHECK(nodes > 0);
  for (Node& node : nodes_) node.wait = kReturnMin * times_.patience;
}

void NodeChoice::Take(Node& node, const HeadSight& head, kj::TimePoint now) const {
  // Going back and forth is no progress.
  if (!node.head || head.weight > node.heaviest) {
    node.advanced = now;
    node.heaviest = head.weight;
  }
  node.head = head;
  // Nobody knows what was in between.
  if (node.looked && now - *node.looked > times_.gap) {
    node.lighter.reset();
    node.lighter_looks = 0;
    node.good.reset();
  }
  node.looked = now;
}

// Also where a call that failed has led away from the one before.
void NodeChoice::Uses(std::size_t node, kj::TimePoint now) {
  if (node == used_) return;
  Node& left = nodes_[used_];
  const kj::Duration least = kReturnMin * times_.patience;
  const bool soon = used_since_ && now - *used_since_ < kSound * times_.patience;
  if (node > used_) {
    left.wait = soon ? std::min(2 * left.wait, kReturnMax * times_.patience) : least;
    left.good.reset();
  }
  used_ = node;
  used_since_ = now;
}

std::optional<std::size_t> NodeChoice::Earlier(std::size_t current,
                                               const std::vector<std::optional<HeadSight>>& heads,
                                               const HeadSight& best, kj::TimePoint now) const {
  for (std::size_t i = 0; i < current; ++i) {
    const Node& node = nodes_[i];
    const bool best_now = heads[i] && heads[i]->weight >= best.weight;
    if (best_now && node.good && now - *node.good >= node.wait) return i;
  }
  return std::nullopt;
}

bool NodeChoice::StandsStill(const Node& node, kj::Duration limit, kj::TimePoint now) const {
  return node.advanced && now - *node.advanced >= limit;
}

std::string NodeChoice::Why(const Node& node, const HeadSight& best, kj::TimePoint now) const {
  const std::string other = absl::StrFormat("another node is at epoch %d", best.epoch.Value());
  const std::int64_t epoch = node.head->epoch.Value();
  if (StandsStill(node, times_.patience, now)) {
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
  Uses(current, now);
  std::optional<std::size_t> best;  // of those that answered; of equals the one in use
  for (std::size_t i = 0; i < nodes_.size(); ++i) {
    if (!heads[i]) continue;
    Take(nodes_[i], *heads[i], now);
    if (!best || heads[i]->weight > heads[*best]->weight ||
        (i == current && heads[i]->weight == heads[*best]->weight)) {
      best = i;
    }
  }
  if (!best) {
    for (Node& node : nodes_) {
      node.lags = false;  // nobody knows better: each is tried
      node.good.reset();
    }
    return turn;
  }
  heaviest_ = std::max(heaviest_, heads[*best]->weight);
  for (std::size_t i = 0; i < nodes_.size(); ++i) {
    if (heads[i]) {
      Compare(i, *heads[i], *heads[*best], now, turn.news);
    } else {
      nodes_[i].good.reset();
    }
  }
  if (nodes_[current].lags) {
    turn.use = *best;
  } else if (const auto earlier = Earlier(current, heads, *heads[*best], now); earlier) {
    turn.use = *earlier;
    turn.news.push_back({HeadNews::Kind::kReturns, turn.use,
                         absl::StrFormat("it is earlier in the list and has kept up for %d s",
                                         (now - *nodes_[turn.use].good) / kj::SECONDS)});
  }
  Uses(turn.use, now);
  if (heads[turn.use]) TellStanding(turn.use, *heads[turn.use], *heads[*best], now, turn.news);
  return turn;
}

void NodeChoice::Compare(std::size_t index, const HeadSight& head, const HeadSight& best,
                         kj::TimePoint now, std::vector<HeadNews>& news) {
  Node& node = nodes_[index];
  if (head.weight >= best.weight) {
    if (!node.good) node.good = now;
    node.lighter.reset();
    node.lighter_looks = 0;
    node.lags = false;
    // It may only be that the better one does not answer.
    if (node.said && head.weight >= heaviest_) {
      node.said = false;
      news.push_back({HeadNews::Kind::kKeepsUp, index, ""});
    }
    return;
  }
  if (!node.lighter) node.lighter = now;
  // One block may be late.
  if (++node.lighter_looks > 1) node.good.reset();
  node.lags =
      node.lags || (node.lighter_looks >= kLooksMin && now - *node.lighter >= times_.patience);
  if (node.lags && !node.said) {
    node.said = true;
    news.push_back({HeadNews::Kind::kLags, index, Why(node, best, now)});
  }
}

void NodeChoice::TellStanding(std::size_t index, const HeadSight& head, const HeadSight& best,
                              kj::TimePoint now, std::vector<HeadNews>& news) {
  const Node& used = nodes_[index];
  const bool stands = StandsStill(used, times_.still, now);
  // Where a node is ahead of it, that is what is said.
  if (stands && !standing_ && head.weight >= best.weight) {
    standing_ = true;
    news.push_back(
        {HeadNews::Kind::kStandsStill, index,
         absl::StrFormat("its head stands still at epoch %d for %d s", used.head->epoch.Value(),
                         (now - *used.advanced) / kj::SECONDS)});
  } else if (!stands && standing_) {
    standing_ = false;
    news.push_back({HeadNews::Kind::kMoves, index, ""});
  }
}

}  // namespace damocles::chain::internal
