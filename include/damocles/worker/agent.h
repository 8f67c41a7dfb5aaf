// SPDX-License-Identifier: Apache-2.0 OR MIT

#pragma once

#include <kj/async.h>
#include <kj/timer.h>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <stop_token>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

#include "damocles/async/event.h"
#include "damocles/async/offload.h"
#include "damocles/async/task.h"
#include "damocles/base/clock.h"
#include "damocles/prover/window_prover.h"
#include "damocles/worker/result_store.h"
#include "damocles/worker/session.h"

namespace damocles::worker {

class Courier;
struct Finding;
struct ManagerLink;

struct AgentOptions {
  Capabilities capabilities;
  // Attached stores: name → folder.
  std::map<std::string, std::string> stores;
  // How long one Allocate call waits at the manager, and so how often an idle worker asks anew:
  // news of a job come at once, this is for when they get lost.
  absl::Duration allocate_wait = absl::Seconds(20);
  // Least time between two starts.
  absl::Duration staggered = absl::ZeroDuration();
  // Longer pauses would cost a lease while a manager is restarted.
  absl::Duration reconnect_min = absl::Milliseconds(500);
  absl::Duration reconnect_max = absl::Seconds(5);
  // What the worker can do by now, on a thread of the executor, every `refresh_interval`; managers
  // hear of a change.  Empty: it stays as it is.
  std::function<Capabilities()> refresh = {};
  absl::Duration refresh_interval = absl::Minutes(1);
};

// What the agent does right now, for listings and tests.
struct RunningJob {
  std::string manager;
  AttemptId attempt;
  absl::Time started;
};

// Pulls proof jobs from one or several managers, proves them, keeps each proof on disk until its
// manager has answered.
//
// Use from one event loop.  `clock` must not jump (SteadyClock).  What is handed in must outlive
// the agent; the work it has offloaded may outlive it and owns what it needs, so the prover is
// shared.
class Agent final : private kj::TaskSet::ErrorHandler {
 public:
  Agent(AgentOptions options, std::shared_ptr<prover::WindowProver> prover, ResultStore& results,
        async::Executor& executor, kj::Timer& timer, const Clock& clock,
        std::vector<std::unique_ptr<Manager>> managers);
  ~Agent() noexcept;

  // Serves all managers until Drain; cancelled when the promise is dropped.
  kj::Promise<void> Run();

  // Takes no new job; Run ends when the running ones are proven and delivered (or kept on disk
  // because their manager is away).
  void Drain();

  std::vector<RunningJob> Running() const;

 private:
  struct ProofOutcome {
    absl::StatusOr<prover::WindowPostOutcome> proof;
    std::string unseen_store;  // why it says nothing about the sectors; empty: it does
  };

  async::Task<void> Serve(ManagerLink& link);
  async::Task<void> ServeSession(ManagerLink& link);
  async::Task<void> Allocating(ManagerLink& link);
  async::Task<void> Beating(ManagerLink& link);
  async::Task<bool> Beat(ManagerLink& link);
  async::Task<void> Delivering(ManagerLink& link);
  async::Task<void> Refreshing();
  async::Task<void> RunJob(ManagerLink& link, job::Assignment assignment);
  kj::Promise<ProofOutcome> Prove(prover::WindowPostTask task,
                                  std::shared_ptr<const job::JobSpec> spec, std::stop_token stop);
  Finding FindingOf(const job::JobId& job, ProofOutcome made);
  kj::Promise<void> Sleep(absl::Duration duration);
  // Or until a drain begins.
  kj::Promise<void> SleepUnlessDrained(absl::Duration duration);
  std::uint32_t FreeSlots() const;
  void EndAsking(ManagerLink& link);
  void taskFailed(kj::Exception&& exception) override;

  AgentOptions options_;
  std::shared_ptr<prover::WindowProver> prover_;
  std::unique_ptr<Courier> courier_;
  async::Executor& executor_;
  kj::Timer& timer_;
  const Clock& clock_;
  std::vector<std::unique_ptr<ManagerLink>> links_;
  async::Latch draining_;
  async::Event slot_freed_;
  async::Event asked_;                 // a manager for work, to the end
  async::Event capabilities_changed_;  // ends every session: the next one tells the manager
  absl::Time last_start_ = absl::InfinitePast();
  // A store of theirs was not seen here, and the manager told so.
  std::set<job::JobId> unseen_jobs_;
  kj::TaskSet jobs_;
};

}  // namespace damocles::worker
