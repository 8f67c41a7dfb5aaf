// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// Drives a deadline machine by hand: gives events, collects the actions that are due.

#pragma once

#include <deque>
#include <optional>
#include <set>
#include <string>
#include <typeinfo>
#include <utility>
#include <variant>
#include <vector>

#include "gtest/gtest.h"

#include "damocles/filecoin/deadline.h"
#include "damocles/filecoin/message.h"
#include "damocles/poster/state_machine.h"

namespace damocles::poster::testing {

inline constexpr filecoin::PeriodShape kShape{filecoin::EpochDelta(120), filecoin::EpochDelta(10),
                                              12, filecoin::EpochDelta(5), filecoin::EpochDelta(7)};
inline constexpr filecoin::ActorId kMiner = 1000;

inline Bytes32 Filled(std::uint8_t byte) {
  Bytes32 out;
  out.fill(byte);
  return out;
}

inline filecoin::Cid CidOf(std::uint8_t n) {
  return filecoin::Cid::OfDagCbor(Bytes{0x81, n});
}

inline std::vector<filecoin::SectorNumber> Numbers(const job::JobSpec& spec) {
  std::vector<filecoin::SectorNumber> out;
  for (const job::JobSector& sector : spec.sectors) out.push_back(sector.number);
  return out;
}

inline PlannedSector Sector(filecoin::SectorNumber number) {
  PlannedSector sector;
  sector.number = number;
  sector.comm_r = Filled(static_cast<std::uint8_t>(number));
  return sector;
}

// Partitions of the chain.
inline constexpr filecoin::ChainPartition k0(0);
inline constexpr filecoin::ChainPartition k1(1);

inline PartitionInput Partition(std::uint64_t index, std::vector<filecoin::SectorNumber> numbers) {
  PartitionInput partition;
  partition.index = filecoin::ChainPartition(index);
  for (const filecoin::SectorNumber number : numbers) partition.sectors.push_back(Sector(number));
  return partition;
}

class Bench {
 public:
  // Deadline 3 of the period that starts at 1000: challenge 1025, open 1030, close 1040.
  Bench() {
    policy.confirmation_depth = filecoin::EpochDelta(3);
    now.epoch = filecoin::ChainEpoch(1000);
    now.time = now.epoch_start = absl::FromUnixSeconds(1'000'000);
    machine = NewMachine(
        kMiner,
        filecoin::MakeDeadlineInfo(kShape, filecoin::ChainEpoch(1000), 3, filecoin::ChainEpoch(0)),
        now);
  }

  void Do(const Event& event) {
    StepResult result = Step(std::move(machine), event, now, policy);
    machine = std::move(result.machine);
    wake_at = result.wake_at;
    changed = result.changed;
    for (Action& action : result.actions) {
      if (const auto* line = std::get_if<action::LogLine>(&action)) {
        log.insert(line->event);
      } else {
        actions.push_back(std::move(action));
      }
    }
  }

  // Epoch `epoch` begins.
  void Head(std::int64_t epoch) {
    const filecoin::ChainEpoch to(epoch);
    now.time = now.epoch_start = now.TimeOf(to);
    now.epoch = to;
    Do(event::Tick{});
  }
  void Pause(absl::Duration pause) {
    now.time += pause;
    Do(event::Tick{});
  }
  // As after a kill: only the record is left, as its bytes.
  void Restart() {
    DeadlineRecord record = *DecodeRecord(EncodeRecord(machine.record));
    if (machine.record.plan != nullptr) {
      record.plan = std::make_shared<DeadlinePlan>(*DecodePlan(EncodePlan(*machine.record.plan)));
    }
    machine = LoadedMachine(std::move(record));
    actions.clear();
    Do(event::Tick{});
  }

  // The oldest action of kind A that is due, which is taken away.
  template <typename A>
  std::optional<A> Take() {
    for (auto it = actions.begin(); it != actions.end(); ++it) {
      if (A* found = std::get_if<A>(&*it)) {
        std::optional<A> out = std::move(*found);
        actions.erase(it);
        return out;
      }
    }
    return std::nullopt;
  }
  template <typename A>
  bool Has() const {
    for (const Action& action : actions) {
      if (std::holds_alternative<A>(action)) return true;
    }
    return false;
  }
  template <typename A>
  A Need() {
    std::optional<A> found = Take<A>();
    if (!found) ADD_FAILURE() << "nobody asked for " << typeid(A).name();
    return found ? *std::move(found) : A{};
  }

  void Fail(ActionKind kind, BatchRef ref, absl::Status status) {
    Do(event::Failed{{kind, ref.batch}, ref, std::move(status)});
  }

  // ---- steps of a quiet life
  event::InputsRead Inputs() const {
    event::InputsRead inputs;
    inputs.randomness = randomness;
    inputs.proof_type = filecoin::PoStProofType::kWindow2KiBV1_1;
    inputs.partition_sectors = 2;
    inputs.partitions = partitions;
    return inputs;
  }
  void ReadInputs() {
    Need<action::ReadInputs>();
    Do(Inputs());
  }
  SectorVerdict Verdict(filecoin::SectorNumber number) const {
    SectorVerdict verdict;
    verdict.number = number;
    verdict.sealed_store = verdict.cache_store = "store";
    if (unreadable.contains(number)) verdict.reason = "file is gone";
    if (wrong.contains(number)) verdict.reason = "root differs";
    verdict.wrong = wrong.contains(number);
    verdict.readers = readers;
    return verdict;
  }
  void CheckSectors() {
    const auto check = Need<action::CheckSectors>();
    event::SectorsChecked checked;
    for (const PlannedSector& sector : check.sectors) {
      checked.verdicts.push_back(Verdict(sector.number));
    }
    Do(checked);
  }
  // Answers EnsureJob; the job's id is its number of calls.
  action::EnsureJob EnsureJob() {
    auto ensure = Need<action::EnsureJob>();
    JobView view;
    view.id = "job" + std::to_string(++jobs);
    Do(event::JobChanged{ensure.ref, view});
    return ensure;
  }
  JobView Proved(std::size_t batch = 0) const {
    JobView view;
    view.id = Batch(batch).job_id;
    view.outcome = JobOutcome::kSucceeded;
    view.proof = Bytes(192, static_cast<std::uint8_t>(jobs));
    return view;
  }
  void Prove(std::size_t batch = 0) { Do(event::JobChanged{std::nullopt, Proved(batch)}); }
  // A worker brings faults instead of a proof.
  void NameFaults(const std::string& worker, const std::vector<filecoin::SectorNumber>& sectors,
                  std::size_t batch = 0) {
    JobView view;
    view.id = Batch(batch).job_id;
    view.outcome = JobOutcome::kFaults;
    view.worker = worker;
    for (const filecoin::SectorNumber sector : sectors) view.faults.emplace_back(sector, "gone");
    Do(event::JobChanged{std::nullopt, view});
  }
  // The manager's own look at what was named.
  action::JudgeFaults JudgeFaults() {
    auto judge = Need<action::JudgeFaults>();
    event::FaultsJudged judged;
    judged.ref = judge.ref;
    for (const PlannedSector& sector : judge.sectors) {
      judged.verdicts.push_back(Verdict(sector.number));
    }
    Do(judged);
    return judge;
  }
  void ResetJob() {
    const auto reset = Need<action::ResetJob>();
    Do(event::JobReset{reset.ref});
  }
  event::Surveyed Answer(const action::Survey& survey) const {
    event::Surveyed answer;
    answer.ref = survey.ref;
    answer.head = now.epoch;
    if (survey.want_basis) {
      answer.randomness = randomness;
      answer.commit_randomness = commit_randomness;
    }
    if (survey.want_sender) answer.sender = filecoin::Address::FromId(101);
    answer.posted = posted;
    answer.pending_was_read = survey.want_pending;
    return answer;
  }
  void Survey() { Do(Answer(Need<action::Survey>())); }
  void SurveyAll() {
    while (Has<action::Survey>()) Survey();
  }
  // Survey says that the message is on chain.
  void SurveyReceipt(std::int64_t exit_code, std::int64_t height) {
    event::Surveyed answer = Answer(Need<action::Survey>());
    answer.message = MessageWhereabouts::kOnChain;
    answer.cid = Batch().message.cid;
    answer.receipt = {exit_code, filecoin::ChainEpoch(height), 5000};
    Do(answer);
  }
  action::Push Send() {
    auto send = Need<action::Push>();
    event::Pushed sent;
    sent.ref = send.ref;
    sent.cid = CidOf(static_cast<std::uint8_t>(++messages));
    sent.signed_message = Bytes{1, 2, 3};
    sent.gas_limit = 1000;
    Do(sent);
    return send;
  }
  // Through all of that up to the state, without trouble.
  void Reach(DeadlineState state) {
    if (state == DeadlineState::kWaiting) return;
    Head(1027);
    if (state == DeadlineState::kPreparing) return;
    ReadInputs();
    CheckSectors();
    EnsureJob();
    if (state == DeadlineState::kProving) return;
    Prove();
    if (state == DeadlineState::kProven) return;
    Head(1031);
    Survey();
    Send();
    if (state == DeadlineState::kSubmitting) return;
    Head(1033);
    SurveyReceipt(0, 1033);
    if (state == DeadlineState::kOnChain) return;
    Head(1036);
    SurveyReceipt(0, 1033);
  }

  const DeadlineRecord& Record() const { return machine.record; }
  const PartitionBatch& Batch(std::size_t i = 0) const { return machine.record.batches.at(i); }
  DeadlineState State() const { return machine.record.state; }

  Now now;
  PosterPolicy policy;
  Machine machine;
  std::vector<PartitionInput> partitions = {Partition(0, {1, 2}), Partition(1, {3, 4})};
  std::set<filecoin::SectorNumber> unreadable;  // by the manager; the trouble may pass
  std::set<filecoin::SectorNumber> wrong;
  std::size_t readers = 0;  // workers that have the store
  std::set<filecoin::ChainPartition> posted;
  Bytes32 randomness = Filled(7);
  Bytes32 commit_randomness = Filled(9);
  std::deque<Action> actions;
  std::set<std::string> log;
  std::optional<absl::Time> wake_at;
  bool changed = false;
  int jobs = 0;
  int messages = 0;
};

}  // namespace damocles::poster::testing
