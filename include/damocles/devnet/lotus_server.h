// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// The simulated chain behind the JSON-RPC of a node: /rpc/v0 and /rpc/v1, HTTP and
// WebSocket, subscriptions, permissions, errors in the node's words.  Beyond the node's methods:
//
//   Damocles.DevnetAdvance(n)      n epochs more; the new height
//   Damocles.DevnetInject(fault)   see docs/devnet.md for the members of a fault
//   Damocles.DevnetReport()        devnet/report.h
//
// Proofs are verified while a block or a dry run is executed, on the loop's thread: milliseconds.

#pragma once

#include <kj/async-io.h>
#include <kj/timer.h>

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

#include "damocles/base/clock.h"
#include "damocles/chain/method.h"
#include "damocles/devnet/chain.h"

namespace damocles::devnet {

// Permissions as a node has them.
inline constexpr unsigned kReadPermission = static_cast<unsigned>(chain::Permission::kRead);
inline constexpr unsigned kWritePermission = static_cast<unsigned>(chain::Permission::kWrite);
inline constexpr unsigned kSignPermission = static_cast<unsigned>(chain::Permission::kSign);
inline constexpr unsigned kAdminPermission = static_cast<unsigned>(chain::Permission::kAdmin);

struct LotusServerOptions {
  // Empty: whoever connects may do everything.  Else: with it everything, without it only reading,
  // with another one nothing (HTTP status 401).
  std::string token;
  // Further tokens, if there is a `token`: what each allows, kReadPermission and so on added up.
  std::map<std::string, unsigned> scoped_tokens;
  // What proofs are verified with: registered proof number, SHA-256 of the .vk file.  Told by
  // Damocles.DevnetParameters, so that a manager notices other parameters when it connects.
  std::map<std::int64_t, std::string> verifying_keys;
  std::size_t request_bytes_max = std::size_t{16} << 20;
  // Of a request's head and body; an answer may take its time.
  absl::Duration request_timeout = absl::Seconds(30);
  std::size_t connections_max = 512;
  // How often a connection whose call is under way is looked at: has the client left?
  absl::Duration left_interval = absl::Seconds(1);
  // Calls of one WebSocket that are under way.
  std::size_t calls_max = 1024;
  // Values of a subscription that are not yet sent, as in the node; one more ends it.
  std::size_t channel_values_max = 16;
  // Bytes waiting for a slow WebSocket; more ends the connection.
  std::size_t unsent_bytes_max = std::size_t{64} << 20;
};

class LotusServer {
 public:
  // `chain`, `timer` and `clock` must outlive the server; all on one event-loop thread.
  LotusServer(Chain& chain, kj::Timer& timer, const Clock& clock,
              const LotusServerOptions& options);
  LotusServer(const LotusServer&) = delete;
  LotusServer& operator=(const LotusServer&) = delete;
  ~LotusServer() noexcept;

  // Serves until the promise is dropped; fails only if the port does.
  kj::Promise<void> Listen(kj::Own<kj::ConnectionReceiver> port);

  // Makes a block at every epoch's length of real time, until dropped.  Time that passed while the
  // process was not running, or while a block took longer, is not made up for.  Fails when the
  // chain cannot be written.
  kj::Promise<absl::Status> RunClock();

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace damocles::devnet
