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
    kReturns,  // `node`, which is earlier in the list, has kept up long enough: it is used again
  };
  Kind kind = Kind::kLags;
  std::size_t node = 0;
  std::string why;
  friend bool operator==(const HeadNews&, const HeadNews&) = default;
};

// A node lags when at every look for some time a node that answered had a heavier head: it stands
// still, is behind, or follows a lighter branch.  Being late with single blocks is not lagging, so
// that two good nodes do not take turns.  The list is the operator's order (who has the wallet
// stands in front): one that was left is used again when it has answered and kept up for a while,
// for longer each time that it had to be left soon after.
class NodeChoice {
 public:
  struct Times {
    kj::Duration patience;  // as long another one must have been ahead
    kj::Duration still;     // a head may stand
    kj::Duration gap;       // two sights of a node further apart say nothing about the time between
  };
  NodeChoice(std::size_t nodes, Times times);

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
    std::optional<kj::TimePoint> looked;    // when it told a head last
    std::optional<kj::TimePoint> lighter;   // since when it is the lighter one
    unsigned lighter_looks = 0;             // so many since then
    std::optional<kj::TimePoint> good;      // since when it answers and keeps up
    kj::Duration wait;                      // as long it must be good before it is gone back to
    bool lags = false;
    bool said = false;  // that it lags
  };
  void Take(Node& node, const HeadSight& head, kj::TimePoint now) const;
  void Uses(std::size_t node, kj::TimePoint now);
  // Node `index` has told `head`, and `best` is the heaviest one that was told.
  void Compare(std::size_t index, const HeadSight& head, const HeadSight& best, kj::TimePoint now,
               std::vector<HeadNews>& news);
  // Of the one in use.
  void TellStanding(std::size_t index, const HeadSight& head, const HeadSight& best,
                    kj::TimePoint now, std::vector<HeadNews>& news);
  // An earlier one than `current` that has been good for long enough.
  std::optional<std::size_t> Earlier(std::size_t current,
                                     const std::vector<std::optional<HeadSight>>& heads,
                                     const HeadSight& best, kj::TimePoint now) const;
  bool StandsStill(const Node& node, kj::Duration limit, kj::TimePoint now) const;
  std::string Why(const Node& node, const HeadSight& best, kj::TimePoint now) const;

  Times times_;
  std::vector<Node> nodes_;
  std::size_t used_ = 0;
  std::optional<kj::TimePoint> used_since_;  // none: from the start
  filecoin::BigInt heaviest_;                // ever seen
  bool standing_ = false;                    // it was said that the head stands still
};

}  // namespace damocles::chain::internal
