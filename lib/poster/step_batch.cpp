// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// From a batch to its proof.

#include <utility>

#include "absl/strings/str_format.h"
#include "lib/poster/step.h"

#include "damocles/base/check.h"

namespace damocles::poster::internal {

void Stepper::PlanBatch(std::size_t i) {
  switch (record_.batches[i].state) {
    case DeadlineState::kProving:
      PlanProving(i);
      break;
    case DeadlineState::kProven:
    case DeadlineState::kSubmitting:
    case DeadlineState::kOnChain:
      PlanDelivery(i);
      break;
    case DeadlineState::kWaiting:
    case DeadlineState::kPreparing:
    case DeadlineState::kConfirmed:
    case DeadlineState::kMissed:
      break;
  }
}

void Stepper::PlanProving(std::size_t i) {
  PartitionBatch& batch = record_.batches[i];
  if (Closed()) {
    PlanDelivery(i);
    return;
  }
  if (NothingReadable(i)) {
    PlanUnreadable(i);
    return;
  }
  FellBack(i);
  if (batch.job_id.empty()) {
    if (!MustWaitForEarlier(i)) Ask(action::EnsureJob{RefOf(i), SpecOf(record_, batch, now_)});
    return;
  }
  if (batch.reset_job) {
    Ask(action::ResetJob{RefOf(i), batch.job_id, batch.note});
    return;
  }
  if (Of(i).job.claim) {
    PlanClaim(i);
    return;
  }
  if (const std::optional<std::string>& exhausted = Of(i).job.exhausted;
      exhausted && policy_.auto_reset_before_close && CanStillSend()) {
    if (Ask(action::ResetJob{RefOf(i), batch.job_id, *exhausted})) {
      Log(Severity::kWarning, "job_reset_before_close",
          {{"partitions", JoinPartitions(batch.partitions)},
           {"job", batch.job_id},
           {"error", *exhausted}});
    }
    return;
  }
  if (ResetStuckJob(i)) return;
  // The queue announces changes; this catches a job that was removed and a lost announcement.
  AskOnceAHead(action::GetJob{RefOf(i), batch.job_id});
}

// Workers that do not see a store are left alone for minutes, which a window may not have; who is
// asked again names the sectors, and the rest can be proven.
bool Stepper::ResetStuckJob(std::size_t i) {
  const std::optional<absl::Time> stuck = Of(i).job.stuck_since;
  if (!stuck || TimeLeft() >= WindowLength() / 2 || !CanStillSend()) {
    return false;
  }
  const absl::Time due = *stuck + TwentiethOfWindow();
  if (now_.time < due) {
    Wake(due);
    return false;
  }
  const PartitionBatch& batch = record_.batches[i];
  if (!Ask(action::ResetJob{RefOf(i), batch.job_id, batch.note})) return false;
  LogBatch(Severity::kWarning, "job_offered_again", i, batch.note);
  return true;
}

bool Stepper::MustWaitForEarlier(std::size_t i) const {
  // An earlier batch that gets nowhere must not cost this one its window.
  if (policy_.parallel || LittleTimeLeft()) return false;
  for (std::size_t b = 0; b < i; ++b) {
    const PartitionBatch& earlier = record_.batches[b];
    const bool idle =
        Of(b).job.exhausted || (earlier.reset_job && MustPause(ActionKind::kResetJob, b));
    if (earlier.state == DeadlineState::kProving && !idle && !NothingReadable(b)) return true;
  }
  return false;
}

// In one piece: each state of a job has its case, and they are read one beside the other.
void Stepper::Handle(const event::JobChanged& changed) {
  std::size_t i = kNoBatch;
  if (changed.ref) {
    i = changed.ref->batch;
    const ActionKind kind = FlightOf(ActionKind::kEnsureJob, i).under_way ? ActionKind::kEnsureJob
                                                                          : ActionKind::kGetJob;
    Landed(kind, i);
    if (!IsCurrent(*changed.ref)) return;
  } else {
    for (std::size_t b = 0; b < record_.batches.size(); ++b) {
      if (record_.batches[b].job_id == changed.job.id) i = b;
    }
    if (i == kNoBatch) return;
  }
  PartitionBatch& batch = record_.batches[i];
  JobState& job = Of(i).job;
  if (batch.state != DeadlineState::kProving) return;
  bool from_before = false;  // the queue had such a job already
  if (batch.job_id != changed.job.id) {
    // Only the answer to EnsureJob may name the job; an answer about another one is stale.
    if (!batch.job_id.empty()) return;
    batch.job_id = changed.job.id;
    from_before = true;
    state_.flights.NoteAnswered({ActionKind::kGetJob, i}, now_.epoch);
    job.began = now_.time;
  }
  if (batch.reset_job) {
    // What is known is on its way to be dropped; but a job that was doubted may have got further by
    // itself in the pause: another's proof was late, an operator reset it.
    const bool further = changed.job.outcome == JobOutcome::kSucceeded ||
                         changed.job.outcome == JobOutcome::kWorking;
    if (!further || !job.doubted || FlightOf(ActionKind::kResetJob, i).under_way) {
      return;
    }
    batch.reset_job = false;
    job.doubted = false;
  }
  const bool was_exhausted = std::exchange(job.exhausted, std::nullopt).has_value();
  if (changed.job.outcome != JobOutcome::kFaults) job.claim.reset();
  switch (changed.job.outcome) {
    case JobOutcome::kWorking:
      if (!job.began) job.began = now_.time;  // a manager that was started anew
      if (!changed.job.error.empty()) batch.note = changed.job.error;
      if (changed.job.waits && !changed.job.error.empty()) {
        if (!job.stuck_since) job.stuck_since = now_.time;
      } else {
        job.stuck_since.reset();
      }
      break;
    case JobOutcome::kSucceeded:
      if (changed.job.proof.empty()) {
        batch.note = "the job succeeded without a proof";
        job.exhausted = batch.note;
        break;
      }
      batch.proof = changed.job.proof;
      batch.note.clear();
      if (job.began && !from_before) Of(i).proof_took = now_.time - *job.began;
      Of(i).rejoining.skipped_before.clear();
      SetState(i, DeadlineState::kProven);
      break;
    case JobOutcome::kFaults:
      if (from_before) {
        // What could not be read then is what we want to have read now.
        batch.note = "its faults are of an earlier time";
        batch.reset_job = true;
      } else {
        FaultsNamed(i, changed.job);
      }
      break;
    case JobOutcome::kExhausted:
      if (!was_exhausted) PauseResets(i, job.resets + 1);
      batch.note = changed.job.error;
      job.exhausted = changed.job.error;
      break;
  }
}

void Stepper::Handle(const event::JobMissing& missing) {
  for (std::size_t i = 0; i < record_.batches.size(); ++i) {
    PartitionBatch& batch = record_.batches[i];
    if (missing.ref && missing.ref->batch == i) Landed(ActionKind::kGetJob, i);
    if (missing.job_id.empty() || batch.job_id != missing.job_id) continue;
    if (batch.state != DeadlineState::kProving) continue;
    LogBatch(Severity::kWarning, "job_gone", i, batch.job_id);
    batch.job_id.clear();
    batch.reset_job = false;
    Of(i).job.exhausted.reset();
    Of(i).job.claim.reset();
  }
}

void Stepper::Handle(const event::JobReset& reset) {
  const std::size_t i = reset.ref.batch;
  Landed(ActionKind::kResetJob, i);
  if (!IsCurrent(reset.ref)) return;
  record_.batches[i].reset_job = false;
  JobState& job = Of(i).job;
  job.exhausted.reset();
  job.doubted = false;
  job.stuck_since.reset();
  job.began = now_.time;
  PauseResets(i, ++job.resets);
}

// A job that fails at once must not be reset in a tight loop.
void Stepper::PauseResets(std::size_t i, std::uint32_t resets) {
  const absl::Duration pause =
      LittleTimeLeft() ? policy_.retry.initial : policy_.retry.After(resets);
  DelayFor(ActionKind::kResetJob, i, std::min(pause, TwentiethOfWindow()));
}

void Stepper::DropJobOf(const PartitionBatch& batch) {
  if (!batch.job_id.empty()) actions_.emplace_back(action::DropJob{batch.job_id});
}

void Stepper::ProveAnew(std::size_t i) {
  DAMOCLES_DCHECK(i < record_.batches.size());
  PartitionBatch& batch = record_.batches[i];
  DropJobOf(batch);
  batch.round = ++record_.rounds;
  batch.job_id.clear();
  batch.reset_job = false;
  batch.proof.clear();
  batch.posted_by_other = false;
  Of(i).job = {};
  Of(i).delivery.heads_without_message = 0;
  if (batch.state != DeadlineState::kProving) SetState(i, DeadlineState::kProving);
}

void Stepper::DistrustProof(std::size_t i) {
  DAMOCLES_DCHECK(i < record_.batches.size());
  PartitionBatch& batch = record_.batches[i];
  batch.proof.clear();
  batch.reset_job = !batch.job_id.empty();
  batch.round = ++record_.rounds;
  // The likeliest reason is a challenge that is not the chain's any more.
  state_.recheck_randomness = true;
  SetState(i, DeadlineState::kProving);
}

}  // namespace damocles::poster::internal
