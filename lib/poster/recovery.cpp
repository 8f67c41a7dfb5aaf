// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/poster/recovery.h"

#include <algorithm>
#include <set>
#include <type_traits>
#include <utility>
#include <variant>

#include "absl/strings/str_format.h"
#include "lib/poster/step.h"

#include "damocles/filecoin/cbor.h"

namespace damocles::poster {

namespace {

// Of one message, as the miner actor limits it.
constexpr std::uint64_t kSectorsPerMessageMax = 25'000;
constexpr std::uint64_t kDeclaredPartitionsMax = 3'000;
// So many sectors are named one by one in the log; records and listings have them all.
constexpr std::size_t kNamedInLog = 20;

}  // namespace

namespace recovery {
namespace {

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
    const bool final = IsFinal(record_.state);
    if (final && (!InTime() || !policy_.enabled || !policy_.recovery.enabled ||
                  reorg.lowest > record_.finished.epoch)) {
      return;
    }
    machine_.flights.RefreshAll();
    bool opened = record_.messages.empty();
    for (std::size_t i = 0; i < record_.messages.size(); ++i) {
      Deliver(i, reorg);
      opened = opened || !delivery::IsFinal(record_.messages[i].phase);
    }
    if (!final || !opened) return;
    record_.finished = {};
    record_.note.clear();
    record_.state = record_.messages.empty() ? RecoveryState::kReading : RecoveryState::kSubmitting;
    Log(Severity::kWarning, "recoveries_judged_again", "a reorg");
  }

  void Handle(const FaultsRead& read) {
    machine_.flights.Landed(Step::kRead, now_.epoch);
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
    machine_.flights.Landed(Step::kCheck, now_.epoch);
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
    machine_.flights.NotBefore(Step::kCheck, now_.time + RelookPause());
    if (good.empty()) return;
    Log(Severity::kInfo, "recoveries_to_declare", std::to_string(sectors - in_messages.size()));
    Cut(std::move(good));
    record_.state = RecoveryState::kSubmitting;
  }

  void Handle(const Looked& looked) {
    delivery::event::Looked seen = looked;
    std::vector<RecoveredPartition> left;
    if (IsCurrent(looked.ref)) {
      const RecoveryMessage& message = record_.messages[looked.ref.message];
      left = Left(message, looked.undeclared);
      if (looked.done_trouble.ok() && left != message.partitions) {
        seen.done = left.empty() ? delivery::Done::kAll : delivery::Done::kPart;
      }
      seen.basis = Bytes32{};
      seen.params = DeclareParamsOf(record_, message);
    }
    const delivery::Outcome outcome = DeliverAnswer(looked.ref, seen);
    if (!outcome.partly_done) return;
    // Declared by somebody else, or not faulty any more.
    RecoveryMessage& message = record_.messages[looked.ref.message];
    message.partitions = std::move(left);
    message.phase = delivery::Phase::kWanted;
    message.message.cid.reset();
    message.message.receipt.reset();
  }
  template <typename What>
  void Handle(const OfMessage<What>& answer) {
    DeliverAnswer(answer.ref, static_cast<const What&>(answer));
  }

  void Handle(const Failed& failed) {
    machine_.flights.Delay(failed.step, now_.time, policy_.poster.retry);
    if (IsFinal(record_.state)) return;
    record_.note = std::string(failed.status.message());
    Log(Severity::kWarning, "recovery_step_failed", record_.note);
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
  template <typename A>
  void Ask(A action) {
    if (machine_.flights.Begin(A::kStep, now_.time, wake_at_)) {
      actions_.emplace_back(std::move(action));
    }
  }
  void Log(Severity severity, std::string event, std::string detail) {
    actions_.emplace_back(
        action::LogLine{severity, std::move(event), {{"detail", std::move(detail)}}});
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
      actions_.emplace_back(action::LogLine{Severity::kWarning,
                                            "sector_stays_faulty",
                                            {{"partition", ToString(sector.partition)},
                                             {"sector", std::to_string(sector.number)},
                                             {"why", sector.reason}}});
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
  // What a message needs to be executed before the cut-off, as for proofs.
  absl::Duration Reserve() const {
    constexpr int kEpochsMin = 8;
    const absl::Duration window =
        now_.epoch_duration * (record_.target.close - record_.target.open).Count();
    return std::min(window / 2, std::max(window * policy_.poster.reserve_share,
                                         kEpochsMin * now_.epoch_duration));
  }
  delivery::Terms TermsOf(std::size_t i) const {
    delivery::Terms terms;
    terms.policy = policy_.poster;
    terms.close = record_.target.fault_cutoff;
    terms.until = terms.close - policy_.recovery.cutoff_margin + filecoin::EpochDelta(1);
    terms.search_until = record_.target.open;
    terms.window = record_.target.close - record_.target.open;
    terms.late_from = now_.TimeOf(terms.until) - Reserve();
    terms.may_begin = policy_.enabled && policy_.recovery.enabled;
    terms.next_attempt = record_.messages[i].message.attempt + 1;
    terms.next_uuid = UuidOf(i, terms.next_attempt);
    terms.done_note = "its sectors are declared already";
    return terms;
  }
  delivery::Outcome Deliver(std::size_t i, const delivery::Event& event) {
    RecoveryMessage& message = record_.messages[i];
    delivery::Record& delivered = message;
    const delivery::Terms terms = TermsOf(i);
    delivery::Machine before;
    before.phase = message.phase;
    before.record = std::move(delivered);
    before.state = std::move(machine_.deliveries[i]);
    delivery::StepResult result = delivery::Step(std::move(before), event, now_, terms);
    message.phase = result.machine.phase;
    delivered = std::move(result.machine.record);
    machine_.deliveries[i] = std::move(result.machine.state);
    if (result.wake_at && (!wake_at_ || *result.wake_at < *wake_at_)) wake_at_ = result.wake_at;
    if (result.outcome.missed) {
      const std::string& why = *result.outcome.missed;
      message.note = absl::StrFormat("%s%s%s", why.empty() ? "the cut-off came first" : why,
                                     message.note.empty() ? "" : ": ", message.note);
      Log(Severity::kError, "recovery_message_missed", message.note);
    }
    for (delivery::Action& action : result.actions) TakeAction(i, std::move(action));
    return std::move(result.outcome);
  }
  // An answer about what the message is no more is only noted to have come.
  delivery::Outcome DeliverAnswer(const MessageRef& ref, const delivery::Event& answer) {
    if (IsCurrent(ref)) return Deliver(ref.message, answer);
    delivery::Flights<delivery::Work>& flights = machine_.deliveries[ref.message].flights;
    std::visit(
        [&](const auto& came) {
          if constexpr (requires { came.kWork; }) {
            flights.Landed(came.kWork, now_.epoch);
          } else if constexpr (requires { came.work; }) {
            flights.Delay(came.work, now_.time, policy_.poster.retry);
          }
        },
        answer);
    return {};
  }
  void TakeAction(std::size_t i, delivery::Action action) {
    const MessageRef ref{i, record_.messages[i].message.attempt};
    std::visit(
        [&](auto& asked) {
          using A = std::decay_t<decltype(asked)>;
          if constexpr (std::is_same_v<A, delivery::action::Look>) {
            Look look;
            static_cast<delivery::action::Look&>(look) = std::move(asked);
            look.ref = ref;
            look.deadline_index = record_.target.index;
            if (record_.messages[i].phase == delivery::Phase::kWanted) {
              look.params = DeclareParamsOf(record_, record_.messages[i]);
            }
            actions_.emplace_back(std::move(look));
          } else if constexpr (std::is_same_v<A, delivery::action::LogLine>) {
            if (asked.event != "sender_trouble") asked.event = "recovery_" + asked.event;
            actions_.emplace_back(std::move(asked));
          } else if constexpr (requires { A::kWork; }) {
            actions_.emplace_back(OfMessage<A>{std::move(asked), ref});
          } else {
            actions_.emplace_back(std::move(asked));
          }
        },
        action);
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
  bool IsCurrent(const MessageRef& ref) const {
    return record_.state == RecoveryState::kSubmitting && ref.message < record_.messages.size() &&
           record_.messages[ref.message].message.attempt == ref.attempt;
  }
  delivery::Uuid UuidOf(std::size_t message, std::uint32_t attempt) const {
    filecoin::cbor::Writer writer;
    writer.Array(5);
    writer.Text("damocles/recovery-message/1");
    writer.Uint(record_.miner);
    writer.Int(record_.target.open.Value());
    writer.Uint(message);
    writer.Uint(attempt);
    return internal::UuidOf(std::move(writer).Take());
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
    std::string missed;
    for (std::size_t i = 0; i < record_.messages.size(); ++i) {
      Deliver(i, Tick{});
      const RecoveryMessage& message = record_.messages[i];
      all_done = all_done && delivery::IsFinal(message.phase);
      if (message.phase == delivery::Phase::kMissed && missed.empty()) missed = message.note;
      if (!delivery::IsFinal(message.phase) && now_.epoch >= record_.target.open) {
        missed = "the message was not confirmed before the window opened";
      }
    }
    if (!all_done && now_.epoch < record_.target.open) return;
    if (!missed.empty()) {
      End(RecoveryState::kTooLate, missed);
      Log(Severity::kError, "recovery_too_late", record_.note);
      return;
    }
    record_.note.clear();
    End(RecoveryState::kDone,
        record_.unreadable.empty()
            ? ""
            : absl::StrFormat("%d sectors stay faulty", record_.unreadable.size()));
    Log(Severity::kInfo, "recoveries_declared", std::to_string(record_.messages.size()));
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
