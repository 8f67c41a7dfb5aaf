// SPDX-License-Identifier: Apache-2.0 OR MIT

#pragma once

#include <kj/async-io.h>
#include <kj/timer.h>

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

#include "damocles/async/offload.h"
#include "damocles/async/task.h"
#include "damocles/base/random.h"
#include "damocles/chain/api.h"
#include "damocles/chain/endpoint.h"

namespace damocles::chain {

struct LotusOptions {
  // Off: HTTP only; the head is then polled.
  bool use_websocket = true;
  absl::Duration connect_timeout = absl::Seconds(10);
  // Of every call but those below, over all nodes that are tried for it.
  absl::Duration call_timeout = absl::Seconds(30);
  // Calls that wait by their nature: StateGetBeaconEntry.
  absl::Duration wait_timeout = absl::Hours(2);
  // Pause before a connection is tried again: grows by half from the least to the greatest.
  absl::Duration reconnect_min = absl::Milliseconds(100);
  absl::Duration reconnect_max = absl::Seconds(5);
  // Largest answer of any method; most have a smaller limit of their own (1 MiB unless it is a
  // list), see chain/methods.h.
  std::size_t answer_bytes_max = std::size_t{64} << 20;
  // A subscription that says nothing for this long is given up.  Zero: three epochs and a little,
  // by the epoch length that the node states.
  absl::Duration silence = absl::ZeroDuration();
  // How often ChainHead is asked while the subscription is quiet.  Zero: by the epoch length.
  absl::Duration poll_interval = absl::ZeroDuration();
  // With several nodes: how long the head of another one must have been the heavier at every look
  // (one each poll_interval) before that one is used.  Zero: three epochs.
  absl::Duration lag_patience = absl::ZeroDuration();
  // A head that does not move for this long is said to stand still.  Zero: five epochs.
  absl::Duration head_still = absl::ZeroDuration();
};

// What the client needs of the event loop.  All must outlive the client.
struct LotusIo {
  kj::Timer& timer;
  kj::Network& network;
  kj::Network* tls_network = nullptr;  // for https and wss endpoints
  Random& random;                      // masks of WebSocket frames: SystemRandom() in earnest
  // Where large answers are read, so that the loop goes on meanwhile.  Null: on the loop.
  async::Executor* executor = nullptr;
};

// A client of Lotus-compatible nodes.  Calls go over one WebSocket to the node in use,
// over HTTP while that cannot be had.  When that node cannot be reached the next one is used;
// calls that only read are repeated there at once, pushes are not
// (see kDeadlineExceeded and kUnavailable in chain/api.h).  Subscriptions come back by themselves.
//
// From the first ChainNotify on the heads of all nodes are looked at.  One that stands still, is
// behind or follows a lighter branch for `lag_patience` while another is ahead is left for that
// one, and is not asked while another answers; subscriptions go on at the other with its head as
// `current`.  What was pushed to the one that was left may be unknown to the other: as with every
// message that is not seen again, its sender pushes the same bytes there.  An earlier node of the
// list is used again when it has answered and kept up for twice that time, for longer each time
// that it fails soon after.  What needs a key of the wallet, or more than the right to read, a node
// that lags is asked for too where those in front refuse it or have no such key.  Nodes of another
// network (name, first block) than that of the first in the list that answers are not asked.
//
// Answers are judged by ReadAnswer (chain/answer.h): for one that is refused the next node is
// asked, and if none gives a better one the call fails with kDataLoss.
//
// INVALID_ARGUMENT without endpoints, or for a TLS endpoint without `tls_network`.
absl::StatusOr<std::unique_ptr<FullNode>> MakeLotusClient(std::vector<Endpoint> endpoints,
                                                          LotusIo io,
                                                          const LotusOptions& options = {});

// One call without parameters of a method that is in no role (a devnet's own), over HTTP: the raw
// JSON of the result.  Errors as in chain/api.h, and those of MakeLotusClient.
async::Task<absl::StatusOr<std::string>> CallNode(Endpoint endpoint, LotusIo io, std::string method,
                                                  LotusOptions options = {});

}  // namespace damocles::chain
