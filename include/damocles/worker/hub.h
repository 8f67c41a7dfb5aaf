// SPDX-License-Identifier: Apache-2.0 OR MIT

#pragma once

#include <kj/async.h>
#include <kj/timer.h>

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

#include "damocles/async/offload.h"
#include "damocles/base/clock.h"
#include "damocles/job/queue.h"
#include "damocles/prover/window_prover.h"
#include "damocles/worker/session.h"

namespace damocles::worker {

struct HubState;

// The manager's side: who is registered, and what each may take from the queue.  A proof is
// verified here before the queue hears of it.
//
// Use from the queue's event loop.  What is handed in must outlive the hub and all its sessions.
class Hub {
 public:
  struct WorkerInfo {
    Capabilities capabilities;
    std::string address;
    bool connected = false;  // and was heard within HeartbeatTimeout
    absl::Time last_seen;
    // How far its wall clock is ahead of ours, as last measured.
    std::optional<absl::Duration> clock_ahead;
    std::vector<AttemptId> running;  // as its last heartbeat said
  };

  // `own_keys`: the verifying keys this manager verifies with, by proof type.
  Hub(job::Queue& queue, std::shared_ptr<prover::WindowVerifier> verifier,
      async::Executor& executor, kj::Timer& timer, const Clock& clock,
      std::map<filecoin::PoStProofType, std::string> own_keys);
  ~Hub() noexcept;

  // Whether workers with keys made from known secrets may register: true on a devnet only.  False
  // until said otherwise.
  void AllowPracticeKeys(bool allowed);

  // FAILED_PRECONDITION if a verifying key differs, or if another process has the name and was
  // heard within HeartbeatTimeout; the message names both.  `local`: the worker of local mode,
  // which reaches and can prove whatever the manager can.  Several sessions of one process may be
  // open at a time while an old connection is dying: of more than a few the oldest ends.  Those of
  // a process that was replaced end.
  absl::StatusOr<std::shared_ptr<Session>> Register(Capabilities capabilities, std::string address,
                                                    bool local = false);

  // Everybody who has registered since the start, by name.
  std::vector<WorkerInfo> Workers() const;

 private:
  std::shared_ptr<HubState> state_;
};

// In the same process: the manager of local mode's worker.
class LocalManager final : public Manager {
 public:
  // The hub must outlive it.
  explicit LocalManager(Hub& hub) : hub_(hub) {}
  const std::string& Name() const override { return name_; }
  async::Task<absl::StatusOr<std::shared_ptr<Session>>> Connect(Capabilities capabilities) override;

 private:
  Hub& hub_;
  std::string name_ = "local";
};

}  // namespace damocles::worker
