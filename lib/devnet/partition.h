// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// What happens to one partition of the chain.  Checks are the caller's.

#pragma once

#include "damocles/devnet/actor.h"

namespace damocles::devnet::internal {

// What the rules need to know beside the partition.
struct PartitionContext {
  const SectorTable& sectors;
  filecoin::DeadlineInfo deadline;  // any turn of it: gives the epochs at which sectors expire
};

// Makes healthy live sectors faulty; they will be terminated at `fault_expiration` at the latest.
// Faulty and terminated ones are ignored, recoveries retracted.
void MarkFaulty(const PartitionContext& context, PartitionRecord& partition,
                const filecoin::BitField& sectors, filecoin::ChainEpoch fault_expiration);
// Recovering sectors become healthy, unproven ones proven.  Returns how many recovered.
std::uint64_t RecordProven(PartitionRecord& partition);
// Nobody proved it: all live sectors are faulty, recoveries are gone.
void MarkMissed(const PartitionContext& context, PartitionRecord& partition,
                filecoin::ChainEpoch fault_expiration);
void Terminate(PartitionRecord& partition, const filecoin::BitField& sectors);

struct Expired {
  filecoin::BitField on_time;
  filecoin::BitField early;  // faulty for too long
};
// Terminates what expires at `until` or before.
Expired PopExpired(const PartitionContext& context, PartitionRecord& partition,
                   filecoin::ChainEpoch until);

}  // namespace damocles::devnet::internal
