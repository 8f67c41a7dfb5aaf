// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/job/queue.h"

#include <algorithm>
#include <set>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_format.h"
#include "lib/job/codec.h"

#include "damocles/base/log.h"
#include "damocles/base/status.h"

namespace damocles::job {
namespace {

// Rows, see docs/formats/job.md.
constexpr std::string_view kSpecPrefix = "job/spec/";
constexpr std::string_view kRecordPrefix = "job/record/";
constexpr std::string_view kDamagedPrefix = "job/damaged/";
constexpr std::string_view kSpeedPrefix = "job/speed/";
constexpr std::string_view kLastAttemptKey = "job/last-attempt";
constexpr std::uint32_t kFormat = 1;
// Format 1 had times per chain partition, of which a proof may have fewer partitions: too little,
// and a spare that starts by it starts too late.
constexpr std::uint8_t kSpeedFormat = 2;

std::string Key(std::string_view prefix, std::string_view rest) {
  return absl::StrFormat("%s%s", prefix, rest);
}

absl::Status NoSuchJob(const JobId& id) {
  return absl::NotFoundError(absl::StrFormat("job %s does not exist", id.ToString()));
}

std::vector<std::string> StoresOf(const JobSpec& spec) {
  std::set<std::string_view> names;
  for (const JobSector& sector : spec.sectors) {
    names.insert(sector.sealed_store);
    names.insert(sector.cache_store);
  }
  return {names.begin(), names.end()};
}

Bytes EncodeSpeed(const WorkerSpeed& speed) {
  Encoder out;
  out.U8(kSpeedFormat);
  out.String(speed.worker);
  out.I64(filecoin::ToNumber(speed.proof_type));
  out.I64(absl::ToInt64Microseconds(speed.per_proof_partition));
  out.U64(speed.samples);
  return out.Take();
}

// nullopt: of format 1.  Such a worker is measured anew by its next proof, which takes the row
// over.
absl::StatusOr<std::optional<WorkerSpeed>> DecodeSpeed(ByteSpan bytes) {
  Decoder in(bytes);
  const std::uint8_t format = in.U8();
  if (format < 1 || format > kSpeedFormat) in.Fail("not a format number");
  WorkerSpeed speed;
  speed.worker = in.String(1 << 20);
  speed.proof_type = static_cast<filecoin::PoStProofType>(in.I64());
  speed.per_proof_partition = absl::Microseconds(in.I64());
  speed.samples = in.U64();
  DAMOCLES_RETURN_IF_ERROR(in.Finish());
  if (format < kSpeedFormat) return std::optional<WorkerSpeed>();
  return std::optional<WorkerSpeed>(std::move(speed));
}

std::string SpeedKeyText(const WorkerSpeed& speed) {
  return absl::StrFormat("%s%d/%s", kSpeedPrefix, filecoin::ToNumber(speed.proof_type),
                         speed.worker);
}

}  // namespace

absl::StatusOr<std::unique_ptr<Queue>> Queue::Open(store::Store& store, const Clock& clock,
                                                   Policy policy) {
  std::unique_ptr<Queue> queue(new Queue(store, clock, policy));
  DAMOCLES_RETURN_IF_ERROR(queue->Load());
  return queue;
}

absl::Status Queue::Load() {
  DAMOCLES_RETURN_IF_ERROR(store::EnsureFormat(store_, "job", kFormat).status());
  DAMOCLES_ASSIGN_OR_RETURN(const auto last, store_.Get(kLastAttemptKey));
  if (last.has_value() && !absl::SimpleAtoi(*last, &last_attempt_)) {
    return absl::DataLossError(absl::StrFormat("store: row %s is not a number", kLastAttemptKey));
  }
  DAMOCLES_RETURN_IF_ERROR(LoadJobs());
  return LoadSpeeds();
}

absl::Status Queue::LoadJobs() {
  DAMOCLES_ASSIGN_OR_RETURN(const auto specs, store::List(store_, kSpecPrefix));
  std::map<std::string, std::string> rows;
  for (const store::Entry& row : specs) rows[row.key.substr(kSpecPrefix.size())] = row.value;
  DAMOCLES_ASSIGN_OR_RETURN(const auto records, store::List(store_, kRecordPrefix));
  std::map<std::string, std::string> record_of;
  for (const store::Entry& row : records) {
    const std::string id = row.key.substr(kRecordPrefix.size());
    record_of[id] = row.value;
    rows.emplace(id, "");  // a record without its spec is damaged too
  }

  for (const auto& [name, spec_bytes] : rows) {
    const auto decode = [&, &id_text = name, &bytes = spec_bytes]() -> absl::StatusOr<JobRecord> {
      DAMOCLES_ASSIGN_OR_RETURN(JobId id, JobId::Parse(id_text));
      DAMOCLES_ASSIGN_OR_RETURN(JobSpec spec, DecodeSpec(AsBytes(bytes)));
      return DecodeRecord(id, std::make_shared<const JobSpec>(std::move(spec)),
                          AsBytes(record_of[id_text]));
    };
    absl::StatusOr<JobRecord> record = decode();
    if (record.status().code() == absl::StatusCode::kFailedPrecondition) {
      return Annotate(record.status(), Key("job ", name));
    }
    if (!record.ok()) {
      LogError("job", "row_damaged", {{"job", name}, {"reason", record.status()}});
      store::Batch aside;
      aside.Put(Key(kDamagedPrefix, name + "/spec"), spec_bytes);
      aside.Put(Key(kDamagedPrefix, name + "/record"), record_of[name]);
      aside.Delete(Key(kSpecPrefix, name));
      aside.Delete(Key(kRecordPrefix, name));
      DAMOCLES_RETURN_IF_ERROR(store_.Write(aside));
      continue;
    }
    last_attempt_ = std::max(last_attempt_, record->attempt);
    by_work_[WorkDigest(*record->spec)] = record->id;
    const JobId id = record->id;
    std::vector<std::string> stores = StoresOf(*record->spec);
    jobs_[id] = {*std::move(record), std::move(stores)};
  }
  return absl::OkStatus();
}

absl::Status Queue::LoadSpeeds() {
  DAMOCLES_ASSIGN_OR_RETURN(const auto rows, store::List(store_, kSpeedPrefix));
  for (const store::Entry& row : rows) {
    absl::StatusOr<std::optional<WorkerSpeed>> speed = DecodeSpeed(AsBytes(row.value));
    if (!speed.ok()) {
      LogWarning("job", "speed_row_unreadable", {{"row", row.key}, {"reason", speed.status()}});
      continue;
    }
    if (!speed->has_value()) continue;
    auto& place = speeds_[{(*speed)->worker, (*speed)->proof_type}];
    place = **std::move(speed);
  }
  return absl::OkStatus();
}

absl::StatusOr<Verdict> Queue::Apply(const JobId& id, const Event& event, store::Batch batch) {
  const auto at = jobs_.find(id);
  if (at == jobs_.end()) return NoSuchJob(id);
  StepResult result = Step(at->second.record, event, clock_.Now(), policy_);
  for (const Action& action : result.actions) {
    if (!std::holds_alternative<action::Delete>(action)) continue;
    DAMOCLES_RETURN_IF_ERROR(Forget(id));
    return result.verdict;
  }
  if (result.changed) {
    batch.Put(Key(kRecordPrefix, id.ToString()), AsText(EncodeRecord(result.record)));
    DAMOCLES_RETURN_IF_ERROR(store_.Write(batch));
  }
  at->second.record = result.record;
  // The callbacks may call the queue: from here on `at` may be gone.
  Announce(result.record, result.actions, result.changed);
  return result.verdict;
}

absl::Status Queue::Forget(const JobId& id) {
  const auto at = jobs_.find(id);
  if (at == jobs_.end()) return NoSuchJob(id);
  store::Batch batch;
  batch.Delete(Key(kSpecPrefix, id.ToString()));
  batch.Delete(Key(kRecordPrefix, id.ToString()));
  DAMOCLES_RETURN_IF_ERROR(store_.Write(batch));
  const std::vector<Attempt> cancelled = at->second.record.live;
  by_work_.erase(WorkDigest(*at->second.record.spec));
  jobs_.erase(at);
  AnnounceRemoval(id, cancelled);
  return absl::OkStatus();
}

void Queue::Announce(const JobRecord& record, const std::vector<Action>& actions, bool changed) {
  if (changed) {
    for (const auto& callback : on_change_) callback(record);
  }
  for (const Action& action : actions) {
    if (const auto* cancel = std::get_if<action::Cancel>(&action)) {
      const Attempt attempt{.number = cancel->attempt, .worker = cancel->worker};
      for (const auto& callback : on_cancel_) callback(record.id, attempt);
    } else if (std::holds_alternative<action::Available>(action)) {
      AnnounceAvailable();
    }
  }
}

void Queue::AnnounceRemoval(const JobId& id, const std::vector<Attempt>& cancelled) {
  for (const Attempt& attempt : cancelled) {
    for (const auto& callback : on_cancel_) callback(id, attempt);
  }
  for (const auto& callback : on_remove_) callback(id);
}

void Queue::AnnounceAvailable() {
  for (const auto& callback : on_available_) callback();
}

absl::StatusOr<JobRecord> Queue::Ensure(const JobSpec& spec) {
  DAMOCLES_RETURN_IF_ERROR(ValidateSpec(spec));
  const Bytes32 work = WorkDigest(spec);
  if (const auto known = by_work_.find(work); known != by_work_.end()) {
    const JobId id = known->second;
    DAMOCLES_RETURN_IF_ERROR(Apply(id, event::CloseTimeChanged{spec.close_time}).status());
    return Get(id);
  }
  // Two works may share 64 bits of their digests: the later one gets another id.
  std::uint32_t collision = 0;
  JobId id = MakeJobId(work, collision);
  while (jobs_.contains(id)) id = MakeJobId(work, ++collision);

  const JobRecord record = NewRecord(id, std::make_shared<const JobSpec>(spec), clock_.Now());
  store::Batch batch;
  batch.Put(Key(kSpecPrefix, id.ToString()), AsText(EncodeSpec(spec)));
  batch.Put(Key(kRecordPrefix, id.ToString()), AsText(EncodeRecord(record)));
  DAMOCLES_RETURN_IF_ERROR(store_.Write(batch));
  by_work_[work] = id;
  jobs_[id] = {record, StoresOf(spec)};
  Announce(record, {action::Available{}}, true);
  return record;
}

absl::StatusOr<JobRecord> Queue::Get(const JobId& id) const {
  const auto at = jobs_.find(id);
  if (at == jobs_.end()) return NoSuchJob(id);
  return at->second.record;
}

std::vector<JobRecord> Queue::List() const {
  std::vector<JobRecord> records;
  records.reserve(jobs_.size());
  for (const auto& [id, job] : jobs_) records.push_back(job.record);
  std::sort(records.begin(), records.end(), [](const JobRecord& a, const JobRecord& b) {
    return std::tie(a.close_time, a.created_at, a.id) < std::tie(b.close_time, b.created_at, b.id);
  });
  return records;
}

absl::StatusOr<JobRecord> Queue::Reset(const JobId& id, bool automatic) {
  DAMOCLES_RETURN_IF_ERROR(Apply(id, event::Reset{automatic}).status());
  return Get(id);
}

absl::Status Queue::Remove(const JobId& id) {
  return Forget(id);
}

absl::StatusOr<std::optional<Assignment>> Queue::Allocate(const WorkerOffer& offer) {
  const absl::Time now = clock_.Now();
  workers_.insert_or_assign(offer.name, KnownWorker{offer, now});
  const Job* job = Choose(offer, now);
  if (job == nullptr) return std::optional<Assignment>();

  // The number is used up even if the write fails: it may have reached the disk.
  const std::uint64_t attempt = ++last_attempt_;
  const Assignment assignment{.id = job->record.id,
                              .attempt = attempt,
                              .spec = job->record.spec,
                              .close_time = job->record.close_time};
  store::Batch batch;
  batch.Put(kLastAttemptKey, absl::StrFormat("%d", attempt));
  DAMOCLES_ASSIGN_OR_RETURN(
      const Verdict verdict,
      Apply(assignment.id, event::Allocate{offer.name, attempt, offer.instance}, std::move(batch)));
  if (verdict != Verdict::kAccepted) {
    return absl::InternalError(
        absl::StrFormat("job %s was chosen but refused its worker", assignment.id.ToString()));
  }
  return std::optional<Assignment>(assignment);
}

absl::StatusOr<HeartbeatReply> Queue::Heartbeat(const JobId& id, std::uint64_t attempt,
                                                std::string_view worker) {
  if (const auto known = workers_.find(worker); known != workers_.end()) {
    known->second.seen_at = clock_.Now();
  }
  if (!jobs_.contains(id)) return HeartbeatReply::kCancel;
  DAMOCLES_ASSIGN_OR_RETURN(const Verdict verdict,
                            Apply(id, event::Heartbeat{std::string(worker), attempt}));
  return verdict == Verdict::kAccepted ? HeartbeatReply::kContinue : HeartbeatReply::kCancel;
}

absl::StatusOr<Verdict> Queue::FinishProven(const JobId& id, std::uint64_t attempt,
                                            std::string_view worker, Bytes proof) {
  const auto at = jobs_.find(id);
  if (at == jobs_.end()) return NoSuchJob(id);
  const JobRecord& record = at->second.record;
  const filecoin::ProofPartitions partitions = ProofPartitionsOf(*record.spec);
  if (proof.size() != partitions.ProofBytes()) {
    return absl::InvalidArgumentError(absl::StrFormat(
        "job %s: the proof has %d bytes, want %d for %d sectors (%d partitions of the proof)",
        id.ToString(), proof.size(), partitions.ProofBytes(), record.spec->sectors.size(),
        partitions.Count()));
  }
  store::Batch batch;
  const std::optional<WorkerSpeed> speed = Measure(record, attempt, worker);
  if (speed.has_value()) batch.Put(SpeedKeyText(*speed), AsText(EncodeSpeed(*speed)));
  const bool first = record.state != JobState::kSucceeded;
  DAMOCLES_ASSIGN_OR_RETURN(
      const Verdict verdict,
      Apply(id, event::Proven{std::string(worker), attempt, std::move(proof)}, std::move(batch)));
  if (first && speed.has_value()) speeds_[{speed->worker, speed->proof_type}] = *speed;
  return verdict;
}

absl::StatusOr<Verdict> Queue::FinishFaults(const JobId& id, std::uint64_t attempt,
                                            std::string_view worker,
                                            std::vector<SectorFault> faults) {
  const auto at = jobs_.find(id);
  if (at == jobs_.end()) return NoSuchJob(id);
  if (faults.empty()) {
    return absl::InvalidArgumentError(absl::StrFormat("job %s: no faults named", id.ToString()));
  }
  const std::vector<JobSector>& sectors = at->second.record.spec->sectors;
  std::sort(faults.begin(), faults.end(),
            [](const SectorFault& a, const SectorFault& b) { return a.number < b.number; });
  faults.erase(
      std::unique(faults.begin(), faults.end(),
                  [](const SectorFault& a, const SectorFault& b) { return a.number == b.number; }),
      faults.end());
  for (const SectorFault& fault : faults) {
    const auto found = std::lower_bound(
        sectors.begin(), sectors.end(), fault.number,
        [](const JobSector& sector, std::uint64_t number) { return sector.number < number; });
    if (found == sectors.end() || found->number != fault.number) {
      return absl::InvalidArgumentError(absl::StrFormat(
          "job %s: sector %d of the faults is not in it", id.ToString(), fault.number));
    }
  }
  return Apply(id, event::FaultsFound{std::string(worker), attempt, std::move(faults)});
}

absl::StatusOr<Verdict> Queue::Fail(const JobId& id, std::uint64_t attempt, std::string_view worker,
                                    std::string_view reason, FailureKind kind) {
  if (kind != FailureKind::kAttempt && kind != FailureKind::kMapping &&
      kind != FailureKind::kWrongProof) {
    return absl::InvalidArgumentError(
        absl::StrFormat("job %s: a worker cannot report this kind of failure", id.ToString()));
  }
  return Apply(id, event::AttemptFailed{std::string(worker), attempt, kind, std::string(reason)});
}

absl::Status Queue::WorkerStarted(std::string_view worker, std::string_view instance) {
  std::vector<JobId> ids;
  for (const auto& [id, job] : jobs_) ids.push_back(id);
  for (const JobId& id : ids) {
    if (!jobs_.contains(id)) continue;  // a callback may have removed it
    DAMOCLES_RETURN_IF_ERROR(
        Apply(id, event::WorkerStarted{std::string(worker), std::string(instance)}).status());
  }
  return absl::OkStatus();
}

absl::Status Queue::NeverReceived(const JobId& id, std::uint64_t attempt, std::string_view worker) {
  if (!jobs_.contains(id)) return absl::OkStatus();
  return Apply(id, event::NeverReceived{std::string(worker), attempt}).status();
}

std::vector<std::pair<JobId, std::uint64_t>> Queue::LiveAttempts(std::string_view worker,
                                                                 std::string_view instance) const {
  std::vector<std::pair<JobId, std::uint64_t>> attempts;
  for (const auto& [id, job] : jobs_) {
    for (const Attempt& attempt : job.record.live) {
      if (attempt.worker == worker && attempt.instance == instance) {
        attempts.emplace_back(id, attempt.number);
      }
    }
  }
  return attempts;
}

void Queue::WorkerLeft(std::string_view worker) {
  if (const auto known = workers_.find(worker); known != workers_.end()) workers_.erase(known);
}

absl::Status Queue::Tick() {
  const absl::Time now = clock_.Now();
  if (now - last_tick_ > policy_.heartbeat_timeout) {
    LogWarning("job", "stalled", {{"seconds", absl::ToInt64Seconds(now - last_tick_)}});
    receiving_since_ = now;
  }
  last_tick_ = now;
  std::vector<JobId> ids;
  for (const auto& [id, job] : jobs_) ids.push_back(id);
  for (const JobId& id : ids) {
    if (!jobs_.contains(id)) continue;
    DAMOCLES_RETURN_IF_ERROR(Apply(id, event::Tick{receiving_since_}).status());
  }
  if (AnythingAvailable(now)) AnnounceAvailable();
  return absl::OkStatus();
}

void Queue::OnChange(std::function<void(const JobRecord&)> callback) {
  on_change_.push_back(std::move(callback));
}
void Queue::OnRemove(std::function<void(const JobId&)> callback) {
  on_remove_.push_back(std::move(callback));
}
void Queue::OnAvailable(std::function<void()> callback) {
  on_available_.push_back(std::move(callback));
}
void Queue::OnCancel(std::function<void(const JobId&, const Attempt&)> callback) {
  on_cancel_.push_back(std::move(callback));
}

}  // namespace damocles::job
