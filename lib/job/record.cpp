// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/job/record.h"

#include <map>
#include <utility>

#include "absl/strings/str_format.h"

#include "damocles/base/status.h"
#include "damocles/filecoin/number_limits.h"
#include "damocles/job/state_machine.h"
#include "damocles/store/fields.h"

namespace damocles::job {
namespace {

// The first format whose attempts name the worker's process and whose exclusions have a time.
constexpr std::uint8_t kFormatWithInstances = 2;

constexpr std::size_t kTextBytesMax = 1 << 20;
// The smallest circuits hold two sectors.
constexpr std::size_t kProofBytesMax = filecoin::ProofPartitionsFor(kSectorsMax, 2).ProofBytes();
constexpr std::size_t kWorkersMax = 100'000;

template <typename Io, typename T>
void AttemptFields(Io& io, T& attempt) {
  io.U64(attempt.number);
  io.Text(attempt.worker, kTextBytesMax);
  io.U32(attempt.try_number);
  io.Time(attempt.started_at);
  io.Time(attempt.heartbeat_at);
  if (io.Version() >= kFormatWithInstances) io.Text(attempt.instance, kTextBytesMax);
}

// All but id and spec.
template <typename Io, typename T>
void RecordFields(Io& io, T& record) {
  const auto attempt = [](auto& in, auto& item) { AttemptFields(in, item); };
  io.Choice(record.state, JobState::kFailed);
  io.Choice(record.failure, FailureKind::kClosed);
  io.U64(record.attempt);
  io.U32(record.tries);
  io.U32(record.spares);
  io.List(record.live, 32, kLiveAttemptsMax, attempt);
  io.List(record.lost, 32, kLostMax, attempt);
  io.Text(record.worker, kTextBytesMax);
  io.List(record.excluded, 8, kWorkersMax, [](auto& in, auto& exclusion) {
    in.Text(exclusion.worker, kTextBytesMax);
    in.Text(exclusion.reason, kTextBytesMax);
    if (in.Version() >= kFormatWithInstances) in.Time(exclusion.at);
  });
  io.List(record.avoid, 4, kWorkersMax,
          [](auto& in, auto& worker) { in.Text(worker, kTextBytesMax); });
  io.Blob(record.proof, kProofBytesMax);
  io.List(record.faults, 12, kSectorsMax, [](auto& in, auto& fault) {
    in.U64(fault.number);
    in.Want(filecoin::IsSectorNumber(fault.number), "no sector has such a number");
    in.Text(fault.reason, kTextBytesMax);
  });
  io.Text(record.error, kTextBytesMax);
  io.Time(record.created_at);
  io.Time(record.started_at);
  io.Time(record.heartbeat_at);
  io.Time(record.finished_at);
  io.Time(record.updated_at);
  io.Time(record.close_time);
}

// A sector of a spec as it is written: sectors of one store are many and its name is long, so names
// come once, and here are their numbers.
struct SectorBody {
  filecoin::SectorNumber number{};
  Bytes32 comm_r{};
  bool upgraded = false;
  std::uint32_t sealed = 0;
  std::uint32_t cache = 0;
};

template <typename Io, typename Spec, typename Stores, typename Sectors>
void SpecFields(Io& io, Spec& spec, Stores& stores, Sectors& sectors) {
  const auto of_epoch = [](filecoin::ChainEpoch epoch) { return epoch.Value(); };
  const auto to_epoch = [](std::int64_t number) { return filecoin::ChainEpoch(number); };
  io.U64(spec.miner);
  io.Number(
      spec.proof_type, [](filecoin::PoStProofType type) { return filecoin::ToNumber(type); },
      [](std::int64_t number) { return static_cast<filecoin::PoStProofType>(number); });
  io.U64(spec.deadline_index);
  io.List(spec.chain_partitions, 8, kChainPartitionsMax, [](auto& in, auto& partition) {
    in.Number(
        partition, [](filecoin::ChainPartition index) { return index.Index(); },
        [](std::uint64_t number) { return filecoin::ChainPartition(number); });
  });
  io.Number(spec.open, of_epoch, to_epoch);
  io.Number(spec.close, of_epoch, to_epoch);
  io.Time(spec.close_time);
  io.Raw32(spec.randomness);
  io.List(stores, 4, 2 * kSectorsMax,
          [](auto& in, auto& name) { in.Text(name, kStoreNameBytesMax); });
  io.List(sectors, 49, kSectorsMax, [&](auto& in, auto& sector) {
    in.U64(sector.number);
    in.Raw32(sector.comm_r);
    in.Bool(sector.upgraded);
    in.U32(sector.sealed);
    in.U32(sector.cache);
    in.Want(sector.sealed < stores.size() && sector.cache < stores.size(),
            "no store with this number");
  });
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
  std::vector<std::string> stores;
  std::vector<SectorBody> sectors;
  std::map<std::string_view, std::uint32_t> index_of;
  const auto index = [&](const std::string& name) {
    const auto [at, is_new] = index_of.emplace(name, static_cast<std::uint32_t>(stores.size()));
    if (is_new) stores.push_back(name);
    return at->second;
  };
  for (const JobSector& sector : spec.sectors) {
    const std::uint32_t sealed = index(sector.sealed_store);
    const std::uint32_t cache = index(sector.cache_store);
    sectors.push_back({.number = sector.number,
                       .comm_r = sector.comm_r,
                       .upgraded = sector.upgraded,
                       .sealed = sealed,
                       .cache = cache});
  }
  store::FieldWriter out(kSpecFormat);
  SpecFields(out, spec, stores, sectors);
  return std::move(out).Take();
}

absl::StatusOr<JobSpec> DecodeSpec(ByteSpan bytes) {
  JobSpec spec;
  std::vector<std::string> stores;
  std::vector<SectorBody> sectors;
  store::FieldReader in(kSpecFormat, bytes);
  SpecFields(in, spec, stores, sectors);
  DAMOCLES_RETURN_IF_ERROR(in.Finish());
  spec.sectors.reserve(sectors.size());
  for (const SectorBody& sector : sectors) {
    spec.sectors.push_back({.number = sector.number,
                            .comm_r = sector.comm_r,
                            .upgraded = sector.upgraded,
                            .sealed_store = stores[sector.sealed],
                            .cache_store = stores[sector.cache]});
  }
  if (const absl::Status valid = ValidateSpec(spec); !valid.ok()) {
    return absl::DataLossError(std::string(valid.message()));
  }
  return spec;
}

Bytes EncodeRecord(const JobRecord& record) {
  store::FieldWriter out(kRecordFormat);
  RecordFields(out, record);
  return std::move(out).Take();
}

absl::StatusOr<JobRecord> DecodeRecord(const JobId& id, std::shared_ptr<const JobSpec> spec,
                                       ByteSpan bytes) {
  JobRecord record;
  record.id = id;
  record.spec = std::move(spec);
  store::FieldReader in(kRecordFormat, bytes);
  RecordFields(in, record);
  DAMOCLES_RETURN_IF_ERROR(in.Finish());
  if (const std::string_view why = Contradiction(record); !why.empty()) {
    return absl::DataLossError(std::string(why));
  }
  return record;
}

}  // namespace damocles::job
