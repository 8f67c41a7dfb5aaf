// SPDX-License-Identifier: Apache-2.0 OR MIT

#pragma once

#include <kj/async-io.h>
#include <kj/timer.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

#include "damocles/async/task.h"
#include "damocles/base/clock.h"
#include "damocles/base/limits.h"
#include "damocles/job/queue.h"
#include "damocles/rpc/types.h"
#include "damocles/worker/hub.h"

namespace damocles::rpc {

// What the manager offers to those who may look and to admins.  Called on the event loop; the
// blocking parts go elsewhere by themselves.
class Backend {
 public:
  virtual ~Backend() = default;
  virtual async::Task<absl::StatusOr<std::vector<StoreInfo>>> Stores() = 0;
  virtual async::Task<absl::StatusOr<FoundSector>> FindSector(filecoin::SectorId sector) = 0;
  // `query.limit` is at least 1.
  virtual async::Task<absl::StatusOr<std::vector<DeadlineSummary>>> Deadlines(
      DeadlineQuery query) = 0;
  virtual async::Task<absl::StatusOr<std::vector<RecoverySummary>>> Recoveries(
      std::optional<filecoin::ActorId> miner) = 0;
  // `replace`: also what the index has in another store that still holds it.  `progress` may be
  // called on the event loop until the task ends.
  virtual async::Task<absl::StatusOr<AttachSummary>> Attach(
      std::string path, bool replace,
      std::function<void(std::uint64_t done, std::uint64_t total)> progress) = 0;
  // A look at everything that a window will need, made now.
  virtual async::Task<absl::StatusOr<CheckReport>> Check() = 0;
};

// Which role a connection gets.  PERMISSION_DENIED for a token that nobody gave out.
using Authorize = std::function<absl::StatusOr<Role>(std::string_view token, bool loopback)>;

struct ServerLimits {
  // Connections with an open gate.  Half of the descriptors of this process at most: the rest is
  // for the database, the chain and the sectors.
  std::size_t connections_max = ConnectionsFor(DescriptorLimit());
  // Connections without.  They are no part of the others: when there is one too many, the oldest of
  // the host that has most of them is closed.
  std::size_t strangers_max = StrangersFor(DescriptorLimit());
  // A connection that has not opened the gate by then is closed.
  absl::Duration open_within = absl::Seconds(10);
  // Whether workers may register from outside; not in local mode, where the hub has its own.
  bool takes_workers = true;
  // The wall clock that workers compare theirs with.
  const Clock* wall = &SystemClock();

  static std::size_t ConnectionsFor(std::uint64_t descriptors);
  static std::size_t StrangersFor(std::uint64_t descriptors);
};

// Serves the Gate of capnp/manager.capnp.  One event loop; everything handed in outlives it.
//
// Whoever has not shown a token yet can send one small message after the other, eight in all, ask
// once, and is gone after `open_within`; what such peers do is told in the log a few times a
// minute.  Behind the gate a message may have 64 MiB, and a peer that sends much or reads little is
// not read for a while (lib/rpc/guarded_stream.h).
class Server {
 public:
  // `worker_hub` may be null: then no worker may register and none is listed.
  Server(job::Queue& queue, worker::Hub* worker_hub, Backend& backend, Authorize authorize,
         kj::Timer& timer, ServerLimits limits = {});
  ~Server() noexcept;

  // Accepts until the promise is dropped, whatever fails.
  kj::Promise<void> Serve(kj::Own<kj::ConnectionReceiver> receiver);

  std::size_t Connections() const;

 private:
  struct Connection;
  struct State;
  class Gate;
  void Take(kj::Own<kj::AsyncIoStream> stream);
  async::Task<void> ServeOn(kj::Own<kj::ConnectionReceiver> receiver);
  kj::Own<State> state_;
};

// Whether the other end of the stream is on this machine's loopback interface.
bool IsLoopback(kj::AsyncIoStream& stream);
// Whether only this machine can reach the receiver: what its address was resolved to.
bool IsLoopback(kj::ConnectionReceiver& receiver);

}  // namespace damocles::rpc
