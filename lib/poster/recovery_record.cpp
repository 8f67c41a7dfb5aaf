// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// Records of recoveries: names, keys and rows.

#include <algorithm>
#include <utility>

#include "absl/strings/str_format.h"
#include "lib/poster/codec.h"

#include "damocles/base/status.h"
#include "damocles/poster/recovery.h"

namespace damocles::poster {
std::string_view Name(RecoveryState state) {
  switch (state) {
    case RecoveryState::kReading:
      return "Reading";
    case RecoveryState::kChecking:
      return "Checking";
    case RecoveryState::kSubmitting:
      return "Submitting";
    case RecoveryState::kDone:
      return "Done";
    case RecoveryState::kTooLate:
      return "TooLate";
  }
  return "Unknown";
}

bool IsFinal(RecoveryState state) {
  return state == RecoveryState::kDone || state == RecoveryState::kTooLate;
}

std::string RecoveryRowKey(const RecordKey& key) {
  return internal::RowKey(kRecoveryPrefix, key);
}

filecoin::DeadlineInfo RecoveryTarget(const filecoin::DeadlineInfo& current) {
  const std::int64_t window = current.shape.challenge_window.Count();
  const std::int64_t needed = current.shape.fault_declaration_cutoff.Count() + window / 2;
  const std::int64_t ahead = std::max<std::int64_t>(2, (needed + window - 1) / window);
  filecoin::DeadlineInfo target = current;
  for (std::int64_t i = 0; i < ahead; ++i) target = filecoin::Next(target);
  return target;
}

std::string EncodeRecovery(const RecoveryRecord& record) {
  internal::Encoder out;
  out.Array(8);
  out.Uint(kRecoveryFormat);
  out.Uint(record.miner);
  out.Deadline(record.target);
  out.Uint(static_cast<std::uint64_t>(record.state));
  out.Array(record.messages.size());
  for (const RecoveryMessage& message : record.messages) {
    out.Array(8);
    out.Array(message.partitions.size());
    for (const RecoveredPartition& partition : message.partitions) {
      out.Array(2);
      out.Partition(partition.index);
      out.Array(partition.sectors.size());
      for (const filecoin::SectorNumber number : partition.sectors) out.Uint(number);
    }
    out.Uint(message.attempt);
    out.Raw(message.uuid);
    out.Address(message.from);
    out.Cid(message.cid);
    out.Epoch(message.sent_at);
    out.Uint(message.failures);
    out.Bool(message.done);
  }
  out.Array(record.unreadable.size());
  for (const SkippedSector& sector : record.unreadable) {
    out.Array(3);
    out.Partition(sector.partition);
    out.Uint(sector.number);
    out.Text(sector.reason);
  }
  out.Text(record.note);
  out.Mark(record.finished);
  return std::move(out).Take();
}

absl::StatusOr<RecoveryRecord> DecodeRecovery(std::string_view bytes) {
  internal::Decoder in(bytes);
  RecoveryRecord record;
  const std::uint64_t fields = in.Array();
  (void)in.Format(kRecoveryFormat, "recovery record");
  if (fields != 8) in.Refuse(absl::StrFormat("recovery record with %d fields", fields));
  record.miner = in.Miner();
  record.target = in.Deadline();
  record.state = in.Choice<RecoveryState>(5, "state");
  for (std::uint64_t messages = in.Array(); messages > 0 && in.Ok(); --messages) {
    RecoveryMessage message;
    in.Struct(8, "message");
    for (std::uint64_t partitions = in.Array(); partitions > 0 && in.Ok(); --partitions) {
      RecoveredPartition partition;
      in.Struct(2, "partition");
      partition.index = in.Partition();
      for (std::uint64_t sectors = in.Array(); sectors > 0 && in.Ok(); --sectors) {
        partition.sectors.push_back(in.Sector());
      }
      message.partitions.push_back(std::move(partition));
    }
    message.attempt = in.Uint32();
    message.uuid = in.Uuid();
    message.from = in.Address();
    message.cid = in.Cid();
    message.sent_at = in.Epoch();
    message.failures = in.Uint32();
    message.done = in.Bool();
    record.messages.push_back(std::move(message));
  }
  for (std::uint64_t sectors = in.Array(); sectors > 0 && in.Ok(); --sectors) {
    SkippedSector sector;
    in.Struct(3, "sector");
    sector.partition = in.Partition();
    sector.number = in.Sector();
    sector.reason = in.Text();
    record.unreadable.push_back(std::move(sector));
  }
  record.note = in.Text();
  record.finished = in.Mark();
  DAMOCLES_RETURN_IF_ERROR(in.Finish());
  return record;
}

}  // namespace damocles::poster
