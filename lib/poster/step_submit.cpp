// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// From a proof to a confirmed message.
//
// Invariant: a message is in the record, with its parameters and uuid, before it is pushed.  As
// long as its fate is not known the batch stays in kSubmitting without a CID, and the only things
// that happen are looking for it and, when it was not found for some time, pushing the very same
// message with the very same uuid.

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_format.h"
#include "lib/poster/step.h"

#include "damocles/filecoin/cbor.h"
#include "damocles/filecoin/message.h"

namespace damocles::poster::internal {
namespace {

// After so many looks at the mempool in a row that failed one is made without: a node that never
// shows it must not cost the window.
constexpr std::uint32_t kSurveysWithMempool = 3;
// After so many searches in a row that failed the list of posted partitions decides.
constexpr std::uint32_t kSearchesWithoutAnswer = 3;
// After so many pushes of one message without an answer or a trace somebody else sends.
constexpr std::uint32_t kPushesWithoutAnswer = 3;
// Heads without a message that make it count as dropped when the window is nearly over.
constexpr std::uint32_t kDroppedWhenLate = 2;
// A node that never says what was posted is asked so often after the close.
constexpr std::uint32_t kAsksBeforeMissed = 3;
// So many foreign messages are reported in a deadline: a stranger can push as many as he likes.
constexpr std::size_t kForeignReported = 32;

}  // namespace

Learnt::Learnt(const event::Surveyed& survey) : survey_(survey) {
  if (survey.message != MessageWhereabouts::kNotFound) return;
  for (const absl::Status* part : {&survey.randomness_trouble, &survey.posted_trouble,
                                   &survey.pool_trouble, &survey.sender_unknown}) {
    gap_.Update(*part);
  }
}

std::optional<bool> Learnt::AllPosted(
    const std::vector<filecoin::ChainPartition>& partitions) const {
  if (!survey_.posted_trouble.ok()) return std::nullopt;
  return std::all_of(partitions.begin(), partitions.end(),
                     [&](filecoin::ChainPartition p) { return survey_.posted.contains(p); });
}

action::Survey Stepper::SurveyOf(std::size_t i) const {
  const PartitionBatch& batch = record_.batches[i];
  action::Survey survey;
  survey.ref = RefOf(i);
  survey.deadline_index = Deadline().index;
  survey.partitions = batch.partitions;
  std::vector<std::uint64_t> wanted;
  VisitSectors(i, [&](const PlannedSector& sector) { wanted.push_back(sector.number); });
  survey.wanted = filecoin::BitField::Of(wanted);
  survey.given_up = batch.given_up;
  survey.challenge = Deadline().challenge;
  survey.close = Deadline().close;
  if (batch.state == DeadlineState::kProven) {
    const absl::StatusOr<Bytes> params = SubmitParamsOf(record_, batch, Bytes32{});
    if (params.ok()) survey.params = *params;
    survey.params_want_randomness = true;
  } else {
    survey.params = batch.message.params;
  }
  return survey;
}

bool Stepper::MayLookAtPool(std::size_t i) {
  const auto failed = state_.failed_pools.find(i);
  return failed == state_.failed_pools.end() || failed->second < kSurveysWithMempool;
}

void Stepper::PlanProven(std::size_t i) {
  if (Closed()) {
    PlanClosed(i);
    return;
  }
  // No configuration may cost the window: a quarter of it is left for the message.
  const filecoin::ChainEpoch latest =
      Deadline().open + filecoin::EpochDelta((Deadline().close - Deadline().open).Count() * 3 / 4);
  if (now_.epoch < std::min(Deadline().open + policy_.submit_confidence, latest)) return;
  if (!CanStillSend()) return;
  if (IsHeld(i)) return;
  // Never two pushes at once: an earlier message of this batch is still on its way to the node.
  if (FlightOf(ActionKind::kSend, i).under_way) return;
  action::Survey survey = SurveyOf(i);
  survey.want_randomness = true;
  survey.want_sender = true;
  // Also before the first attempt that this record knows of: its row, or the whole store, may have
  // been lost, and another manager may be at work.
  survey.want_pending = MayLookAtPool(i);
  Ask(std::move(survey));
}

void Stepper::PlanSubmitting(std::size_t i) {
  PartitionBatch& batch = record_.batches[i];
  if (const Flight& looks = FlightOf(ActionKind::kSurvey, i);
      PastSearch() && (looks.answered_at >= Deadline().close || AskedInVain(looks))) {
    Miss(i, "the message was not found on chain by the close");
    return;
  }
  if (batch.message.receipt && batch.message.receipt->exit_code != 0) {
    Ask(action::Explain{RefOf(i), *batch.message.cid});
    return;
  }
  action::Survey survey = SurveyOf(i);
  if (batch.message.cid) {
    survey.cid = batch.message.cid;
    survey.signed_message = batch.message.signed_message;
    const filecoin::EpochDelta after =
        IsLate() ? std::min(policy_.pending_check_after, filecoin::EpochDelta(1))
                 : policy_.pending_check_after;
    survey.want_pending = now_.epoch >= batch.message.sent_at + after && MayLookAtPool(i);
    survey.want_sender = state_.cannot_raise.contains(i) && CanStillSend();
    AskOnceAHead(std::move(survey));
    return;
  }
  const Flight& send = FlightOf(ActionKind::kSend, i);
  if (send.under_way) return;
  if (now_.time < send.not_before) {
    Wake(send.not_before);
    return;
  }
  // Sent or not?  Nobody knows: after a restart, or because the node did not answer.
  UnansweredOf(i);
  survey.want_randomness = !Closed();
  survey.want_pending = MayLookAtPool(i);
  AskOnceAHead(std::move(survey));
}

bool Stepper::AskedInVain(const Flight& flight) const {
  return PastSearch() && flight.failures >= kAsksBeforeMissed;
}

void Stepper::PlanClosed(std::size_t i) {
  if (AskedInVain(FlightOf(ActionKind::kSurvey, i))) {
    Miss(i, WhyMissed(i));
    return;
  }
  AskOnceAHead(SurveyOf(i));
}

void Stepper::SurveyedAfterClose(std::size_t i, const Learnt& learnt) {
  if (!learnt.DecidesAt(Deadline().close) || TakePosted(i, learnt->posted)) return;
  Miss(i, WhyMissed(i));
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

void Stepper::PlanOnChain(std::size_t i) {
  PartitionBatch& batch = record_.batches[i];
  const filecoin::ChainEpoch since =
      batch.posted_by_other ? batch.posted_seen_at : batch.message.receipt->height;
  const bool deep = now_.epoch >= since + policy_.confirmation_depth;
  const bool unsure = !FlightOf(ActionKind::kSurvey, i).answered_at;  // a reorg, or a restart
  if (!deep && !unsure) return;
  action::Survey survey = SurveyOf(i);
  if (!batch.posted_by_other) survey.cid = batch.message.cid;
  AskOnceAHead(std::move(survey));
}

void Stepper::Handle(const event::Surveyed& survey) {
  const std::size_t i = survey.ref.batch;
  const Learnt learnt(survey);
  if (learnt.IsWhole()) {
    Landed(ActionKind::kSurvey, i);
  } else {
    Delay(ActionKind::kSurvey, i);  // asked again soon, as after a look that failed
  }
  if (!survey.pool_trouble.ok()) {
    ++state_.failed_pools[i];
  } else if (survey.pending_was_read || learnt.IsWhole()) {
    state_.failed_pools.erase(i);
  }
  if (IsFinal(record_.state) || !IsCurrent(survey.ref)) return;
  if (!learnt.IsWhole()) {
    record_.batches[i].note = std::string(learnt.Gap().message());
    Log(Severity::kWarning, "look_incomplete",
        {{"partitions", JoinPartitions(record_.batches[i].partitions)},
         {"failures", std::to_string(FlightOf(ActionKind::kSurvey, i).failures)},
         {"error", record_.batches[i].note}});
  }
  if (!Closed() && survey.randomness && survey.randomness != record_.randomness) {
    StartOver("the challenge randomness changed");
    return;
  }
  ReportForeign(i, survey);
  WarnOfSenders(survey.warnings);
  switch (record_.batches[i].state) {
    case DeadlineState::kProving:
      if (Closed()) SurveyedAfterClose(i, learnt);
      break;
    case DeadlineState::kProven:
      if (Closed()) {
        SurveyedAfterClose(i, learnt);
      } else {
        SurveyedBeforeSend(i, learnt);
      }
      break;
    case DeadlineState::kSubmitting:
      SurveyedWhileSubmitting(i, learnt);
      break;
    case DeadlineState::kOnChain:
      SurveyedOnChain(i, learnt);
      break;
    default:
      break;
  }
  PlanRepair(i, survey);
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

bool Stepper::TakePosted(std::size_t i, const std::set<filecoin::ChainPartition>& posted) {
  PartitionBatch& batch = record_.batches[i];
  std::vector<filecoin::ChainPartition> have;
  std::vector<filecoin::ChainPartition> left;
  for (const filecoin::ChainPartition index : batch.partitions) {
    (posted.contains(index) ? have : left).push_back(index);
  }
  if (have.empty()) return false;
  if (left.empty()) {
    batch.posted_by_other = true;
    batch.posted_seen_at = now_.epoch;
    batch.note = "the chain has a proof of it already";
    SetState(i, DeadlineState::kOnChain);
    FlightOf(ActionKind::kSurvey, i).answered_at = now_.epoch;
    return true;
  }
  // The proof is about the union of the sectors: what is left needs another.
  batch.partitions = std::move(left);
  ProveAnew(i);
  AddBatch(std::move(have), true);
  return true;
}

// A pending message of the miner's own addresses that says exactly what ours would: from before a
// restart, or from a record that was lost.
bool Stepper::Adopt(std::size_t i, const Learnt& learnt) {
  if (learnt->message != MessageWhereabouts::kPending || !learnt->cid) return false;
  PartitionBatch& batch = record_.batches[i];
  const auto found = filecoin::cbor::Decode<filecoin::SignedMessage>(learnt->signed_message);
  if (batch.state == DeadlineState::kProven) {
    batch.message.attempt = ++record_.attempts;
    batch.message.uuid = MessageUuid(record_.miner, Deadline().period_start, Deadline().index,
                                     batch.partitions, batch.message.attempt);
    if (learnt->commit_randomness) batch.message.commit_randomness = *learnt->commit_randomness;
  }
  if (found.ok()) {
    batch.message.from = found->message.from;
    batch.message.params = found->message.params;  // the very same, or it would not be adopted
  }
  batch.message.cid = learnt->cid;
  batch.message.signed_message = learnt->signed_message;
  batch.message.signed_gas_limit = learnt->signed_gas_limit;
  batch.message.receipt.reset();
  batch.message.sent_at = now_.epoch;
  state_.cannot_raise.erase(i);
  SetState(i, DeadlineState::kSubmitting);
  LogBatch(Severity::kInfo, "message_found_pending", i, learnt->cid->ToString());
  return true;
}

void Stepper::SurveyedBeforeSend(std::size_t i, const Learnt& learnt) {
  if (TakePosted(i, learnt->posted) || Adopt(i, learnt)) return;
  PartitionBatch& batch = record_.batches[i];
  if (!CanStillSend() || FlightOf(ActionKind::kSend, i).under_way) return;
  if (!learnt.IsWhole() || TakeUpAgain(i, learnt)) return;
  if (!learnt->sender || !learnt->commit_randomness) {
    batch.note = learnt->sender ? "the node gave no commit randomness"
                                : absl::StrFormat("nobody can send: %s", learnt->sender_trouble);
    LogBatch(Severity::kError, "no_sender", i, batch.note);
    DelayFor(
        ActionKind::kSurvey, i,
        std::min(policy_.retry.After(4), std::max(policy_.retry.initial, TwentiethOfWindow())));
    return;
  }
  absl::StatusOr<Bytes> params = SubmitParamsOf(record_, batch, *learnt->commit_randomness);
  if (!params.ok()) {
    batch.note = std::string(params.status().message());
    DelayFor(ActionKind::kSurvey, i, policy_.retry.After(4));
    return;
  }
  BatchMessage message;
  message.attempt = ++record_.attempts;
  message.uuid = MessageUuid(record_.miner, Deadline().period_start, Deadline().index,
                             batch.partitions, message.attempt);
  message.from = learnt->sender;
  state_.sender_roles[i] = learnt->sender_role;
  state_.unanswered_times.erase(i);
  state_.limits_said.erase(i);
  state_.cannot_raise.erase(i);
  message.params = *std::move(params);
  message.commit_randomness = *learnt->commit_randomness;
  message.gas_limit = batch.message.gas_limit;
  message.sent_at = now_.epoch;
  batch.message = std::move(message);
  SetState(i, DeadlineState::kSubmitting);
  FlightOf(ActionKind::kSend, i) = {};
  Push(i);
}

void Stepper::Push(std::size_t i) {
  const BatchMessage& message = record_.batches[i].message;
  state_.unanswered.erase(i);
  Ask(action::Send{RefOf(i), *message.from, message.params, message.uuid, message.gas_limit});
}

Unanswered& Stepper::UnansweredOf(std::size_t i) {
  Unanswered& unanswered = state_.unanswered[i];
  const std::uint32_t attempt = record_.batches[i].message.attempt;
  if (unanswered.attempt != attempt) unanswered = {attempt, now_.time, now_.epoch, 0};
  return unanswered;
}

// The node may still be at work on the push, and its own guard, a look at the uuid, is not atomic;
// after a fail-over the other node may not have heard of the message yet.
bool Stepper::MayPushAgain(std::size_t i, filecoin::ChainEpoch head) {
  Unanswered& unanswered = UnansweredOf(i);
  if (head > unanswered.last_head) {
    unanswered.last_head = head;
    ++unanswered.heads_without_it;
  }
  // A message twice costs a fee, none at all costs the window.
  const filecoin::EpochDelta wait(policy_.dropped_after_heads + 1);
  if (now_.epoch + wait >= Deadline().close) return true;
  const std::int64_t window = (Deadline().close - Deadline().open).Count();
  // Two heads in the windows of a devnet.
  const std::int64_t heads =
      std::min<std::int64_t>(policy_.dropped_after_heads, std::max<std::int64_t>(2, window / 20));
  return unanswered.heads_without_it >= heads &&
         now_.time >=
             unanswered.since + std::min(policy_.push_may_take, now_.epoch_duration * window / 10);
}

void Stepper::SurveyedWhileSubmitting(std::size_t i, const Learnt& learnt) {
  PartitionBatch& batch = record_.batches[i];
  if (!batch.message.cid) {
    if (TakePosted(i, learnt->posted) || Adopt(i, learnt) || !CanStillSend()) return;
    if (learnt->commit_randomness &&
        *learnt->commit_randomness != batch.message.commit_randomness) {
      // Of another branch: it would be refused.  If it was pushed after all it is refused, too.
      SetState(i, DeadlineState::kProven);
      return;
    }
    if (!learnt.IsWhole()) return;
    if (!learnt->commit_randomness || !MayPushAgain(i, learnt->head)) return;
    if (learnt->pending_was_read && state_.unanswered_times[i] >= kPushesWithoutAnswer) {
      // A wallet that never answers: a device that nobody confirms at, say.
      batch.note = absl::StrFormat("%s: %d pushes were not answered, and nothing is in the pool",
                                   SenderOf(i), state_.unanswered_times[i]);
      LogBatch(Severity::kWarning, "sender_given_up", i, batch.note);
      SetSenderAside(i, MessageTrouble::kCannotSign, batch.note);
      SetState(i, DeadlineState::kProven);
      return;
    }
    Push(i);
    return;
  }
  switch (learnt->message) {
    case MessageWhereabouts::kOnChain:
      state_.heads_without_message.erase(i);
      state_.cannot_raise.erase(i);
      batch.message.receipt = learnt->receipt;
      if (learnt->cid) batch.message.cid = learnt->cid;  // replaced by somebody who raised the fee
      if (learnt->receipt.exit_code == 0) {
        batch.note.clear();
        SetState(i, DeadlineState::kOnChain);
        FlightOf(ActionKind::kSurvey, i).answered_at = now_.epoch;
      } else {
        ++batch.failed_messages;
        batch.note =
            absl::StrFormat("its message failed with exit code %d", learnt->receipt.exit_code);
        LogBatch(Severity::kWarning, "message_failed", i, batch.note);
      }
      return;
    case MessageWhereabouts::kPending:
      state_.heads_without_message.erase(i);
      // By one that was given up, or another manager's.
      if (learnt.AllPosted(batch.partitions).value_or(false) && TakePosted(i, learnt->posted)) {
        return;
      }
      if (!GiveUpMessage(i, learnt)) StillPending(i, learnt);
      return;
    case MessageWhereabouts::kDead:
      MessageDied(i, learnt, learnt->dead);
      return;
    case MessageWhereabouts::kNotFound:
      break;
  }
  if (learnt.DecidesAt(Deadline().close) && TakePosted(i, learnt->posted)) return;
  if (!learnt->search_trouble.ok()) {
    // The list of posted partitions and the sender's nonce stand in for the search that failed.
    if (!learnt.IsWhole()) return;
    if (!SearchGivenUp(i, learnt) || TakePosted(i, learnt->posted)) return;
    // Before the close the list does not tell of a message in the head itself.
    if (!learnt->nonce_used || Closed()) return;
  } else {
    state_.failed_searches.erase(i);
  }
  if (learnt->nonce_used.value_or(false)) {
    MessageDied(i, learnt, "its nonce was used by a message that the node does not show");
    return;
  }
  if (!learnt.IsWhole() || !learnt->pending_was_read) return;
  // Between mempool and receipt a message is invisible for a tipset or two.  The same bytes once
  // more do no harm, and late there may be no time for another loss.
  const std::uint32_t heads = IsLate() ? std::min(policy_.dropped_after_heads, kDroppedWhenLate)
                                       : policy_.dropped_after_heads;
  if (++state_.heads_without_message[i] < heads) return;
  if (TakePosted(i, learnt->posted) || !CanStillSend()) return;
  state_.heads_without_message.erase(i);
  batch.note = "its message was dropped";
  LogBatch(Severity::kWarning, "message_dropped", i, batch.message.cid->ToString());
  if (batch.message.signed_message.empty()) {
    SetState(i, DeadlineState::kProven);
  } else {
    Ask(action::Republish{RefOf(i), batch.message.signed_message});
  }
}

// It will never be executed.  The next one gets a new uuid; the survey before it looks at what is
// posted once more.
void Stepper::MessageDied(std::size_t i, const Learnt& learnt, std::string why) {
  state_.heads_without_message.erase(i);
  state_.failed_searches.erase(i);
  if (TakePosted(i, learnt->posted)) return;
  PartitionBatch& batch = record_.batches[i];
  batch.note = absl::StrFormat("its message never counts: %s", why);
  LogBatch(Severity::kWarning, "message_dead", i, batch.note);
  batch.message.cid.reset();
  batch.message.receipt.reset();
  SetState(i, DeadlineState::kProven);
}

// The chain could not be searched for the message, and it is no use to wait for that.
bool Stepper::SearchGivenUp(std::size_t i, const Learnt& learnt) {
  const std::uint32_t failures = ++state_.failed_searches[i];
  PartitionBatch& batch = record_.batches[i];
  batch.note = absl::StrFormat("the chain cannot be searched for its message: %s",
                               std::string(learnt->search_trouble.message()));
  if (failures == 1) LogBatch(Severity::kWarning, "message_not_searched", i, batch.note);
  return failures >= kSearchesWithoutAnswer ||
         ClassifySearchError(learnt->search_trouble) == SearchTrouble::kCannotSearch ||
         now_.epoch + filecoin::EpochDelta(policy_.dropped_after_heads + 1) >= Deadline().close;
}

void Stepper::SurveyedOnChain(std::size_t i, const Learnt& learnt) {
  PartitionBatch& batch = record_.batches[i];
  if (batch.posted_by_other) {
    const std::optional<bool> all = learnt.AllPosted(batch.partitions);
    if (!all) return;
    if (*all) {
      if (now_.epoch >= batch.posted_seen_at + policy_.confirmation_depth) {
        SetState(i, DeadlineState::kConfirmed);
      }
    } else if (Closed()) {
      Miss(i, "the chain lost the proof again before the close");
    } else if (batch.proof.empty()) {
      StartOver("the chain lost a proof that it had");
    } else {
      batch.posted_by_other = false;
      SetState(i, DeadlineState::kProven);
    }
    return;
  }
  if (learnt->message == MessageWhereabouts::kOnChain) {
    batch.message.receipt = learnt->receipt;
    if (learnt->receipt.exit_code != 0) {
      ++batch.failed_messages;
      SetState(i, DeadlineState::kSubmitting);
    } else if (now_.epoch >= learnt->receipt.height + policy_.confirmation_depth) {
      SetState(i, DeadlineState::kConfirmed);
    }
    return;
  }
  if (learnt->message == MessageWhereabouts::kDead) {
    MessageDied(i, learnt, learnt->dead);
    return;
  }
  if (!learnt->search_trouble.ok()) {
    // The receipt that was seen stands until the chain says something else.
    const bool posted = learnt.AllPosted(batch.partitions).value_or(false);
    const bool deep = now_.epoch >= batch.message.receipt->height + policy_.confirmation_depth;
    if (deep && (posted || PastSearch())) SetState(i, DeadlineState::kConfirmed);
    return;
  }
  batch.message.receipt.reset();
  batch.note = "a reorg took its message off the chain";
  batch.message.sent_at = now_.epoch;
  LogBatch(Severity::kWarning, "message_reverted", i, batch.message.cid->ToString());
  SetState(i, DeadlineState::kSubmitting);
}

void Stepper::Handle(const event::Sent& sent) {
  const std::size_t i = sent.ref.batch;
  Landed(ActionKind::kSend, i);
  if (!IsCurrent(sent.ref)) return;
  PartitionBatch& batch = record_.batches[i];
  if (batch.state != DeadlineState::kSubmitting || batch.message.cid) return;
  batch.message.cid = sent.cid;
  batch.message.signed_message = sent.signed_message;
  batch.message.signed_gas_limit = sent.gas_limit;
  batch.message.sent_at = now_.epoch;
  batch.note.clear();
  FlightOf(ActionKind::kSurvey, i).answered_at = now_.epoch;  // nothing to see before the next head
  LogBatch(Severity::kInfo, "message_sent", i, sent.cid.ToString());
}

void Stepper::Handle(const event::Republished& republished) {
  const std::size_t i = republished.ref.batch;
  Landed(ActionKind::kRepublish, i);
  if (!IsCurrent(republished.ref)) return;
  record_.batches[i].message.sent_at = now_.epoch;
  LogBatch(Severity::kInfo, "message_pushed_again", i, "");
}

void Stepper::SendFailed(std::size_t i, const absl::Status& status) {
  PartitionBatch& batch = record_.batches[i];
  if (batch.state != DeadlineState::kSubmitting || batch.message.cid) return;
  const MessageTrouble trouble = ClassifySendError(status);
  std::string text(status.message());
  Fresh(ActionKind::kSurvey, i);
  if (trouble == MessageTrouble::kUnknownFate) {
    state_.unanswered.erase(i);
    UnansweredOf(i);  // from now on
    ++state_.unanswered_times[i];
    batch.note = absl::StrFormat("%s: %s", SenderOf(i), text);
    LogBatch(Severity::kWarning, "send_unanswered", i, batch.note);
    return;
  }
  ++batch.failed_messages;
  const std::optional<std::int64_t> exit_code = ExitCodeIn(text);
  if (exit_code) text = absl::StrFormat("exit %d: %s", *exit_code, text);
  MessageFailed(i, trouble, std::move(text));
}

void Stepper::Handle(const event::Explained& explained) {
  const std::size_t i = explained.ref.batch;
  Landed(ActionKind::kExplain, i);
  if (!IsCurrent(explained.ref)) return;
  PartitionBatch& batch = record_.batches[i];
  if (batch.state != DeadlineState::kSubmitting || !batch.message.receipt) return;
  const std::int64_t exit_code = batch.message.receipt->exit_code;
  MessageFailed(i, ClassifyReceipt(exit_code, explained.text),
                absl::StrFormat("exit code %d: %s", exit_code, explained.text));
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

// The message is known not to count, and will not by itself: the next one gets a new uuid.
void Stepper::MessageFailed(std::size_t i, MessageTrouble trouble, std::string text) {
  PartitionBatch& batch = record_.batches[i];
  batch.note = absl::StrFormat("%s: %s: %s", std::string(Name(trouble)), SenderOf(i), text);
  LogBatch(Severity::kWarning, "message_refused", i, batch.note);
  SetSenderAside(i, trouble, batch.note);
  const std::int64_t gas_used = batch.message.receipt ? batch.message.receipt->gas_used : 0;
  bool prove_again = false;
  switch (trouble) {
    case MessageTrouble::kInvalidPost:
      prove_again = true;
      break;
    case MessageTrouble::kOutOfGas:
      batch.message.gas_limit = std::min(
          kMessageGasMax, static_cast<std::int64_t>(
                              static_cast<double>(std::max({batch.message.signed_gas_limit,
                                                            batch.message.gas_limit, gas_used})) *
                              policy_.out_of_gas_factor));
      break;
    case MessageTrouble::kEstimator:
      // Once may be bad luck.  A limit that is given skips the node's dry run.
      if (batch.failed_messages > 1) batch.message.gas_limit = FallbackGas(i);
      break;
    case MessageTrouble::kRefused:
      // Without the chain's words a wrong proof cannot be told from anything else: once may be bad
      // luck, twice is not.
      prove_again = batch.message.receipt && batch.failed_messages % 2 == 0;
      break;
    case MessageTrouble::kRandomness:
      state_.recheck_randomness = true;
      break;
    case MessageTrouble::kAlreadyProven:
    case MessageTrouble::kWrongDeadline:
    case MessageTrouble::kForbidden:
    case MessageTrouble::kNoFunds:
    case MessageTrouble::kNoKey:
    case MessageTrouble::kCannotSign:
    case MessageTrouble::kUnknownSender:
    case MessageTrouble::kNonce:
    case MessageTrouble::kPoolFull:
    case MessageTrouble::kFee:
    case MessageTrouble::kPermission:
    case MessageTrouble::kUnknownFate:
      break;
  }
  batch.message.receipt.reset();
  batch.message.cid.reset();
  if (prove_again) {
    DistrustProof(i);
    return;
  }
  SetState(i, DeadlineState::kProven);
  // "Already proven" wants a look at once, everything else a pause.
  if (trouble != MessageTrouble::kAlreadyProven || batch.failed_messages > 1) {
    DelayFor(ActionKind::kSurvey, i, policy_.retry.After(batch.failed_messages));
  }
}

}  // namespace damocles::poster::internal
