// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// Proving periods and their deadlines: the rules of the network's miner actor, with every length a
// value that the chain gives.

#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

#include "damocles/filecoin/address.h"
#include "damocles/filecoin/epoch.h"

namespace damocles::filecoin {

// Lengths of a proving period as the chain gives them with every deadline: values, not constants.
struct PeriodShape {
  EpochDelta proving_period;
  EpochDelta challenge_window;
  std::uint64_t deadlines = 0;
  // The challenge of a deadline is drawn from the epoch Open - challenge_lookback.
  EpochDelta challenge_lookback;
  // Faults and recoveries are declared before the epoch Open - fault_declaration_cutoff.
  EpochDelta fault_declaration_cutoff;
  friend constexpr bool operator==(const PeriodShape&, const PeriodShape&) = default;
};
inline constexpr PeriodShape kMainnetPeriod{EpochDelta{2880}, EpochDelta{60}, 48, EpochDelta{20},
                                            EpochDelta{70}};
// Epochs after Close in which an unverified proof can be disputed on mainnet.
inline constexpr EpochDelta kMainnetDisputeWindow{1800};

// INVALID_ARGUMENT unless the lengths are positive, fit each other and stay far from overflow.
// Every function below expects a shape that passes.
absl::Status Validate(const PeriodShape& shape);

// One window of a miner's proving period, seen from `current_epoch`: what the node answers to
// StateMinerProvingDeadline.  The chain accepts proofs in epochs [open, close).
//
// A plain value: a decoded answer may hold fields that do not fit each other (MakeDeadlineInfo's
// do).  An index >= shape.deadlines stands for the empty end of the period: open, close and
// challenge are the start of the next period and fault_cutoff is 0.
struct DeadlineInfo {
  ChainEpoch current_epoch;
  ChainEpoch period_start;
  std::uint64_t index = 0;
  ChainEpoch open;
  ChainEpoch close;
  ChainEpoch challenge;
  ChainEpoch fault_cutoff;
  PeriodShape shape;

  // The period has begun.
  constexpr bool PeriodStarted() const { return current_epoch >= period_start; }
  constexpr bool PeriodElapsed() const { return current_epoch >= NextPeriodStart(); }
  // Last epoch of the period.
  constexpr ChainEpoch PeriodEnd() const { return NextPeriodStart() - EpochDelta(1); }
  constexpr ChainEpoch NextPeriodStart() const { return period_start + shape.proving_period; }
  constexpr bool IsOpen() const { return open <= current_epoch && current_epoch < close; }
  constexpr bool HasElapsed() const { return current_epoch >= close; }
  // Last epoch in which a proof is accepted; the cron of this epoch ends the deadline.
  constexpr ChainEpoch Last() const { return close - EpochDelta(1); }
  constexpr ChainEpoch NextOpen() const { return close; }
  constexpr bool FaultCutoffPassed() const { return current_epoch >= fault_cutoff; }

  friend constexpr bool operator==(const DeadlineInfo&, const DeadlineInfo&) = default;
};

// Deadline `index` of the period that starts at `period_start`.
DeadlineInfo MakeDeadlineInfo(const PeriodShape& shape, ChainEpoch period_start,
                              std::uint64_t index, ChainEpoch current_epoch);

// Start of the period that `epoch` lies in, for a miner whose periods start at `offset` (or at any
// recorded period start, even a stale or future one).
ChainEpoch PeriodStartAt(const PeriodShape& shape, ChainEpoch offset, ChainEpoch epoch);

// The deadline that `epoch` lies in; right also while the miner's cron sleeps.
DeadlineInfo DeadlineAt(const PeriodShape& shape, ChainEpoch offset, ChainEpoch epoch);

// This deadline, or if it has elapsed its first later turn (same index) that has not.
DeadlineInfo NextNotElapsed(const DeadlineInfo& deadline);

// The deadline that opens when `deadline` closes, with the same current epoch.  Where deadlines do
// not fill the period, the one after the last opens at the start of the next period.
DeadlineInfo Next(const DeadlineInfo& deadline);

// What a node answers to StateMinerProvingDeadline: the next turn that has not elapsed of the
// deadline *recorded* in the miner's state.  Right after null rounds over a boundary this is the
// old index a whole period later: compare with DeadlineAt.
DeadlineInfo RecordedDeadline(const PeriodShape& shape, ChainEpoch recorded_period_start,
                              std::uint64_t recorded_index, ChainEpoch epoch);

// Rounds up to the next epoch that is `offset` modulo `unit` (or stays).
ChainEpoch QuantizeUp(EpochDelta unit, ChainEpoch offset, ChainEpoch epoch);
// Rounds down likewise.
ChainEpoch QuantizeDown(EpochDelta unit, ChainEpoch offset, ChainEpoch epoch);
// `epoch` rounded up to the last epoch of a turn of `deadline`.
ChainEpoch QuantizeUpToDeadline(const DeadlineInfo& deadline, ChainEpoch epoch);

// The offset of the proving periods of a miner made at `epoch`: in [0, proving_period).
EpochDelta AssignPeriodOffset(const PeriodShape& shape, const Address& miner, ChainEpoch epoch);

// Rules about deadline `index` of a miner with this period start, at `epoch`.
// Sectors may be added, moved, terminated or compacted.
bool DeadlineIsMutable(const PeriodShape& shape, ChainEpoch period_start, std::uint64_t index,
                       ChainEpoch epoch);
// A proof stored unverified in its last window may be disputed.
bool DeadlineIsDisputable(const PeriodShape& shape, EpochDelta dispute_window,
                          ChainEpoch period_start, std::uint64_t index, ChainEpoch epoch);
bool DeadlineIsCompactable(const PeriodShape& shape, EpochDelta dispute_window,
                           ChainEpoch period_start, std::uint64_t index, ChainEpoch epoch);
// The turn that a fault or recovery declaration sent now would be for; it is too late for it if
// FaultCutoffPassed().
DeadlineInfo DeclarationDeadline(const PeriodShape& shape, ChainEpoch period_start,
                                 std::uint64_t index, ChainEpoch epoch);

// What the assignment of new sectors looks at in a deadline.
struct DeadlineLoad {
  std::uint64_t index = 0;
  std::uint64_t live_sectors = 0;
  std::uint64_t total_sectors = 0;
};

// Chooses a deadline for each of `count` new sectors, in order of sector number, among `deadlines`
// (those that may change now).  Returns `count` deadline indexes; RESOURCE_EXHAUSTED once every
// deadline has `partitions_max` full partitions.  `partition_sectors` > 0.
absl::StatusOr<std::vector<std::uint64_t>> AssignDeadlines(std::vector<DeadlineLoad> deadlines,
                                                           std::uint64_t partition_sectors,
                                                           std::uint64_t partitions_max,
                                                           std::uint64_t count);

}  // namespace damocles::filecoin
