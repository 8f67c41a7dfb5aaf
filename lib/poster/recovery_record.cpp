// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// Records of recoveries: names, keys and rows.

#include <algorithm>
#include <utility>

#include "absl/strings/str_format.h"
#include "lib/poster/codec.h"

#include "damocles/base/status.h"
#include "damocles/filecoin/bitfield.h"
#include "damocles/filecoin/cbor.h"
#include "damocles/filecoin/miner_params.h"
#include "damocles/poster/recovery.h"

namespace damocles::poster {
namespace {

void DecodeFate(internal::Decoder& in, RecoveryMessage& message) {
  message.phase = in.Choice<delivery::Phase>(delivery::kPhases, "phase");
  message.message = internal::DecodeMessage(in);
  for (std::uint64_t left = in.Array(); left > 0 && in.Ok(); --left) {
    const std::optional<filecoin::Address> sender = in.Address();
    if (!sender) in.Refuse("a message that was given up has no sender");
    message.given_up.push_back(sender.value_or(filecoin::Address()));
  }
  message.posted_by_other = in.Bool();
  message.posted_seen_at = in.Epoch();
  message.failed_messages = in.Uint32();
  message.note = in.Text();
}

// Format 1 had neither parameters nor signed bytes.  What it says is known all the same: the chain
// and the mempool are searched for it, and where the signed bytes would be pushed again another
// message is made.
void DecodeFate1(internal::Decoder& in, const RecoveryRecord& record, RecoveryMessage& message) {
  delivery::Message& sent = message.message;
  sent.attempt = in.Uint32();
  sent.uuid = in.Uuid();
  sent.from = in.Address();
  sent.cid = in.Cid();
  sent.sent_at = in.Epoch();
  message.failed_messages = in.Uint32();
  const bool done = in.Bool();
  if (sent.attempt == 0) sent.cid.reset();
  const bool pushed = sent.cid || (sent.attempt > 0 && sent.uuid != delivery::Uuid{} && sent.from);
  if (pushed) sent.params = DeclareParamsOf(record, message);
  if (done) {
    // A receipt is not in the row: after a reorg the list of declared sectors tells.
    message.phase = delivery::Phase::kConfirmed;
    message.posted_by_other = true;
    message.posted_seen_at = record.target.fault_cutoff;
  } else {
    message.phase = pushed ? delivery::Phase::kPushed : delivery::Phase::kWanted;
  }
}

}  // namespace

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
    out.Uint(static_cast<std::uint64_t>(message.phase));
    internal::EncodeMessage(out, message.message);
    out.Array(message.given_up.size());
    for (const filecoin::Address& sender : message.given_up) out.Address(sender);
    out.Bool(message.posted_by_other);
    out.Epoch(message.posted_seen_at);
    out.Uint(message.failed_messages);
    out.Text(message.note);
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

Bytes DeclareParamsOf(const RecoveryRecord& record, const RecoveryMessage& message) {
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

absl::StatusOr<RecoveryRecord> DecodeRecovery(std::string_view bytes) {
  internal::Decoder in(bytes);
  RecoveryRecord record;
  const std::uint64_t fields = in.Array();
  const std::uint64_t format = in.Format(kRecoveryFormat, "recovery record");
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
    if (format == 1) {
      DecodeFate1(in, record, message);
    } else {
      DecodeFate(in, message);
    }
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
