// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/poster/invariants.h"

#include <algorithm>
#include <map>
#include <set>

#include "absl/strings/str_format.h"
#include "lib/poster/step.h"

#include "damocles/poster/recovery.h"

namespace damocles::poster {

Violations InvariantsOf(const PartitionBatch& batch) {
  Violations found;
  found.Require(!batch.partitions.empty(), "a batch has a partition");
  found.Require(std::adjacent_find(batch.partitions.begin(), batch.partitions.end(),
                                   [](filecoin::ChainPartition a, filecoin::ChainPartition b) {
                                     return a >= b;
                                   }) == batch.partitions.end(),
                "the partitions of a batch are ascending, each once");
  found.Require(batch.state >= DeadlineState::kProving, "a batch begins at the proving");
  const bool proven =
      batch.state == DeadlineState::kProven || batch.state == DeadlineState::kSubmitting;
  found.Require(!proven || !batch.proof.empty(), "what is proven or submitted has its proof");
  const Violations delivered = internal::DeliveryInvariantsOf(batch);
  for (const std::string& rule : delivered.Rules()) found.Require(false, rule);
  found.Require(!batch.reset_job || !batch.job_id.empty(), "a job that is reset has an id");
  return found;
}

Violations InvariantsOf(const DeadlineRecord& record) {
  Violations found;
  std::map<filecoin::ChainPartition, int> batched;
  std::set<std::uint32_t> rounds;
  for (std::size_t i = 0; i < record.batches.size(); ++i) {
    const PartitionBatch& batch = record.batches[i];
    found.Add(absl::StrFormat("batch %d", i), InvariantsOf(batch));
    for (const filecoin::ChainPartition partition : batch.partitions) ++batched[partition];
    found.Require(batch.round <= record.rounds, "no round is above the latest that was given");
    found.Require(rounds.insert(batch.round).second, "no two batches have one round");
    found.Require(batch.message.attempt <= record.attempts,
                  "no attempt is above the latest that was given");
  }
  found.Require(std::all_of(batched.begin(), batched.end(),
                            [](const auto& entry) { return entry.second == 1; }),
                "a partition is in one batch only");
  if (record.plan != nullptr) {
    for (const PlannedPartition& partition : record.plan->partitions) {
      found.Require(
          batched.contains(partition.index) == (partition.status == PartitionStatus::kBatched),
          "a partition is in a batch if and only if its status says so");
    }
  }
  found.Require(record.randomness || record.batches.empty(),
                "nothing is batched before the challenge was read");
  found.Require(record.randomness || record.plan == nullptr,
                "there is no plan before the challenge was read");
  if (record.state == DeadlineState::kConfirmed) {
    found.Require(std::all_of(record.batches.begin(), record.batches.end(),
                              [](const PartitionBatch& batch) {
                                return batch.state == DeadlineState::kConfirmed;
                              }),
                  "a deadline is confirmed when all its batches are");
  }
  found.Require(record.state != DeadlineState::kMissed || !record.reason.empty(),
                "a missed deadline has its reason");
  return found;
}

namespace recovery {

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
  bool all_done = true;
  for (const RecoveryMessage& message : record.messages) {
    all_done = all_done && message.phase == delivery::Phase::kConfirmed;
    found.Add("message", delivery::InvariantsOf(message.phase, message));
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
  found.Require(record.state != RecoveryState::kDone || all_done,
                "nothing is done while a message is open");
  return found;
}

}  // namespace recovery
}  // namespace damocles::poster
