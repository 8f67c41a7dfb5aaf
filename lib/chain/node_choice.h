// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// Which of several nodes is used, by what their heads show.  Pure: heads and time are handed in.

#pragma once

#include <kj/time.h>

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "damocles/filecoin/epoch.h"
#include "damocles/filecoin/token_amount.h"

namespace damocles::chain::internal {

// The head of a node at one look.  Of two branches the network follows the heavier.
struct HeadSight {
  filecoin::ChainEpoch epoch{};
  filecoin::BigInt weight;  // of its parents: the same for all tipsets of one height on one branch
};

// Something about heads that an operator should know; said when it begins and when it ends.
struct HeadNews {
  enum class Kind {
    kLags,         // another node is ahead of `node`: it is not asked while another answers
    kKeepsUp,      // it lags no more
    kStandsStill,  // the head of `node`, which is in use, and no other is ahead
    kMoves,        // that is over
  };
  Kind kind = Kind::kLags;
  std::size_t node = 0;
  std::string why;
  friend bool operator==(const HeadNews&, const HeadNews&) = default;
};

// A node lags when at every look for some time a node that answered had a heavier head: it stands
// still, is behind, or follows a lighter branch.  Being late with single blocks is not lagging, so
// that two good nodes do not take turns, and from a node that is in use and does not lag nobody
// goes back to one that has recovered.
class NodeChoice {
 public:
  // `patience`: how long another one must have been ahead; `still`: how long a head may stand.
  NodeChoice(std::size_t nodes, kj::Duration patience, kj::Duration still);

  struct Turn {
    std::size_t use = 0;  // from now on
    std::vector<HeadNews> news;
  };
  // `heads` in the order of the nodes; none: no answer, which says nothing about a head.
  Turn Look(std::size_t current, const std::vector<std::optional<HeadSight>>& heads,
            kj::TimePoint now);

  bool Lags(std::size_t node) const { return nodes_[node].lags; }

 private:
  struct Node {
    std::optional<HeadSight> head;          // the last one it told
    filecoin::BigInt heaviest;              // of all it told
    std::optional<kj::TimePoint> advanced;  // when that became heavier
    std::optional<kj::TimePoint> lighter;   // since when it is the lighter one
    unsigned lighter_looks = 0;             // so many since then
    bool lags = false;
    bool said = false;  // that it lags
  };
  void Take(Node& node, const HeadSight& head, kj::TimePoint now) const;
  bool StandsStill(const Node& node, kj::Duration limit, kj::TimePoint now) const;
  std::string Why(const Node& node, const HeadSight& best, kj::TimePoint now) const;

  kj::Duration patience_;
  kj::Duration still_;
  std::vector<Node> nodes_;
  filecoin::BigInt heaviest_;  // ever seen
  bool standing_ = false;      // it was said that the head stands still
};

}  // namespace damocles::chain::internal
