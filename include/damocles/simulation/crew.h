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

#include "damocles/base/clock.h"
#include "damocles/job/queue.h"
#include "damocles/simulation/model_prover.h"

namespace damocles::simulation {

// Another clock, set wrong.
class SkewedClock final : public Clock {
 public:
  explicit SkewedClock(const Clock& right) : right_(right) {}
  absl::Time Now() const override { return right_.Now() + ahead; }
  absl::Duration ahead;

 private:
  const Clock& right_;
};

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
       const Clock& manager_clock, std::function<bool()> alive);
  ~Crew() noexcept;

  // `queue` lives until ManagerDies.
  void ManagerStarted(job::Queue& queue);
  void ManagerDies();

  void KillWorker(std::size_t worker);
  void StartWorker(std::size_t worker);
  void Drain(std::size_t worker);
  // Not killed, and not at its end after Drain.
  bool Runs(std::size_t worker) const;
  // Its connections break with all calls under way; new ones can be made at once, unless it is
  // down.
  void Cut(std::size_t worker);
  void SetWire(std::size_t worker, bool up);
  void SetSkew(std::size_t worker, absl::Duration ahead);
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
  const Clock& manager_clock_;
  const std::function<bool()> alive_;
  std::vector<std::unique_ptr<Member>> members_;
  std::unique_ptr<Manager> manager_;
  std::uint64_t instances_ = 0;
};

}  // namespace damocles::simulation
