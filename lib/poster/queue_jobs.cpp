// SPDX-License-Identifier: Apache-2.0 OR MIT

#include <utility>

#include "absl/strings/str_format.h"

#include "damocles/poster/proof_jobs.h"

namespace damocles::poster {
namespace {

constexpr absl::Duration kCloseMoved = absl::Seconds(1);

class QueueJobs final : public ProofJobs {
 public:
  explicit QueueJobs(job::Queue& queue) : queue_(queue) {}

  absl::StatusOr<JobView> Ensure(const job::JobSpec& spec) override {
    DAMOCLES_ASSIGN_OR_RETURN(const job::JobRecord record, queue_.Ensure(spec));
    return ViewOf(record);
  }

  absl::StatusOr<JobView> Get(const std::string& id, absl::Time closes) override {
    DAMOCLES_ASSIGN_OR_RETURN(const job::JobId job, job::JobId::Parse(id));
    DAMOCLES_ASSIGN_OR_RETURN(job::JobRecord record, queue_.Get(job));
    // Blocks show a clock that was set wrong; each correction is a write.
    if (absl::AbsDuration(record.close_time - closes) > kCloseMoved) {
      DAMOCLES_RETURN_IF_ERROR(queue_.SetCloseTime(job, closes));
      DAMOCLES_ASSIGN_OR_RETURN(record, queue_.Get(job));
    }
    return ViewOf(record);
  }

  absl::Status Reset(const std::string& id) override {
    DAMOCLES_ASSIGN_OR_RETURN(const job::JobId job, job::JobId::Parse(id));
    return queue_.Reset(job, /*automatic=*/true).status();
  }

  void Drop(const std::string& id) override {
    const absl::StatusOr<job::JobId> job = job::JobId::Parse(id);
    if (!job.ok()) return;
    if (const absl::Status status = queue_.Remove(*job);
        !status.ok() && !absl::IsNotFound(status)) {
      LogWarning("poster", "job_not_dropped", {{"job", id}, {"error", status}});
    }
  }

  void Listen(std::function<void(const JobView&)> changed,
              std::function<void(const std::string& id)> removed) override {
    changed_ = Subscription();
    removed_ = Subscription();
    if (changed) {
      changed_ = queue_.OnChange([changed = std::move(changed)](const job::JobRecord& record) {
        changed(ViewOf(record));
      });
    }
    if (removed) {
      removed_ = queue_.OnRemove(
          [removed = std::move(removed)](const job::JobId& id) { removed(id.ToString()); });
    }
  }

 private:
  job::Queue& queue_;
  Subscription changed_;
  Subscription removed_;
};

}  // namespace

JobView ViewOf(const job::JobRecord& record) {
  JobView view;
  view.id = record.id.ToString();
  view.error = record.error;
  view.worker = record.worker;
  switch (record.state) {
    case job::JobState::kReadyToRun:
    case job::JobState::kRunning:
      view.outcome = JobOutcome::kWorking;
      view.waits = record.state == job::JobState::kReadyToRun;
      break;
    case job::JobState::kSucceeded:
      view.outcome = JobOutcome::kSucceeded;
      view.proof = record.proof;
      break;
    case job::JobState::kFaults:
      view.outcome = JobOutcome::kFaults;
      for (const job::SectorFault& fault : record.faults) {
        view.faults.emplace_back(fault.number, fault.reason);
      }
      break;
    case job::JobState::kFailed:
      view.outcome = JobOutcome::kExhausted;
      break;
  }
  return view;
}

std::unique_ptr<ProofJobs> MakeQueueJobs(job::Queue& queue) {
  return std::make_unique<QueueJobs>(queue);
}

}  // namespace damocles::poster
