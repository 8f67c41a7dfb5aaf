// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// One step of a deadline machine while it is being made.

#pragma once

#include <cstdint>
#include <initializer_list>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "damocles/base/check.h"
#include "damocles/base/invariant.h"
#include "damocles/poster/state_machine.h"

namespace damocles::poster::internal {

delivery::Uuid UuidOf(const Bytes& what);
// Null if the plan has no such partition.
const PlannedPartition* FindPartition(const DeadlineRecord& record, filecoin::ChainPartition index);
bool AnyReadable(const PlannedPartition& partition);
// Of the first sector that is skipped: "sector 5: file is gone".
std::string FirstReason(const PlannedPartition& partition);
std::string Describe(const DeadlineRecord& record);
// "0,1".
std::string JoinPartitions(const std::vector<filecoin::ChainPartition>& partitions);
Violations DeliveryInvariantsOf(const PartitionBatch& batch);

class Stepper {
 public:
  Stepper(Machine machine, const Now& now, const PosterPolicy& policy);

  // Takes in what happened...
  void Handle(const event::Tick&) {}
  void Handle(const event::Reorg& reorg);
  void Handle(const event::InputsRead& inputs);
  void Handle(const event::RandomnessRead& read);
  void Handle(const event::SectorsChecked& checked);
  void Handle(const event::FaultsJudged& judged);
  void Handle(const event::JobChanged& changed);
  void Handle(const event::JobMissing& missing);
  void Handle(const event::JobReset& reset);
  void Handle(const event::Surveyed& survey);
  template <typename What>
  void Handle(const OfBatch<What>& answer) {
    DeliverAnswer(answer.ref, static_cast<const What&>(answer));
  }
  void Handle(const event::Failed& failed);

  // ... and asks for what is missing.
  void Plan(Effort effort);

  StepResult Finish() &&;

 private:
  using Fields = std::initializer_list<std::pair<std::string, std::string>>;

  // ---- flights (state_machine.cpp)
  delivery::Flight FlightOf(ActionKind kind, std::size_t batch = kNoBatch) const {
    return state_.flights.Of({kind, batch});
  }
  // Asks unless it is under way or must wait; then the machine wakes up in time.
  bool Ask(Action action);
  bool AskOnceAHead(Action action);
  void Landed(ActionKind kind, std::size_t batch = kNoBatch) {
    state_.flights.Landed({kind, batch}, now_.epoch);
  }
  // Not again before a pause that grows with every call in a row.
  void Delay(ActionKind kind, std::size_t batch = kNoBatch) {
    state_.flights.Delay({kind, batch}, now_.time, policy_.retry);
  }
  void DelayFor(ActionKind kind, std::size_t batch, absl::Duration pause) {
    state_.flights.NotBefore({kind, batch}, now_.time + pause);
  }
  bool MustPause(ActionKind kind, std::size_t batch) const {
    return now_.time < FlightOf(kind, batch).not_before;
  }
  BatchState& Of(std::size_t i) { return state_.batches[i]; }
  const BatchState& Of(std::size_t i) const;
  void Wake(absl::Time at);
  void Log(Severity severity, std::string event, Fields fields);
  void LogBatch(Severity severity, std::string event, std::size_t i, std::string detail);

  // ---- preparing (step_prepare.cpp)
  void PlanChecks();
  DeadlinePlan& MutablePlan();
  void FormBatches();
  // At the close: what was never batched is judged like what was.
  void BatchTheRest();
  void AddBatch(std::vector<filecoin::ChainPartition> partitions, bool posted);
  std::size_t PartitionsMax() const;
  // Everything from the reading of the chain on again.
  void StartOver(std::string why);
  // What is final, though its window is open, after a reorg.
  void JudgeAgain(const event::Reorg& reorg);
  void DeriveState();
  void Enter(DeadlineState state);

  // ---- skipped sectors that may be back (step_rejoin.cpp)
  // The batch a partition is in; kNoBatch if in none.
  std::size_t BatchOf(filecoin::ChainPartition partition) const;
  absl::Duration RelookPause() const;
  // How much of the window is kept for the message.
  absl::Duration Reserve() const;
  // When it is too late to prove the batch anew with sectors that came back.
  absl::Time RejoinUntil(std::size_t i) const;
  bool MayRejoin(std::size_t i) const;
  void AddSkipped(std::vector<PlannedSector>& sectors) const;
  void TakeRelook(const std::map<filecoin::SectorNumber, const SectorVerdict*>& verdicts);
  void Rejoin(std::size_t i, const std::map<filecoin::SectorNumber, const SectorVerdict*>& back);
  // Whether a proof without sectors that may be back is better not sent yet.
  bool IsHeld(std::size_t i);
  // Back to the proof that was there before a rejoining that takes too long.
  bool FellBack(std::size_t i);

  // ---- proving (step_batch.cpp)
  void PlanBatch(std::size_t i);
  void PlanProving(std::size_t i);
  // Earlier batches are still with the provers, and this one is not to be proven beside them.
  bool MustWaitForEarlier(std::size_t i) const;
  void PauseResets(std::size_t i, std::uint32_t resets);
  // Everybody who was asked failed and is not asked again for some time.
  bool ResetStuckJob(std::size_t i);
  void DropJobOf(const PartitionBatch& batch);
  // The statement of the batch changed: another job.
  void ProveAnew(std::size_t i);
  // The same statement, but the proof was no good.
  void DistrustProof(std::size_t i);

  // ---- faults that provers name (step_faults.cpp)
  void FaultsNamed(std::size_t i, const JobView& job);
  void PlanClaim(std::size_t i);
  // `seen`: those of which the manager itself saw that they cannot be read.
  void MarkFaults(std::size_t i, const std::map<filecoin::SectorNumber, std::string>& faults,
                  const std::set<filecoin::SectorNumber>& seen = {});
  // Sectors that were moved since the job was made; true if there are any.
  bool TakeNewPlaces(std::size_t i, const std::vector<SectorVerdict>& verdicts);
  bool IsBelieved(std::size_t i, filecoin::SectorNumber sector, const std::string& worker) const;
  // Nothing of the batch can be proven: looked at again until the close.
  bool NothingReadable(std::size_t i) const;
  void PlanUnreadable(std::size_t i);
  void ReadableAgain(std::size_t i, const std::vector<SectorVerdict>& verdicts);
  template <typename Visit>
  void VisitSectors(std::size_t i, const Visit& visit) const;

  // ---- the delivery of its message (step_delivery.cpp)
  void PlanDelivery(std::size_t i);
  // A wish may become a message now.
  bool MaySend(std::size_t i);
  delivery::Terms TermsOf(std::size_t i, bool may_begin) const;
  delivery::Outcome Deliver(std::size_t i, const delivery::Event& event, bool may_begin = false);
  // An answer about what the batch is no more is only noted to have come.
  void DeliverAnswer(const BatchRef& ref, const delivery::Event& answer);
  void TakeAction(std::size_t i, delivery::Action action);
  action::Survey SurveyOf(std::size_t i, delivery::action::Look look) const;
  // What the chain has already becomes a batch of its own, the rest is proven anew.
  void SplitPosted(std::size_t i, const std::set<filecoin::ChainPartition>& posted);
  void ReportForeign(std::size_t i, const event::Surveyed& survey);
  std::int64_t FallbackGas(std::size_t i) const;
  void SetState(std::size_t i, DeadlineState state);
  void NoteState(std::size_t i, DeadlineState state);
  std::string WhyMissed(std::size_t i) const;
  void Miss(std::size_t i, std::string why);

  // ---- conditions
  const filecoin::DeadlineInfo& Deadline() const { return record_.deadline; }
  bool Closed() const { return now_.epoch >= Deadline().close; }
  // A message pushed now is executed in the next epoch at the earliest.
  bool CanStillSend() const { return now_.epoch + filecoin::EpochDelta(1) < Deadline().close; }
  absl::Duration TimeLeft() const { return now_.TimeOf(Deadline().close) - now_.time; }
  absl::Duration WindowLength() const {
    return now_.epoch_duration * (Deadline().close - Deadline().open).Count();
  }
  // Less than a third of the window: no time for second opinions.
  bool LittleTimeLeft() const { return TimeLeft() < WindowLength() / 3; }
  // For pauses that must not cost a short window.
  absl::Duration TwentiethOfWindow() const { return WindowLength() / 20; }
  // Another try and the proof of the rest may each take as long as this one, and a bit.
  bool NoTimeToDoubt(const FaultClaim& claim) const {
    return LittleTimeLeft() || TimeLeft() < 3 * claim.took;
  }
  bool PastSearch() const {
    return now_.epoch >= Deadline().close + policy_.confirmation_depth + policy_.search_after_close;
  }
  // No answer of the node is to be waited for any longer.
  bool AskedInVain(const delivery::Flight& flight) const;
  bool IsCurrent(const BatchRef& ref) const;
  BatchRef RefOf(std::size_t i) const;
  absl::Duration CheckBudget() const;

  Machine machine_;
  DeadlineRecord& record_;
  Volatile& state_;
  const Now now_;
  const PosterPolicy& policy_;
  std::string record_before_;
  std::shared_ptr<const DeadlinePlan> plan_before_;
  bool plan_is_ours_ = false;  // made in this step: may be changed in place
  std::shared_ptr<DeadlinePlan> our_plan_;
  std::vector<Action> actions_;
  std::optional<absl::Time> wake_at_;
};

template <typename Visit>
void Stepper::VisitSectors(std::size_t i, const Visit& visit) const {
  DAMOCLES_DCHECK(i < record_.batches.size());
  for (const filecoin::ChainPartition index : record_.batches[i].partitions) {
    const PlannedPartition* partition = FindPartition(record_, index);
    if (partition == nullptr) continue;
    for (const PlannedSector& sector : partition->sectors) visit(sector);
  }
}

}  // namespace damocles::poster::internal
