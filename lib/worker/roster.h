// SPDX-License-Identifier: Apache-2.0 OR MIT

#pragma once

#include <kj/async.h>

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"

#include "damocles/base/clock_skew.h"
#include "damocles/base/invariant.h"
#include "damocles/job/queue.h"
#include "damocles/worker/hub.h"
#include "damocles/worker/session.h"

namespace damocles::worker {

class HubSession;

// Of one worker: old connections may be dying, and nobody sees it of one that is half open.
inline constexpr std::size_t kSessionsOfOneMax = 8;
// Of one worker, that were ended here and that a connection still holds.  Each is an empty shell.
inline constexpr std::size_t kShellsOfOneMax = 64;
// Names of workers that are remembered.
inline constexpr std::size_t kWorkersMax = 4096;
// What all workers and sessions say of themselves, together: the token of one worker must not be
// enough to use up the manager's memory.
inline constexpr std::size_t kOffersBytesMax = std::size_t{64} << 20;

// Everybody who has registered since the start, what each was given, and who waits for work.
class Roster {
 public:
  // Given out, and not confirmed yet by a heartbeat or a report.
  struct Pending {
    job::JobId job;
    int misses = 0;
  };
  struct Worker {
    Hub::WorkerInfo info;
    std::vector<HubSession*> open = {};        // its sessions, the oldest first
    std::size_t shells = 0;                    // sessions that were ended here
    std::size_t bytes = 0;                     // of what it says of itself
    std::map<std::uint64_t, Pending> pending;  // by attempt number; of the present process
    bool leaving = false;
    std::uint64_t given = 0;  // number of its latest assignment, counted over all workers
    SkewWatch clock = {};
  };

  const std::map<std::string, Worker>& All() const { return workers_; }
  Worker* Find(const std::string& name);
  // It has registered.
  Worker& At(const std::string& name);
  // The entry of `capabilities`, a new one where there is none.
  Worker& Enter(const Capabilities& capabilities);
  // Makes room for another session of that worker, which may be new: of the others that are gone
  // those that were not heard for longest are forgotten.  RESOURCE_EXHAUSTED: all are there.
  absl::Status MakeRoomFor(const Capabilities& capabilities);

  void NoteGiven(Worker& worker, const job::Assignment& assignment);
  // Gives back what `worker` never got: `listed` is what it says that it has.
  static absl::Status GiveBackLost(job::Queue& queue, Worker& worker,
                                   const std::vector<AttemptId>& listed);

  // Comes when there may be work.
  kj::Promise<void> News(const std::string& worker);
  // Wakes every session that waits for work; who comes late finds nothing and waits on.  First who
  // got none for the longest time: one worker must not do all the work because it asks first, or
  // nobody knows whether the others can.
  void WakeAll();

  void Check() const;

 private:
  struct Waiter {
    std::string worker;
    kj::Own<kj::PromiseFulfiller<void>> news;
  };

  std::size_t OffersBytes() const;
  Violations Invariants() const;

  std::map<std::string, Worker> workers_;
  std::vector<Waiter> waiters_;
  std::uint64_t given_ = 0;  // assignments so far
};

}  // namespace damocles::worker
