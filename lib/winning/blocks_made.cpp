// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/winning/blocks_made.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_format.h"

#include "damocles/base/check.h"

namespace damocles::winning {

using filecoin::ChainEpoch;

absl::Status BlocksMade::MayMake(ChainEpoch height, const Base& base) const {
  // A block below one that was made could only be of use to a fork, and to whoever reports it.
  if (!blocks_.empty() && blocks_.rbegin()->first >= height) {
    return absl::FailedPreconditionError(
        absl::StrFormat("a block at height %d was made already, or was going to be",
                        blocks_.rbegin()->first.Value()));
  }
  for (const auto& [at, block] : blocks_) {
    if (block.cid.has_value() && block.parents == base.key) {
      return absl::FailedPreconditionError(
          absl::StrFormat("the block at height %d was made on the same parents", at.Value()));
    }
  }
  const auto own = blocks_.find(base.height);
  if (own == blocks_.end() || !own->second.cid || own->second.parents != base.parents) {
    return absl::OkStatus();
  }
  const std::vector<filecoin::Cid>& cids = base.key.Cids();
  if (std::find(cids.begin(), cids.end(), *own->second.cid) != cids.end()) {
    return absl::OkStatus();
  }
  return absl::FailedPreconditionError(absl::StrFormat(
      "the tipset at height %d does not hold our block of that height and the same parents",
      base.height.Value()));
}

std::vector<ChainEpoch> BlocksMade::Add(MadeBlock block) {
  const auto [at, is_new] = blocks_.try_emplace(block.height, block);
  if (!is_new) {
    DAMOCLES_CHECK(at->second.parents == block.parents && !at->second.cid.has_value());
    at->second = std::move(block);
  }
  std::vector<ChainEpoch> dropped;
  while (blocks_.begin()->first < blocks_.rbegin()->first - kReportable) {
    dropped.push_back(blocks_.begin()->first);
    blocks_.erase(blocks_.begin());
  }
  return dropped;
}

void BlocksMade::Withdraw(ChainEpoch height) {
  blocks_.erase(height);
}

}  // namespace damocles::winning
