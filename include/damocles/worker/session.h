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
  std::vector<filecoin::ActorId> miners;                          // empty: all
  std::vector<filecoin::PoStProofType> proof_types;               // empty: all
  std::vector<std::string> stores;                                // names of the attached stores
  std::uint32_t slots = 1;                                        // proofs at one time
  std::map<filecoin::PoStProofType, std::string> verifying_keys;  // SHA-256 of each .vk, hex
  // Of those keys, the ones fit for a devnet only: not the published ones, or of known secrets.
  std::vector<filecoin::PoStProofType> practice_types;
  std::string software;
  std::string instance;  // one process of the worker: random, new at every start
};

// One attempt at one job, as heartbeats and results name it.
struct AttemptId {
  job::JobId job;
  std::uint64_t attempt = 0;
  friend bool operator==(const AttemptId&, const AttemptId&) = default;
};

// A worker's registration at one manager.  Dropping it is no failure of its jobs: their leases
// decide.  Use from one event loop.
class Session {
 public:
  virtual ~Session() = default;

  // The most urgent job that this worker can do; waits up to `wait` for one.
  virtual async::Task<absl::StatusOr<std::optional<job::Assignment>>> Allocate(
      absl::Duration wait) = 0;

  // One verdict an attempt, in order: true is "go on", false is "stop, nobody needs it".
  virtual async::Task<absl::StatusOr<std::vector<bool>>> Heartbeat(
      std::vector<AttemptId> attempts) = 0;

  // Hands a proof over; the manager verifies it first.  False: it is wrong or nobody needs it any
  // more, forget it.  An error: deliver it again later.
  virtual async::Task<absl::StatusOr<bool>> Finish(AttemptId attempt, Bytes proof) = 0;

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
  // FAILED_PRECONDITION if the two do not fit together (parameters, versions): trying again helps
  // only after somebody has mended it.  PERMISSION_DENIED: the token.  UNAVAILABLE: try again.
  virtual async::Task<absl::StatusOr<std::shared_ptr<Session>>> Connect(
      Capabilities capabilities) = 0;
};

}  // namespace damocles::worker
