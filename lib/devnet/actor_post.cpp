// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// Methods 5 and 24: proofs, and disputes of proofs that were taken unseen.

#include <algorithm>
#include <set>

#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "lib/devnet/actor_internal.h"

namespace damocles::devnet::internal {

using filecoin::BitField;
using filecoin::DeadlineInfo;
using filecoin::PoStProofType;
using filecoin::SubmitWindowedPoStParams;

namespace {

constexpr std::size_t kRandomnessBytesMax = 32;

// As the network's actors print it.
std::string NameOf(PoStProofType type) {
  const std::int64_t number = ToNumber(type);
  const bool winning = number >= 0 && number <= 4;
  const bool window = number >= 10 && number <= 14;
  if (!winning && !window) return absl::StrFormat("Invalid(%d)", number);
  return absl::StrFormat("StackedDRG%s%sV1%s", winning ? "Winning" : "Window",
                         ToString(filecoin::SectorSizeOf(type)), winning ? "" : "P1");
}

std::string RunsOf(const BitField& field) {
  std::vector<std::string> runs;
  for (const BitField::Range& range : field.Ranges()) {
    runs.push_back(absl::StrFormat("%d..%d", range.first, range.end));
  }
  return absl::StrFormat("BitField { ranges: [%s], set: {}, unset: {} }",
                         absl::StrJoin(runs, ", "));
}

std::uint64_t PostedPartitionsMax(const Execution& run) {
  const std::uint64_t by_sectors =
      std::min(run.policy.addressed_sectors_max / run.state.partition_sectors,
               run.policy.addressed_partitions_max);
  return std::min(by_sectors, run.policy.posted_partitions_max);
}

// Checks 1 to 4: what needs no state.
Refusal CheckShape(const Execution& run, const SubmitWindowedPoStParams& params) {
  if (params.proofs.size() != 1) {
    return {kExitIllegalArgument,
            absl::StrFormat("expected exactly one proof, got %d", params.proofs.size())};
  }
  const PoStProofType type = params.proofs[0].type;
  if (ToNumber(type) < 10 || ToNumber(type) > 14) {
    return {kExitIllegalArgument, absl::StrFormat("proof type %s not allowed", NameOf(type))};
  }
  if (params.deadline >= run.policy.period.deadlines) {
    return {kExitIllegalArgument, absl::StrFormat("invalid deadline %d of %d", params.deadline,
                                                  run.policy.period.deadlines)};
  }
  if (params.chain_commit_rand.size() > kRandomnessBytesMax) {
    return {kExitIllegalArgument,
            absl::StrFormat("expected at most %d bytes of randomness, got %d", kRandomnessBytesMax,
                            params.chain_commit_rand.size())};
  }
  return {};
}

// Checks 5 to 12: who sends it and when.
Refusal CheckSubmission(Execution& run, const SubmitWindowedPoStParams& params,
                        const DeadlineInfo& current) {
  if (!run.CallerControlsMiner()) return {kExitForbidden, "immediate caller address forbidden"};
  const filecoin::PoStProof& proof = params.proofs[0];
  if (proof.type != run.state.window_post_proof_type) {
    return {kExitIllegalArgument,
            absl::StrFormat("expected proof of type %s, got %s",
                            NameOf(run.state.window_post_proof_type), NameOf(proof.type))};
  }
  const std::uint64_t bytes_max = run.policy.proof_bytes * params.partitions.size();
  if (proof.bytes.size() > bytes_max) {
    return {kExitIllegalArgument,
            absl::StrFormat("expected proof to be smaller than %d bytes", bytes_max)};
  }
  const std::uint64_t partitions_max = PostedPartitionsMax(run);
  if (params.partitions.size() > partitions_max) {
    return {kExitIllegalArgument, absl::StrFormat("too many partitions %d, limit %d",
                                                  params.partitions.size(), partitions_max)};
  }
  const std::int64_t epoch = run.call.epoch.Value();
  if (!current.IsOpen()) {
    return {kExitIllegalState, absl::StrFormat("proving period %d not yet open at %d",
                                               current.period_start.Value(), epoch)};
  }
  if (params.deadline != current.index) {
    return {kExitIllegalArgument, absl::StrFormat("invalid deadline %d at epoch %d, expected %d",
                                                  params.deadline, epoch, current.index)};
  }
  const std::int64_t commit_epoch = params.chain_commit_epoch.Value();
  if (params.chain_commit_epoch < current.challenge) {
    return {kExitIllegalArgument, absl::StrFormat("expected chain commit epoch %d to be after %d",
                                                  commit_epoch, current.challenge.Value())};
  }
  if (params.chain_commit_epoch >= run.call.epoch) {
    return {kExitIllegalArgument,
            absl::StrFormat("chain commit epoch %d must be less than the current epoch %d",
                            commit_epoch, epoch)};
  }
  const Bytes32 expected =
      run.Draw(RandomnessSource::kTickets, filecoin::DomainTag::kPoStChainCommit,
               params.chain_commit_epoch, {});
  if (!std::equal(expected.begin(), expected.end(), params.chain_commit_rand.begin(),
                  params.chain_commit_rand.end())) {
    return {kExitIllegalArgument, "post commit randomness mismatched"};
  }
  return {};
}

struct PostedSectors {
  BitField partitions;
  BitField all;
  BitField ignored;  // faulty or terminated
  std::uint64_t recovered = 0;
};

// Checks 13 and 14, and what the proof does to its partitions, assuming it is right.
Refusal RecordPosted(Execution& run, const SubmitWindowedPoStParams& params,
                     const DeadlineInfo& current, DeadlineRecord& record, PostedSectors& posted) {
  const std::string where =
      absl::StrFormat("failed to process post submission for deadline %d", params.deadline);
  for (const filecoin::PostPartition& part : params.partitions) {
    if (part.index > BitField::kBitMax) {
      return {kExitIllegalArgument, where + ": partition index out of bitfield range"};
    }
    posted.partitions.Set(part.index);
  }
  if (posted.partitions.Count() != params.partitions.size()) {
    return {kExitIllegalArgument, where + ": duplicate partitions proven"};
  }
  const BitField again = Intersection(record.posted, posted.partitions);
  if (!again.Empty()) {
    return {kExitIllegalArgument, where + ": partition already proven: " + RunsOf(again)};
  }
  for (const filecoin::PostPartition& part : params.partitions) {
    if (part.index >= record.partitions.size()) {
      return {kExitNotFound, absl::StrFormat("%s: no such partition %d", where, part.index)};
    }
    PartitionRecord& partition = record.partitions[part.index];
    if (!partition.sectors.ContainsAll(part.skipped)) {
      return {kExitIllegalArgument,
              absl::StrFormat("%s: failed to add skipped faults to partition %d: skipped faults "
                              "contains sectors outside partition",
                              where, part.index)};
    }
    MarkFaulty(run.Context(current), partition, part.skipped,
               current.Last() + run.policy.fault_max_age);
    posted.recovered += RecordProven(partition);
    posted.all = Union(posted.all, partition.sectors);
    posted.ignored = Union(posted.ignored, Union(partition.faults, partition.terminated));
  }
  record.posted = Union(record.posted, posted.partitions);
  return {};
}

}  // namespace

Refusal SubmitWindowedPoSt(Execution& run) {
  const auto params = filecoin::cbor::Decode<SubmitWindowedPoStParams>(run.call.params, kReading);
  if (!params.ok()) return BadParameters(params.status());
  if (Refusal refusal = CheckShape(run, *params); refusal.Happened()) return refusal;
  const DeadlineInfo current =
      filecoin::DeadlineAt(run.policy.period, run.state.proving_period_start, run.call.epoch);
  if (Refusal refusal = CheckSubmission(run, *params, current); refusal.Happened()) {
    return refusal;
  }
  DeadlineRecord& record = run.state.MutableDeadline(params->deadline);
  PostedSectors posted;
  if (Refusal refusal = RecordPosted(run, *params, current, record, posted); refusal.Happened()) {
    return refusal;
  }
  const BitField proven = Difference(posted.all, posted.ignored);
  if (proven.Empty()) {
    return {kExitIllegalArgument, "cannot prove partitions with no active sectors"};
  }
  const filecoin::PoStProof& proof = params->proofs[0];
  const bool verify = run.mode == VerifyMode::kAlways || posted.recovered > 0;
  if (verify) {
    const absl::StatusOr<bool> valid =
        run.Verify(current.challenge, posted.all, posted.ignored, proof.type, proof.bytes);
    if (!valid.ok()) {
      return {kExitIllegalArgument,
              "invalid post was submitted: " + std::string(valid.status().message())};
    }
    if (!*valid) return {kExitIllegalArgument, "invalid post was submitted"};
  }
  if (posted.recovered == 0) record.proofs.push_back({posted.partitions, proof.type, proof.bytes});

  AcceptedPost accepted{.period_start = current.period_start,
                        .deadline = current.index,
                        .challenge = current.challenge,
                        .partitions = {},
                        .proof_type = proof.type,
                        .proof = proof.bytes,
                        .sectors = WithCommitments(run.state, proven),
                        .verified = verify};
  for (const filecoin::PostPartition& part : params->partitions) {
    accepted.partitions.push_back({part.index, part.skipped});
  }
  run.result.post = std::move(accepted);
  return {};
}

namespace {

// The turn of a deadline that closed last.
DeadlineInfo LastTurnOf(const Execution& run, std::uint64_t deadline) {
  const filecoin::PeriodShape& shape = run.policy.period;
  const DeadlineInfo current =
      filecoin::DeadlineAt(shape, run.state.proving_period_start, run.call.epoch);
  filecoin::ChainEpoch period_start = current.period_start;
  if (current.index < deadline) period_start -= shape.proving_period;
  return filecoin::MakeDeadlineInfo(shape, period_start, deadline, run.call.epoch);
}

// Whether the proof is wrong, and what follows from it: its sectors are faulty, and the miner pays.
Refusal JudgeDispute(Execution& run, const DeadlineInfo& target, const StoredProof& stored,
                     DeadlineRecord& record) {
  BitField all;
  BitField ignored;
  std::uint64_t disputed = 0;
  for (const std::uint64_t index : stored.partitions) {
    if (index >= record.partitions_snapshot.size() || index >= record.partitions.size()) {
      return {kExitIllegalState,
              absl::StrFormat("failed to load partition for dispute: failed to find partition %d",
                              index)};
    }
    const PartitionRecord& then = record.partitions_snapshot[index];
    all = Union(all, then.sectors);
    ignored = Union(ignored, Union(then.faults, Union(then.terminated, then.unproven)));
    disputed += then.Active().Count();
  }
  const absl::StatusOr<bool> valid =
      run.Verify(target.challenge, all, ignored, stored.proof_type, stored.proof);
  if (valid.ok() && *valid) return {kExitIllegalArgument, "failed to dispute valid post"};
  for (const std::uint64_t index : stored.partitions) {
    MarkFaulty(run.Context(target), record.partitions[index],
               record.partitions_snapshot[index].Active(),
               target.Last() + run.policy.fault_max_age);
  }
  run.Charge(run.policy.fees.invalid_post * disputed + run.policy.fees.dispute_penalty);
  return {};
}

}  // namespace

Refusal DisputeWindowedPoSt(Execution& run) {
  const auto params =
      filecoin::cbor::Decode<filecoin::DisputeWindowedPoStParams>(run.call.params, kReading);
  if (!params.ok()) return BadParameters(params.status());
  const filecoin::PeriodShape& shape = run.policy.period;
  if (params->deadline >= shape.deadlines) {
    return {kExitIllegalArgument,
            absl::StrFormat("invalid deadline %d of %d", params->deadline, shape.deadlines)};
  }
  if (!filecoin::DeadlineIsDisputable(shape, run.policy.dispute_window, run.PeriodStart(),
                                      params->deadline, run.call.epoch)) {
    return {kExitForbidden,
            absl::StrFormat("can only dispute window posts during the dispute window (%d epochs "
                            "after the challenge window closes)",
                            run.policy.dispute_window.Count())};
  }
  const DeadlineInfo target = LastTurnOf(run, params->deadline);
  if (params->post_index > BitField::kBitMax) {
    return {kExitIllegalState,
            absl::StrFormat("failed to load proof for dispute: failed to retrieve proof %d: index "
                            "%d out of range for the amt",
                            params->post_index, params->post_index)};
  }
  DeadlineRecord& record = run.state.MutableDeadline(params->deadline);
  const auto found = record.proofs_snapshot.find(params->post_index);
  if (found == record.proofs_snapshot.end()) {
    return {kExitIllegalArgument,
            absl::StrFormat("failed to load proof for dispute: proof %d not found",
                            params->post_index)};
  }
  const StoredProof stored = std::move(found->second);
  record.proofs_snapshot.erase(found);
  return JudgeDispute(run, target, stored, record);
}

}  // namespace damocles::devnet::internal
