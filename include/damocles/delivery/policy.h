// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// How patiently a message is brought to the chain.

#pragma once

#include <cstdint>

#include "absl/time/time.h"

#include "damocles/filecoin/epoch.h"

namespace damocles::delivery {

// Doubles from `initial` to `max`.
struct Backoff {
  absl::Duration initial = absl::Seconds(1);
  absl::Duration max = absl::Seconds(30);

  // How long to wait after the `failures`-th failure in a row (from 1).
  absl::Duration After(std::uint32_t failures) const;
};

// No message may ask for more: the gas of a block.
inline constexpr std::int64_t kMessageGasMax = 10'000'000'000;

struct Policy {
  Backoff retry;
  // A receipt counts when this many epochs are on top of it.
  filecoin::EpochDelta confirmation_depth{5};
  // Heads on which a message may be neither pending nor on chain before it counts as dropped; two
  // when only the reserve of the window is left.
  std::uint32_t dropped_after_heads = 3;
  // How long the node may still work on a push that it did not answer, at most a tenth of the
  // window: the same message is not pushed again before that.
  absl::Duration push_may_take = absl::Minutes(2);
  // The mempool is read only for messages that are older than this.
  filecoin::EpochDelta pending_check_after{2};
  // A message that waits in the mempool for so long, at most a sixth of the window, is replaced by
  // one with a higher fee; in the reserve of the window with every head, if others pay more.
  filecoin::EpochDelta replace_after{10};
  // New gas limit after "out of gas", as a multiple of the old one.
  double out_of_gas_factor = 1.5;
};

}  // namespace damocles::delivery
