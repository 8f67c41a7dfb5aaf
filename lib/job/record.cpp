// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/job/record.h"

#include <map>

#include "absl/strings/str_format.h"
#include "lib/job/codec.h"

#include "damocles/base/status.h"
#include "damocles/filecoin/number_limits.h"
#include "damocles/job/state_machine.h"
#include "damocles/store/rows.h"

namespace damocles::job {
namespace {

// First byte of a row.  A newer program reads older ones; an older one refuses newer ones.
constexpr std::uint8_t kSpecFormat = 1;
constexpr std::uint8_t kRecordFormat = 2;
// The first whose attempts name the worker's process and whose exclusions have a time.
constexpr std::uint8_t kFormatWithInstances = 2;

constexpr std::size_t kTextBytesMax = 1 << 20;
// The smallest circuits hold two sectors.
constexpr std::size_t kProofBytesMax = filecoin::ProofPartitionsFor(kSectorsMax, 2).ProofBytes();
constexpr std::size_t kWorkersMax = 100'000;

void EncodeAttempts(Encoder& out, const std::vector<Attempt>& attempts) {
  out.Count(attempts.size());
  for (const Attempt& attempt : attempts) {
    out.U64(attempt.number);
    out.String(attempt.worker);
    out.U32(attempt.try_number);
    out.Time(attempt.started_at);
    out.Time(attempt.heartbeat_at);
    out.String(attempt.instance);
  }
}

std::vector<Attempt> DecodeAttempts(Decoder& in, std::size_t max, std::uint8_t format) {
  std::vector<Attempt> attempts(in.Count(32, max));
  for (Attempt& attempt : attempts) {
    attempt.number = in.U64();
    attempt.worker = in.String(kTextBytesMax);
    attempt.try_number = in.U32();
    attempt.started_at = in.Time();
    attempt.heartbeat_at = in.Time();
    if (format >= kFormatWithInstances) attempt.instance = in.String(kTextBytesMax);
  }
  return attempts;
}

// What Step never breaks; a row that does was not written by us.
std::string_view Contradiction(const JobRecord& record) {
  if (record.live.empty() != (record.state != JobState::kRunning)) {
    return "running and live attempts contradict each other";
  }
  if (record.proof.empty() != (record.state != JobState::kSucceeded)) {
    return "success and proof contradict each other";
  }
  if (record.faults.empty() != (record.state != JobState::kFaults)) {
    return "state and faults contradict each other";
  }
  for (const auto* attempts : {&record.live, &record.lost}) {
    for (const Attempt& attempt : *attempts) {
      if (attempt.number > record.attempt) return "an attempt above the highest";
    }
  }
  return "";
}

}  // namespace

std::string_view StateName(JobState state) {
  switch (state) {
    case JobState::kReadyToRun:
      return "ReadyToRun";
    case JobState::kRunning:
      return "Running";
    case JobState::kSucceeded:
      return "Succeed";
    case JobState::kFaults:
      return "Faults";
    case JobState::kFailed:
      return "Failed";
  }
  return "?";
}

std::string DescribeState(const JobRecord& record) {
  if (record.state == JobState::kFaults) {
    return absl::StrFormat("%s(%d)", StateName(record.state), record.faults.size());
  }
  return std::string(StateName(record.state));
}

Bytes EncodeSpec(const JobSpec& spec) {
  Encoder out;
  out.U8(kSpecFormat);
  out.U64(spec.miner);
  out.I64(filecoin::ToNumber(spec.proof_type));
  out.U64(spec.deadline_index);
  out.Count(spec.chain_partitions.size());
  for (const filecoin::ChainPartition partition : spec.chain_partitions) {
    out.U64(partition.Index());
  }
  out.I64(spec.open.Value());
  out.I64(spec.close.Value());
  out.Time(spec.close_time);
  out.Raw(spec.randomness);
  // Sectors of one store are many and its name is long: names once, then numbers.
  std::map<std::string_view, std::uint32_t> index_of;
  std::vector<std::string_view> names;
  for (const JobSector& sector : spec.sectors) {
    for (const std::string_view name :
         {std::string_view(sector.sealed_store), std::string_view(sector.cache_store)}) {
      const auto next = static_cast<std::uint32_t>(names.size());
      if (index_of.emplace(name, next).second) names.push_back(name);
    }
  }
  out.Count(names.size());
  for (const std::string_view name : names) out.String(name);
  out.Count(spec.sectors.size());
  for (const JobSector& sector : spec.sectors) {
    out.U64(sector.number);
    out.Raw(sector.comm_r);
    out.U8(sector.upgraded ? 1 : 0);
    out.U32(index_of.at(sector.sealed_store));
    out.U32(index_of.at(sector.cache_store));
  }
  return out.Take();
}

absl::StatusOr<JobSpec> DecodeSpec(ByteSpan bytes) {
  Decoder in(bytes);
  const std::uint8_t format = in.U8();
  if (in.Ok() && format > kSpecFormat)
    return store::NewerFormat("a job's spec", format, kSpecFormat);
  if (in.Ok() && format != kSpecFormat) in.Fail("not a format number");
  JobSpec spec;
  spec.miner = in.U64();
  spec.proof_type = static_cast<filecoin::PoStProofType>(in.I64());
  spec.deadline_index = in.U64();
  spec.chain_partitions.resize(in.Count(8, kChainPartitionsMax));
  for (filecoin::ChainPartition& partition : spec.chain_partitions) {
    partition = filecoin::ChainPartition(in.U64());
  }
  spec.open = filecoin::ChainEpoch(in.I64());
  spec.close = filecoin::ChainEpoch(in.I64());
  spec.close_time = in.Time();
  spec.randomness = in.Raw32();
  std::vector<std::string> names(in.Count(4, 2 * kSectorsMax));
  for (std::string& name : names) name = in.String(kStoreNameBytesMax);
  spec.sectors.resize(in.Count(49, kSectorsMax));
  for (JobSector& sector : spec.sectors) {
    sector.number = in.U64();
    sector.comm_r = in.Raw32();
    sector.upgraded = in.Bool();
    const std::uint32_t sealed = in.U32();
    const std::uint32_t cache = in.U32();
    if (!in.Ok()) break;
    if (sealed >= names.size() || cache >= names.size()) {
      in.Fail("no store with this number");
      break;
    }
    sector.sealed_store = names[sealed];
    sector.cache_store = names[cache];
  }
  DAMOCLES_RETURN_IF_ERROR(in.Finish());
  if (const absl::Status valid = ValidateSpec(spec); !valid.ok()) {
    return absl::DataLossError(std::string(valid.message()));
  }
  return spec;
}

Bytes EncodeRecord(const JobRecord& record) {
  Encoder out;
  out.U8(kRecordFormat);
  out.U8(static_cast<std::uint8_t>(record.state));
  out.U8(static_cast<std::uint8_t>(record.failure));
  out.U64(record.attempt);
  out.U32(record.tries);
  out.U32(record.spares);
  EncodeAttempts(out, record.live);
  EncodeAttempts(out, record.lost);
  out.String(record.worker);
  out.Count(record.excluded.size());
  for (const Exclusion& exclusion : record.excluded) {
    out.String(exclusion.worker);
    out.String(exclusion.reason);
    out.Time(exclusion.at);
  }
  out.Count(record.avoid.size());
  for (const std::string& worker : record.avoid) out.String(worker);
  out.Blob(record.proof);
  out.Count(record.faults.size());
  for (const SectorFault& fault : record.faults) {
    out.U64(fault.number);
    out.String(fault.reason);
  }
  out.String(record.error);
  for (const absl::Time time : {record.created_at, record.started_at, record.heartbeat_at,
                                record.finished_at, record.updated_at, record.close_time}) {
    out.Time(time);
  }
  return out.Take();
}

absl::StatusOr<JobRecord> DecodeRecord(const JobId& id, std::shared_ptr<const JobSpec> spec,
                                       ByteSpan bytes) {
  Decoder in(bytes);
  const std::uint8_t format = in.U8();
  if (in.Ok() && format > kRecordFormat) {
    return store::NewerFormat("a job's record", format, kRecordFormat);
  }
  if (in.Ok() && format == 0) in.Fail("not a format number");
  JobRecord record;
  record.id = id;
  record.spec = std::move(spec);
  const std::uint8_t state = in.U8();
  const std::uint8_t failure = in.U8();
  if (state > static_cast<std::uint8_t>(JobState::kFailed)) in.Fail("no such state");
  if (failure > static_cast<std::uint8_t>(FailureKind::kClosed)) in.Fail("no such failure");
  record.state = static_cast<JobState>(state);
  record.failure = static_cast<FailureKind>(failure);
  record.attempt = in.U64();
  record.tries = in.U32();
  record.spares = in.U32();
  record.live = DecodeAttempts(in, kLiveAttemptsMax, format);
  record.lost = DecodeAttempts(in, kLostMax, format);
  record.worker = in.String(kTextBytesMax);
  record.excluded.resize(in.Count(8, kWorkersMax));
  for (Exclusion& exclusion : record.excluded) {
    exclusion.worker = in.String(kTextBytesMax);
    exclusion.reason = in.String(kTextBytesMax);
    if (format >= kFormatWithInstances) exclusion.at = in.Time();
  }
  record.avoid.resize(in.Count(4, kWorkersMax));
  for (std::string& worker : record.avoid) worker = in.String(kTextBytesMax);
  record.proof = in.Blob(kProofBytesMax);
  record.faults.resize(in.Count(12, kSectorsMax));
  for (SectorFault& fault : record.faults) {
    fault.number = in.U64();
    if (!filecoin::IsSectorNumber(fault.number)) in.Fail("no sector has such a number");
    fault.reason = in.String(kTextBytesMax);
  }
  record.error = in.String(kTextBytesMax);
  for (absl::Time* time : {&record.created_at, &record.started_at, &record.heartbeat_at,
                           &record.finished_at, &record.updated_at, &record.close_time}) {
    *time = in.Time();
  }
  DAMOCLES_RETURN_IF_ERROR(in.Finish());
  if (const std::string_view why = Contradiction(record); !why.empty()) {
    return absl::DataLossError(std::string(why));
  }
  return record;
}

}  // namespace damocles::job
