// SPDX-License-Identifier: Apache-2.0 OR MIT

#pragma once

#include <kj/timer.h>

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "lib/worker/roster.h"
#include "lib/worker/verify_turns.h"

#include "damocles/async/offload.h"
#include "damocles/async/task.h"
#include "damocles/base/clock.h"
#include "damocles/base/observers.h"
#include "damocles/job/queue.h"
#include "damocles/prover/window_prover.h"
#include "damocles/worker/session.h"

namespace damocles::worker {

// What a hub and its sessions share.
struct HubState {
  HubState(job::Queue& its_queue, std::shared_ptr<prover::WindowVerifier> its_verifier,
           async::Executor& its_executor, kj::Timer& its_timer, const Clock& its_clock,
           std::map<filecoin::PoStProofType, std::string> its_keys);
  HubState(const HubState&) = delete;
  HubState& operator=(const HubState&) = delete;

  // The job, if a proof of it is still wanted; nothing: the worker may forget its proof.
  absl::StatusOr<std::optional<job::JobRecord>> WantsProof(const job::JobId& id) const;
  // The worker may forget the proof when a restart would find it.
  absl::Status OnDisk(const job::JobId& id) const;

  job::Queue& queue;
  const std::shared_ptr<prover::WindowVerifier> verifier;
  async::Executor& executor;
  kj::Timer& timer;
  const Clock& clock;
  const std::map<filecoin::PoStProofType, std::string> own_keys;
  bool practice_allowed = false;
  Roster roster;
  VerifyTurns turns;

 private:
  const absl::Time started_;
  std::set<job::JobId> removed_;  // since then
  const Subscription available_;
  const Subscription gone_;
};

// What one connection of a worker may do.
class HubSession final : public Session {
 public:
  // Its worker is in the roster.  `local`: see Hub::Register.
  HubSession(std::shared_ptr<HubState> state, const Capabilities& capabilities, bool local);
  ~HubSession() override;

  // It takes no more work.  Its connection may hold it for as long as it likes.
  void End();

  async::Task<absl::StatusOr<std::optional<job::Assignment>>> Allocate(
      absl::Duration wait) override;
  async::Task<absl::StatusOr<std::vector<bool>>> Heartbeat(std::vector<AttemptId> attempts,
                                                           bool leaving) override;
  void NoteClock(absl::Duration ahead) override;
  absl::Duration HeartbeatInterval() const override;
  // A proof is welcome from whoever brings it, also from a process that was replaced.
  async::Task<absl::StatusOr<Receipt>> Finish(AttemptId attempt, Bytes proof) override;
  async::Task<absl::Status> ReportFaults(AttemptId attempt,
                                         std::vector<job::SectorFault> faults) override;
  async::Task<absl::Status> Fail(AttemptId attempt, job::FailureKind kind,
                                 std::string reason) override;

 private:
  Roster::Worker& Self() { return state_->roster.At(name_); }
  // Whether the worker's name still belongs to the process behind this session.
  absl::Status CheckPresent();
  absl::Status Seen();
  void Reported(const AttemptId& attempt);

  const std::shared_ptr<HubState> state_;
  const std::string name_;
  job::WorkerOffer offer_;
  bool ended_ = false;
};

}  // namespace damocles::worker
