// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// What an operator can choose about posting, and the lengths of the poster's patience.

#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/time/time.h"

#include "damocles/delivery/policy.h"
#include "damocles/filecoin/address.h"
#include "damocles/filecoin/epoch.h"
#include "damocles/filecoin/sector.h"
#include "damocles/filecoin/token_amount.h"

namespace damocles::poster {

using delivery::Backoff;
using delivery::kMessageGasMax;

struct PosterPolicy : delivery::Policy {
  // Work starts this many epochs after the challenge, messages go out this many after the
  // opening.
  filecoin::EpochDelta challenge_confidence{2};
  filecoin::EpochDelta submit_confidence{1};
  // How long after the close a pushed message is still looked for, on top of confirmation_depth.
  filecoin::EpochDelta search_after_close{10};

  // Partitions in one message: 0 means as many as the chain allows.
  std::uint64_t max_partitions_per_message = 0;
  // Partitions with recovering sectors go in messages of their own, one each.
  bool recovering_alone = false;

  // Whether batches of one deadline are proven at the same time.
  bool parallel = true;

  // A job that used up its tries is reset while its window is open (AutoResetBeforeClose).
  bool auto_reset_before_close = true;

  // How often a job is given to another prover because one named sectors that the manager can read.
  std::uint32_t fault_doubts_max = 3;
  // How long after the same prover said so again, at most a twentieth of the window.
  absl::Duration fault_doubt_pause = absl::Minutes(1);
  // Looks of the sector check before an unreadable sector is skipped.
  std::uint32_t sector_check_rounds = 2;
  absl::Duration sector_recheck_delay = absl::Seconds(5);
  // How often sectors that are skipped are looked at again until their message goes out, at most a
  // twentieth of the window.
  absl::Duration unreadable_recheck_delay = absl::Seconds(60);
  // What is proven without sectors whose trouble may pass is not sent, and proven anew with them
  // when they can be read again, before only this part of the window is left (at least five
  // epochs), and twice what the proof takes.
  double reserve_share = 0.25;
  // How often one batch is proven anew because of that.
  std::uint32_t rejoins_max = 3;
  // The sector check gets at most this part of the time that is left until the close...
  double sector_check_share = 0.25;
  // ... and never more than this.
  absl::Duration sector_check_max = absl::Minutes(20);

  // Gas limit for a message whose gas cannot be estimated, of the message and for each partition; a
  // limit that was good before in the deadline is preferred.  Real messages of one to three
  // partitions carry up to 0.90, 1.18 and 1.25 G (golden/chain/miner-messages.jsonl).
  std::int64_t fallback_gas_limit = 800'000'000;
  std::int64_t fallback_gas_of_partition = 200'000'000;
};

// Fees of one kind of message.
struct FeePolicy {
  // Fee cap, a unit of gas.  Zero: the node chooses one such that gas limit times cap is its own
  // highest fee.
  filecoin::TokenAmount gas_fee_cap;
  // How high the fee cap of a message that waits for its fee may be raised; not above the cap:
  // never.
  filecoin::TokenAmount max_gas_fee_cap;
  // Gas limit as a multiple of the gas that the node's dry run used; 0: the node's own estimate.
  double gas_over_estimation = 1.2;
  // Premium as a multiple of the node's estimate, at most the fee cap; 0: the node's own premium.
  double gas_over_premium = 0;
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
