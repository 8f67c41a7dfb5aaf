// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/poster/deadline_record.h"

#include <utility>

#include "absl/strings/str_format.h"
#include "lib/poster/codec.h"

#include "damocles/base/status.h"
#include "damocles/hash/sha256.h"

namespace damocles::poster {
namespace {

using internal::Decoder;
using internal::Encoder;

// The first item of each row is its format (docs/formats/deadline.md).
constexpr std::uint64_t kRecordFields = 15;
constexpr std::uint64_t kRecordFieldsOfFormat1 = 12;
constexpr std::uint64_t kBatchFields = 12;
constexpr std::uint64_t kBatchFieldsOfFormat2 = 11;  // and of format 1

void EncodeBatch(Encoder& out, const PartitionBatch& batch) {
  out.Array(kBatchFields);
  out.Array(batch.partitions.size());
  for (const filecoin::ChainPartition index : batch.partitions) out.Partition(index);
  out.Uint(static_cast<std::uint64_t>(batch.state));
  out.Uint(batch.round);
  out.Text(batch.job_id);
  out.Bool(batch.reset_job);
  out.Raw(batch.proof);
  EncodeMessage(out, batch.message);
  out.Bool(batch.posted_by_other);
  out.Epoch(batch.posted_seen_at);
  out.Uint(batch.failed_messages);
  out.Text(batch.note);
  out.Array(batch.given_up.size());
  for (const filecoin::Address& sender : batch.given_up) out.Address(sender);
}

PartitionBatch DecodeBatch(Decoder& in, std::uint64_t format) {
  in.Struct(format > 2 ? kBatchFields : kBatchFieldsOfFormat2, "batch");
  PartitionBatch batch;
  for (std::uint64_t left = in.Array(); left > 0 && in.Ok(); --left) {
    batch.partitions.push_back(in.Partition());
  }
  batch.state = in.Choice<DeadlineState>(kDeadlineStates, "state");
  batch.round = in.Uint32();
  batch.job_id = in.Text();
  batch.reset_job = in.Bool();
  batch.proof = in.Raw();
  batch.message = DecodeMessage(in);
  batch.posted_by_other = in.Bool();
  batch.posted_seen_at = in.Epoch();
  batch.failed_messages = in.Uint32();
  batch.note = in.Text();
  if (format <= 2) return batch;
  for (std::uint64_t left = in.Array(); left > 0 && in.Ok(); --left) {
    const std::optional<filecoin::Address> sender = in.Address();
    if (!sender) in.Refuse("a message that was given up has no sender");
    batch.given_up.push_back(sender.value_or(filecoin::Address()));
  }
  return batch;
}

void EncodeSkipped(Encoder& out, const std::vector<SkippedSector>& skipped) {
  out.Array(skipped.size());
  for (const SkippedSector& sector : skipped) {
    out.Array(3);
    out.Partition(sector.partition);
    out.Uint(sector.number);
    out.Text(sector.reason);
  }
}

std::vector<SkippedSector> DecodeSkipped(Decoder& in) {
  std::vector<SkippedSector> out;
  for (std::uint64_t left = in.Array(); left > 0 && in.Ok(); --left) {
    in.Struct(3, "skipped sector");
    SkippedSector sector;
    sector.partition = in.Partition();
    sector.number = in.Sector();
    sector.reason = in.Text();
    out.push_back(std::move(sector));
  }
  return out;
}

}  // namespace

std::string_view Name(DeadlineState state) {
  switch (state) {
    case DeadlineState::kWaiting:
      return "Waiting";
    case DeadlineState::kPreparing:
      return "Preparing";
    case DeadlineState::kProving:
      return "Proving";
    case DeadlineState::kProven:
      return "Proven";
    case DeadlineState::kSubmitting:
      return "Submitting";
    case DeadlineState::kOnChain:
      return "OnChain";
    case DeadlineState::kConfirmed:
      return "Confirmed";
    case DeadlineState::kMissed:
      return "Missed";
  }
  return "Unknown";
}

bool IsFinal(DeadlineState state) {
  return state == DeadlineState::kConfirmed || state == DeadlineState::kMissed;
}

std::vector<SkippedSector> SkippedSectors(const DeadlineRecord& record) {
  std::vector<SkippedSector> out;
  if (record.plan == nullptr) return record.skipped;
  for (const PlannedPartition& partition : record.plan->partitions) {
    for (const PlannedSector& sector : partition.sectors) {
      if (sector.Skipped()) out.push_back({partition.index, sector.number, sector.skip_reason});
    }
  }
  return out;
}

void NotePlan(DeadlineRecord& record, std::string_view plan_row) {
  record.plan_digest.reset();
  record.skipped.clear();
  record.skipped_count = 0;
  if (record.plan == nullptr) return;
  record.plan_digest = hash::Sha256Of(AsBytes(plan_row));
  record.skipped = SkippedSectors(record);
  record.skipped_count = record.skipped.size();
  if (record.skipped.size() > kSkippedNamedMax) record.skipped.resize(kSkippedNamedMax);
  for (SkippedSector& sector : record.skipped) {
    if (sector.reason.size() > kSkipReasonBytesMax) sector.reason.resize(kSkipReasonBytesMax);
  }
}

absl::Status AttachPlan(DeadlineRecord& record, const std::optional<std::string>& plan_row) {
  if (!plan_row) return absl::DataLossError("it has no plan row");
  if (record.plan_digest && hash::Sha256Of(AsBytes(*plan_row)) != *record.plan_digest) {
    return absl::DataLossError("its plan row is not the one that was written with it");
  }
  absl::StatusOr<DeadlinePlan> plan = DecodePlan(*plan_row);
  if (!plan.ok()) {
    return absl::DataLossError(
        absl::StrFormat("its plan row: %s", std::string(plan.status().message())));
  }
  record.plan = std::make_shared<DeadlinePlan>(*std::move(plan));
  return absl::OkStatus();
}

void ForgetPlan(DeadlineRecord& record, std::string why) {
  record.randomness.reset();
  record.plan.reset();
  record.batches.clear();
  record.reason = std::move(why);
  record.state = DeadlineState::kPreparing;
  NotePlan(record, "");
}

std::string RecordRowKey(const RecordKey& key) {
  return internal::RowKey(kRecordPrefix, key);
}
std::string HistoryRowKey(const RecordKey& key) {
  return internal::RowKey(kHistoryPrefix, key);
}
std::string PlanRowKey(const RecordKey& key) {
  return internal::RowKey(kPlanPrefix, key);
}

std::string EncodeRecord(const DeadlineRecord& record) {
  Encoder out;
  out.Array(kRecordFields);
  out.Uint(kRecordFormat);
  out.Uint(record.miner);
  out.Deadline(record.deadline);
  out.Uint(static_cast<std::uint64_t>(record.state));
  out.Text(record.reason);
  if (record.randomness) {
    out.Raw(*record.randomness);
  } else {
    out.Null();
  }
  out.Int(static_cast<std::int64_t>(record.proof_type));
  out.Uint(record.partition_sectors);
  out.Array(record.batches.size());
  for (const PartitionBatch& batch : record.batches) EncodeBatch(out, batch);
  out.Uint(record.rounds);
  out.Uint(record.attempts);
  out.Array(kDeadlineStates);
  for (const Milestone& milestone : record.milestones) out.Mark(milestone);
  if (record.plan_digest) {
    out.Raw(*record.plan_digest);
  } else {
    out.Null();
  }
  out.Uint(record.skipped_count);
  EncodeSkipped(out, record.skipped);
  return std::move(out).Take();
}

absl::StatusOr<DeadlineRecord> DecodeRecord(std::string_view bytes) {
  Decoder in(bytes);
  DeadlineRecord record;
  const std::uint64_t fields = in.Array();
  const std::uint64_t format = in.Format(kRecordFormat, "deadline record");
  if (fields != (format == 1 ? kRecordFieldsOfFormat1 : kRecordFields)) {
    in.Refuse(absl::StrFormat("deadline record of format %d with %d fields", format, fields));
  }
  record.miner = in.Miner();
  record.deadline = in.Deadline();
  record.state = in.Choice<DeadlineState>(kDeadlineStates, "state");
  record.reason = in.Text();
  if (!in.TryNull()) record.randomness = in.Raw32();
  record.proof_type = static_cast<filecoin::PoStProofType>(in.Int());
  record.partition_sectors = in.Uint();
  if (record.randomness && !filecoin::IsRegistered(record.proof_type)) {
    in.Refuse(absl::StrFormat("proof type %d is unknown", filecoin::ToNumber(record.proof_type)));
  }
  for (std::uint64_t left = in.Array(); left > 0 && in.Ok(); --left) {
    record.batches.push_back(DecodeBatch(in, format));
  }
  record.rounds = in.Uint32();
  record.attempts = in.Uint32();
  in.Struct(kDeadlineStates, "milestones");
  for (Milestone& milestone : record.milestones) milestone = in.Mark();
  if (format > 1) {
    if (!in.TryNull()) record.plan_digest = in.Raw32();
    record.skipped_count = in.Uint();
    record.skipped = DecodeSkipped(in);
  }
  DAMOCLES_RETURN_IF_ERROR(in.Finish());
  return record;
}

std::string EncodePlan(const DeadlinePlan& plan) {
  Encoder out;
  out.Array(2);
  out.Uint(kPlanFormat);
  out.Array(plan.partitions.size());
  for (const PlannedPartition& partition : plan.partitions) {
    out.Array(5);
    out.Partition(partition.index);
    out.Uint(static_cast<std::uint64_t>(partition.status));
    out.Bool(partition.recovering);
    out.Bool(partition.posted);
    out.Array(partition.sectors.size());
    for (const PlannedSector& sector : partition.sectors) {
      out.Array(7);
      out.Uint(sector.number);
      out.Raw(sector.comm_r);
      out.Bool(sector.upgraded);
      out.Text(sector.sealed_store);
      out.Text(sector.cache_store);
      out.Text(sector.skip_reason);
      out.Bool(sector.prover_fault);
    }
  }
  return std::move(out).Take();
}

absl::StatusOr<DeadlinePlan> DecodePlan(std::string_view bytes) {
  Decoder in(bytes);
  DeadlinePlan plan;
  const std::uint64_t fields = in.Array();
  (void)in.Format(kPlanFormat, "deadline plan");
  if (fields != 2) in.Refuse(absl::StrFormat("deadline plan with %d fields", fields));
  for (std::uint64_t partitions = in.Array(); partitions > 0 && in.Ok(); --partitions) {
    PlannedPartition partition;
    in.Struct(5, "partition");
    partition.index = in.Partition();
    partition.status = in.Choice<PartitionStatus>(4, "partition status");
    partition.recovering = in.Bool();
    partition.posted = in.Bool();
    for (std::uint64_t sectors = in.Array(); sectors > 0 && in.Ok(); --sectors) {
      PlannedSector sector;
      in.Struct(7, "sector");
      sector.number = in.Sector();
      sector.comm_r = in.Raw32();
      sector.upgraded = in.Bool();
      sector.sealed_store = in.Text();
      sector.cache_store = in.Text();
      sector.skip_reason = in.Text();
      sector.prover_fault = in.Bool();
      partition.sectors.push_back(std::move(sector));
    }
    plan.partitions.push_back(std::move(partition));
  }
  DAMOCLES_RETURN_IF_ERROR(in.Finish());
  return plan;
}

}  // namespace damocles::poster
