// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// From the challenge to the batches: what is to be proven, and which of it can be.

#include <algorithm>
#include <map>
#include <utility>

#include "absl/strings/str_format.h"
#include "lib/poster/step.h"

#include "damocles/base/check.h"

namespace damocles::poster::internal {
namespace {

// Per message, since actors v12: 3, and no more sectors than can be addressed.
constexpr std::uint64_t kPartitionsPerMessageMax = 3;
constexpr std::uint64_t kAddressedSectorsMax = 25'000;

}  // namespace

bool AnyReadable(const PlannedPartition& partition) {
  return std::any_of(partition.sectors.begin(), partition.sectors.end(),
                     [](const PlannedSector& sector) { return !sector.Skipped(); });
}

std::string FirstReason(const PlannedPartition& partition) {
  for (const PlannedSector& sector : partition.sectors) {
    if (sector.Skipped()) {
      return absl::StrFormat("sector %d: %s", sector.number, sector.skip_reason);
    }
  }
  return "no sector";
}

DeadlinePlan& Stepper::MutablePlan() {
  if (!plan_is_ours_) {
    our_plan_ = record_.plan ? std::make_shared<DeadlinePlan>(*record_.plan)
                             : std::make_shared<DeadlinePlan>();
    record_.plan = our_plan_;
    plan_is_ours_ = true;
  }
  return *our_plan_;
}

void Stepper::Handle(const event::InputsRead& inputs) {
  Landed(ActionKind::kReadInputs);
  if (record_.randomness || IsFinal(record_.state)) return;
  record_.randomness = inputs.randomness;
  record_.proof_type = inputs.proof_type;
  record_.partition_sectors = inputs.partition_sectors;
  record_.reason.clear();
  state_.recheck_randomness = false;
  state_.check_rounds = 0;
  state_.flights.Forget({ActionKind::kCheckSectors});
  DeadlinePlan& plan = MutablePlan();
  plan.partitions.clear();
  std::size_t to_prove = 0;
  for (const PartitionInput& input : inputs.partitions) {
    PlannedPartition partition;
    partition.index = input.index;
    partition.recovering = input.recovering;
    partition.posted = input.posted;
    partition.sectors = input.sectors;
    partition.status =
        input.sectors.empty() ? PartitionStatus::kNothingToProve : PartitionStatus::kUnchecked;
    to_prove += input.sectors.size();
    plan.partitions.push_back(std::move(partition));
  }
  Log(Severity::kInfo, "inputs_read",
      {{"partitions", std::to_string(plan.partitions.size())},
       {"sectors", std::to_string(to_prove)}});
  FormBatches();  // of what the chain has already
}

void Stepper::Handle(const event::RandomnessRead& read) {
  Landed(ActionKind::kReadRandomness);
  if (!record_.randomness || IsFinal(record_.state)) return;
  state_.recheck_randomness = false;
  record_.reason.clear();
  if (read.randomness != *record_.randomness) StartOver("the challenge randomness changed");
}

void Stepper::StartOver(std::string why) {
  Log(Severity::kWarning, "prepares_anew", {{"why", why}});
  for (const PartitionBatch& batch : record_.batches) DropJobOf(batch);
  record_.randomness.reset();
  record_.plan.reset();
  record_.batches.clear();
  record_.reason = std::move(why);
  plan_is_ours_ = false;
  our_plan_.reset();
  state_.ForgetBatches();
  state_.wrong.clear();
  state_.check_rounds = 0;
  Enter(DeadlineState::kPreparing);
}

absl::Duration Stepper::CheckBudget() const {
  const absl::Duration left = TimeLeft();
  return std::clamp(left * policy_.sector_check_share, absl::Seconds(1),
                    std::max(policy_.sector_check_max, absl::Seconds(1)));
}

void Stepper::PlanChecks() {
  if (!CanStillSend()) return;
  action::CheckSectors check;
  bool relook = false;
  for (const PlannedPartition& partition : record_.plan->partitions) {
    if (partition.status != PartitionStatus::kUnchecked) continue;
    for (const PlannedSector& sector : partition.sectors) {
      // The second look is at the bad ones only.
      if (state_.check_rounds > 0 && !sector.Skipped()) continue;
      check.sectors.push_back(sector);
    }
  }
  if (check.sectors.empty()) {
    for (const PlannedPartition& partition : record_.plan->partitions) {
      if (partition.status != PartitionStatus::kUnreadable) continue;
      check.sectors.insert(check.sectors.end(), partition.sectors.begin(), partition.sectors.end());
    }
    AddSkipped(check.sectors);
    relook = true;
  }
  if (check.sectors.empty()) return;
  check.proof_type = record_.proof_type;
  check.budget = CheckBudget();
  // Cheap, and what hangs must not keep the others from being looked at in time.
  if (relook) check.budget = std::min(check.budget, 2 * RelookPause());
  Ask(std::move(check));
}

// In one piece: what one look says of a sector is weighed against what is known of it, case by
// case.
void Stepper::Handle(const event::SectorsChecked& checked) {
  Landed(ActionKind::kCheckSectors);
  if (record_.plan == nullptr || IsFinal(record_.state)) return;
  std::map<filecoin::SectorNumber, const SectorVerdict*> verdicts;
  for (const SectorVerdict& verdict : checked.verdicts) verdicts[verdict.number] = &verdict;
  record_.reason.clear();

  bool look_again = false;
  bool any_unchecked = false;
  std::vector<const SectorVerdict*> left_to_provers;
  const bool last_round = state_.check_rounds + 1 >= policy_.sector_check_rounds;
  // Another look at what is in batches changes the plan only where something is back.
  const bool any_open =
      std::any_of(record_.plan->partitions.begin(), record_.plan->partitions.end(),
                  [](const PlannedPartition& partition) {
                    return partition.status == PartitionStatus::kUnchecked ||
                           partition.status == PartitionStatus::kUnreadable;
                  });
  if (any_open) MutablePlan();
  for (std::size_t p = 0; any_open && p < our_plan_->partitions.size(); ++p) {
    PlannedPartition& partition = our_plan_->partitions[p];
    const bool unchecked = partition.status == PartitionStatus::kUnchecked;
    if (!unchecked && partition.status != PartitionStatus::kUnreadable) continue;
    any_unchecked = any_unchecked || unchecked;
    bool complete = true;
    bool bad = false;
    for (PlannedSector& sector : partition.sectors) {
      if (const auto found = verdicts.find(sector.number); found != verdicts.end()) {
        sector.sealed_store = found->second->sealed_store;
        sector.cache_store = found->second->cache_store;
        sector.skip_reason = found->second->ForProver() ? "" : found->second->reason;
        if (!sector.Skipped()) sector.prover_fault = false;
        if (!sector.Skipped() && !found->second->reason.empty()) {
          left_to_provers.push_back(found->second);
        }
        if (found->second->wrong) state_.wrong.insert(sector.number);
      } else if (unchecked && !sector.Skipped() && sector.sealed_store.empty()) {
        complete = false;  // an answer that leaves a sector out says nothing about it
      }
      bad = bad || sector.Skipped();
    }
    if (!unchecked) continue;
    if (!complete || (bad && !last_round)) {
      look_again = true;
    } else if (!AnyReadable(partition)) {
      partition.status = PartitionStatus::kUnreadable;
      Log(Severity::kError, "partition_unreadable",
          {{"partition", ToString(partition.index)}, {"first", FirstReason(partition)}});
    }
  }
  if (any_unchecked) ++state_.check_rounds;
  if (!left_to_provers.empty()) {
    Log(Severity::kWarning, "sectors_left_to_workers",
        {{"sectors", std::to_string(left_to_provers.size())},
         {"first", std::to_string(left_to_provers.front()->number)},
         {"why", left_to_provers.front()->reason}});
  }
  TakeRelook(verdicts);
  DelayFor(
      ActionKind::kCheckSectors, kNoBatch,
      look_again ? std::min(policy_.sector_recheck_delay, TwentiethOfWindow()) : RelookPause());
  if (any_open) FormBatches();
}

std::size_t Stepper::PartitionsMax() const {
  std::uint64_t most = kPartitionsPerMessageMax;
  if (record_.partition_sectors > 0) {
    most = std::min(most, kAddressedSectorsMax / record_.partition_sectors);
  }
  if (policy_.max_partitions_per_message > 0) {
    most = std::min(most, policy_.max_partitions_per_message);
  }
  return std::max<std::size_t>(1, most);
}

// Invariant: a partition is in a batch if and only if its status is kBatched.
void Stepper::FormBatches() {
  std::vector<filecoin::ChainPartition> posted;
  std::vector<filecoin::ChainPartition> ready;
  const bool last_round = state_.check_rounds >= policy_.sector_check_rounds;
  for (PlannedPartition& partition : MutablePlan().partitions) {
    if (partition.status != PartitionStatus::kUnchecked &&
        partition.status != PartitionStatus::kUnreadable) {
      continue;
    }
    if (partition.posted) {
      posted.push_back(partition.index);
      partition.status = PartitionStatus::kBatched;
      continue;
    }
    const bool located = std::all_of(partition.sectors.begin(), partition.sectors.end(),
                                     [](const PlannedSector& sector) {
                                       return sector.Skipped() || !sector.sealed_store.empty();
                                     });
    const bool all_good =
        std::none_of(partition.sectors.begin(), partition.sectors.end(),
                     [](const PlannedSector& sector) { return sector.Skipped(); });
    const bool decided = all_good || last_round || partition.status == PartitionStatus::kUnreadable;
    if (!located || !AnyReadable(partition) || !decided) continue;
    partition.status = PartitionStatus::kBatched;
    if (partition.recovering && policy_.recovering_alone) {
      AddBatch({partition.index}, false);
    } else {
      ready.push_back(partition.index);
    }
  }
  const std::size_t most = PartitionsMax();
  for (const auto& [list, is_posted] : {std::pair{&posted, true}, std::pair{&ready, false}}) {
    for (std::size_t first = 0; first < list->size(); first += most) {
      const std::size_t end = std::min(list->size(), first + most);
      AddBatch({list->begin() + static_cast<std::ptrdiff_t>(first),
                list->begin() + static_cast<std::ptrdiff_t>(end)},
               is_posted);
    }
  }
}

void Stepper::BatchTheRest() {
  for (std::size_t p = 0; p < record_.plan->partitions.size(); ++p) {
    const PlannedPartition& partition = record_.plan->partitions[p];
    const bool unchecked = partition.status == PartitionStatus::kUnchecked;
    if (!unchecked && partition.status != PartitionStatus::kUnreadable) continue;
    const filecoin::ChainPartition index = partition.index;
    MutablePlan().partitions[p].status = PartitionStatus::kBatched;
    AddBatch({index}, false);
    if (unchecked) record_.batches.back().note = "it was not prepared";
  }
}

void Stepper::AddBatch(std::vector<filecoin::ChainPartition> partitions, bool posted) {
  DAMOCLES_DCHECK(!partitions.empty());
  PartitionBatch batch;
  batch.partitions = std::move(partitions);
  batch.round = ++record_.rounds;
  if (posted) {
    batch.state = DeadlineState::kOnChain;
    batch.posted_by_other = true;
    batch.posted_seen_at = now_.epoch;
  }
  record_.batches.push_back(std::move(batch));
  const std::size_t i = record_.batches.size() - 1;
  std::size_t skipped = 0;
  for (const filecoin::ChainPartition index : record_.batches[i].partitions) {
    for (const PlannedSector& sector : FindPartition(record_, index)->sectors) {
      if (!sector.Skipped()) continue;
      ++skipped;
      Log(Severity::kWarning, "sector_skipped",
          {{"partition", ToString(index)},
           {"sector", std::to_string(sector.number)},
           {"reason", sector.skip_reason}});
    }
  }
  LogBatch(Severity::kInfo, posted ? "batch_proven_already" : "batch_formed", i,
           absl::StrFormat("%d sectors skipped", skipped));
}

void Stepper::Enter(DeadlineState state) {
  if (record_.state == state) return;
  record_.state = state;
  Milestone& milestone = record_.milestones[static_cast<std::size_t>(state)];
  if (milestone.time == absl::InfinitePast()) milestone = {now_.epoch, now_.time};
  Log(state == DeadlineState::kMissed ? Severity::kError : Severity::kInfo, "deadline_state",
      {{"state", std::string(Name(state))}, {"reason", record_.reason}});
}

// The state of the deadline is the least of what its parts have reached.
void Stepper::DeriveState() {
  if (!record_.randomness || IsFinal(record_.state)) return;
  DeadlineState least = DeadlineState::kConfirmed;
  std::string missed;
  const auto add_miss = [&](const std::string& what, const std::string& why) {
    if (!missed.empty()) missed += "; ";
    missed += absl::StrFormat("partition %s: %s", what, why);
  };
  for (const PlannedPartition& partition : record_.plan->partitions) {
    if (partition.status == PartitionStatus::kUnchecked ||
        partition.status == PartitionStatus::kUnreadable) {
      least = std::min(least, DeadlineState::kPreparing);
    }
  }
  for (const PartitionBatch& batch : record_.batches) {
    if (batch.state == DeadlineState::kMissed) {
      add_miss(JoinPartitions(batch.partitions), batch.note);
    } else {
      least = std::min(least, batch.state);
    }
  }
  if (least == DeadlineState::kConfirmed && !missed.empty()) {
    record_.reason = missed;
    least = DeadlineState::kMissed;
  } else if (least == DeadlineState::kConfirmed) {
    record_.reason = record_.batches.empty() ? "nothing to prove" : "";
  }
  Enter(least);
}

}  // namespace damocles::poster::internal
