// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// One step of a delivery while it is being made.

#pragma once

#include <initializer_list>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "damocles/delivery/delivery.h"
#include "damocles/delivery/message_errors.h"

namespace damocles::delivery::internal {

class Carrier {
 public:
  Carrier(Machine machine, const Now& now, const Terms& terms);

  // Takes in what happened...
  void Handle(const event::Tick&) {}
  void Handle(const event::Reorg& reorg);
  void Handle(const event::Looked& looked);
  void Handle(const event::Pushed& pushed);
  void Handle(const event::PushedAgain& pushed);
  void Handle(const event::ReplacementSigned& replacement);
  void Handle(const event::ReplacementPushed& pushed);
  void Handle(const event::Unblocked& unblocked);
  void Handle(const event::Explained& explained);
  void Handle(const event::Failed& failed);

  // ... and asks for what is missing.
  void Plan();

  StepResult Finish() &&;

 private:
  using Fields = std::initializer_list<std::pair<std::string, std::string>>;

  template <typename A>
  bool Ask(A action) {
    if (!state_.flights.Begin(A::kWork, now_.time, wake_at_)) return false;
    actions_.emplace_back(std::move(action));
    return true;
  }
  template <typename A>
  void AskOnceAHead(A action) {
    if (state_.flights.Of(A::kWork).answered_at != now_.epoch) Ask(std::move(action));
  }
  void LookNotBefore(absl::Duration pause) {
    state_.flights.NotBefore(Work::kLook, now_.time + pause);
  }
  void Log(Severity severity, std::string event, Fields fields);
  void Log(Severity severity, std::string event, std::string detail) {
    Log(severity, std::move(event), {{"detail", std::move(detail)}});
  }
  void Enter(Phase phase);
  void End(std::string why);

  // ---- what is asked for (delivery.cpp)
  void PlanWanted();
  void PlanPushed();
  void PlanOnChain();
  // The end came without a message of this record.  What a life posted that the store forgot, or
  // another manager, only the chain knows: it is asked before the delivery is missed.
  void PlanClosed();
  action::Look LookForIt() const;
  // After some looks in a row that failed one is made without: a node that never shows its pool
  // must not cost the window.
  bool MayLookAtPool() const;

  // ---- what a look says (looked.cpp)
  void SeenBeforePush(const event::Looked& looked);
  void SeenWhilePushed(const event::Looked& looked);
  void SeenOnItsWay(const event::Looked& looked);
  void SeenOnChain(const event::Looked& looked);
  void SeenAfterClose(const event::Looked& looked);
  // True if the chain has of it what no message of ours did: that is seen to.
  bool TakeDone(const event::Looked& looked);
  bool Adopt(const event::Looked& looked);
  // What the chain has will not change any more, and is known.
  bool Decides(const event::Looked& looked) const {
    return looked.head >= terms_.close && looked.done_trouble.ok();
  }
  void Died(const event::Looked& looked, std::string why);
  bool SearchGivenUp(const event::Looked& looked);
  // Whether the push that nobody answered is long enough ago, after a look that did not find it.
  bool MayPushAgain(filecoin::ChainEpoch head);
  // Begins with the push's end, or with what looks like it after a restart.
  Unanswered& UnansweredNow();
  void MakeMessage(const event::Looked& looked);
  void Push();

  // ---- failures, and who sends (failures.cpp)
  void PushFailed(const absl::Status& status);
  // The message is known not to count, and will not by itself: the next one gets a new uuid.
  void MessageFailed(MessageTrouble trouble, std::string text);
  // Somebody else is to send until the end.
  void SetSenderAside(MessageTrouble trouble, const std::string& why);
  void WarnOfSenders(const std::vector<SenderWarning>& warnings);
  // "sender f1... (control)".
  std::string Sender() const;
  bool WasGivenUp(const filecoin::Address& sender) const;

  // ---- a message that waits for its fee (waiting.cpp)
  void StillPending(const event::Looked& looked);
  // The record has a replacement that the pool has not.  True: that is seen to.
  bool PushTheReplacement(const event::Looked& looked);
  // It waits, and its sender cannot do anything about that.
  void CannotRaise(Work work, const absl::Status& status);
  // It waits so, and somebody else can send: true, and another message is wanted.
  bool GiveUpMessage(const event::Looked& looked);
  // Nobody can send but those whose messages were given up: these are followed again.
  bool TakeUpAgain(const event::Looked& looked);
  void PlanRepair(const event::Looked& looked);
  void SayLimit(const std::string& limited);

  // ---- conditions
  bool Closed() const { return now_.epoch >= terms_.close; }
  // A message pushed now is executed in the next epoch at the earliest.
  bool CanStillPush() const { return now_.epoch + filecoin::EpochDelta(1) < terms_.until; }
  bool IsLate() const { return now_.time >= terms_.late_from; }
  bool PastSearch() const { return now_.epoch >= terms_.search_until; }
  // Another loss could not be made good.
  bool LastChance() const {
    return now_.epoch + filecoin::EpochDelta(terms_.policy.dropped_after_heads + 1) >= terms_.until;
  }
  // No answer of the node is to be waited for any longer.
  bool AskedInVain() const;

  Phase phase_;
  Record record_;
  Message& message_;
  State state_;
  const Now& now_;
  const Terms& terms_;
  Outcome outcome_;
  std::vector<Action> actions_;
  std::optional<absl::Time> wake_at_;
};

}  // namespace damocles::delivery::internal
