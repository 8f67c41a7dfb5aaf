// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/poster/invariants.h"

#include <algorithm>
#include <map>
#include <set>

#include "absl/strings/str_format.h"

namespace damocles::poster {

Violations InvariantsOf(const PartitionBatch& batch) {
  Violations found;
  const BatchMessage& message = batch.message;
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
  if (batch.state == DeadlineState::kSubmitting) {
    found.Require(message.attempt > 0, "a message that is submitted has an attempt number");
    found.Require(!message.from || std::find(batch.given_up.begin(), batch.given_up.end(),
                                             *message.from) == batch.given_up.end(),
                  "nobody sends whose message for the batch was given up");
    // Before it is pushed: a manager killed after that finds it again by them.
    found.Require(message.cid || (message.from && !message.params.empty()),
                  "a message is in the record with sender and parameters before it is pushed");
  }
  if (batch.state == DeadlineState::kOnChain) {
    found.Require(batch.posted_by_other || (message.receipt && message.receipt->exit_code == 0),
                  "what is on chain has a good receipt, or was posted by another message");
  }
  found.Require(!message.receipt || message.cid, "a receipt belongs to a message with a CID");
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

}  // namespace damocles::poster
