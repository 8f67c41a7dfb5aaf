// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// What a worker and a manager say to each other, whatever lies between them: a call in the same
// process (worker/hub.h) or Cap'n Proto (rpc/).

#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

#include "damocles/async/task.h"
#include "damocles/base/bytes.h"
#include "damocles/filecoin/proof_type.h"
#include "damocles/filecoin/sector.h"
#include "damocles/job/queue.h"

namespace damocles::worker {

// What a worker can do.
struct Capabilities {
  std::string name;
  std::vector<job::JobFilter> threads;  // a job must pass one of them; none: every job
  std::vector<std::string> stores;      // names of the attached stores
  std::uint32_t slots = 1;              // proofs at one time
  // SHA-256 of each .vk, hex, of the types that it has parameters for: of others it gets no job.
  std::map<filecoin::PoStProofType, std::string> verifying_keys;
  // Of those keys, the ones fit for a devnet only: not the published ones, or of known secrets.
  std::vector<filecoin::PoStProofType> practice_types;
  std::string software;
  std::string instance;  // one process of the worker: random, new at every start
  friend bool operator==(const Capabilities&, const Capabilities&) = default;
};

// One attempt at one job, as heartbeats and results name it.
struct AttemptId {
  job::JobId job;
  std::uint64_t attempt = 0;
  friend bool operator==(const AttemptId&, const AttemptId&) = default;
};

// Whether a status of a report means that it can never be taken, so that it is not to be repeated:
// INVALID_ARGUMENT, NOT_FOUND, OUT_OF_RANGE, UNIMPLEMENTED.
bool IsRefusal(const absl::Status& status);

// What a manager says of a proof.
struct Receipt {
  bool accepted = false;     // if not, forget the proof:
  std::string refusal = {};  // why it is wrong; empty: it is only that nobody needs it any more
};

// A worker's registration at one manager.  Dropping it is no failure of its jobs: their leases
// decide.  Use from one event loop.
class Session {
 public:
  virtual ~Session() = default;

  // The most urgent job that this worker can do; waits up to `wait` for one.
  virtual async::Task<absl::StatusOr<std::optional<job::Assignment>>> Allocate(
      absl::Duration wait) = 0;

  // `attempts`: everything that was received here and is not done with, waiting results included;
  // what was given out and stays unnamed goes to somebody else.  One verdict each, in order: true
  // is "go on", false is "stop, nobody needs it".  `leaving`: the worker takes no more work, and
  // whatever answer to Allocate is still on its way will not be read.
  virtual async::Task<absl::StatusOr<std::vector<bool>>> Heartbeat(std::vector<AttemptId> attempts,
                                                                   bool leaving) = 0;
  // The worker's wall clock was measured to be so far ahead of the manager's.
  virtual void NoteClock(absl::Duration ahead) = 0;
  // How often the manager wants to hear; may change.
  virtual absl::Duration HeartbeatInterval() const = 0;

  // Hands a proof over; the manager verifies it first.  An error: deliver it again later, unless it
  // is a refusal (IsRefusal), as with the two below.
  virtual async::Task<absl::StatusOr<Receipt>> Finish(AttemptId attempt, Bytes proof) = 0;

  virtual async::Task<absl::Status> ReportFaults(AttemptId attempt,
                                                 std::vector<job::SectorFault> faults) = 0;
  // kAttempt: an error of the work itself.  kMapping: a store of the job is not attached here.
  virtual async::Task<absl::Status> Fail(AttemptId attempt, job::FailureKind kind,
                                         std::string reason) = 0;
};

// A manager that a worker may register at.
class Manager {
 public:
  virtual ~Manager() = default;
  // As the configuration names it; part of the stored results' keys.
  virtual const std::string& Name() const = 0;
  // FAILED_PRECONDITION if the two do not fit together (parameters, versions, a name that another
  // worker has): trying again helps only after somebody has mended it.  PERMISSION_DENIED: the
  // token.  UNAVAILABLE: try again.
  virtual async::Task<absl::StatusOr<std::shared_ptr<Session>>> Connect(
      Capabilities capabilities) = 0;
};

}  // namespace damocles::worker
