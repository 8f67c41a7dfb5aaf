// SPDX-License-Identifier: Apache-2.0 OR MIT

#pragma once

#include <algorithm>
#include <cstddef>
#include <deque>

#include "absl/time/time.h"

namespace damocles::poster::internal {

// When an epoch began by this machine's clock, whatever that clock says: from the blocks that
// arrive.  A block arrives some time after its stamp, never before it; the least that any of the
// latest took is how far the two clocks differ, unless it is so little that they agree.
class ChainClock {
 public:
  // A new head was first seen now, by a clock that does not jump.
  void Note(absl::Time seen, absl::Time stamped) {
    late_.push_back(seen - stamped);
    if (late_.size() > kHeads) late_.pop_front();
  }
  // How far this machine's clock is ahead of the chain's; zero while they agree, or as long as an
  // old head may be mistaken for a clock that is ahead.
  absl::Duration Ahead(absl::Duration epoch) const {
    if (late_.empty()) return absl::ZeroDuration();
    const absl::Duration least = *std::min_element(late_.begin(), late_.end());
    if (least < -kEarly) return least;
    return least > kEpochs * epoch && late_.size() >= kSure ? least : absl::ZeroDuration();
  }

 private:
  static constexpr std::size_t kHeads = 16;
  static constexpr std::size_t kSure = 3;
  static constexpr int kEpochs = 2;  // a block that is slow, and an epoch without one
  static constexpr absl::Duration kEarly = absl::Seconds(2);
  std::deque<absl::Duration> late_;
};

}  // namespace damocles::poster::internal
