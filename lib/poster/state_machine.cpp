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
    case ActionKind::kPush:
      return "push";
    case ActionKind::kPushAgain:
      return "push-again";
    case ActionKind::kExplain:
      return "explain";
    case ActionKind::kJudgeFaults:
      return "judge-faults";
    case ActionKind::kSignReplacement:
      return "sign-replacement";
    case ActionKind::kPushReplacement:
      return "push-replacement";
    case ActionKind::kUnblock:
      return "unblock";
  }
  return "unknown";
}

ActionKind KindOf(delivery::Work work) {
  switch (work) {
    case delivery::Work::kLook:
      return ActionKind::kSurvey;
    case delivery::Work::kPush:
      return ActionKind::kPush;
    case delivery::Work::kPushAgain:
      return ActionKind::kPushAgain;
    case delivery::Work::kSignReplacement:
      return ActionKind::kSignReplacement;
    case delivery::Work::kPushReplacement:
      return ActionKind::kPushReplacement;
    case delivery::Work::kUnblock:
      return ActionKind::kUnblock;
    case delivery::Work::kExplain:
      return ActionKind::kExplain;
  }
  return ActionKind::kSurvey;
}

std::optional<delivery::Work> WorkOf(ActionKind kind) {
  for (const delivery::Work work :
       {delivery::Work::kLook, delivery::Work::kPush, delivery::Work::kPushAgain,
        delivery::Work::kSignReplacement, delivery::Work::kPushReplacement,
        delivery::Work::kUnblock, delivery::Work::kExplain}) {
    if (KindOf(work) == kind) return work;
  }
  return std::nullopt;
}

std::optional<ActionKey> KeyOf(const Action& action) {
  return std::visit(
      [](const auto& a) -> std::optional<ActionKey> {
        if constexpr (requires { a.kWork; }) {
          return ActionKey{KindOf(a.kWork), a.ref.batch};
        } else if constexpr (requires {
                               a.kKind;
                               a.ref;
                             }) {
          return ActionKey{a.kKind, a.ref.batch};
        } else if constexpr (requires { a.kKind; }) {
          return ActionKey{a.kKind, kNoBatch};
        } else {
          return std::nullopt;
        }
      },
      action);
}

void Volatile::ForgetBatches() {
  flights.ForgetThose([](const ActionKey& key) { return key.batch != kNoBatch; });
  for (auto& [index, batch] : batches) {
    delivery::State delivery = std::move(batch.delivery);
    delivery.Reset();
    batch = BatchState{};
    batch.delivery = std::move(delivery);
  }
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
  if (!state_.flights.Begin(*KeyOf(action), now_.time, wake_at_)) return false;
  actions_.push_back(std::move(action));
  return true;
}

bool Stepper::AskOnceAHead(Action action) {
  if (state_.flights.Of(*KeyOf(action)).answered_at == now_.epoch) return false;
  return Ask(std::move(action));
}

const BatchState& Stepper::Of(std::size_t i) const {
  static const BatchState none;
  const auto found = state_.batches.find(i);
  return found == state_.batches.end() ? none : found->second;
}

void Stepper::Wake(absl::Time at) {
  if (!wake_at_ || at < *wake_at_) wake_at_ = at;
}

void Stepper::Log(Severity severity, std::string event, Fields fields) {
  actions_.emplace_back(action::LogLine{severity, std::move(event), fields});
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
  state_.flights.RefreshAll();
  JudgeAgain(reorg);
}

void Stepper::JudgeAgain(const event::Reorg& reorg) {
  const bool final = IsFinal(record_.state);
  if (final && record_.batches.empty()) {
    if (Closed()) return;
    // Which sectors are to be proven is settled by the challenge.
    if (record_.state == DeadlineState::kMissed || reorg.lowest <= Deadline().challenge) {
      StartOver("a reorg: the chain is read again");
    }
    return;
  }
  bool opened = false;
  for (std::size_t i = 0; i < record_.batches.size(); ++i) {
    const bool was_final = IsFinal(record_.batches[i].state);
    Deliver(i, reorg);
    opened = opened || (was_final && !IsFinal(record_.batches[i].state));
  }
  if (!opened) return;
  Log(Severity::kWarning, "judged_again", {{"why", "a reorg"}});
  if (!final) return;
  record_.reason.clear();
  record_.state = DeadlineState::kOnChain;  // or less: DeriveState
}

void Stepper::Handle(const event::Failed& failed) {
  if (const std::optional<delivery::Work> work = WorkOf(failed.key.kind)) {
    DeliverAnswer(failed.ref, delivery::event::Failed{*work, failed.status});
    return;
  }
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
    case ActionKind::kResetJob:
    case ActionKind::kGetJob:
      if (absl::IsNotFound(failed.status)) {
        record_.batches[i].job_id.clear();
        record_.batches[i].reset_job = false;
      }
      record_.batches[i].note = text;
      break;
    case ActionKind::kEnsureJob:
    case ActionKind::kJudgeFaults:
      record_.batches[i].note = text;
      break;
    default:
      break;
  }
  Log(Severity::kWarning, "step_failed",
      {{"step", std::string(Name(failed.key.kind))},
       {"failures", std::to_string(FlightOf(failed.key.kind, failed.key.batch).failures)},
       {"error", text}});
}

}  // namespace internal
}  // namespace damocles::poster
