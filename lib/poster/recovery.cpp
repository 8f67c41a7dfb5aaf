// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/poster/recovery.h"

#include <algorithm>
#include <set>
#include <utility>

#include "absl/strings/str_format.h"
#include "lib/poster/fees.h"
#include "lib/poster/step.h"

#include "damocles/delivery/message_errors.h"
#include "damocles/filecoin/bitfield.h"
#include "damocles/filecoin/cbor.h"
#include "damocles/filecoin/message.h"
#include "damocles/filecoin/miner_params.h"

namespace damocles::poster {

using delivery::ClassifyReceipt;
using delivery::ClassifySendError;
using delivery::MessageTrouble;

namespace {

// Of one message, as the miner actor limits it.
constexpr std::uint64_t kSectorsPerMessageMax = 25'000;
constexpr std::uint64_t kDeclaredPartitionsMax = 3'000;
// After so many epochs without a trace the message is made anew.
constexpr filecoin::EpochDelta kLostAfter{5};
// A message that could be included and is not asks for more after so many epochs.
constexpr filecoin::EpochDelta kPassedOverAfter{4};
// After so many pushes without an answer another sender declares.
constexpr std::uint32_t kPushesUnanswered = 3;
// So many sectors are named one by one in the log; records and listings have them all.
constexpr std::size_t kNamedInLog = 20;

}  // namespace

namespace recovery {
namespace {

Bytes ParamsOf(const RecoveryRecord& record, const RecoveryMessage& message) {
  filecoin::DeclareFaultsRecoveredParams params;
  for (const RecoveredPartition& partition : message.partitions) {
    filecoin::PartitionSectors entry;
    entry.deadline = record.target.index;
    entry.partition = partition.index.Index();
    entry.sectors = filecoin::BitField::Of(partition.sectors);
    params.entries.push_back(std::move(entry));
  }
  return filecoin::cbor::Encode(params);
}

// The sectors of `message` that are still in `undeclared`.
std::vector<RecoveredPartition> Left(const RecoveryMessage& message,
                                     const std::vector<RecoveredPartition>& undeclared) {
  std::vector<RecoveredPartition> out;
  for (const RecoveredPartition& partition : message.partitions) {
    for (const RecoveredPartition& open : undeclared) {
      if (open.index != partition.index) continue;
      RecoveredPartition left;
      left.index = partition.index;
      std::set_intersection(partition.sectors.begin(), partition.sectors.end(),
                            open.sectors.begin(), open.sectors.end(),
                            std::back_inserter(left.sectors));
      if (!left.sectors.empty()) out.push_back(std::move(left));
    }
  }
  return out;
}

class Stepper {
 public:
  Stepper(Machine machine, const Now& now, const MinerPolicy& policy)
      : machine_(std::move(machine)),
        record_(machine_.record),
        now_(now),
        policy_(policy),
        before_(EncodeRecovery(record_)) {}

  void Handle(const Tick&) {}

  // What was declared may be off the chain again, and so may be what made a fault.
  void Handle(const Reorg& reorg) {
    if (!InTime()) return;
    if (IsFinal(record_.state)) {
      if (!policy_.enabled || !policy_.recovery.enabled) return;
      if (reorg.lowest > record_.finished.epoch) return;
      machine_.flights.clear();
      record_.finished = {};
      record_.note.clear();
      record_.state =
          record_.messages.empty() ? RecoveryState::kReading : RecoveryState::kSubmitting;
      Log(Severity::kWarning, "recoveries_judged_again", "a reorg");
    }
    for (RecoveryMessage& message : record_.messages) message.done = false;
    for (auto& [key, flight] : machine_.flights) flight.answered_at.reset();
  }

  void Handle(const FaultsRead& read) {
    Landed({Step::kRead});
    if (record_.state == RecoveryState::kSubmitting) {
      // After a restart: what was not declared yet is looked at further.
      machine_.proof_type = read.proof_type;
      machine_.faulty = read.partitions;
      return;
    }
    if (record_.state != RecoveryState::kReading) return;
    if (read.partitions.empty()) {
      End(RecoveryState::kDone, "no faulty sector");
      return;
    }
    machine_.proof_type = read.proof_type;
    machine_.faulty = read.partitions;
    record_.state = RecoveryState::kChecking;
  }

  // Also a later look, at what could not be read before.
  void Handle(const FaultyChecked& checked) {
    const Key key{Step::kCheck};
    Landed(key);
    if (record_.state != RecoveryState::kChecking && record_.state != RecoveryState::kSubmitting) {
      return;
    }
    std::map<filecoin::SectorNumber, const SectorVerdict*> verdicts;
    for (const SectorVerdict& verdict : checked.verdicts) verdicts[verdict.number] = &verdict;
    std::set<filecoin::SectorNumber> in_messages;
    for (const RecoveryMessage& message : record_.messages) {
      for (const RecoveredPartition& partition : message.partitions) {
        in_messages.insert(partition.sectors.begin(), partition.sectors.end());
      }
    }
    std::vector<RecoveredPartition> good;
    std::vector<SkippedSector> left;
    std::uint64_t sectors = in_messages.size();
    const std::uint64_t most = policy_.recovery.max_sectors;
    for (const FaultyPartition& partition : machine_.faulty) {
      RecoveredPartition out;
      out.index = partition.index;
      for (const PlannedSector& sector : partition.sectors) {
        if (in_messages.contains(sector.number)) continue;
        const auto found = verdicts.find(sector.number);
        if (found == verdicts.end() || !found->second->ForProver()) {
          left.push_back(
              {partition.index, sector.number,
               found == verdicts.end() ? "it was not looked at" : found->second->reason});
        } else if (most != 0 && sectors >= most) {
          left.push_back({partition.index, sector.number,
                          absl::StrFormat("it can be read, but MaxRecoverSectorLimit is %d: its "
                                          "turn is in a later period",
                                          most)});
        } else {
          out.sectors.push_back(sector.number);
          ++sectors;
        }
      }
      if (!out.sectors.empty()) good.push_back(std::move(out));
    }
    Tell(left);
    record_.unreadable = std::move(left);
    FlightOf(key).not_before = now_.time + RelookPause();
    if (good.empty()) return;
    Log(Severity::kInfo, "recoveries_to_declare", std::to_string(sectors - in_messages.size()));
    Cut(std::move(good));
    record_.state = RecoveryState::kSubmitting;
  }

  void Handle(const Looked& looked) {
    const Key key{Step::kLook, looked.message};
    Landed(key);
    if (record_.state != RecoveryState::kSubmitting || !IsCurrent(looked.message, looked.attempt)) {
      return;
    }
    RecoveryMessage& message = record_.messages[looked.message];
    if (message.cid && looked.whereabouts == MessageWhereabouts::kOnChain) {
      if (looked.receipt.exit_code != 0) {
        SetAside(message, ClassifyReceipt(looked.receipt.exit_code, ""),
                 absl::StrFormat("exit code %d", looked.receipt.exit_code));
        Refused(message,
                absl::StrFormat("its message failed with exit code %d", looked.receipt.exit_code));
      } else if (now_.epoch >= looked.receipt.height + policy_.poster.confirmation_depth) {
        message.done = true;
      }
      return;
    }
    if (message.cid && looked.whereabouts == MessageWhereabouts::kDead) {
      Refused(message, absl::StrFormat("its message never counts: %s", looked.dead));
      Log(Severity::kWarning, "recovery_message_dead", looked.dead);
      return;
    }
    WarnOfSenders(looked.warnings);
    if (looked.whereabouts == MessageWhereabouts::kPending) {
      if (!message.cid) {
        message.cid = looked.cid;
        const auto found = filecoin::cbor::Decode<filecoin::SignedMessage>(looked.signed_message);
        if (found.ok()) message.from = found->message.from;
      }
      message.sent_at = now_.epoch;
      if (!SentByAnother(looked)) StillPending(looked);
      return;
    }
    machine_.pending_since.erase(looked.message);
    if (looked.repair && InTime()) {
      RepairLane(looked, *looked.repair);
    }
    std::vector<RecoveredPartition> left = Left(message, looked.undeclared);
    if (left.empty() && !message.cid) {
      message.done = true;  // declared already, by us or by somebody else
      return;
    }
    if (message.cid && now_.epoch < message.sent_at + kLostAfter) return;
    if (left.empty()) {
      message.done = true;
      return;
    }
    if (!InTime()) return;
    if (!looked.sender) {
      record_.note = absl::StrFormat("nobody can send: %s", looked.sender_trouble);
      Delay(key);
      return;
    }
    const bool same = message.uuid != chain::Uuid{} && !message.cid && left == message.partitions;
    DeclareBy(looked, std::move(left), same);
  }

  void Handle(const Declared& declared) {
    Landed({Step::kDeclare, declared.message});
    if (!IsCurrent(declared.message, declared.attempt)) return;
    RecoveryMessage& message = record_.messages[declared.message];
    message.cid = declared.cid;
    message.sent_at = now_.epoch;
    record_.note.clear();
    FlightOf({Step::kLook, declared.message}).answered_at = now_.epoch;
    Log(Severity::kInfo, "recovery_sent", declared.cid.ToString());
  }

  void Handle(const Failed& failed) {
    Delay(failed.key);
    record_.note = std::string(failed.status.message());
    Log(Severity::kWarning, "recovery_step_failed", record_.note);
    if (!IsCurrent(failed.key.message, failed.attempt)) return;
    if (failed.key.step == Step::kRepair) CannotRaise(failed);
    if (failed.key.step != Step::kDeclare) return;
    RecoveryMessage& message = record_.messages[failed.key.message];
    FlightOf({Step::kLook, failed.key.message}).answered_at.reset();
    const MessageTrouble trouble = ClassifySendError(failed.status);
    if (trouble != MessageTrouble::kUnknownFate) {
      SetAside(message, trouble, record_.note);
      Refused(message, absl::StrFormat("%s: %s", std::string(Name(trouble)), record_.note));
    } else if (FlightOf(failed.key).failures >= kPushesUnanswered) {
      // A wallet that never answers.  If one of the pushes was done after all, its sectors are not
      // to be declared any more.
      SetAside(message, MessageTrouble::kCannotSign, record_.note);
      Refused(message, record_.note);
    }
  }

  void Handle(const Repaired& repaired) {
    Landed({Step::kRepair, repaired.message});
    if (repaired.pushed) machine_.cannot_raise.erase(repaired.message);
    if (repaired.pushed) {
      Log(Severity::kWarning, "recovery_fee_raised",
          absl::StrFormat("sender %s nonce %d: fee cap %s", repaired.lane.sender.ToString(),
                          repaired.lane.nonce, repaired.fee_cap));
    }
    if (!repaired.limited.empty() && record_.note != repaired.limited) {
      Log(Severity::kWarning, "recovery_fee_limit_reached", repaired.limited);
    }
    if (!repaired.limited.empty()) record_.note = repaired.limited;
  }

  void Plan() {
    if (IsFinal(record_.state)) return;
    if (!policy_.enabled || !policy_.recovery.enabled) {
      if (now_.epoch >= record_.target.open) {
        End(RecoveryState::kTooLate, "recovering was disabled");
      }
      return;
    }
    switch (record_.state) {
      case RecoveryState::kReading: {
        if (TooLate()) return;
        Ask(ReadFaults{record_.target.index});
        return;
      }
      case RecoveryState::kChecking: {
        if (!record_.unreadable.empty() && !InTime()) {
          End(RecoveryState::kDone, "no faulty sector can be read");
          return;
        }
        if (TooLate()) return;
        if (machine_.faulty.empty()) {  // after a restart
          record_.state = RecoveryState::kReading;
          Ask(ReadFaults{record_.target.index});
          return;
        }
        LookAtTheLeft();
        return;
      }
      case RecoveryState::kSubmitting:
        PlanMessages();
        return;
      case RecoveryState::kDone:
      case RecoveryState::kTooLate:
        return;
    }
  }

  StepResult Finish() && {
    StepResult result;
    result.changed = EncodeRecovery(record_) != before_;
    result.actions = std::move(actions_);
    result.wake_at = wake_at_;
    result.machine = std::move(machine_);
    return result;
  }

 private:
  Flight& FlightOf(const Key& key) { return machine_.flights[key]; }

  void Ask(Action action) {
    Flight& f = FlightOf(*KeyOf(action));
    if (f.under_way) return;
    if (now_.time < f.not_before) {
      if (!wake_at_ || f.not_before < *wake_at_) wake_at_ = f.not_before;
      return;
    }
    f.under_way = true;
    actions_.push_back(std::move(action));
  }
  void Landed(const Key& key) {
    Flight& f = FlightOf(key);
    f = {};
    f.answered_at = now_.epoch;
  }
  void Delay(const Key& key) {
    Flight& f = FlightOf(key);
    f.under_way = false;
    ++f.failures;
    f.not_before = now_.time + policy_.poster.retry.After(f.failures);
  }
  void Log(Severity severity, std::string event, std::string detail) {
    action::LogLine line;
    line.severity = severity;
    line.event = std::move(event);
    line.fields = {{"detail", std::move(detail)}};
    actions_.emplace_back(std::move(line));
  }
  void End(RecoveryState state, std::string note) {
    record_.state = state;
    if (!note.empty()) record_.note = std::move(note);
    record_.finished = {now_.epoch, now_.time};
  }
  absl::Duration RelookPause() const {
    const absl::Duration window =
        now_.epoch_duration * (record_.target.close - record_.target.open).Count();
    return std::clamp((now_.TimeOf(record_.target.fault_cutoff) - now_.time) / 10, absl::Seconds(1),
                      std::max(window / 5, absl::Seconds(1)));
  }
  // At all that is in no message.
  void LookAtTheLeft() {
    std::set<filecoin::SectorNumber> declared;
    for (const RecoveryMessage& message : record_.messages) {
      for (const RecoveredPartition& partition : message.partitions) {
        declared.insert(partition.sectors.begin(), partition.sectors.end());
      }
    }
    const std::uint64_t most = policy_.recovery.max_sectors;
    if (most != 0 && declared.size() >= most) return;
    CheckFaulty check;
    check.proof_type = machine_.proof_type;
    for (const FaultyPartition& partition : machine_.faulty) {
      for (const PlannedSector& sector : partition.sectors) {
        if (!declared.contains(sector.number)) check.sectors.push_back(sector);
      }
    }
    if (check.sectors.empty()) return;
    const absl::Duration to_cutoff = now_.TimeOf(record_.target.fault_cutoff) - now_.time;
    const bool again = !record_.unreadable.empty();
    check.budget = std::max(absl::Seconds(1), to_cutoff / (again ? 10 : 2));
    Ask(std::move(check));
  }
  // What nobody would hear of otherwise: that a sector stays faulty, and why.  Once, and when it
  // changes.
  void Tell(const std::vector<SkippedSector>& left) {
    std::map<filecoin::SectorNumber, std::string> before;
    for (const SkippedSector& sector : record_.unreadable) before[sector.number] = sector.reason;
    std::size_t told = 0;
    std::size_t more = 0;
    for (const SkippedSector& sector : left) {
      const auto known = before.find(sector.number);
      if (known != before.end() && known->second == sector.reason) continue;
      if (++told > kNamedInLog) {
        ++more;
        continue;
      }
      action::LogLine line;
      line.severity = Severity::kWarning;
      line.event = "sector_stays_faulty";
      line.fields = {{"partition", ToString(sector.partition)},
                     {"sector", std::to_string(sector.number)},
                     {"why", sector.reason}};
      actions_.emplace_back(std::move(line));
    }
    if (more > 0) {
      Log(Severity::kWarning, "sectors_stay_faulty",
          absl::StrFormat("%d more; util sealer proving faults lists them", more));
    }
  }
  // A declaration counts from the epoch that includes it.
  bool InTime() const {
    return now_.epoch + filecoin::EpochDelta(1) + policy_.recovery.cutoff_margin <=
           record_.target.fault_cutoff;
  }
  void WarnOfSenders(const std::vector<SenderWarning>& warnings) {
    for (const SenderWarning& warning : warnings) {
      action::LogLine line;
      line.severity = Severity::kWarning;
      line.event = "sender_trouble";
      line.fields = {{"sender", warning.sender},
                     {"role", warning.role},
                     {"nonce", warning.nonce ? std::to_string(*warning.nonce) : ""},
                     {"message", warning.message},
                     {"reason", warning.what}};
      actions_.emplace_back(std::move(line));
    }
  }
  // Somebody else is to send what is sent until the cut-off.
  void SetAside(const RecoveryMessage& message, MessageTrouble trouble, const std::string& why) {
    const bool unknown = trouble == MessageTrouble::kRefused && !message.cid;
    if (!message.from || (!IsOfSender(trouble) && !unknown)) return;
    actions_.emplace_back(
        action::SetAside{*message.from, why, now_.TimeOf(record_.target.fault_cutoff)});
  }
  // What stands before it in its lane is repaired first, then its own fee.
  void StillPending(const Looked& looked) {
    const auto [since, fresh] = machine_.pending_since.try_emplace(looked.message, now_.epoch);
    if (!InTime()) return;
    if (looked.repair) {
      RepairLane(looked, *looked.repair);
      return;
    }
    const auto waiting = filecoin::cbor::Decode<filecoin::SignedMessage>(looked.signed_message);
    if (!waiting.ok()) return;
    const bool below = internal::IsBelowBaseFee(waiting->message, looked.base_fee);
    if (!below && now_.epoch < since->second + kPassedOverAfter) return;
    LaneRepair own;
    own.sender = waiting->message.from;
    own.nonce = waiting->message.nonce;
    own.signed_message = looked.signed_message;
    RepairLane(looked, std::move(own));
  }
  void RepairLane(const Looked& looked, LaneRepair lane) {
    if (FlightOf({Step::kRepair, looked.message}).under_way) return;
    machine_.repairing[looked.message] = lane.sender;
    Ask(Repair{looked.message, looked.attempt, std::move(lane)});
  }
  // As with proofs (step_senders.cpp): a wallet that never answers is as good as none.
  void CannotRaise(const Failed& failed) {
    const std::size_t i = failed.key.message;
    const RecoveryMessage& message = record_.messages[i];
    const MessageTrouble trouble = ClassifySendError(failed.status);
    if (!message.cid || trouble == MessageTrouble::kNonce || trouble == MessageTrouble::kFee) {
      return;
    }
    if (machine_.repairing[i] != message.from) return;  // of no use to the message
    if (trouble == MessageTrouble::kUnknownFate &&
        FlightOf(failed.key).failures < kPushesUnanswered) {
      return;
    }
    SetAside(message, MessageTrouble::kCannotSign, record_.note);
    if (machine_.cannot_raise.insert(i).second) FlightOf({Step::kLook, i}).answered_at.reset();
  }
  // It waits, and another one can send.  Sectors may be declared twice.
  bool SentByAnother(const Looked& looked) {
    RecoveryMessage& message = record_.messages[looked.message];
    if (!machine_.cannot_raise.contains(looked.message) || !InTime()) return false;
    if (!looked.sender || looked.sender == message.from) return false;
    std::vector<RecoveredPartition> left = Left(message, looked.undeclared);
    if (left.empty()) return false;
    Log(Severity::kWarning, "recovery_message_given_up",
        absl::StrFormat("%s waits on, and %s declares: %s",
                        message.cid ? message.cid->ToString() : "a message",
                        looked.sender->ToString(), record_.note));
    machine_.cannot_raise.erase(looked.message);
    DeclareBy(looked, std::move(left), false);
    return true;
  }
  void DeclareBy(const Looked& looked, std::vector<RecoveredPartition> left, bool same) {
    RecoveryMessage& message = record_.messages[looked.message];
    if (!same) {
      message.partitions = std::move(left);
      ++message.attempt;
      message.uuid = UuidOf(looked.message, message.attempt);
      message.cid.reset();
      message.from = looked.sender;
    }
    message.sent_at = now_.epoch;
    Ask(Declare{looked.message, message.attempt, *message.from, ParamsOf(record_, message),
                message.uuid});
  }
  bool TooLate() {
    if (InTime()) return false;
    const bool never_read = record_.state == RecoveryState::kReading;
    End(RecoveryState::kTooLate,
        record_.note.empty() ? (never_read ? "the cut-off came before the faults were read"
                                           : "the cut-off came before the sectors were checked")
                             : record_.note);
    Log(Severity::kError, "recovery_too_late", record_.note);
    return true;
  }
  bool IsCurrent(std::size_t message, std::uint32_t attempt) const {
    return message < record_.messages.size() && record_.messages[message].attempt == attempt;
  }
  chain::Uuid UuidOf(std::size_t message, std::uint32_t attempt) const {
    filecoin::cbor::Writer writer;
    writer.Array(5);
    writer.Text("damocles/recovery-message/1");
    writer.Uint(record_.miner);
    writer.Int(record_.target.open.Value());
    writer.Uint(message);
    writer.Uint(attempt);
    return internal::UuidOf(std::move(writer).Take());
  }
  void Refused(RecoveryMessage& message, std::string why) {
    ++message.failures;
    message.cid.reset();
    message.uuid = {};
    ++message.attempt;  // the next one is another message
    record_.note = std::move(why);
    const auto i = static_cast<std::size_t>(&message - record_.messages.data());
    FlightOf({Step::kLook, i}).not_before =
        now_.time + policy_.poster.retry.After(message.failures);
  }
  void Cut(std::vector<RecoveredPartition> partitions) {
    const std::uint64_t most =
        policy_.recovery.max_partitions_per_message > 0
            ? std::min(policy_.recovery.max_partitions_per_message, kDeclaredPartitionsMax)
            : kDeclaredPartitionsMax;
    std::uint64_t sectors = 0;
    bool first = true;  // what is out already is left as it is
    for (RecoveredPartition& partition : partitions) {
      const bool full = std::exchange(first, false) ||
                        record_.messages.back().partitions.size() >= most ||
                        sectors + partition.sectors.size() > kSectorsPerMessageMax;
      if (full) {
        record_.messages.emplace_back();
        sectors = 0;
      }
      sectors += partition.sectors.size();
      record_.messages.back().partitions.push_back(std::move(partition));
    }
  }
  void PlanMessages() {
    bool all_done = true;
    // What comes back before the cut-off is declared in a message of its own.
    if (!record_.unreadable.empty() && InTime()) {
      all_done = false;
      if (machine_.faulty.empty()) {
        Ask(ReadFaults{record_.target.index});
      } else {
        LookAtTheLeft();
      }
    }
    for (std::size_t i = 0; i < record_.messages.size(); ++i) {
      const RecoveryMessage& message = record_.messages[i];
      if (message.done) continue;
      all_done = false;
      if (!message.cid && !InTime()) {
        End(RecoveryState::kTooLate, absl::StrFormat("the cut-off came first: %s", record_.note));
        Log(Severity::kError, "recovery_too_late", record_.note);
        return;
      }
      if (now_.epoch >= record_.target.open) {
        End(RecoveryState::kTooLate, "the message was not confirmed before the window opened");
        return;
      }
      const Flight& declare = FlightOf({Step::kDeclare, i});
      if (declare.under_way) continue;
      if (now_.time < declare.not_before) {
        if (!wake_at_ || declare.not_before < *wake_at_) wake_at_ = declare.not_before;
        continue;
      }
      const Flight& last = FlightOf({Step::kLook, i});
      if (last.answered_at == now_.epoch) continue;
      Look look{i, message.attempt, record_.target.index, message.cid, {}, false};
      look.want_sender = machine_.cannot_raise.contains(i);
      if (message.attempt > 0) look.params = ParamsOf(record_, message);
      Ask(std::move(look));
    }
    if (all_done) {
      End(RecoveryState::kDone,
          record_.unreadable.empty()
              ? ""
              : absl::StrFormat("%d sectors stay faulty", record_.unreadable.size()));
      Log(Severity::kInfo, "recoveries_declared", std::to_string(record_.messages.size()));
    }
  }

  Machine machine_;
  RecoveryRecord& record_;
  const Now now_;
  const MinerPolicy& policy_;
  std::string before_;
  std::vector<Action> actions_;
  std::optional<absl::Time> wake_at_;
};

}  // namespace

std::optional<Key> KeyOf(const Action& action) {
  struct Visitor {
    std::optional<Key> operator()(const ReadFaults&) const { return Key{Step::kRead}; }
    std::optional<Key> operator()(const CheckFaulty&) const { return Key{Step::kCheck}; }
    std::optional<Key> operator()(const Look& a) const { return Key{Step::kLook, a.message}; }
    std::optional<Key> operator()(const Declare& a) const { return Key{Step::kDeclare, a.message}; }
    std::optional<Key> operator()(const Repair& a) const { return Key{Step::kRepair, a.message}; }
    std::optional<Key> operator()(const action::SetAside&) const { return std::nullopt; }
    std::optional<Key> operator()(const action::LogLine&) const { return std::nullopt; }
  };
  return std::visit(Visitor{}, action);
}

Violations InvariantsOf(const Machine& machine) {
  Violations found;
  const RecoveryRecord& record = machine.record;
  found.Require(IsFinal(record.state) == (record.finished.time != absl::InfinitePast()),
                "a record has its end if and only if it is final");
  found.Require(record.state != RecoveryState::kSubmitting || !record.messages.empty(),
                "what is submitted has a message");
  std::set<filecoin::SectorNumber> named;
  bool once = true;
  bool ascending = true;
  bool sent_whole = true;
  bool all_done = true;
  for (const RecoveryMessage& message : record.messages) {
    all_done = all_done && message.done;
    sent_whole = sent_whole && (!message.cid || message.attempt > 0);
    for (const RecoveredPartition& partition : message.partitions) {
      ascending = ascending && std::is_sorted(partition.sectors.begin(), partition.sectors.end());
      for (const filecoin::SectorNumber sector : partition.sectors) {
        once = named.insert(sector).second && once;
      }
    }
  }
  for (const SkippedSector& sector : record.unreadable) {
    once = named.insert(sector.number).second && once;
  }
  found.Require(once, "a sector is in one message, or among those that stay faulty, once");
  found.Require(ascending, "the sectors of a declaration ascend");
  found.Require(sent_whole, "a message that is known to the chain was an attempt of ours");
  found.Require(record.state != RecoveryState::kDone || all_done,
                "nothing is done while a message is open");
  return found;
}

StepResult Advance(Machine machine, const Event& event, const Now& now, const MinerPolicy& policy) {
  Stepper stepper(std::move(machine), now, policy);
  std::visit([&](const auto& happened) { stepper.Handle(happened); }, event);
  stepper.Plan();
  StepResult result = std::move(stepper).Finish();
  const RecoveryRecord& record = result.machine.record;
  CheckInvariants("recovery",
                  absl::StrFormat("f0%d open %d", record.miner, record.target.open.Value()),
                  InvariantsOf(result.machine), [&record] {
                    return absl::StrFormat("state %s, %d messages, %d stay faulty, note: %s",
                                           Name(record.state), record.messages.size(),
                                           record.unreadable.size(), record.note);
                  });
  return result;
}

}  // namespace recovery
}  // namespace damocles::poster
