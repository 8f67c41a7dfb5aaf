// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// The queue's rows (docs/formats/job.md): read at the start, written after every change, and kept
// in memory as long as the disk does not take them.

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_format.h"
#include "lib/job/queue_stores.h"

#include "damocles/base/log.h"
#include "damocles/base/status.h"
#include "damocles/job/queue.h"
#include "damocles/store/fields.h"
#include "damocles/store/row.h"
#include "damocles/store/rows.h"

namespace damocles::job {
namespace {

constexpr std::string_view kSpecPrefix = "job/spec/";
constexpr std::string_view kRecordPrefix = "job/record/";
constexpr std::string_view kDamagedPrefix = "job/damaged/";
constexpr std::string_view kSpeedPrefix = "job/speed/";
constexpr std::string_view kLastAttemptKey = "job/last-attempt";
// 1: rows without frames.
constexpr std::uint32_t kFormat = 2;
// Format 1 had times per chain partition, of which a proof may have fewer partitions: too little,
// and a spare that starts by it starts too late.
constexpr std::uint8_t kSpeedFormat = 2;
constexpr store::RowKind kSpecKind{"job/spec", kSpecFormat};
constexpr store::RowKind kRecordKind{"job/record", kRecordFormat};
constexpr store::RowKind kSpeedKind{"job/speed", kSpeedFormat};

// So many attempt numbers are used up on the disk before the first of them is given out: enough for
// any time that a disk stays full.
constexpr std::uint64_t kAttemptsReserved = 1000;
// A disk that refuses is asked again so often, and the alarm repeated so often.
constexpr absl::Duration kRewritePause = absl::Seconds(5);
constexpr absl::Duration kAlarmAgain = absl::Minutes(10);

std::string Key(std::string_view prefix, std::string_view rest) {
  return absl::StrFormat("%s%s", prefix, rest);
}

// A time that has not come yet is of a clock that was ahead: taken at its word it would keep a
// worker excluded, or a silent one alive, until then.
void BringBack(JobRecord& record, absl::Time now) {
  for (absl::Time* time : {&record.created_at, &record.started_at, &record.heartbeat_at,
                           &record.finished_at, &record.updated_at}) {
    *time = std::min(*time, now);
  }
  for (auto* attempts : {&record.live, &record.lost}) {
    for (Attempt& attempt : *attempts) {
      attempt.started_at = std::min(attempt.started_at, now);
      attempt.heartbeat_at = std::min(attempt.heartbeat_at, now);
    }
  }
  for (Exclusion& exclusion : record.excluded) exclusion.at = std::min(exclusion.at, now);
}

template <typename Io, typename T>
void SpeedFields(Io& io, T& speed) {
  io.Text(speed.worker, 1 << 20);
  io.Number(
      speed.proof_type, [](filecoin::PoStProofType type) { return filecoin::ToNumber(type); },
      [](std::int64_t number) { return static_cast<filecoin::PoStProofType>(number); });
  io.Number(
      speed.per_proof_partition,
      [](absl::Duration time) { return absl::ToInt64Microseconds(time); },
      [](std::int64_t micros) { return absl::Microseconds(micros); });
  io.U64(speed.samples);
}

Bytes EncodeSpeed(const WorkerSpeed& speed) {
  store::FieldWriter out(kSpeedFormat);
  SpeedFields(out, speed);
  return std::move(out).Take();
}

// nullopt: of format 1.  Such a worker is measured anew by its next proof, which takes the row
// over.
absl::StatusOr<std::optional<WorkerSpeed>> DecodeSpeed(const store::Entry& row) {
  DAMOCLES_ASSIGN_OR_RETURN(const std::string_view body,
                            store::OpenRow(kSpeedKind, row.key, row.value));
  store::FieldReader in(kSpeedFormat, AsBytes(body));
  WorkerSpeed speed;
  SpeedFields(in, speed);
  DAMOCLES_RETURN_IF_ERROR(in.Finish());
  if (in.Version() < kSpeedFormat) return std::optional<WorkerSpeed>();
  return std::optional<WorkerSpeed>(std::move(speed));
}

absl::StatusOr<JobRecord> DecodeJob(std::string_view name, const std::optional<store::Entry>& spec,
                                    const std::optional<store::Entry>& record) {
  DAMOCLES_ASSIGN_OR_RETURN(const JobId id, JobId::Parse(name));
  if (!spec) return absl::DataLossError("its spec is missing");
  if (!record) return absl::DataLossError("its record is missing");
  const auto spec_body = store::OpenRow(kSpecKind, spec->key, spec->value);
  const auto record_body = store::OpenRow(kRecordKind, record->key, record->value);
  // A newer half is not set aside with a damaged one.
  if (absl::IsFailedPrecondition(record_body.status())) return record_body.status();
  if (!spec_body.ok()) return spec_body.status();
  if (!record_body.ok()) return record_body.status();
  DAMOCLES_ASSIGN_OR_RETURN(JobSpec decoded, DecodeSpec(AsBytes(*spec_body)));
  return DecodeRecord(id, std::make_shared<const JobSpec>(std::move(decoded)),
                      AsBytes(*record_body));
}

// A row under its key.
void PutRow(store::Batch& batch, const store::RowKind& kind, const std::string& key,
            const Bytes& body) {
  batch.Put(key, store::FrameRow(kind, key, AsText(body)));
}

std::string SpeedKeyText(const WorkerSpeed& speed) {
  return absl::StrFormat("%s%d/%s", kSpeedPrefix, filecoin::ToNumber(speed.proof_type),
                         speed.worker);
}

}  // namespace

absl::Status Queue::Load() {
  DAMOCLES_ASSIGN_OR_RETURN(rows_, store::Rows::Open(store_, "job", kFormat));
  DAMOCLES_ASSIGN_OR_RETURN(const auto last, store_.Get(kLastAttemptKey));
  // A damaged one is none: numbers go on by the time, and above those of the records.
  constexpr std::uint64_t kAttemptMax = std::uint64_t{1} << 62;
  if (last.has_value() &&
      (!absl::SimpleAtoi(*last, &last_attempt_) || last_attempt_ > kAttemptMax)) {
    LogError("job", "last_attempt_damaged",
             {{"row", kLastAttemptKey}, {"now", "attempts are numbered by the time"}});
    last_attempt_ = 0;
  }
  reserved_attempts_ = last_attempt_;
  DAMOCLES_RETURN_IF_ERROR(LoadJobs());
  return LoadSpeeds();
}

absl::Status Queue::LoadJobs() {
  // The rows of a job, either of which may be missing.
  struct JobRows {
    std::optional<store::Entry> spec;
    std::optional<store::Entry> record;
  };
  std::map<std::string, JobRows> rows;
  DAMOCLES_ASSIGN_OR_RETURN(std::vector<store::Entry> specs, store::List(store_, kSpecPrefix));
  for (store::Entry& row : specs) {
    rows[row.key.substr(kSpecPrefix.size())].spec = std::move(row);
  }
  DAMOCLES_ASSIGN_OR_RETURN(std::vector<store::Entry> records, store::List(store_, kRecordPrefix));
  for (store::Entry& row : records) {
    rows[row.key.substr(kRecordPrefix.size())].record = std::move(row);
  }

  store::Batch aside;
  for (const auto& [name, job_rows] : rows) {
    absl::StatusOr<JobRecord> record = DecodeJob(name, job_rows.spec, job_rows.record);
    if (absl::IsFailedPrecondition(record.status())) {
      return Annotate(record.status(), Key("job ", name));
    }
    if (!record.ok()) {
      // Neither is of use without the other.
      const auto set_aside = [&, &id = name](const std::optional<store::Entry>& row,
                                             std::string_view part) {
        if (!row) return;
        rows_->SetAside(aside, *row, absl::StrFormat("%s%s/%s", kDamagedPrefix, id, part),
                        record.status(), "the poster makes the job anew");
      };
      set_aside(job_rows.spec, "spec");
      set_aside(job_rows.record, "record");
      continue;
    }
    BringBack(*record, clock_.Now());
    last_attempt_ = std::max(last_attempt_, record->attempt);
    by_work_[WorkDigest(*record->spec)] = record->id;
    const JobId id = record->id;
    std::vector<std::string> stores = StoresOf(*record->spec);
    jobs_[id] = {.record = *std::move(record), .stores = std::move(stores), .spec_on_disk = true};
  }
  rows_->WriteAside(aside);
  return absl::OkStatus();
}

absl::Status Queue::LoadSpeeds() {
  DAMOCLES_ASSIGN_OR_RETURN(const auto rows, store::List(store_, kSpeedPrefix));
  for (const store::Entry& row : rows) {
    absl::StatusOr<std::optional<WorkerSpeed>> speed = DecodeSpeed(row);
    if (absl::IsFailedPrecondition(speed.status())) return Annotate(speed.status(), row.key);
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

// Numbers never go back, also if the disk is full and the process dies: whoever starts next reads a
// number that is above all of this life, and if it could not be written, begins above them by the
// time that has passed.
std::uint64_t Queue::NextAttempt() {
  if (last_attempt_ >= reserved_attempts_) {
    const std::int64_t by_time = absl::ToUnixMillis(clock_.Now());
    last_attempt_ =
        std::max(last_attempt_, static_cast<std::uint64_t>(std::max<std::int64_t>(0, by_time)));
    const std::uint64_t reserved = last_attempt_ + kAttemptsReserved;
    store::Batch batch;
    batch.Put(kLastAttemptKey, absl::StrFormat("%d", reserved));
    const absl::Status written = rows_->Write(batch);
    if (written.ok()) {
      reserved_attempts_ = reserved;
    } else {
      NoteRefusal(written);
    }
  }
  return ++last_attempt_;
}

void Queue::Save(const JobId& id) {
  unsaved_.insert(id);
  Flush();
}

void Queue::Flush() {
  if (unsaved_.empty() && unsaved_speeds_.empty()) return;
  if (clock_.Now() < write_again_at_) return;
  store::Batch batch;
  for (const JobId& id : unsaved_) {
    const auto job = jobs_.find(id);
    if (job == jobs_.end()) {
      batch.Delete(Key(kSpecPrefix, id.ToString()));
      batch.Delete(Key(kRecordPrefix, id.ToString()));
      continue;
    }
    if (!job->second.spec_on_disk) {
      PutRow(batch, kSpecKind, Key(kSpecPrefix, id.ToString()),
             EncodeSpec(*job->second.record.spec));
    }
    PutRow(batch, kRecordKind, Key(kRecordPrefix, id.ToString()), EncodeRecord(job->second.record));
  }
  for (const SpeedKey& key : unsaved_speeds_) {
    const WorkerSpeed& speed = speeds_.at(key);
    PutRow(batch, kSpeedKind, SpeedKeyText(speed), EncodeSpeed(speed));
  }
  const absl::Status written = rows_->Write(batch);
  if (!written.ok()) return NoteRefusal(written);
  for (const JobId& id : unsaved_) {
    if (const auto job = jobs_.find(id); job != jobs_.end()) job->second.spec_on_disk = true;
  }
  unsaved_.clear();
  unsaved_speeds_.clear();
  if (alarmed_at_ == absl::InfinitePast()) return;
  alarmed_at_ = absl::InfinitePast();
  LogInfo("job", "rows_on_disk_again", {});
}

// The work goes on in memory: a full disk must not cost a window.
void Queue::NoteRefusal(const absl::Status& status) {
  const absl::Time now = clock_.Now();
  write_again_at_ = now + kRewritePause;
  if (now - alarmed_at_ < kAlarmAgain) return;
  alarmed_at_ = now;
  LogError(
      "job", "rows_not_on_disk",
      {{"jobs", unsaved_.size()},
       {"error", status},
       {"now", "goes on from memory and tries again every few seconds"},
       {"do", "free space on the disk of the manager's home; do not restart the manager before"}});
}

}  // namespace damocles::job
