// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// From a proof to a confirmed message: what the delivery of a batch's message must know of the
// batch, and what becomes of the batch by it.

#include <algorithm>
#include <type_traits>
#include <utility>
#include <variant>

#include "absl/strings/str_format.h"
#include "lib/poster/step.h"

#include "damocles/base/check.h"

namespace damocles::poster::internal {
namespace {

// A node that never says what was posted is asked so often after the close.
constexpr std::uint32_t kAsksBeforeMissed = 3;
// So many foreign messages are reported in a deadline: a stranger can push as many as he likes.
constexpr std::size_t kForeignReported = 32;

delivery::Phase PhaseOf(DeadlineState state) {
  switch (state) {
    case DeadlineState::kWaiting:
    case DeadlineState::kPreparing:
    case DeadlineState::kProving:
      break;
    case DeadlineState::kProven:
      return delivery::Phase::kWanted;
    case DeadlineState::kSubmitting:
      return delivery::Phase::kPushed;
    case DeadlineState::kOnChain:
      return delivery::Phase::kOnChain;
    case DeadlineState::kConfirmed:
      return delivery::Phase::kConfirmed;
    case DeadlineState::kMissed:
      return delivery::Phase::kMissed;
  }
  return delivery::Phase::kIdle;
}

// A message can be wanted again when the proof is gone: it is made first.
DeadlineState StateIn(delivery::Phase phase, bool has_proof) {
  switch (phase) {
    case delivery::Phase::kIdle:
      break;
    case delivery::Phase::kWanted:
      return has_proof ? DeadlineState::kProven : DeadlineState::kProving;
    case delivery::Phase::kPushed:
      return DeadlineState::kSubmitting;
    case delivery::Phase::kOnChain:
      return DeadlineState::kOnChain;
    case delivery::Phase::kConfirmed:
      return DeadlineState::kConfirmed;
    case delivery::Phase::kMissed:
      return DeadlineState::kMissed;
  }
  return DeadlineState::kProving;
}

}  // namespace

Violations DeliveryInvariantsOf(const PartitionBatch& batch) {
  return delivery::InvariantsOf(PhaseOf(batch.state), batch);
}

void Stepper::NoteState(std::size_t i, DeadlineState state) {
  DAMOCLES_DCHECK(i < record_.batches.size());
  PartitionBatch& batch = record_.batches[i];
  if (batch.state == state) return;
  batch.state = state;
  LogBatch(Severity::kInfo, "batch_state", i, batch.note);
}

void Stepper::SetState(std::size_t i, DeadlineState state) {
  if (record_.batches[i].state == state) return;
  Of(i).delivery.flights.Refresh(delivery::Work::kLook);
  NoteState(i, state);
}

void Stepper::Miss(std::size_t i, std::string why) {
  DAMOCLES_DCHECK(i < record_.batches.size());
  PartitionBatch& batch = record_.batches[i];
  batch.note =
      batch.note.empty() ? std::move(why) : absl::StrFormat("%s; before that: %s", why, batch.note);
  batch.state = DeadlineState::kMissed;
  LogBatch(Severity::kError, "batch_missed", i, batch.note);
}

std::string Stepper::WhyMissed(std::size_t i) const {
  const PartitionBatch& batch = record_.batches[i];
  if (batch.state == DeadlineState::kProven) {
    return absl::StrFormat("the window closed at epoch %d before the proof could be sent",
                           Deadline().close.Value());
  }
  if (NothingReadable(i)) {
    return absl::StrFormat("no sector of it can be read (%s)",
                           FirstReason(*FindPartition(record_, batch.partitions.front())));
  }
  return absl::StrFormat("the window closed at epoch %d before there was a proof",
                         Deadline().close.Value());
}

bool Stepper::AskedInVain(const delivery::Flight& flight) const {
  return PastSearch() && flight.failures >= kAsksBeforeMissed;
}

void Stepper::PlanDelivery(std::size_t i) {
  const bool proven = record_.batches[i].state == DeadlineState::kProven;
  Deliver(i, delivery::event::Tick{}, proven && MaySend(i));
}

bool Stepper::MaySend(std::size_t i) {
  if (Closed() || !CanStillSend()) return false;
  // No configuration may cost the window: a quarter of it is left for the message.
  const filecoin::ChainEpoch latest =
      Deadline().open + filecoin::EpochDelta((Deadline().close - Deadline().open).Count() * 3 / 4);
  if (now_.epoch < std::min(Deadline().open + policy_.submit_confidence, latest)) return false;
  return !IsHeld(i);
}

std::int64_t Stepper::FallbackGas(std::size_t i) const {
  const PartitionBatch& batch = record_.batches[i];
  std::int64_t known = 0;
  for (const PartitionBatch& other : record_.batches) {
    if (other.partitions.size() >= batch.partitions.size()) {
      known = std::max(known, other.message.signed_gas_limit);
    }
  }
  if (known > 0) return known;
  return policy_.fallback_gas_limit +
         policy_.fallback_gas_of_partition * static_cast<std::int64_t>(batch.partitions.size());
}

delivery::Terms Stepper::TermsOf(std::size_t i, bool may_begin) const {
  delivery::Terms terms;
  terms.policy = policy_;
  terms.until = terms.close = Deadline().close;
  terms.search_until = Deadline().close + policy_.confirmation_depth + policy_.search_after_close;
  terms.window = Deadline().close - Deadline().open;
  terms.late_from = now_.TimeOf(Deadline().close) - Reserve();
  terms.may_begin = may_begin;
  terms.next_attempt = record_.attempts + 1;
  terms.next_uuid = MessageUuid(record_.miner, Deadline().period_start, Deadline().index,
                                record_.batches[i].partitions, terms.next_attempt);
  terms.fallback_gas = FallbackGas(i);
  terms.remakes = true;
  terms.done_note = "the chain has a proof of it already";
  return terms;
}

delivery::Outcome Stepper::Deliver(std::size_t i, const delivery::Event& event, bool may_begin) {
  DAMOCLES_DCHECK(i < record_.batches.size());
  PartitionBatch& batch = record_.batches[i];
  delivery::Record& delivered = batch;
  const delivery::Terms terms = TermsOf(i, may_begin);
  delivery::Machine before;
  before.phase = PhaseOf(batch.state);
  before.record = std::move(delivered);
  before.state = std::move(Of(i).delivery);
  delivery::StepResult result = delivery::Step(std::move(before), event, now_, terms);
  delivered = std::move(result.machine.record);
  Of(i).delivery = std::move(result.machine.state);
  record_.attempts = std::max(record_.attempts, batch.message.attempt);
  if (result.wake_at) Wake(*result.wake_at);
  delivery::Outcome& outcome = result.outcome;
  if (outcome.missed) {
    Miss(i, outcome.missed->empty() ? WhyMissed(i) : *outcome.missed);
  } else {
    NoteState(i, StateIn(result.machine.phase, !batch.proof.empty()));
  }
  for (delivery::Action& action : result.actions) TakeAction(i, std::move(action));
  if (outcome.basis_doubted) state_.recheck_randomness = true;
  if (outcome.refuted) DistrustProof(i);
  return std::move(outcome);
}

void Stepper::DeliverAnswer(const BatchRef& ref, const delivery::Event& answer) {
  // A lane that was made free is so whatever became of the batch.
  const bool of_a_lane = std::holds_alternative<delivery::event::Unblocked>(answer) &&
                         ref.batch < record_.batches.size();
  if (IsCurrent(ref) || of_a_lane) {
    Deliver(ref.batch, answer);
    return;
  }
  delivery::Flights<delivery::Work>& flights = Of(ref.batch).delivery.flights;
  std::visit(
      [&](const auto& came) {
        if constexpr (requires { came.kWork; }) {
          flights.Landed(came.kWork, now_.epoch);
        } else if constexpr (requires { came.work; }) {
          flights.Delay(came.work, now_.time, policy_.retry);
        }
      },
      answer);
}

void Stepper::TakeAction(std::size_t i, delivery::Action action) {
  std::visit(
      [&](auto& asked) {
        using A = std::decay_t<decltype(asked)>;
        if constexpr (std::is_same_v<A, delivery::action::Look>) {
          actions_.emplace_back(SurveyOf(i, std::move(asked)));
        } else if constexpr (std::is_same_v<A, delivery::action::LogLine>) {
          const PartitionBatch& batch = record_.batches[i];
          asked.fields.insert(asked.fields.begin(),
                              {{"partitions", JoinPartitions(batch.partitions)},
                               {"state", std::string(Name(batch.state))}});
          actions_.emplace_back(std::move(asked));
        } else if constexpr (requires { A::kWork; }) {
          actions_.emplace_back(OfBatch<A>{std::move(asked), RefOf(i)});
        } else {
          actions_.emplace_back(std::move(asked));
        }
      },
      action);
}

action::Survey Stepper::SurveyOf(std::size_t i, delivery::action::Look look) const {
  const PartitionBatch& batch = record_.batches[i];
  action::Survey survey;
  static_cast<delivery::action::Look&>(survey) = std::move(look);
  survey.ref = RefOf(i);
  survey.deadline_index = Deadline().index;
  survey.partitions = batch.partitions;
  std::vector<std::uint64_t> wanted;
  VisitSectors(i, [&](const PlannedSector& sector) { wanted.push_back(sector.number); });
  survey.wanted = filecoin::BitField::Of(wanted);
  survey.challenge = Deadline().challenge;
  survey.close = Deadline().close;
  if (batch.state == DeadlineState::kProven) {
    const absl::StatusOr<Bytes> params = SubmitParamsOf(record_, batch, Bytes32{});
    survey.params = params.ok() ? *params : Bytes();
    survey.params_want_basis = true;
  }
  return survey;
}

void Stepper::Handle(const event::Surveyed& survey) {
  const std::size_t i = survey.ref.batch;
  if (IsFinal(record_.state) || !IsCurrent(survey.ref)) {
    if (GapOf(survey).ok()) {
      Of(i).delivery.flights.Landed(delivery::Work::kLook, now_.epoch);
    } else {
      Of(i).delivery.flights.Delay(delivery::Work::kLook, now_.time, policy_.retry);
    }
    return;
  }
  if (!Closed() && survey.randomness && survey.randomness != record_.randomness) {
    Of(i).delivery.flights.Landed(delivery::Work::kLook, now_.epoch);
    StartOver("the challenge randomness changed");
    return;
  }
  ReportForeign(i, survey);
  PartitionBatch& batch = record_.batches[i];
  delivery::event::Looked looked = survey;
  const auto have = std::count_if(batch.partitions.begin(), batch.partitions.end(),
                                  [&](auto p) { return survey.posted.contains(p); });
  if (have > 0) {
    looked.done = static_cast<std::size_t>(have) == batch.partitions.size() ? delivery::Done::kAll
                                                                            : delivery::Done::kPart;
  }
  looked.basis = survey.commit_randomness;
  if (batch.state == DeadlineState::kProven) {
    looked.params =
        looked.basis
            ? SubmitParamsOf(record_, batch, *looked.basis)
            : absl::StatusOr<Bytes>(absl::UnavailableError("the node gave no commit randomness"));
  }
  const delivery::Outcome outcome = Deliver(i, looked);
  if (outcome.partly_done) SplitPosted(i, survey.posted);
  if (outcome.undone && record_.batches[i].proof.empty()) {
    StartOver("the chain lost a proof that it had");
  }
}

void Stepper::SplitPosted(std::size_t i, const std::set<filecoin::ChainPartition>& posted) {
  PartitionBatch& batch = record_.batches[i];
  std::vector<filecoin::ChainPartition> have;
  std::vector<filecoin::ChainPartition> left;
  for (const filecoin::ChainPartition index : batch.partitions) {
    (posted.contains(index) ? have : left).push_back(index);
  }
  // The proof is about the union of the sectors: what is left needs another.
  batch.partitions = std::move(left);
  ProveAnew(i);
  AddBatch(std::move(have), true);
}

// Once each: it is neither ours nor in our way, but somebody should know.
void Stepper::ReportForeign(std::size_t i, const event::Surveyed& survey) {
  for (const ForeignPost& post : survey.foreign) {
    if (state_.foreign_said.size() >= kForeignReported) return;
    if (!state_.foreign_said.insert(post.cid).second) continue;
    Log(Severity::kWarning, "foreign_message",
        {{"partitions", JoinPartitions(record_.batches[i].partitions)},
         {"sender", post.from.ToString()},
         {"role", post.role.empty() ? "none of this miner" : post.role},
         {"nonce", std::to_string(post.nonce)},
         {"message", post.cid.ToString()},
         {"effect", "not taken for ours, left alone"}});
  }
}

}  // namespace damocles::poster::internal
