// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// The blocks that a miner has made, so that it never makes one beside them that the chain punishes.

#pragma once

#include <map>
#include <optional>
#include <vector>

#include "absl/status/status.h"

#include "damocles/filecoin/block.h"
#include "damocles/filecoin/cid.h"
#include "damocles/filecoin/epoch.h"

namespace damocles::winning {

// A tipset to build on.
struct Base {
  filecoin::TipSetKey key;
  filecoin::ChainEpoch height;
  filecoin::TipSetKey parents;
  friend bool operator==(const Base&, const Base&) = default;
};

struct MadeBlock {
  filecoin::ChainEpoch height;
  filecoin::TipSetKey parents;
  // Nothing: it was going to be signed.  Whatever became of that, nobody has seen it: a block is
  // shown to the network only when its CID is on the disk.
  std::optional<filecoin::Cid> cid;
  friend bool operator==(const MadeBlock&, const MadeBlock&) = default;
};

// Of one miner on one chain; a value that is kept on disk, a row a block.
class BlocksMade {
 public:
  // Nobody can be reported for what is older than this (the chain's finality), by our own count: a
  // head that a node dreamt of makes us forget nothing.
  static constexpr filecoin::EpochDelta kReportable{900};

  // OK, or FAILED_PRECONDITION with the rule that a block at `height` on `base` would break,
  // whoever of the network's nodes has seen which of ours (specs-actors: ReportConsensusFault): two
  // blocks at one height; two blocks with the same parents; a block on a tipset that is missing our
  // own block of its height and parents.
  absl::Status MayMake(filecoin::ChainEpoch height, const Base& base) const;

  // One for each height; a second one replaces the first only to give it its CID.  The heights that
  // are of no use any more, and were dropped.
  std::vector<filecoin::ChainEpoch> Add(MadeBlock block);
  // Nobody has seen it, and nobody will.
  void Withdraw(filecoin::ChainEpoch height);

  const std::map<filecoin::ChainEpoch, MadeBlock>& Blocks() const { return blocks_; }

 private:
  std::map<filecoin::ChainEpoch, MadeBlock> blocks_;
};

}  // namespace damocles::winning
