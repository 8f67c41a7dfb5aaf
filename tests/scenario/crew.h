// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// The hub of a manager and the agents of its workers, as the programs have them, over wires in one
// process and in virtual time.

#pragma once

#include <kj/async.h>
#include <kj/timer.h>

#include <cstddef>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "tests/scenario/model_prover.h"

#include "damocles/base/clock.h"
#include "damocles/job/queue.h"

namespace damocles::scenario {

struct CrewOptions {
  std::size_t workers = 2;
  // The manager proves itself (local mode): its one agent lives and dies with it.
  bool local = false;
  absl::Duration proof_takes = absl::Seconds(30);
};

class Crew {
 public:
  // `alive`: whether the manager still is; what it answers after its death does not arrive.
  Crew(CrewOptions options, Prover& prover, kj::Timer& timer, const Clock& clock,
       std::function<bool()> alive);
  ~Crew() noexcept;

  // `queue` lives until ManagerDies.
  void ManagerStarted(job::Queue& queue);
  void ManagerDies();

  void KillWorker(std::size_t worker);
  void StartWorker(std::size_t worker);
  // Its mounts are empty: it finds nothing.
  void SetBlind(const std::set<std::size_t>& workers);

 private:
  class CrewProver;
  class CrewVerifier;
  class Door;
  struct Member;
  struct Manager;

  const CrewOptions options_;
  Prover& prover_;
  kj::Timer& timer_;
  const Clock& clock_;
  const std::function<bool()> alive_;
  std::vector<std::unique_ptr<Member>> members_;
  std::unique_ptr<Manager> manager_;
  std::uint64_t instances_ = 0;
};

}  // namespace damocles::scenario
