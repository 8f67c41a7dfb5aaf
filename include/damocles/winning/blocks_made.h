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
  // Nothing: it was going to be signed, and whether it was is not known.
  std::optional<filecoin::Cid> cid;
  friend bool operator==(const MadeBlock&, const MadeBlock&) = default;
};

// Of one miner; a value that is kept on disk, a row a block.
class BlocksMade {
 public:
  // Nobody can be reported for what is older (the chain's finality).
  static constexpr filecoin::EpochDelta kReportable{900};

  // OK, or FAILED_PRECONDITION with the rule that a block at `height` on `base` would break,
  // whoever of the network's nodes has seen which of ours (specs-actors: ReportConsensusFault): two
  // blocks at one height; two blocks with the same parents; a block on a tipset that our own block
  // belongs to and is missing from.  A block that may have been signed counts as one that was.
  absl::Status MayMake(filecoin::ChainEpoch height, const Base& base) const;

  // One for each height; a second one replaces the first only to give it its CID.
  void Add(MadeBlock block);
  // What is below `head` - kReportable is of no use any more; the heights that were dropped.
  std::vector<filecoin::ChainEpoch> Forget(filecoin::ChainEpoch head);

  const std::map<filecoin::ChainEpoch, MadeBlock>& Blocks() const { return blocks_; }

 private:
  std::map<filecoin::ChainEpoch, MadeBlock> blocks_;
};

}  // namespace damocles::winning
