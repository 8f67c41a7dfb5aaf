// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// Where the poster has its proofs made.

#pragma once

#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "damocles/job/queue.h"
#include "damocles/job/spec.h"
#include "damocles/poster/events.h"

namespace damocles::poster {

// Event-loop thread only.  Durable: what Ensure returned survives a kill.
class ProofJobs {
 public:
  virtual ~ProofJobs() = default;

  // The job for this work: the one there is, or a new one.
  virtual absl::StatusOr<JobView> Ensure(const job::JobSpec& spec) = 0;
  // `closes`: when the window closes, as expected now.  NOT_FOUND: removed.
  virtual absl::StatusOr<JobView> Get(const std::string& id, absl::Time closes) = 0;
  // Starts it anew; a result it had is dropped.
  virtual absl::Status Reset(const std::string& id) = 0;

  // Nobody needs it any more; not an error if it is gone already.
  virtual void Drop(const std::string& id) = 0;

  // `changed` is called on the loop for every change of any job, `removed` when one is deleted; at
  // most one listener, an empty function takes it away.
  virtual void Listen(std::function<void(const JobView&)> changed,
                      std::function<void(const std::string& id)> removed) = 0;
};

// Over the manager's own queue, which must outlive the result.
std::unique_ptr<ProofJobs> MakeQueueJobs(job::Queue& queue);

// The poster's view of a job.
JobView ViewOf(const job::JobRecord& record);

}  // namespace damocles::poster
