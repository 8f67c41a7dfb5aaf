// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/poster/state_machine.h"

#include <algorithm>
#include <variant>

#include "absl/strings/str_format.h"
#include "lib/poster/step.h"

#include "damocles/base/check.h"
#include "damocles/base/invariant.h"
#include "damocles/poster/invariants.h"

namespace damocles::poster {

absl::Duration Backoff::After(std::uint32_t failures) const {
  absl::Duration pause = initial;
  for (std::uint32_t i = 1; i < failures && pause < max; ++i) pause *= 2;
  return std::min(pause, max);
}

absl::Time Now::TimeOf(filecoin::ChainEpoch at) const {
  return epoch_start + epoch_duration * (at - epoch).Count();
}

std::string_view Name(ActionKind kind) {
  switch (kind) {
    case ActionKind::kReadInputs:
      return "read-inputs";
    case ActionKind::kReadRandomness:
      return "read-randomness";
    case ActionKind::kCheckSectors:
      return "check-sectors";
    case ActionKind::kEnsureJob:
      return "ensure-job";
    case ActionKind::kGetJob:
      return "get-job";
    case ActionKind::kResetJob:
      return "reset-job";
    case ActionKind::kSurvey:
      return "survey";
    case ActionKind::kSend:
      return "send";
    case ActionKind::kRepublish:
      return "republish";
    case ActionKind::kExplain:
      return "explain";
    case ActionKind::kJudgeFaults:
      return "judge-faults";
    case ActionKind::kRaise:
      return "raise";
    case ActionKind::kReplace:
      return "replace";
    case ActionKind::kUnblock:
      return "unblock";
  }
  return "unknown";
}

std::optional<ActionKey> KeyOf(const Action& action) {
  struct Visitor {
    std::optional<ActionKey> operator()(const action::ReadInputs&) const {
      return ActionKey{ActionKind::kReadInputs, kNoBatch};
    }
    std::optional<ActionKey> operator()(const action::ReadRandomness&) const {
      return ActionKey{ActionKind::kReadRandomness, kNoBatch};
    }
    std::optional<ActionKey> operator()(const action::CheckSectors&) const {
      return ActionKey{ActionKind::kCheckSectors, kNoBatch};
    }
    std::optional<ActionKey> operator()(const action::JudgeFaults& a) const {
      return ActionKey{ActionKind::kJudgeFaults, a.ref.batch};
    }
    std::optional<ActionKey> operator()(const action::EnsureJob& a) const {
      return ActionKey{ActionKind::kEnsureJob, a.ref.batch};
    }
    std::optional<ActionKey> operator()(const action::GetJob& a) const {
      return ActionKey{ActionKind::kGetJob, a.ref.batch};
    }
    std::optional<ActionKey> operator()(const action::ResetJob& a) const {
      return ActionKey{ActionKind::kResetJob, a.ref.batch};
    }
    std::optional<ActionKey> operator()(const action::Survey& a) const {
      return ActionKey{ActionKind::kSurvey, a.ref.batch};
    }
    std::optional<ActionKey> operator()(const action::Send& a) const {
      return ActionKey{ActionKind::kSend, a.ref.batch};
    }
    std::optional<ActionKey> operator()(const action::Republish& a) const {
      return ActionKey{ActionKind::kRepublish, a.ref.batch};
    }
    std::optional<ActionKey> operator()(const action::Raise& a) const {
      return ActionKey{ActionKind::kRaise, a.ref.batch};
    }
    std::optional<ActionKey> operator()(const action::Replace& a) const {
      return ActionKey{ActionKind::kReplace, a.ref.batch};
    }
    std::optional<ActionKey> operator()(const action::Explain& a) const {
      return ActionKey{ActionKind::kExplain, a.ref.batch};
    }
    std::optional<ActionKey> operator()(const action::Unblock& a) const {
      return ActionKey{ActionKind::kUnblock, a.ref.batch};
    }
    std::optional<ActionKey> operator()(const action::SetAside&) const { return std::nullopt; }
    std::optional<ActionKey> operator()(const action::DropJob&) const { return std::nullopt; }
    std::optional<ActionKey> operator()(const action::LogLine&) const { return std::nullopt; }
  };
  return std::visit(Visitor{}, action);
}

Machine NewMachine(filecoin::ActorId miner, const filecoin::DeadlineInfo& deadline,
                   const Now& now) {
  Machine machine;
  machine.record.miner = miner;
  machine.record.deadline = deadline;
  machine.record.milestones[static_cast<std::size_t>(DeadlineState::kWaiting)] = {now.epoch,
                                                                                  now.time};
  return machine;
}

Machine LoadedMachine(DeadlineRecord record) {
  Machine machine;
  machine.record = std::move(record);
  return machine;
}

bool IsOver(const DeadlineRecord& record, const Now& now, const PosterPolicy& policy) {
  return IsFinal(record.state) && now.epoch >= record.deadline.close + policy.confirmation_depth;
}

StepResult Step(Machine machine, const Event& event, const Now& now, const PosterPolicy& policy,
                Effort effort) {
  internal::Stepper stepper(std::move(machine), now, policy);
  std::visit([&](const auto& happened) { stepper.Handle(happened); }, event);
  stepper.Plan(effort);
  return std::move(stepper).Finish();
}

namespace internal {

// For a log: what the rules are about.
std::string Describe(const DeadlineRecord& record) {
  std::string out =
      absl::StrFormat("state %s, rounds %d, attempts %d", std::string(Name(record.state)),
                      record.rounds, record.attempts);
  for (const PartitionBatch& batch : record.batches) {
    out += absl::StrFormat(
        "; partitions %s: %s, round %d, attempt %d, proof of %d bytes, %s%s",
        JoinPartitions(batch.partitions), std::string(Name(batch.state)), batch.round,
        batch.message.attempt, batch.proof.size(),
        batch.message.cid ? "message " + batch.message.cid->ToString() : std::string("no message"),
        batch.message.receipt ? absl::StrFormat(" exit %d", batch.message.receipt->exit_code)
                              : std::string());
  }
  return out;
}

std::string JoinPartitions(const std::vector<filecoin::ChainPartition>& partitions) {
  std::string out;
  for (const filecoin::ChainPartition partition : partitions) {
    if (!out.empty()) out += ',';
    out += ToString(partition);
  }
  return out;
}

Stepper::Stepper(Machine machine, const Now& now, const PosterPolicy& policy)
    : machine_(std::move(machine)),
      record_(machine_.record),
      state_(machine_.state),
      now_(now),
      policy_(policy),
      record_before_(EncodeRecord(record_)),
      plan_before_(record_.plan) {}

StepResult Stepper::Finish() && {
  StepResult result;
  result.changed = EncodeRecord(record_) != record_before_;
  result.plan_changed = record_.plan != plan_before_;
  result.actions = std::move(actions_);
  result.wake_at = wake_at_;
  CheckInvariants("poster.deadline",
                  absl::StrFormat("f0%d open %d", record_.miner, Deadline().open.Value()),
                  InvariantsOf(record_), [&] { return Describe(record_); });
  result.machine = std::move(machine_);
  return result;
}

bool Stepper::Ask(Action action) {
  const std::optional<ActionKey> key = KeyOf(action);
  Flight& flight = state_.flights[*key];
  if (flight.under_way) return false;
  if (now_.time < flight.not_before) {
    Wake(flight.not_before);
    return false;
  }
  flight.under_way = true;
  actions_.push_back(std::move(action));
  return true;
}

bool Stepper::AskOnceAHead(Action action) {
  const Flight& flight = state_.flights[*KeyOf(action)];
  if (flight.answered_at == now_.epoch) return false;
  return Ask(std::move(action));
}

void Stepper::Landed(ActionKind kind, std::size_t batch) {
  Flight& flight = FlightOf(kind, batch);
  flight.under_way = false;
  flight.failures = 0;
  flight.not_before = absl::InfinitePast();
  flight.answered_at = now_.epoch;
}

void Stepper::Delay(ActionKind kind, std::size_t batch) {
  Flight& flight = FlightOf(kind, batch);
  flight.under_way = false;
  ++flight.failures;
  flight.not_before = now_.time + policy_.retry.After(flight.failures);
}

void Stepper::DelayFor(ActionKind kind, std::size_t batch, absl::Duration pause) {
  absl::Time& not_before = FlightOf(kind, batch).not_before;
  not_before = std::max(not_before, now_.time + pause);
}

bool Stepper::MustPause(ActionKind kind, std::size_t batch) const {
  const auto flight = state_.flights.find(ActionKey{kind, batch});
  return flight != state_.flights.end() && now_.time < flight->second.not_before;
}

void Stepper::Wake(absl::Time at) {
  if (!wake_at_ || at < *wake_at_) wake_at_ = at;
}

void Stepper::Log(Severity severity, std::string event, Fields fields) {
  action::LogLine line;
  line.severity = severity;
  line.event = std::move(event);
  line.fields.assign(fields.begin(), fields.end());
  actions_.emplace_back(std::move(line));
}

void Stepper::LogBatch(Severity severity, std::string event, std::size_t i, std::string detail) {
  const PartitionBatch& batch = record_.batches[i];
  Log(severity, std::move(event),
      {{"partitions", JoinPartitions(batch.partitions)},
       {"state", std::string(Name(batch.state))},
       {"detail", std::move(detail)}});
}

BatchRef Stepper::RefOf(std::size_t i) const {
  DAMOCLES_DCHECK(i < record_.batches.size());
  const PartitionBatch& batch = record_.batches[i];
  return {i, batch.round, batch.message.attempt};
}

bool Stepper::IsCurrent(const BatchRef& ref) const {
  return ref.batch < record_.batches.size() && ref == RefOf(ref.batch);
}

void Stepper::Plan(Effort effort) {
  if (IsFinal(record_.state)) return;
  const bool disabled = effort == Effort::kFinishOnly;
  const bool begin = !disabled || Closed();
  if (!record_.randomness) {
    if (!begin) return;
    // No configuration may cost the window: it is open at the latest when proving begins.
    if (now_.epoch >=
        std::min(Deadline().challenge + policy_.challenge_confidence, Deadline().open)) {
      if (record_.state == DeadlineState::kWaiting) Enter(DeadlineState::kPreparing);
      Ask(action::ReadInputs{Deadline().index, Deadline().challenge, Deadline().Last()});
    }
    return;
  }
  if (state_.recheck_randomness && !Closed()) {
    Ask(action::ReadRandomness{Deadline().challenge});
  }
  if (begin) PlanChecks();
  if (Closed()) BatchTheRest();
  for (std::size_t i = 0; i < record_.batches.size(); ++i) {
    PartitionBatch& batch = record_.batches[i];
    const bool sent = batch.state >= DeadlineState::kSubmitting || !batch.given_up.empty();
    if (!begin && !sent) continue;
    if (disabled && !sent && batch.note.empty()) batch.note = "the miner was disabled";
    PlanBatch(i);
  }
  DeriveState();
}

void Stepper::Handle(const event::Reorg& reorg) {
  // Which tipset a look-up at the challenge ends at depends on null rounds after it, so any reorg
  // may concern us; asking costs one call.
  state_.recheck_randomness = true;
  for (auto& [key, flight] : state_.flights) flight.answered_at.reset();
  JudgeAgain(reorg.lowest);
}

// What was confirmed may be off the chain again; and a head that went back opens a window again.
// Proofs are kept, and so are messages: the chain says what became of them.
void Stepper::JudgeAgain(filecoin::ChainEpoch lowest) {
  if (Closed()) return;
  const bool final = IsFinal(record_.state);
  if (final && record_.batches.empty()) {
    // Which sectors are to be proven is settled by the challenge.
    if (record_.state == DeadlineState::kMissed || lowest <= Deadline().challenge) {
      StartOver("a reorg: the chain is read again");
    }
    return;
  }
  bool changed = false;
  for (std::size_t i = 0; i < record_.batches.size(); ++i) {
    PartitionBatch& batch = record_.batches[i];
    const bool confirmed = batch.state == DeadlineState::kConfirmed;
    if (batch.state == DeadlineState::kMissed) {
      batch.message.cid.reset();
      batch.message.receipt.reset();
      SetState(i, batch.proof.empty() ? DeadlineState::kProving : DeadlineState::kProven);
    } else if (confirmed && batch.posted_by_other && lowest <= batch.posted_seen_at) {
      batch.posted_seen_at = now_.epoch;
      SetState(i, DeadlineState::kOnChain);
    } else if (confirmed && !batch.posted_by_other && batch.message.receipt &&
               lowest <= batch.message.receipt->height) {
      SetState(i, DeadlineState::kOnChain);
    } else {
      continue;
    }
    changed = true;
  }
  if (!changed) return;
  Log(Severity::kWarning, "judged_again", {{"why", "a reorg"}});
  if (!final) return;
  record_.reason.clear();
  record_.state = DeadlineState::kOnChain;  // or less: DeriveState
}

void Stepper::Handle(const event::Failed& failed) {
  Delay(failed.key.kind, failed.key.batch);
  const std::string text(failed.status.message());
  const bool about_batch = failed.key.batch != kNoBatch;
  if (about_batch && !IsCurrent(failed.ref)) return;
  const std::size_t i = failed.key.batch;
  switch (failed.key.kind) {
    case ActionKind::kReadInputs:
      if (record_.randomness || IsFinal(record_.state)) return;
      record_.reason = text;
      if (AskedInVain(FlightOf(ActionKind::kReadInputs))) {
        record_.reason =
            absl::StrFormat("the window closed before the chain could be read: %s", text);
        Enter(DeadlineState::kMissed);
      }
      break;
    case ActionKind::kReadRandomness:
    case ActionKind::kCheckSectors:
      record_.reason = text;
      break;
    case ActionKind::kSend:
      SendFailed(i, failed.status);
      return;
    case ActionKind::kRepublish:
      if (record_.batches[i].state == DeadlineState::kSubmitting &&
          ClassifySendError(failed.status) != MessageTrouble::kUnknownFate) {
        // These bytes will not do any more (the nonce is taken, say): a new message.
        record_.batches[i].note = text;
        LogBatch(Severity::kWarning, "message_not_taken_again", i, text);
        SetState(i, DeadlineState::kProven);
        return;
      }
      break;
    case ActionKind::kResetJob:
    case ActionKind::kGetJob:
      if (absl::IsNotFound(failed.status)) {
        record_.batches[i].job_id.clear();
        record_.batches[i].reset_job = false;
      }
      record_.batches[i].note = text;
      break;
    case ActionKind::kExplain:
      // The chain's words are a help, not a need.
      if (FlightOf(ActionKind::kExplain, i).failures >= 3) {
        Handle(event::Explained{failed.ref, ""});
        return;
      }
      break;
    case ActionKind::kReplace:
      // The old message waits on, and will be raised from where the pool has it.
      if (ClassifySendError(failed.status) != MessageTrouble::kUnknownFate) {
        state_.replacements_refused.insert(i);
      }
      record_.batches[i].note = text;
      if (IsOfSender(ClassifySendError(failed.status))) {
        CannotRaise(i, failed.key.kind, failed.status);
      }
      break;
    case ActionKind::kRaise:
    case ActionKind::kUnblock:
      record_.batches[i].note = text;
      CannotRaise(i, failed.key.kind, failed.status);
      break;
    case ActionKind::kEnsureJob:
    case ActionKind::kJudgeFaults:
      record_.batches[i].note = text;
      break;
    case ActionKind::kSurvey:
      ++state_.failed_pools[i];  // whichever part it was
      record_.batches[i].note = text;
      break;
  }
  Log(Severity::kWarning, "step_failed",
      {{"step", std::string(Name(failed.key.kind))},
       {"failures", std::to_string(FlightOf(failed.key.kind, failed.key.batch).failures)},
       {"error", text}});
}

}  // namespace internal
}  // namespace damocles::poster
