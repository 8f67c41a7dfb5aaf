// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "lib/devnet/partition.h"

#include <vector>

namespace damocles::devnet {

using filecoin::BitField;
using filecoin::ChainEpoch;
using filecoin::Difference;
using filecoin::Intersection;
using filecoin::Union;

BitField PartitionRecord::Live() const {
  return Difference(sectors, terminated);
}

BitField PartitionRecord::Active() const {
  return Difference(Difference(Live(), faults), unproven);
}

bool PartitionRecord::MustBePosted() const {
  return !recoveries.Empty() || !Difference(Live(), faults).Empty();
}

namespace internal {
namespace {

// The cron at which a sector ends that lives as long as was agreed.
ChainEpoch OnTimeExpiry(const PartitionContext& context, filecoin::SectorNumber sector) {
  const auto found = context.sectors.find(sector);
  const ChainEpoch expiration =
      found == context.sectors.end() ? ChainEpoch(0) : found->second.expiration;
  return filecoin::QuantizeUpToDeadline(context.deadline, expiration);
}

// Those of `sectors` that would outlive `limit` end there.
void ScheduleEarly(const PartitionContext& context, PartitionRecord& partition,
                   const BitField& sectors, ChainEpoch limit) {
  const ChainEpoch end = filecoin::QuantizeUpToDeadline(context.deadline, limit);
  std::vector<std::uint64_t> early;
  for (const std::uint64_t sector : sectors) {
    if (OnTimeExpiry(context, sector) > end) early.push_back(sector);
  }
  if (early.empty()) return;
  BitField& set = partition.early_expiry[end];
  set = Union(set, BitField::Of(early));
}

void Unschedule(PartitionRecord& partition, const BitField& sectors) {
  for (auto it = partition.early_expiry.begin(); it != partition.early_expiry.end();) {
    it->second = Difference(it->second, sectors);
    it = it->second.Empty() ? partition.early_expiry.erase(it) : std::next(it);
  }
}

}  // namespace

void MarkFaulty(const PartitionContext& context, PartitionRecord& partition,
                const BitField& sectors, ChainEpoch fault_expiration) {
  const BitField new_faults =
      Difference(Difference(sectors, partition.terminated), partition.faults);
  partition.recoveries = Difference(partition.recoveries, sectors);
  if (new_faults.Empty()) return;
  ScheduleEarly(context, partition, new_faults, fault_expiration);
  partition.faults = Union(partition.faults, new_faults);
  partition.unproven = Difference(partition.unproven, new_faults);
}

std::uint64_t RecordProven(PartitionRecord& partition) {
  const std::uint64_t recovered = partition.recoveries.Count();
  Unschedule(partition, partition.recoveries);
  partition.faults = Difference(partition.faults, partition.recoveries);
  partition.recoveries = BitField();
  partition.unproven = BitField();
  return recovered;
}

void MarkMissed(const PartitionContext& context, PartitionRecord& partition,
                ChainEpoch fault_expiration) {
  // Sectors that are faulty already keep their day: a recovery that is not proven restarts nothing.
  const BitField live = partition.Live();
  ScheduleEarly(context, partition, Difference(live, partition.faults), fault_expiration);
  partition.faults = live;
  partition.recoveries = BitField();
  partition.unproven = BitField();
}

void Terminate(PartitionRecord& partition, const BitField& sectors) {
  Unschedule(partition, sectors);
  partition.terminated = Union(partition.terminated, sectors);
  partition.faults = Difference(partition.faults, sectors);
  partition.recoveries = Difference(partition.recoveries, sectors);
  partition.unproven = Difference(partition.unproven, sectors);
}

Expired PopExpired(const PartitionContext& context, PartitionRecord& partition, ChainEpoch until) {
  Expired expired;
  BitField scheduled;
  for (const auto& [epoch, sectors] : partition.early_expiry) {
    scheduled = Union(scheduled, sectors);
    if (epoch <= until) expired.early = Union(expired.early, sectors);
  }
  std::vector<std::uint64_t> on_time;
  for (const std::uint64_t sector : Difference(partition.Live(), scheduled)) {
    if (OnTimeExpiry(context, sector) <= until) on_time.push_back(sector);
  }
  expired.on_time = BitField::Of(on_time);
  if (!expired.on_time.Empty()) Terminate(partition, expired.on_time);
  if (!expired.early.Empty()) Terminate(partition, expired.early);
  return expired;
}

}  // namespace internal
}  // namespace damocles::devnet
