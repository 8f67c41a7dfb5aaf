// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// Skipped sectors that may be back.
//
// A sector is given up for good only with the message that skips it.  Until then what was skipped
// is looked at again and again, the rest is proven at once as a reserve, and the message waits
// while there is time to prove the sectors that come back.  The reserve is kept: if the proof with
// them fails or takes too long, it goes out.

#include <algorithm>
#include <utility>

#include "absl/strings/str_format.h"
#include "lib/poster/step.h"

namespace damocles::poster::internal {

std::size_t Stepper::BatchOf(filecoin::ChainPartition partition) const {
  for (std::size_t i = 0; i < record_.batches.size(); ++i) {
    const std::vector<filecoin::ChainPartition>& of = record_.batches[i].partitions;
    if (std::find(of.begin(), of.end(), partition) != of.end()) return i;
  }
  return kNoBatch;
}

absl::Duration Stepper::RelookPause() const {
  return std::max(absl::Seconds(1),
                  std::min(policy_.unreadable_recheck_delay, TwentiethOfWindow()));
}

// What a message needs to be executed, whatever the chain does; in the short windows of a devnet
// some epochs are more than their share: one to be included, two heads until it is known that it
// was lost, one for the next message, and null rounds among them.
absl::Duration Stepper::Reserve() const {
  constexpr int kEpochsMin = 8;
  return std::min(WindowLength() / 2, std::max(WindowLength() * policy_.reserve_share,
                                               kEpochsMin * now_.epoch_duration));
}

absl::Time Stepper::RejoinUntil(std::size_t i) const {
  absl::Duration took = absl::ZeroDuration();
  if (Of(i).proof_took) {
    took = *Of(i).proof_took;
  } else if (Of(i).job.began) {
    took = now_.time - *Of(i).job.began;  // so far
  }
  return now_.TimeOf(Deadline().close) - Reserve() - 2 * took;
}

bool Stepper::MayRejoin(std::size_t i) const {
  if (NothingReadable(i) || now_.time >= RejoinUntil(i)) return false;
  const std::uint32_t times = Of(i).rejoining.times;
  switch (record_.batches[i].state) {
    case DeadlineState::kProven:
      return times < policy_.rejoins_max;
    case DeadlineState::kProving:
      // The proof that is being made becomes the reserve: it is given up for another only while the
      // whole window is left, and once, or a mount that comes and goes leaves no proof at all.
      return times == 0 && now_.epoch < Deadline().open;
    default:
      return false;
  }
}

void Stepper::AddSkipped(std::vector<PlannedSector>& sectors) const {
  for (std::size_t i = 0; i < record_.batches.size(); ++i) {
    if (!MayRejoin(i)) continue;
    VisitSectors(i, [&](const PlannedSector& sector) {
      if (sector.Skipped()) sectors.push_back(sector);
    });
  }
}

void Stepper::TakeRelook(const std::map<filecoin::SectorNumber, const SectorVerdict*>& verdicts) {
  for (std::size_t i = 0; i < record_.batches.size(); ++i) {
    if (!MayRejoin(i)) continue;
    const absl::Time not_before = Of(i).rejoining.not_before;
    std::map<filecoin::SectorNumber, const SectorVerdict*> back;
    VisitSectors(i, [&](const PlannedSector& sector) {
      const auto found = verdicts.find(sector.number);
      if (!sector.Skipped() || found == verdicts.end()) return;
      const SectorVerdict& verdict = *found->second;
      if (verdict.wrong) state_.wrong.insert(sector.number);
      if (!verdict.ForProver()) return;
      // That the manager reads it says little where a prover could not, and the prover is not asked
      // all the time.
      const bool unsure = sector.prover_fault || !verdict.reason.empty();
      if (!unsure || now_.time >= not_before) back.insert(*found);
    });
    if (!back.empty()) Rejoin(i, back);
  }
}

void Stepper::Rejoin(std::size_t i,
                     const std::map<filecoin::SectorNumber, const SectorVerdict*>& back) {
  PartitionBatch& batch = record_.batches[i];
  Rejoining& rejoining = Of(i).rejoining;
  ++rejoining.times;
  rejoining.not_before = now_.time + WindowLength() / 10;
  const bool reserve = batch.state == DeadlineState::kProven;
  if (!reserve) rejoining.skipped_before.clear();
  for (PlannedPartition& partition : MutablePlan().partitions) {
    if (BatchOf(partition.index) != i) continue;
    for (PlannedSector& sector : partition.sectors) {
      const auto found = back.find(sector.number);
      if (found == back.end()) continue;
      if (reserve) rejoining.skipped_before.emplace(sector.number, sector.skip_reason);
      sector.sealed_store = found->second->sealed_store;
      sector.cache_store = found->second->cache_store;
      sector.skip_reason.clear();
      sector.prover_fault = false;
      state_.wrong.erase(sector.number);
      Log(Severity::kInfo, "sector_proven_after_all",
          {{"partition", ToString(partition.index)}, {"sector", std::to_string(sector.number)}});
    }
  }
  // A job that has succeeded stays in the queue: it answers at once if the same is asked again.
  if (reserve) batch.job_id.clear();
  batch.note = absl::StrFormat("%d sectors of it can be read again", back.size());
  ProveAnew(i);
  LogBatch(Severity::kInfo, "batch_readable_again", i, batch.note);
}

bool Stepper::IsHeld(std::size_t i) {
  const absl::Time until = RejoinUntil(i);
  std::string first;
  if (MayRejoin(i)) {
    VisitSectors(i, [&](const PlannedSector& sector) {
      if (!sector.Skipped() || state_.wrong.contains(sector.number) || !first.empty()) return;
      first = absl::StrFormat("sector %d: %s", sector.number, sector.skip_reason);
    });
  }
  if (first.empty()) {
    if (std::exchange(Of(i).job.held, false)) {
      LogBatch(Severity::kInfo, "batch_waits_no_more", i, record_.batches[i].note);
      record_.batches[i].note.clear();
    }
    return false;
  }
  Wake(until);
  if (!std::exchange(Of(i).job.held, true)) {
    record_.batches[i].note =
        absl::StrFormat("proven without sectors that may be back, waits for them until %s (%s)",
                        absl::FormatTime("%H:%M:%S", until, absl::LocalTimeZone()), first);
    LogBatch(Severity::kWarning, "batch_waits_for_sectors", i, record_.batches[i].note);
  }
  return true;
}

bool Stepper::FellBack(std::size_t i) {
  Rejoining& rejoining = Of(i).rejoining;
  if (rejoining.skipped_before.empty()) return false;
  const absl::Time latest = now_.TimeOf(Deadline().close) - Reserve();
  if (now_.time < latest) {
    Wake(latest);
    return false;
  }
  const auto before = std::exchange(rejoining.skipped_before, {});
  rejoining.times = policy_.rejoins_max;  // there is no time for another
  for (PlannedPartition& partition : MutablePlan().partitions) {
    if (BatchOf(partition.index) != i) continue;
    for (PlannedSector& sector : partition.sectors) {
      const auto found = before.find(sector.number);
      if (found != before.end() && !sector.Skipped()) sector.skip_reason = found->second;
    }
  }
  ProveAnew(i);
  LogBatch(Severity::kWarning, "batch_back_to_its_reserve", i,
           absl::StrFormat("the proof with %d sectors more is not there in time", before.size()));
  return true;
}

}  // namespace damocles::poster::internal
