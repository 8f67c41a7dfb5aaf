// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// One deadline of one miner as a pure function: Step takes what is known, something that happened
// and the time, and says what is known now and what is to be done.  No clock, no store, no chain.
//
// Level-triggered: every step first takes in the event, then looks at the record as it now is and
// asks for whatever is missing and not on its way already.  So a lost answer, a restart and a
// retry are the same thing, and there is no step that only one event could start.
//
// Contract with the runner: the record in the result is on disk BEFORE any of the result's actions
// begins; every action gets exactly one answer (its event, or event::Failed).

#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

#include "damocles/base/bytes.h"
#include "damocles/delivery/delivery.h"
#include "damocles/filecoin/deadline.h"
#include "damocles/filecoin/epoch.h"
#include "damocles/filecoin/partition.h"
#include "damocles/filecoin/sector.h"
#include "damocles/job/spec.h"
#include "damocles/poster/actions.h"
#include "damocles/poster/deadline_record.h"
#include "damocles/poster/events.h"
#include "damocles/poster/policy.h"

namespace damocles::poster {

using delivery::Now;

// Sectors that a prover named, while the manager looks at them itself.
struct FaultClaim {
  std::string worker;
  std::map<filecoin::SectorNumber, std::string> faults;  // with the worker's reason
  absl::Duration took;                                   // until the worker said so
};
// What was named although the manager could read it, and how often the job was given to another
// prover because of that.
struct FaultDoubt {
  std::map<filecoin::SectorNumber, std::set<std::string>> named_by;
  std::uint32_t times = 0;
};
// Sectors of a batch that were skipped and then could be read again.
struct Rejoining {
  std::uint32_t times = 0;
  absl::Time not_before = absl::InfinitePast();  // of those that only a prover can judge
  // Why they were skipped, while a proof without them is kept: what to go back to.
  std::map<filecoin::SectorNumber, std::string> skipped_before;
};
// A batch's job, as long as it is about the same statement.
struct JobState {
  std::optional<std::string> exhausted;  // why it failed for good
  std::uint32_t resets = 0;
  std::optional<absl::Time> began;
  std::optional<FaultClaim> claim;
  bool doubted = false;                   // its reset is wanted only because of a doubt
  std::optional<absl::Time> stuck_since;  // it waits, and somebody failed at it
  bool held = false;  // proven, and not sent because skipped sectors may be back
};
// What a restart may forget of a batch.
struct BatchState {
  JobState job;
  FaultDoubt doubt;
  std::optional<absl::Duration> proof_took;
  Rejoining rejoining;
  delivery::State delivery;
};
struct Volatile {
  delivery::Flights<ActionKey> flights;  // but for those of deliveries
  bool recheck_randomness = true;
  std::uint32_t check_rounds = 0;          // looks at sectors of unchecked partitions
  std::set<filecoin::Cid> foreign_said;    // messages that were reported
  std::set<filecoin::SectorNumber> wrong;  // skipped, and proven to be no sectors
  std::map<std::size_t, BatchState> batches;

  // The batches are others: of the old ones only that answers are still to come.
  void ForgetBatches();
};

struct Machine {
  DeadlineRecord record;
  Volatile state;
};

// A record that waits for its challenge.
Machine NewMachine(filecoin::ActorId miner, const filecoin::DeadlineInfo& deadline, const Now& now);
// One that was read from the store.
Machine LoadedMachine(DeadlineRecord record);

struct StepResult {
  Machine machine;
  bool changed = false;       // the record's small row must be written
  bool plan_changed = false;  // and its plan
  std::vector<Action> actions;
  // Step again with Tick at this time, if nothing happens before.
  std::optional<absl::Time> wake_at;
};

// How much a step may ask for.
enum class Effort {
  kAll,
  // The miner is not enabled: answers are taken in, a batch whose message is out is brought to its
  // end, nothing else begins.  When the window closes the record ends as any other.
  kFinishOnly,
};

// Final, and no reorg of the usual depth can open its window again: until then a reorg may make a
// final record one that is under way.
bool IsOver(const DeadlineRecord& record, const Now& now, const PosterPolicy& policy);

// Total: any event is fine in any state; what does not fit is ignored.
StepResult Step(Machine machine, const Event& event, const Now& now, const PosterPolicy& policy,
                Effort effort = Effort::kAll);

// The job that proves a batch as it is now: the sectors of all its partitions that are not
// skipped, ascending.
job::JobSpec SpecOf(const DeadlineRecord& record, const PartitionBatch& batch, const Now& now);

// SubmitWindowedPoSt parameters of a proven batch: partitions ascending, each with its own skipped
// sectors; commit epoch is the challenge.
absl::StatusOr<Bytes> SubmitParamsOf(const DeadlineRecord& record, const PartitionBatch& batch,
                                     const Bytes32& commit_randomness);

// Stable for (miner, period start, deadline, partitions, attempt): a repeated push with it gives
// the same message.
delivery::Uuid MessageUuid(filecoin::ActorId miner, filecoin::ChainEpoch period_start,
                           std::uint64_t deadline_index,
                           const std::vector<filecoin::ChainPartition>& partitions,
                           std::uint32_t attempt);

}  // namespace damocles::poster
