// SPDX-License-Identifier: Apache-2.0 OR MIT

#pragma once

#include <kj/async.h>
#include <kj/timer.h>

#include <cstddef>
#include <memory>
#include <string>

#include "absl/status/statusor.h"

#include "damocles/async/task.h"

namespace damocles::worker {

// Whose proof is verified next.  A verification takes a processor for a while, and anybody with the
// token of a worker can send what looks like a proof: that must not keep the others waiting.
//
// First what the queue has given out and awaits from that worker; of workers the one whose last
// turn was longest ago, one proof of each at a time.  What was not asked for is welcome, one at a
// time when nobody else waits; from whoever brings several wrong ones, none for a while.
//
// Use from one event loop.  Whoever holds or awaits a turn may outlive the object.
class VerifyTurns {
 public:
  // `together` verifications at a time.
  VerifyTurns(kj::Timer& timer, std::size_t together);

  // The turn lasts as long as it is held.
  using Turn = std::shared_ptr<void>;
  // RESOURCE_EXHAUSTED: deliver it again later.
  async::Task<absl::StatusOr<Turn>> Take(std::string worker, bool expected);
  // What came of it.
  void Note(const std::string& worker, bool expected, bool right);

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace damocles::worker
