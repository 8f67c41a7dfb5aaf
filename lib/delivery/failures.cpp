// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// Answers to pushes, messages that failed, and senders that do.

#include <algorithm>
#include <utility>

#include "absl/strings/str_format.h"
#include "lib/delivery/carrier.h"

namespace damocles::delivery::internal {

void Carrier::Handle(const event::Pushed& pushed) {
  state_.flights.Landed(Work::kPush, now_.epoch);
  if (phase_ != Phase::kPushed || message_.cid) return;
  message_.cid = pushed.cid;
  message_.signed_message = pushed.signed_message;
  message_.signed_gas_limit = pushed.gas_limit;
  message_.sent_at = now_.epoch;
  record_.note.clear();
  state_.flights.NoteAnswered(Work::kLook, now_.epoch);
  Log(Severity::kInfo, "message_sent", pushed.cid.ToString());
}

void Carrier::Handle(const event::PushedAgain&) {
  state_.flights.Landed(Work::kPushAgain, now_.epoch);
  if (phase_ != Phase::kPushed || !message_.cid) return;
  message_.sent_at = now_.epoch;
  Log(Severity::kInfo, "message_pushed_again", "");
}

void Carrier::Handle(const event::Explained& explained) {
  state_.flights.Landed(Work::kExplain, now_.epoch);
  if (phase_ != Phase::kPushed || !message_.receipt) return;
  const std::int64_t exit_code = message_.receipt->exit_code;
  MessageFailed(ClassifyReceipt(exit_code, explained.text),
                absl::StrFormat("exit code %d: %s", exit_code, explained.text));
}

void Carrier::Handle(const event::Failed& failed) {
  state_.flights.Delay(failed.work, now_.time, terms_.policy.retry);
  const std::string text(failed.status.message());
  const MessageTrouble trouble = ClassifySendError(failed.status);
  switch (failed.work) {
    case Work::kPush:
      PushFailed(failed.status);
      return;
    case Work::kPushAgain:
      if (phase_ == Phase::kPushed && trouble != MessageTrouble::kUnknownFate) {
        // These bytes will not do any more (the nonce is taken, say): a new message.
        record_.note = text;
        Log(Severity::kWarning, "message_not_taken_again", text);
        Enter(Phase::kWanted);
        return;
      }
      break;
    case Work::kExplain:
      // The chain's words are a help, not a need.
      if (state_.flights.Of(Work::kExplain).failures >= 3) {
        Handle(event::Explained{});
        return;
      }
      break;
    case Work::kPushReplacement:
      // The old message waits on, and will be raised from where the pool has it.
      if (trouble != MessageTrouble::kUnknownFate) state_.replacement_refused = true;
      record_.note = text;
      if (IsOfSender(trouble)) CannotRaise(failed.work, failed.status);
      break;
    case Work::kSignReplacement:
    case Work::kUnblock:
      record_.note = text;
      CannotRaise(failed.work, failed.status);
      break;
    case Work::kLook:
      ++state_.failed_pools;  // whichever part it was
      record_.note = text;
      break;
  }
  Log(Severity::kWarning, "step_failed",
      {{"step", std::string(Name(failed.work))},
       {"failures", std::to_string(state_.flights.Of(failed.work).failures)},
       {"error", text}});
}

void Carrier::PushFailed(const absl::Status& status) {
  if (phase_ != Phase::kPushed || message_.cid) return;
  const MessageTrouble trouble = ClassifySendError(status);
  std::string text(status.message());
  state_.flights.Refresh(Work::kLook);
  if (trouble == MessageTrouble::kUnknownFate) {
    state_.unanswered.reset();
    UnansweredNow();  // from now on
    ++state_.unanswered_times;
    record_.note = absl::StrFormat("%s: %s", Sender(), text);
    Log(Severity::kWarning, "send_unanswered", record_.note);
    return;
  }
  ++record_.failed_messages;
  const std::optional<std::int64_t> exit_code = ExitCodeIn(text);
  if (exit_code) text = absl::StrFormat("exit %d: %s", *exit_code, text);
  MessageFailed(trouble, std::move(text));
}

void Carrier::MessageFailed(MessageTrouble trouble, std::string text) {
  record_.note = absl::StrFormat("%s: %s: %s", std::string(Name(trouble)), Sender(), text);
  Log(Severity::kWarning, "message_refused", record_.note);
  SetSenderAside(trouble, record_.note);
  const std::int64_t gas_used = message_.receipt ? message_.receipt->gas_used : 0;
  bool refuted = false;
  switch (trouble) {
    case MessageTrouble::kInvalidPost:
      refuted = true;
      break;
    case MessageTrouble::kOutOfGas:
      message_.gas_limit = std::min(
          kMessageGasMax,
          static_cast<std::int64_t>(static_cast<double>(std::max({message_.signed_gas_limit,
                                                                  message_.gas_limit, gas_used})) *
                                    terms_.policy.out_of_gas_factor));
      break;
    case MessageTrouble::kEstimator:
      // Once may be bad luck.  A limit that is given skips the node's dry run.
      if (record_.failed_messages > 1) message_.gas_limit = terms_.fallback_gas;
      break;
    case MessageTrouble::kRefused:
      // Without the chain's words wrong contents cannot be told from anything else: once may be bad
      // luck, twice is not.
      refuted = message_.receipt && record_.failed_messages % 2 == 0;
      break;
    case MessageTrouble::kRandomness:
      outcome_.basis_doubted = true;
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
  message_.receipt.reset();
  message_.cid.reset();
  if (refuted && terms_.remakes) {
    outcome_.refuted = true;
    Enter(Phase::kIdle);
    return;
  }
  Enter(Phase::kWanted);
  // "Already done" wants a look at once, everything else a pause.
  if (trouble != MessageTrouble::kAlreadyProven || record_.failed_messages > 1) {
    LookNotBefore(terms_.policy.retry.After(record_.failed_messages));
  }
}

std::string Carrier::Sender() const {
  if (!message_.from) return "no sender";
  return absl::StrFormat("sender %s%s", message_.from->ToString(),
                         state_.sender_role.empty() ? "" : " (" + state_.sender_role + ")");
}

void Carrier::SetSenderAside(MessageTrouble trouble, const std::string& why) {
  // What the node refuses for a reason that nobody knows may be the sender's: another one tells.
  const bool unknown = trouble == MessageTrouble::kRefused && !message_.receipt;
  if (!message_.from || (!IsOfSender(trouble) && !unknown)) return;
  actions_.emplace_back(action::SetAside{*message_.from, why, now_.TimeOf(terms_.close)});
}

void Carrier::WarnOfSenders(const std::vector<SenderWarning>& warnings) {
  for (const SenderWarning& warning : warnings) {
    Log(Severity::kWarning, "sender_trouble",
        {{"sender", warning.sender},
         {"role", warning.role},
         {"nonce", warning.nonce ? std::to_string(*warning.nonce) : ""},
         {"message", warning.message},
         {"reason", warning.what}});
  }
}

bool Carrier::WasGivenUp(const filecoin::Address& sender) const {
  return std::find(record_.given_up.begin(), record_.given_up.end(), sender) !=
         record_.given_up.end();
}

}  // namespace damocles::delivery::internal
