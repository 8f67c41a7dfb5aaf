// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// Methods 9, 10 and 11: terminations, faults and recoveries by deadline and partition.

#include <variant>

#include "absl/strings/str_format.h"
#include "lib/devnet/actor_internal.h"

namespace damocles::devnet::internal {

using filecoin::BitField;
using filecoin::DeadlineInfo;

namespace {

// Reads the list, merges entries for one partition and counts them.
Refusal ReadDeclarations(const Execution& run, DeadlineSectors& declared) {
  const auto params =
      filecoin::cbor::Decode<filecoin::DeclareFaultsParams>(run.call.params, kReading);
  if (!params.ok()) return BadParameters(params.status());
  for (const filecoin::PartitionSectors& entry : params->entries) {
    if (entry.deadline >= run.policy.period.deadlines) {
      return {kExitIllegalArgument,
              absl::StrFormat("failed to process deadline %d, partition %d: invalid deadline %d",
                              entry.deadline, entry.partition, entry.deadline)};
    }
    BitField& set = declared[entry.deadline][entry.partition];
    set = Union(set, entry.sectors);
  }
  std::uint64_t partitions = 0;
  std::uint64_t sectors = 0;
  bool overflow = false;
  for (const auto& [deadline, by_partition] : declared) {
    partitions += by_partition.size();
    for (const auto& [partition, set] : by_partition) {
      overflow = overflow || __builtin_add_overflow(sectors, set.Count(), &sectors);
    }
  }
  constexpr char kPrefix[] = "cannot process requested parameters: ";
  if (overflow) {
    return {kExitIllegalArgument,
            absl::StrFormat("%sfailed to count sectors: integer overflow when counting sectors",
                            kPrefix)};
  }
  if (partitions > run.policy.addressed_partitions_max) {
    return {kExitIllegalArgument, absl::StrFormat("%stoo many partitions %d, max %d", kPrefix,
                                                  partitions, run.policy.addressed_partitions_max)};
  }
  if (sectors > run.policy.addressed_sectors_max) {
    return {kExitIllegalArgument, absl::StrFormat("%stoo many sectors %d, max %d", kPrefix, sectors,
                                                  run.policy.addressed_sectors_max)};
  }
  return {};
}

Refusal ForeignCaller() {
  return {kExitForbidden, "immediate caller address forbidden"};
}

// The turn of the deadline that the declaration is for, if it is in time.
Refusal CheckInTime(const Execution& run, std::uint64_t deadline, const char* what,
                    DeadlineInfo& target) {
  target =
      filecoin::DeclarationDeadline(run.policy.period, run.PeriodStart(), deadline, run.call.epoch);
  if (!target.FaultCutoffPassed()) return {};
  return {
      kExitIllegalArgument,
      absl::StrFormat("failed %s declaration at deadline %d: late fault or recovery declaration",
                      what, deadline)};
}

// The actor's lists of partitions have no such index.
Refusal CheckIndex(std::uint64_t partition, const std::string& where) {
  if (partition <= BitField::kBitMax) return {};
  return {kExitIllegalState,
          absl::StrFormat("%s: failed to load partition %d: index %d out of range for the amt",
                          where, partition, partition)};
}

// `where` names the step in the network's own words.
Refusal CheckPartition(const DeadlineRecord& record, std::uint64_t partition,
                       const BitField& sectors, const std::string& where, const std::string& step) {
  if (Refusal refusal = CheckIndex(partition, where); refusal.Happened()) return refusal;
  if (partition >= record.partitions.size()) {
    return {kExitNotFound, absl::StrFormat("%s: no such partition %d", where, partition)};
  }
  if (!record.partitions[partition].sectors.ContainsAll(sectors)) {
    return {kExitIllegalArgument,
            absl::StrFormat("%s: %s: failed fault declaration: not all sectors are assigned to "
                            "the partition",
                            where, step)};
  }
  return {};
}

// As the actors write amounts: in FIL, with one digit behind the point at least.
std::string InFil(const filecoin::TokenAmount& amount) {
  std::string text = filecoin::FormatFil(amount);
  text.erase(text.size() - std::string_view(" FIL").size());
  return text.find('.') == std::string::npos ? text + ".0" : text;
}

}  // namespace

Refusal TerminateSectors(Execution& run) {
  DeadlineSectors declared;
  if (Refusal refusal = ReadDeclarations(run, declared); refusal.Happened()) return refusal;
  if (!run.CallerControlsMiner()) return ForeignCaller();
  std::uint64_t terminated = 0;
  for (const auto& [deadline, by_partition] : declared) {
    if (!filecoin::DeadlineIsMutable(run.policy.period, run.PeriodStart(), deadline,
                                     run.call.epoch)) {
      return {kExitIllegalArgument,
              absl::StrFormat("cannot terminate sectors in immutable deadline %d", deadline)};
    }
    const std::string where =
        absl::StrFormat("failed to terminate sectors in deadline %d", deadline);
    DeadlineRecord& record = run.state.MutableDeadline(deadline);
    for (const auto& [partition, sectors] : by_partition) {
      if (Refusal refusal = CheckIndex(partition, where); refusal.Happened()) return refusal;
      if (partition >= record.partitions.size()) {
        return {kExitNotFound,
                absl::StrFormat("%s: failed to find partition %d", where, partition)};
      }
      if (!record.partitions[partition].Live().ContainsAll(sectors)) {
        return {kExitIllegalArgument,
                absl::StrFormat("%s: failed to terminate sectors in partition %d: can only "
                                "terminate live sectors",
                                where, partition)};
      }
      Terminate(record.partitions[partition], sectors);
      terminated += sectors.Count();
    }
  }
  run.Charge(run.policy.fees.termination * terminated);
  // {done: true}: the fee of all of them is taken.
  run.result.return_value = {0x81, 0xf5};
  return {};
}

Refusal DeclareFaults(Execution& run) {
  DeadlineSectors declared;
  if (Refusal refusal = ReadDeclarations(run, declared); refusal.Happened()) return refusal;
  if (!run.CallerControlsMiner()) return ForeignCaller();
  for (const auto& [deadline, by_partition] : declared) {
    DeadlineInfo target;
    if (Refusal refusal = CheckInTime(run, deadline, "fault", target); refusal.Happened()) {
      return refusal;
    }
    const std::string where = absl::StrFormat("failed to declare faults for deadline %d", deadline);
    DeadlineRecord& record = run.state.MutableDeadline(deadline);
    for (const auto& [partition, sectors] : by_partition) {
      const std::string step =
          absl::StrFormat("failed to declare faults in partition %d", partition);
      if (Refusal refusal = CheckPartition(record, partition, sectors, where, step);
          refusal.Happened()) {
        return refusal;
      }
      MarkFaulty(run.Context(target), record.partitions[partition], sectors,
                 target.Last() + run.policy.fault_max_age);
    }
  }
  return {};
}

Refusal DeclareFaultsRecovered(Execution& run) {
  DeadlineSectors declared;
  if (Refusal refusal = ReadDeclarations(run, declared); refusal.Happened()) return refusal;
  MinerState& state = run.state;
  if (state.balance < state.fee_debt) {
    // Twice, as the network's actor says it.
    constexpr std::string_view kWhat = "unlocked balance can not repay fee debt";
    return {kExitFeeDebt, absl::StrFormat("%s: %s (%s < %s)", kWhat, kWhat, InFil(state.balance),
                                          InFil(state.fee_debt))};
  }
  run.Charge(0);
  if (!run.CallerControlsMiner()) return ForeignCaller();
  if (state.consensus_fault_elapsed >= run.call.epoch) {
    return {kExitForbidden, "recovery not allowed during active consensus fault"};
  }
  for (const auto& [deadline, by_partition] : declared) {
    DeadlineInfo target;
    if (Refusal refusal = CheckInTime(run, deadline, "recovery", target); refusal.Happened()) {
      return refusal;
    }
    const std::string where =
        absl::StrFormat("failed to declare recoveries for deadline %d", deadline);
    DeadlineRecord& record = state.MutableDeadline(deadline);
    for (const auto& [partition, sectors] : by_partition) {
      if (Refusal refusal =
              CheckPartition(record, partition, sectors, where, "failed to add recoveries");
          refusal.Happened()) {
        return refusal;
      }
      PartitionRecord& target_partition = record.partitions[partition];
      target_partition.recoveries =
          Union(target_partition.recoveries, Intersection(sectors, target_partition.faults));
    }
  }
  return {};
}

}  // namespace damocles::devnet::internal
