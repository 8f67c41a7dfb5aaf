// SPDX-License-Identifier: Apache-2.0 OR MIT

#pragma once

#include <kj/async.h>
#include <kj/timer.h>

#include <memory>
#include <optional>
#include <set>
#include <stop_token>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"

#include "damocles/async/task.h"
#include "damocles/base/clock.h"
#include "damocles/worker/agent.h"
#include "damocles/worker/result_store.h"
#include "damocles/worker/session.h"

namespace damocles::worker {

// A job that is in work here.
struct Work {
  RunningJob info;
  std::stop_source stop;
};

// One manager, as the agent has it.
struct ManagerLink {
  std::unique_ptr<Manager> manager;
  std::shared_ptr<Session> session;  // null while not connected
  std::vector<std::shared_ptr<Work>> works;
  std::vector<AttemptId> stored;  // results on disk that this manager may not have yet
  bool listed = false;            // `stored` was read from the disk
  bool allocating = false;        // an Allocate call is under way
  absl::Duration reconnect_max;
  std::string last_error;      // so that the log tells news only
  std::set<std::string> told;  // of results that are kept, the same
};

// What came of a job, if not a proof.
struct Finding {
  std::optional<job::FailureKind> failure = {};
  std::string reason = {};
  std::vector<job::SectorFault> faults = {};
};

// Brings to managers what came of their jobs, through whatever session there is by then.  The links
// outlive its tasks.
class Courier {
 public:
  Courier(ResultStore& results, kj::Timer& timer, const Clock& clock)
      : results_(results), timer_(timer), clock_(clock) {}

  // What is on the disk for this manager, from an earlier life say.
  void List(ManagerLink& link);
  // Brings it: once.
  async::Task<void> DeliverStored(ManagerLink& link);
  // A proof goes to the disk, then to the manager; if that is away, the disk keeps it without
  // holding the slot.
  async::Task<void> Hand(ManagerLink& link, std::shared_ptr<Work> work, StoredResult result);
  // Until the manager has heard, or `until`.
  async::Task<void> Report(ManagerLink& link, std::shared_ptr<Work> work, absl::Time until,
                           Finding finding);

 private:
  async::Task<absl::Status> Deliver(ManagerLink& link, StoredResult result);
  kj::Promise<void> Pause();

  ResultStore& results_;
  kj::Timer& timer_;
  const Clock& clock_;
};

}  // namespace damocles::worker
