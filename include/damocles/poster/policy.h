// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// What an operator can choose about posting, and the lengths of the poster's patience.

#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/time/time.h"

#include "damocles/filecoin/address.h"
#include "damocles/filecoin/epoch.h"
#include "damocles/filecoin/sector.h"
#include "damocles/filecoin/token_amount.h"

namespace damocles::poster {

// Doubles from `initial` to `max`.
struct Backoff {
  absl::Duration initial = absl::Seconds(1);
  absl::Duration max = absl::Seconds(30);

  // How long to wait after the `failures`-th failure in a row (from 1).
  absl::Duration After(std::uint32_t failures) const;
};

struct PosterPolicy {
  // Work starts this many epochs after the challenge, messages go out this many after the opening
  // (product.md 14).
  filecoin::EpochDelta challenge_confidence{2};
  filecoin::EpochDelta submit_confidence{1};
  // A receipt counts when this many epochs are on top of it.
  filecoin::EpochDelta confirmation_depth{5};
  // How long after the close a pushed message is still looked for, on top of confirmation_depth.
  filecoin::EpochDelta search_after_close{10};

  // Partitions in one message: 0 means as many as the chain allows.
  std::uint64_t max_partitions_per_message = 0;
  // Partitions with recovering sectors go in messages of their own, one each.
  bool recovering_alone = false;

  // A job that used up its tries is reset while its window is open (AutoResetBeforeClose).
  bool auto_reset_before_close = true;

  Backoff retry;
  // Looks of the sector check before an unreadable sector is skipped.
  std::uint32_t sector_check_rounds = 2;
  absl::Duration sector_recheck_delay = absl::Seconds(5);
  // How often partitions of which nothing can be read are looked at again.
  absl::Duration unreadable_recheck_delay = absl::Seconds(60);
  // The sector check gets at most this part of the time that is left until the close...
  double sector_check_share = 0.25;
  // ... and never more than this.
  absl::Duration sector_check_max = absl::Minutes(20);

  // Heads on which a message may be neither pending nor on chain before it counts as dropped.
  std::uint32_t dropped_after_heads = 3;
  // The mempool is read only for messages that are older than this.
  filecoin::EpochDelta pending_check_after{2};
  // New gas limit after "out of gas", as a multiple of the old one.
  double out_of_gas_factor = 1.5;
  // Used when the node's gas estimator fails without having judged the message; 0: never.
  std::int64_t fallback_gas_limit = 0;
};

// Fees of one kind of message.
struct FeePolicy {
  // Zero: the node's default.
  filecoin::TokenAmount max_fee;
  // Zero: estimated by the node.
  filecoin::TokenAmount gas_fee_cap;
  bool maximize_fee_cap = true;
};

struct RecoveryPolicy {
  bool enabled = true;
  // Limits of one deadline and of one message; 0: no limit but the chain's.
  std::uint64_t max_sectors = 0;
  std::uint64_t max_partitions_per_message = 0;
  // Declarations stop this many epochs before the chain's cut-off.
  filecoin::EpochDelta cutoff_margin{2};
};

// One miner, as configured.
struct MinerPolicy {
  filecoin::ActorId miner{};
  bool enabled = true;
  // Addresses that may send, of any kind; empty: the miner's control addresses, worker and owner.
  std::vector<filecoin::Address> senders;
  PosterPolicy poster;
  FeePolicy post_fees;
  FeePolicy recovery_fees;
  RecoveryPolicy recovery;
};

}  // namespace damocles::poster
