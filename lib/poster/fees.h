// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// What a message that waits in the pool is replaced by.  The base fee follows premiums and may rise
// by an eighth an epoch for a whole window: no cap that is given once holds, so a waiting message
// is looked at with every head.

#pragma once

#include <cstdint>
#include <map>
#include <optional>

#include "damocles/delivery/message.h"
#include "damocles/filecoin/epoch.h"
#include "damocles/filecoin/message.h"
#include "damocles/filecoin/token_amount.h"
#include "damocles/poster/policy.h"

namespace damocles::poster::internal {

using delivery::IsBelowBaseFee;

// A cap is at least the highest base fee of so many epochs.
inline constexpr filecoin::EpochDelta kBaseFeeMemory{120};

// Base fees of the chain, as far back as they are remembered.
class BaseFeeHistory {
 public:
  void Note(filecoin::ChainEpoch epoch, filecoin::TokenAmount base_fee);
  // Of the epochs up to `epoch`; 0 if none is known.
  filecoin::TokenAmount Highest(filecoin::ChainEpoch epoch) const;
  // Whether anything as old as the memory reaches is known.
  bool ReachesBack(filecoin::ChainEpoch epoch) const;

 private:
  std::map<filecoin::ChainEpoch, filecoin::TokenAmount> fees_;
};

struct Market {
  filecoin::TokenAmount base_fee;                // of the head
  filecoin::TokenAmount highest;                 // of the latest kBaseFeeMemory epochs
  filecoin::TokenAmount premium;                 // what the node thinks is needed now; 0: not known
  std::optional<filecoin::TokenAmount> balance;  // of the sender
  // Blocks went by without the message, whatever the node thinks is needed: in full blocks of
  // messages that pay the same its estimate, a median, is never above them.
  bool passed_over = false;
};

struct FeeRaise {
  bool wanted = false;  // it does not wait for a miner only
  bool raise = false;   // fees that are higher, and that a pool takes in place of the old ones
  filecoin::TokenAmount fee_cap;
  filecoin::TokenAmount premium;
  bool limited = false;  // the operator's limit is below what would be wanted
};
FeeRaise RaiseOf(const filecoin::Message& message, const Market& market, const FeePolicy& fees);

}  // namespace damocles::poster::internal
