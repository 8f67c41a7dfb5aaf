// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/job/queue.h"

#include <algorithm>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "lib/job/queue_stores.h"

#include "damocles/base/log.h"
#include "damocles/base/status.h"

namespace damocles::job {
namespace {

absl::Status NoSuchJob(const JobId& id) {
  return absl::NotFoundError(absl::StrFormat("job %s does not exist", id.ToString()));
}

}  // namespace

absl::StatusOr<std::unique_ptr<Queue>> Queue::Open(store::Store& store, const Clock& clock,
                                                   Policy policy) {
  std::unique_ptr<Queue> queue(new Queue(store, clock, policy));
  DAMOCLES_RETURN_IF_ERROR(queue->Load());
  return queue;
}

absl::StatusOr<Verdict> Queue::Apply(const JobId& id, const Event& event) {
  const auto at = jobs_.find(id);
  if (at == jobs_.end()) return NoSuchJob(id);
  StepResult result = Step(at->second.record, event, clock_.Now(), policy_);
  CheckInvariants("job", id.ToString(), InvariantsOf(result.record),
                  [&] { return absl::StrCat("state ", DescribeState(result.record)); });
  for (const Action& action : result.actions) {
    if (!std::holds_alternative<action::Delete>(action)) continue;
    DAMOCLES_RETURN_IF_ERROR(Forget(id));
    return result.verdict;
  }
  at->second.record = result.record;
  if (result.changed) Save(id);
  // The callbacks may call the queue: from here on `at` may be gone.
  Announce(result.record, result.actions, result.changed);
  return result.verdict;
}

absl::Status Queue::Forget(const JobId& id) {
  const auto at = jobs_.find(id);
  if (at == jobs_.end()) return NoSuchJob(id);
  const std::vector<Attempt> cancelled = at->second.record.live;
  by_work_.erase(WorkDigest(*at->second.record.spec));
  jobs_.erase(at);
  Save(id);
  AnnounceRemoval(id, cancelled);
  return absl::OkStatus();
}

void Queue::Announce(const JobRecord& record, const std::vector<Action>& actions, bool changed) {
  if (changed) on_change_.Tell(record);
  for (const Action& action : actions) {
    if (const auto* cancel = std::get_if<action::Cancel>(&action)) {
      const Attempt attempt{.number = cancel->attempt, .worker = cancel->worker};
      on_cancel_.Tell(record.id, attempt);
    } else if (std::holds_alternative<action::Available>(action)) {
      AnnounceAvailable();
    }
  }
}

void Queue::AnnounceRemoval(const JobId& id, const std::vector<Attempt>& cancelled) {
  for (const Attempt& attempt : cancelled) on_cancel_.Tell(id, attempt);
  on_remove_.Tell(id);
}

void Queue::AnnounceAvailable() {
  on_available_.Tell();
}

// What became possible by the time alone: a spare that is wanted now, a worker that may have a job
// again.
void Queue::AnnounceNews(absl::Time now) {
  std::set<std::pair<std::string, JobId>> possible;
  for (const auto& [name, known] : workers_) {
    if (now - known.seen_at > kWorkerSeenFor) continue;
    if (const Job* job = Choose(known.offer, now)) possible.emplace(name, job->record.id);
  }
  const bool news = !std::ranges::includes(possible_, possible);
  possible_ = std::move(possible);
  if (news) AnnounceAvailable();
}

// Dear: all jobs.
void Queue::CheckIndex() const {
  if (!InvariantsAreStrict()) return;
  CheckInvariants("queue index", "", IndexInvariants(), [&] {
    return absl::StrFormat("%d jobs, %d works", jobs_.size(), by_work_.size());
  });
}

Violations Queue::IndexInvariants() const {
  Violations found;
  found.Require(by_work_.size() == jobs_.size(), "each work has one job");
  std::set<std::uint64_t> numbers;
  for (const auto& [id, job] : jobs_) {
    const auto work = by_work_.find(WorkDigest(*job.record.spec));
    found.Require(work != by_work_.end() && work->second == id, "a job is found by its work");
    found.Require(job.record.id == id, "a job lies under its id");
    found.Require(job.record.attempt <= last_attempt_, "no attempt is above the highest given");
    found.Require(job.spec_on_disk || unsaved_.contains(id),
                  "what is not on the disk will be written");
    for (const Attempt& attempt : job.record.live) {
      found.Require(numbers.insert(attempt.number).second, "an attempt number is given once");
    }
  }
  return found;
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
  by_work_[work] = id;
  jobs_[id] = {.record = record, .stores = StoresOf(spec), .spec_on_disk = false};
  Save(id);
  Announce(record, {action::Available{}}, true);
  return record;
}

absl::StatusOr<JobRecord> Queue::Get(const JobId& id) const {
  const auto at = jobs_.find(id);
  if (at == jobs_.end()) return NoSuchJob(id);
  return at->second.record;
}

absl::Status Queue::SetCloseTime(const JobId& id, absl::Time close_time) {
  return Apply(id, event::CloseTimeChanged{close_time}).status();
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

  const Assignment assignment{.id = job->record.id,
                              .attempt = NextAttempt(),
                              .spec = job->record.spec,
                              .time_left = job->record.close_time - now};
  DAMOCLES_ASSIGN_OR_RETURN(
      const Verdict verdict,
      Apply(assignment.id, event::Allocate{offer.name, assignment.attempt, offer.instance}));
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
  if (const std::optional<WorkerSpeed> speed = Measure(record, attempt, worker);
      speed.has_value()) {
    const SpeedKey key{speed->worker, speed->proof_type};
    speeds_[key] = *speed;
    unsaved_speeds_.insert(key);  // written with the job's row
  }
  return Apply(id, event::Proven{std::string(worker), attempt, std::move(proof)});
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
  Flush();
  CheckIndex();
  AnnounceNews(now);
  return absl::OkStatus();
}

Subscription Queue::OnChange(std::function<void(const JobRecord&)> callback) {
  return on_change_.Add(std::move(callback));
}
Subscription Queue::OnRemove(std::function<void(const JobId&)> callback) {
  return on_remove_.Add(std::move(callback));
}
Subscription Queue::OnAvailable(std::function<void()> callback) {
  return on_available_.Add(std::move(callback));
}
Subscription Queue::OnCancel(std::function<void(const JobId&, const Attempt&)> callback) {
  return on_cancel_.Add(std::move(callback));
}

}  // namespace damocles::job
