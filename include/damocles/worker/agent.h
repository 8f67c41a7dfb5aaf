// SPDX-License-Identifier: Apache-2.0 OR MIT

#pragma once

#include <kj/async.h>
#include <kj/timer.h>

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/time/time.h"

#include "damocles/async/offload.h"
#include "damocles/async/task.h"
#include "damocles/base/clock.h"
#include "damocles/prover/window_prover.h"
#include "damocles/worker/result_store.h"
#include "damocles/worker/session.h"

namespace damocles::worker {

struct AgentOptions {
  Capabilities capabilities;
  // Attached stores: name → folder.
  std::map<std::string, std::string> stores;
  absl::Duration heartbeat_interval = absl::Seconds(3);
  // How long one Allocate call waits at the manager: news of a job come at once, this only bounds
  // how long a lost connection goes unseen.
  absl::Duration allocate_wait = absl::Seconds(20);
  absl::Duration reconnect_min = absl::Milliseconds(500);
  absl::Duration reconnect_max = absl::Seconds(15);
};

// What the agent does right now, for listings and tests.
struct RunningJob {
  std::string manager;
  AttemptId attempt;
  absl::Time started;
};

// Pulls proof jobs from one or several managers, proves them, keeps each proof on disk until its
// manager has it or its deadline is closed.
//
// Use from one event loop.  What is handed in must outlive the agent; the work it has offloaded
// may outlive it and owns what it needs, so the prover is shared.
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
  struct Work;
  struct Link;

  async::Task<void> Serve(Link& link);
  async::Task<void> ServeSession(Link& link);
  async::Task<void> Allocating(Link& link);
  async::Task<void> Beating(Link& link);
  async::Task<void> DeliverStored(Link& link);
  async::Task<void> RunJob(Link& link, job::Assignment assignment);
  async::Task<absl::Status> Deliver(Link& link, const StoredResult& result);
  kj::Promise<void> Sleep(absl::Duration duration);
  std::uint32_t FreeSlots() const;
  void SlotFreed();
  void taskFailed(kj::Exception&& exception) override;

  AgentOptions options_;
  std::shared_ptr<prover::WindowProver> prover_;
  ResultStore& results_;
  async::Executor& executor_;
  kj::Timer& timer_;
  const Clock& clock_;
  std::vector<std::unique_ptr<Link>> links_;
  bool draining_ = false;
  kj::ForkedPromise<void> drain_requested_;
  kj::Own<kj::PromiseFulfiller<void>> drain_fulfiller_;
  kj::ForkedPromise<void> slot_freed_;
  kj::Own<kj::PromiseFulfiller<void>> slot_fulfiller_;
  kj::TaskSet jobs_;
};

}  // namespace damocles::worker
