// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "lib/rpc/convert.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "absl/strings/str_format.h"

#include "damocles/base/status.h"

namespace damocles::rpc {
namespace {

capnp::Data::Reader ToData(ByteSpan bytes) {
  return {bytes.data(), bytes.size()};
}

absl::StatusOr<Bytes32> ReadBytes32(capnp::Data::Reader data, const char* what) {
  if (data.size() != 32) {
    return absl::InvalidArgumentError(
        absl::StrFormat("%s is %d bytes long, want 32", what, data.size()));
  }
  Bytes32 out;
  std::copy(data.begin(), data.end(), out.begin());
  return out;
}

absl::StatusOr<filecoin::PoStProofType> ReadProofType(std::uint32_t number) {
  constexpr std::uint32_t kProofTypes = 15;
  if (number >= kProofTypes) {
    return absl::InvalidArgumentError(
        absl::StrFormat("%d is no registered PoSt proof type", number));
  }
  return static_cast<filecoin::PoStProofType>(number);
}

std::uint32_t Number(filecoin::PoStProofType type) {
  return static_cast<std::uint32_t>(type);
}

template <typename List>
std::vector<std::uint64_t> ReadNumbers(List list) {
  std::vector<std::uint64_t> numbers;
  numbers.reserve(list.size());
  for (const std::uint64_t number : list) numbers.push_back(number);
  return numbers;
}

template <typename List>
void WriteNumbers(const std::vector<std::uint64_t>& numbers, List list) {
  for (unsigned i = 0; i < numbers.size(); ++i) list.set(i, numbers[i]);
}

template <typename List>
std::vector<filecoin::ChainPartition> ReadPartitions(List list) {
  std::vector<filecoin::ChainPartition> partitions;
  partitions.reserve(list.size());
  for (const std::uint64_t index : list) partitions.emplace_back(index);
  return partitions;
}

template <typename List>
void WritePartitions(const std::vector<filecoin::ChainPartition>& partitions, List list) {
  for (unsigned i = 0; i < partitions.size(); ++i) list.set(i, partitions[i].Index());
}

unsigned Size(std::size_t count) {
  return static_cast<unsigned>(count);
}

}  // namespace

std::string ToString(capnp::Text::Reader text) {
  return {text.begin(), text.size()};
}

void Write(const absl::Status& status, schema::Status::Builder out) {
  out.setCode(static_cast<std::uint16_t>(status.code()));
  out.setMessage(std::string(status.message()).c_str());
}

absl::Status Read(schema::Status::Reader in) {
  if (in.getCode() == 0) return absl::OkStatus();
  return absl::Status(static_cast<absl::StatusCode>(in.getCode()), ToString(in.getMessage()));
}

std::int64_t ToUnixMs(absl::Time time) {
  if (time == absl::InfinitePast()) return 0;
  return absl::ToUnixMillis(time);
}

absl::Time FromUnixMs(std::int64_t ms) {
  return ms == 0 ? absl::InfinitePast() : absl::FromUnixMillis(ms);
}

void Write(const job::Assignment& assignment, absl::Time now, schema::Assignment::Builder out) {
  out.setId(assignment.id.ToString().c_str());
  out.setAttempt(assignment.attempt);
  const job::JobSpec& spec = *assignment.spec;
  auto to = out.initSpec();
  to.setMiner(spec.miner);
  to.setProofType(Number(spec.proof_type));
  to.setDeadlineIndex(spec.deadline_index);
  WritePartitions(spec.chain_partitions, to.initPartitions(Size(spec.chain_partitions.size())));
  to.setOpenEpoch(spec.open.Value());
  to.setCloseEpoch(spec.close.Value());
  out.setLeftMs(std::max<std::int64_t>(0, absl::ToInt64Milliseconds(assignment.time_left)));
  to.setCloseUnixMs(ToUnixMs(now + assignment.time_left));
  to.setRandomness(ToData(spec.randomness));
  auto sectors = to.initSectors(Size(spec.sectors.size()));
  for (unsigned i = 0; i < spec.sectors.size(); ++i) {
    const job::JobSector& sector = spec.sectors[i];
    sectors[i].setNumber(sector.number);
    sectors[i].setCommR(ToData(sector.comm_r));
    sectors[i].setUpgraded(sector.upgraded);
    sectors[i].setSealedStore(sector.sealed_store.c_str());
    sectors[i].setCacheStore(sector.cache_store.c_str());
  }
}

absl::StatusOr<job::Assignment> Read(schema::Assignment::Reader in, absl::Time now) {
  job::Assignment assignment;
  DAMOCLES_ASSIGN_OR_RETURN(assignment.id, job::JobId::Parse(ToString(in.getId())));
  assignment.attempt = in.getAttempt();
  const auto from = in.getSpec();
  job::JobSpec spec;
  spec.miner = from.getMiner();
  DAMOCLES_ASSIGN_OR_RETURN(spec.proof_type, ReadProofType(from.getProofType()));
  spec.deadline_index = from.getDeadlineIndex();
  spec.chain_partitions = ReadPartitions(from.getPartitions());
  spec.open = filecoin::ChainEpoch(from.getOpenEpoch());
  spec.close = filecoin::ChainEpoch(from.getCloseEpoch());
  if (const std::int64_t left = in.getLeftMs(); left < 0) {
    assignment.time_left = FromUnixMs(from.getCloseUnixMs()) - now;
  } else {
    const bool known = left < std::numeric_limits<std::int64_t>::max();
    assignment.time_left = known ? absl::Milliseconds(left) : absl::InfiniteDuration();
  }
  spec.close_time = now + assignment.time_left;
  DAMOCLES_ASSIGN_OR_RETURN(spec.randomness, ReadBytes32(from.getRandomness(), "the randomness"));
  for (const auto sector : from.getSectors()) {
    DAMOCLES_ASSIGN_OR_RETURN(const Bytes32 comm_r, ReadBytes32(sector.getCommR(), "a CommR"));
    spec.sectors.push_back({.number = sector.getNumber(),
                            .comm_r = comm_r,
                            .upgraded = sector.getUpgraded(),
                            .sealed_store = ToString(sector.getSealedStore()),
                            .cache_store = ToString(sector.getCacheStore())});
  }
  DAMOCLES_RETURN_IF_ERROR(job::ValidateSpec(spec));
  assignment.spec = std::make_shared<const job::JobSpec>(std::move(spec));
  return assignment;
}

void Write(const worker::Capabilities& capabilities, schema::Offer::Builder out) {
  out.setName(capabilities.name.c_str());
  auto threads = out.initThreads(Size(capabilities.threads.size()));
  for (unsigned i = 0; i < capabilities.threads.size(); ++i) {
    const job::JobFilter& from = capabilities.threads[i];
    WriteNumbers(from.miners, threads[i].initMiners(Size(from.miners.size())));
    auto types = threads[i].initProofTypes(Size(from.proof_types.size()));
    for (unsigned k = 0; k < from.proof_types.size(); ++k) {
      types.set(k, Number(from.proof_types[k]));
    }
  }
  auto stores = out.initStores(Size(capabilities.stores.size()));
  for (unsigned i = 0; i < capabilities.stores.size(); ++i) {
    stores.set(i, capabilities.stores[i].c_str());
  }
  out.setSlots(capabilities.slots);
  auto keys = out.initVerifyingKeys(Size(capabilities.verifying_keys.size()));
  unsigned at = 0;
  for (const auto& [type, digest] : capabilities.verifying_keys) {
    keys[at].setProofType(Number(type));
    keys[at].setDigest(digest.c_str());
    ++at;
  }
  auto practice = out.initPracticeTypes(Size(capabilities.practice_types.size()));
  for (unsigned i = 0; i < capabilities.practice_types.size(); ++i) {
    practice.set(i, Number(capabilities.practice_types[i]));
  }
  out.setSoftware(capabilities.software.c_str());
  out.setInstance(capabilities.instance.c_str());
}

absl::StatusOr<worker::Capabilities> Read(schema::Offer::Reader in) {
  worker::Capabilities capabilities;
  capabilities.name = ToString(in.getName());
  for (const auto from : in.getThreads()) {
    job::JobFilter filter{.miners = ReadNumbers(from.getMiners())};
    for (const std::uint32_t number : from.getProofTypes()) {
      DAMOCLES_ASSIGN_OR_RETURN(const auto type, ReadProofType(number));
      filter.proof_types.push_back(type);
    }
    capabilities.threads.push_back(std::move(filter));
  }
  for (const auto store : in.getStores()) capabilities.stores.push_back(ToString(store));
  capabilities.slots = in.getSlots();
  for (const auto key : in.getVerifyingKeys()) {
    DAMOCLES_ASSIGN_OR_RETURN(const auto type, ReadProofType(key.getProofType()));
    capabilities.verifying_keys[type] = ToString(key.getDigest());
  }
  for (const std::uint32_t number : in.getPracticeTypes()) {
    DAMOCLES_ASSIGN_OR_RETURN(const auto type, ReadProofType(number));
    capabilities.practice_types.push_back(type);
  }
  capabilities.software = ToString(in.getSoftware());
  capabilities.instance = ToString(in.getInstance());
  return capabilities;
}

void Write(const job::JobRecord& record, std::uint32_t tries_max, schema::Job::Builder out) {
  const job::JobSpec& spec = *record.spec;
  out.setId(record.id.ToString().c_str());
  out.setMiner(spec.miner);
  out.setProofType(Number(spec.proof_type));
  out.setDeadlineIndex(spec.deadline_index);
  WritePartitions(spec.chain_partitions, out.initPartitions(Size(spec.chain_partitions.size())));
  out.setOpenEpoch(spec.open.Value());
  out.setCloseEpoch(spec.close.Value());
  out.setCloseUnixMs(ToUnixMs(record.close_time));
  out.setSectors(spec.sectors.size());
  std::vector<std::string> workers;
  for (const job::Attempt& attempt : record.live) workers.push_back(attempt.worker);
  if (workers.empty() && !record.worker.empty()) workers.push_back(record.worker);
  auto names = out.initWorkers(Size(workers.size()));
  for (unsigned i = 0; i < workers.size(); ++i) names.set(i, workers[i].c_str());
  out.setState(static_cast<schema::JobState>(record.state));
  WriteFaults(record.faults, out.initFaults(Size(record.faults.size())));
  out.setTries(record.tries);
  out.setTriesMax(tries_max);
  out.setCreatedUnixMs(ToUnixMs(record.created_at));
  out.setStartedUnixMs(ToUnixMs(record.started_at));
  out.setFinishedUnixMs(ToUnixMs(record.finished_at));
  out.setHeartbeatUnixMs(ToUnixMs(record.heartbeat_at));
  out.setError(record.error.c_str());
}

static_assert(static_cast<int>(job::JobState::kReadyToRun) ==
              static_cast<int>(schema::JobState::READY_TO_RUN));
static_assert(static_cast<int>(job::JobState::kRunning) ==
              static_cast<int>(schema::JobState::RUNNING));
static_assert(static_cast<int>(job::JobState::kSucceeded) ==
              static_cast<int>(schema::JobState::SUCCEEDED));
static_assert(static_cast<int>(job::JobState::kFaults) ==
              static_cast<int>(schema::JobState::FAULTS));
static_assert(static_cast<int>(job::JobState::kFailed) ==
              static_cast<int>(schema::JobState::FAILED));

absl::StatusOr<JobInfo> Read(schema::Job::Reader in) {
  JobInfo info;
  info.id = ToString(in.getId());
  info.miner = in.getMiner();
  DAMOCLES_ASSIGN_OR_RETURN(info.proof_type, ReadProofType(in.getProofType()));
  info.deadline_index = in.getDeadlineIndex();
  info.chain_partitions = ReadPartitions(in.getPartitions());
  info.open_epoch = in.getOpenEpoch();
  info.close_epoch = in.getCloseEpoch();
  info.close_time = FromUnixMs(in.getCloseUnixMs());
  info.sectors = in.getSectors();
  for (const auto name : in.getWorkers()) info.workers.push_back(ToString(name));
  if (in.getState() > schema::JobState::FAILED) {
    return absl::InvalidArgumentError("a job has a state that this version does not know");
  }
  info.state = static_cast<job::JobState>(in.getState());
  info.faults = ReadFaults(in.getFaults());
  info.tries = in.getTries();
  info.tries_max = in.getTriesMax();
  info.created_at = FromUnixMs(in.getCreatedUnixMs());
  info.started_at = FromUnixMs(in.getStartedUnixMs());
  info.finished_at = FromUnixMs(in.getFinishedUnixMs());
  info.heartbeat_at = FromUnixMs(in.getHeartbeatUnixMs());
  info.error = ToString(in.getError());
  return info;
}

void Write(const worker::Hub::WorkerInfo& info, schema::WorkerInfo::Builder out) {
  out.setName(info.capabilities.name.c_str());
  out.setConnected(info.connected);
  out.setLastSeenUnixMs(ToUnixMs(info.last_seen));
  out.setAddress(info.address.c_str());
  Write(info.capabilities, out.initOffer());
  out.setClockMeasured(info.clock_ahead.has_value());
  if (info.clock_ahead) out.setClockAheadMs(absl::ToInt64Milliseconds(*info.clock_ahead));
  auto running = out.initRunning(Size(info.running.size()));
  for (unsigned i = 0; i < info.running.size(); ++i) {
    running.set(i, info.running[i].job.ToString().c_str());
  }
}

absl::StatusOr<worker::Hub::WorkerInfo> Read(schema::WorkerInfo::Reader in) {
  worker::Hub::WorkerInfo info;
  DAMOCLES_ASSIGN_OR_RETURN(info.capabilities, Read(in.getOffer()));
  info.capabilities.name = ToString(in.getName());
  info.connected = in.getConnected();
  info.last_seen = FromUnixMs(in.getLastSeenUnixMs());
  info.address = ToString(in.getAddress());
  if (in.getClockMeasured()) info.clock_ahead = absl::Milliseconds(in.getClockAheadMs());
  for (const auto id : in.getRunning()) {
    DAMOCLES_ASSIGN_OR_RETURN(job::JobId job, job::JobId::Parse(ToString(id)));
    info.running.push_back({.job = std::move(job)});
  }
  return info;
}

void Write(const StoreInfo& info, schema::Store::Builder out) {
  out.setName(info.name.c_str());
  out.setPath(info.path.c_str());
  out.setReadOnly(info.read_only);
  out.setTotalBytes(info.total_bytes);
  out.setFreeBytes(info.free_bytes);
  out.setSectors(info.sectors);
  Write(info.status, out.initStatus());
  out.setTrouble(info.trouble.c_str());
}

StoreInfo Read(schema::Store::Reader in) {
  return {.name = ToString(in.getName()),
          .path = ToString(in.getPath()),
          .read_only = in.getReadOnly(),
          .total_bytes = in.getTotalBytes(),
          .free_bytes = in.getFreeBytes(),
          .sectors = in.getSectors(),
          .status = Read(in.getStatus()),
          .trouble = ToString(in.getTrouble())};
}

void WriteTexts(const std::vector<std::string>& texts, capnp::List<capnp::Text>::Builder out) {
  for (unsigned i = 0; i < texts.size(); ++i) out.set(i, texts[i].c_str());
}

std::vector<std::string> ReadTexts(capnp::List<capnp::Text>::Reader in) {
  std::vector<std::string> texts;
  for (const auto text : in) texts.push_back(ToString(text));
  return texts;
}

void Write(const CheckReport& report, schema::CheckReport::Builder out) {
  out.setAtUnixMs(ToUnixMs(report.at));
  auto findings = out.initFindings(static_cast<unsigned>(report.findings.size()));
  for (unsigned i = 0; i < report.findings.size(); ++i) {
    const Finding& from = report.findings[i];
    findings[i].setKind(from.kind.c_str());
    findings[i].setCostsWindow(from.costs_window);
    findings[i].setSubject(from.subject.c_str());
    findings[i].setWhat(from.what.c_str());
    findings[i].setDetail(from.detail.c_str());
    findings[i].setRemedy(from.remedy.c_str());
  }
  WriteTexts(report.in_order, out.initInOrder(static_cast<unsigned>(report.in_order.size())));
  WriteTexts(report.not_learnt, out.initNotLearnt(static_cast<unsigned>(report.not_learnt.size())));
}

CheckReport Read(schema::CheckReport::Reader in) {
  CheckReport report;
  report.at = FromUnixMs(in.getAtUnixMs());
  for (const auto finding : in.getFindings()) {
    report.findings.push_back({.kind = ToString(finding.getKind()),
                               .costs_window = finding.getCostsWindow(),
                               .subject = ToString(finding.getSubject()),
                               .what = ToString(finding.getWhat()),
                               .detail = ToString(finding.getDetail()),
                               .remedy = ToString(finding.getRemedy())});
  }
  report.in_order = ReadTexts(in.getInOrder());
  report.not_learnt = ReadTexts(in.getNotLearnt());
  return report;
}

void Write(const DeadlineSummary& summary, schema::DeadlineRecord::Builder out) {
  out.setMiner(summary.miner);
  out.setDeadlineIndex(summary.deadline_index);
  out.setPeriodStart(summary.period_start);
  out.setOpenEpoch(summary.open_epoch);
  out.setCloseEpoch(summary.close_epoch);
  out.setState(summary.state.c_str());
  out.setReason(summary.reason.c_str());
  auto batches = out.initBatches(Size(summary.batches.size()));
  for (unsigned i = 0; i < summary.batches.size(); ++i) {
    const BatchSummary& from = summary.batches[i];
    auto to = batches[i];
    WritePartitions(from.chain_partitions, to.initPartitions(Size(from.chain_partitions.size())));
    to.setState(from.state.c_str());
    to.setJobId(from.job_id.c_str());
    to.setMessageCid(from.message_cid.c_str());
    WriteFaults(from.skipped, to.initSkipped(Size(from.skipped.size())));
    to.setError(from.error.c_str());
    to.setProofs(from.proofs);
  }
  out.setProvenEpoch(summary.proven_epoch);
  out.setConfirmedEpoch(summary.confirmed_epoch);
  out.setSkippedSectors(summary.skipped_sectors);
}

DeadlineSummary Read(schema::DeadlineRecord::Reader in) {
  DeadlineSummary summary{.miner = in.getMiner(),
                          .deadline_index = in.getDeadlineIndex(),
                          .period_start = in.getPeriodStart(),
                          .open_epoch = in.getOpenEpoch(),
                          .close_epoch = in.getCloseEpoch(),
                          .state = ToString(in.getState()),
                          .reason = ToString(in.getReason()),
                          .batches = {},
                          .proven_epoch = in.getProvenEpoch(),
                          .confirmed_epoch = in.getConfirmedEpoch(),
                          .skipped_sectors = in.getSkippedSectors()};
  for (const auto batch : in.getBatches()) {
    summary.batches.push_back({.chain_partitions = ReadPartitions(batch.getPartitions()),
                               .state = ToString(batch.getState()),
                               .job_id = ToString(batch.getJobId()),
                               .message_cid = ToString(batch.getMessageCid()),
                               .skipped = ReadFaults(batch.getSkipped()),
                               .error = ToString(batch.getError()),
                               .proofs = batch.getProofs()});
  }
  return summary;
}

void Write(const RecoverySummary& summary, schema::RecoveryRecord::Builder out) {
  out.setMiner(summary.miner);
  out.setDeadlineIndex(summary.deadline_index);
  out.setOpenEpoch(summary.open_epoch);
  out.setState(summary.state.c_str());
  out.setNote(summary.note.c_str());
  auto sectors = out.initSectors(Size(summary.sectors.size()));
  for (unsigned i = 0; i < summary.sectors.size(); ++i) {
    sectors[i].setPartition(summary.sectors[i].partition);
    sectors[i].setNumber(summary.sectors[i].number);
    sectors[i].setWhy(summary.sectors[i].why.c_str());
    sectors[i].setMessageCid(summary.sectors[i].message_cid.c_str());
  }
}

RecoverySummary Read(schema::RecoveryRecord::Reader in) {
  RecoverySummary summary{.miner = in.getMiner(),
                          .deadline_index = in.getDeadlineIndex(),
                          .open_epoch = in.getOpenEpoch(),
                          .state = ToString(in.getState()),
                          .note = ToString(in.getNote()),
                          .sectors = {}};
  for (const auto sector : in.getSectors()) {
    summary.sectors.push_back({.partition = sector.getPartition(),
                               .number = sector.getNumber(),
                               .why = ToString(sector.getWhy()),
                               .message_cid = ToString(sector.getMessageCid())});
  }
  return summary;
}

void Write(const std::optional<SectorPlace>& place, schema::SectorPlace::Builder out) {
  out.setFound(place.has_value());
  if (!place) return;
  out.setSealedStore(place->sealed_store.c_str());
  out.setCacheStore(place->cache_store.c_str());
}

std::optional<SectorPlace> Read(schema::SectorPlace::Reader in) {
  if (!in.getFound()) return std::nullopt;
  return SectorPlace{.sealed_store = ToString(in.getSealedStore()),
                     .cache_store = ToString(in.getCacheStore())};
}

std::vector<job::SectorFault> ReadFaults(capnp::List<schema::Fault>::Reader in) {
  std::vector<job::SectorFault> faults;
  for (const auto fault : in) {
    faults.push_back({.number = fault.getSector(), .reason = ToString(fault.getReason())});
  }
  return faults;
}

}  // namespace damocles::rpc
