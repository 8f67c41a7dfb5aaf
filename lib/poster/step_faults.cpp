// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// Sectors that provers call faulty.
//
// Skipping a good sector costs its fault fee, and one worker whose mount is empty calls every
// sector faulty.  So a first word is a claim: the manager looks again, and if it can read a sector
// that was named, or another worker may, the job goes to another prover.  Believed at once is what
// nobody else can read either, what two workers say, and everything when the window has little time
// left.  Nothing of that is for good before the message goes out: see step_rejoin.cpp.

#include <algorithm>
#include <utility>

#include "absl/strings/str_format.h"
#include "lib/poster/step.h"

namespace damocles::poster::internal {

bool Stepper::IsBelieved(std::size_t i, filecoin::SectorNumber sector,
                         const std::string& worker) const {
  const FaultDoubt& doubt = Of(i).doubt;
  if (doubt.times == 0) return false;
  if (doubt.times >= policy_.fault_doubts_max) return true;
  const auto named = doubt.named_by.find(sector);
  if (named == doubt.named_by.end()) return false;
  return named->second.size() > 1 || !named->second.contains(worker);
}

void Stepper::FaultsNamed(std::size_t i, const JobView& job) {
  if (Of(i).job.claim) return;  // heard of again
  FaultClaim claim;
  claim.worker = job.worker;
  if (Of(i).job.began) claim.took = now_.time - *Of(i).job.began;
  const std::map<filecoin::SectorNumber, std::string> named(job.faults.begin(), job.faults.end());
  bool all_believed = true;
  VisitSectors(i, [&](const PlannedSector& sector) {
    const auto found = named.find(sector.number);
    if (found == named.end() || sector.Skipped()) return;
    claim.faults.insert(*found);
    all_believed = all_believed && IsBelieved(i, sector.number, claim.worker);
  });
  if (claim.faults.empty()) {
    record_.batches[i].note = "the prover named faulty sectors that the job does not have";
    Of(i).job.exhausted = record_.batches[i].note;
    return;
  }
  if (all_believed || NoTimeToDoubt(claim)) {
    MarkFaults(i, claim.faults);
  } else {
    Of(i).job.claim = std::move(claim);
  }
}

void Stepper::PlanClaim(std::size_t i) {
  const FaultClaim& claim = *Of(i).job.claim;
  if (NoTimeToDoubt(claim)) {
    const std::map<filecoin::SectorNumber, std::string> faults = claim.faults;
    Of(i).job.claim.reset();
    MarkFaults(i, faults);
    PlanProving(i);
    return;
  }
  action::JudgeFaults judge{RefOf(i), record_.proof_type, {}, CheckBudget()};
  VisitSectors(i, [&](const PlannedSector& sector) {
    if (claim.faults.contains(sector.number) && !IsBelieved(i, sector.number, claim.worker)) {
      judge.sectors.push_back(sector);
    }
  });
  Ask(std::move(judge));
}

void Stepper::Handle(const event::FaultsJudged& judged) {
  const std::size_t i = judged.ref.batch;
  Landed(ActionKind::kJudgeFaults, i);
  if (!IsCurrent(judged.ref)) return;
  PartitionBatch& batch = record_.batches[i];
  if (batch.state != DeadlineState::kProving) return;
  if (NothingReadable(i)) {
    ReadableAgain(i, judged.verdicts);
    return;
  }
  if (!Of(i).job.claim) return;
  const FaultClaim claim = *std::exchange(Of(i).job.claim, std::nullopt);
  if (TakeNewPlaces(i, judged.verdicts)) {
    ProveAnew(i);
    batch.note = "sectors of it lie in other stores than the job said";
    LogBatch(Severity::kInfo, "sectors_moved", i, batch.note);
    return;
  }
  std::set<filecoin::SectorNumber> unreadable;
  for (const SectorVerdict& verdict : judged.verdicts) {
    if (verdict.wrong) state_.wrong.insert(verdict.number);
    // The one who named it is one of the readers: where there is another, it may do better.
    const bool cannot_tell = !verdict.wrong && verdict.readers > 1;
    if (!verdict.reason.empty() && !cannot_tell) unreadable.insert(verdict.number);
  }
  std::size_t doubted = 0;
  for (const auto& [number, reason] : claim.faults) {
    if (!unreadable.contains(number) && !IsBelieved(i, number, claim.worker)) ++doubted;
  }
  if (doubted == 0 || NoTimeToDoubt(claim)) {
    MarkFaults(i, claim.faults, unreadable);
    return;
  }
  FaultDoubt& doubt = Of(i).doubt;
  ++doubt.times;
  bool said_before = false;
  for (const auto& [number, reason] : claim.faults) {
    said_before = !doubt.named_by[number].insert(claim.worker).second || said_before;
  }
  if (said_before) {
    // No other worker was free: that, or that the mount comes back, needs time.
    DelayFor(ActionKind::kResetJob, i, std::min(policy_.fault_doubt_pause, TwentiethOfWindow()));
  }
  batch.note =
      absl::StrFormat("worker %s could not read %d sectors (%d: %s), others may", claim.worker,
                      doubted, claim.faults.begin()->first, claim.faults.begin()->second);
  batch.reset_job = true;
  Of(i).job.doubted = true;
  LogBatch(Severity::kWarning, "faults_doubted", i, batch.note);
}

bool Stepper::TakeNewPlaces(std::size_t i, const std::vector<SectorVerdict>& verdicts) {
  std::map<filecoin::SectorNumber, const SectorVerdict*> moved;
  for (const SectorVerdict& verdict : verdicts) {
    if (verdict.reason.empty() && !verdict.sealed_store.empty()) moved[verdict.number] = &verdict;
  }
  const auto is_elsewhere = [&moved](const PlannedSector& sector) {
    const auto found = moved.find(sector.number);
    return found != moved.end() && (found->second->sealed_store != sector.sealed_store ||
                                    found->second->cache_store != sector.cache_store);
  };
  bool any = false;
  VisitSectors(i, [&](const PlannedSector& sector) { any = any || is_elsewhere(sector); });
  if (!any) return false;
  for (PlannedPartition& partition : MutablePlan().partitions) {
    if (BatchOf(partition.index) != i) continue;
    for (PlannedSector& sector : partition.sectors) {
      if (!is_elsewhere(sector)) continue;
      sector.sealed_store = moved[sector.number]->sealed_store;
      sector.cache_store = moved[sector.number]->cache_store;
    }
  }
  return true;
}

void Stepper::MarkFaults(std::size_t i, const std::map<filecoin::SectorNumber, std::string>& faults,
                         const std::set<filecoin::SectorNumber>& seen) {
  PartitionBatch& batch = record_.batches[i];
  std::size_t marked = 0;
  std::vector<filecoin::ChainPartition> left;
  std::vector<PlannedPartition*> emptied;
  for (PlannedPartition& partition : MutablePlan().partitions) {
    if (std::find(batch.partitions.begin(), batch.partitions.end(), partition.index) ==
        batch.partitions.end()) {
      continue;
    }
    for (PlannedSector& sector : partition.sectors) {
      const auto fault = faults.find(sector.number);
      if (fault == faults.end() || sector.Skipped()) continue;
      sector.skip_reason = fault->second.empty() ? "the prover cannot read it" : fault->second;
      sector.prover_fault = !seen.contains(sector.number);
      ++marked;
      Log(Severity::kWarning, "sector_skipped",
          {{"partition", ToString(partition.index)},
           {"sector", std::to_string(sector.number)},
           {"reason", sector.skip_reason}});
    }
    if (AnyReadable(partition)) {
      left.push_back(partition.index);
    } else {
      emptied.push_back(&partition);
    }
  }
  batch.note = absl::StrFormat("%d sectors could not be proven", marked);
  Rejoining& rejoining = Of(i).rejoining;
  rejoining.not_before = std::max(rejoining.not_before, now_.time + WindowLength() / 10);
  rejoining.skipped_before.clear();  // the statement is another, or the reserve's again
  if (left.empty()) {
    batch.note = FirstReason(*emptied.front());
    LogBatch(Severity::kError, "batch_unreadable", i, batch.note);
    DelayFor(ActionKind::kJudgeFaults, i, RelookPause());
  } else {
    // Never posted with everything skipped.
    for (PlannedPartition* partition : emptied) partition->status = PartitionStatus::kUnreadable;
    batch.partitions = std::move(left);
  }
  batch.job_id.clear();  // operators want to see that job with its faults: it is not dropped
  ProveAnew(i);
}

bool Stepper::NothingReadable(std::size_t i) const {
  bool any = false;
  VisitSectors(i, [&](const PlannedSector& sector) { any = any || !sector.Skipped(); });
  return !any;
}

void Stepper::PlanUnreadable(std::size_t i) {
  if (!CanStillSend()) return;
  action::JudgeFaults judge{RefOf(i), record_.proof_type, {}, CheckBudget()};
  VisitSectors(i, [&](const PlannedSector& sector) { judge.sectors.push_back(sector); });
  Ask(std::move(judge));
}

void Stepper::ReadableAgain(std::size_t i, const std::vector<SectorVerdict>& verdicts) {
  DelayFor(ActionKind::kJudgeFaults, i, RelookPause());
  std::map<filecoin::SectorNumber, const SectorVerdict*> good;
  for (const SectorVerdict& verdict : verdicts) {
    if (verdict.ForProver()) good[verdict.number] = &verdict;
  }
  if (good.empty()) return;
  PartitionBatch& batch = record_.batches[i];
  std::vector<filecoin::ChainPartition> left;
  for (PlannedPartition& partition : MutablePlan().partitions) {
    if (std::find(batch.partitions.begin(), batch.partitions.end(), partition.index) ==
        batch.partitions.end()) {
      continue;
    }
    for (PlannedSector& sector : partition.sectors) {
      const auto found = good.find(sector.number);
      if (found == good.end()) continue;
      sector.sealed_store = found->second->sealed_store;
      sector.cache_store = found->second->cache_store;
      sector.skip_reason.clear();
      sector.prover_fault = false;
    }
    if (AnyReadable(partition)) {
      left.push_back(partition.index);
    } else {
      partition.status = PartitionStatus::kUnreadable;
    }
  }
  if (left.empty()) return;
  batch.partitions = std::move(left);
  batch.note = "sectors of it can be read again";
  ProveAnew(i);
  LogBatch(Severity::kInfo, "batch_readable_again", i, batch.note);
}

}  // namespace damocles::poster::internal
