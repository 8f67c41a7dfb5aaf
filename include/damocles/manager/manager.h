// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// The manager put together: index, jobs, poster, workers, self check and port of one home. Programs
// add flags, signals and exit codes; tests and other programs may run several in one process.

#pragma once

#include <kj/async-io.h>

#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

#include "damocles/async/task.h"
#include "damocles/config/manager.h"
#include "damocles/manager/home.h"
#include "damocles/rpc/server.h"

namespace damocles::manager {

struct ManagerOptions {
  Home home;
  std::string params_dir;    // of proving parameters
  std::string software;      // "damocles-manager 1.2": what the worker of local mode calls itself
  rpc::Authorize authorize;  // of those who connect
  config::LoadOptions reading;  // how Reload reads the configuration
  bool poster = false;          // looks after the windows of the configured miners
  bool worker_prover = false;   // proofs are made by workers; otherwise in this process
};

// Belongs to one event loop.  What must survive is on disk before anything follows from it: it may
// end at any moment and is opened again.
class Manager {
 public:
  // Told what is waited for, before a file system is touched that may hang: "the database /x".
  using Waits = std::function<void(const std::string& what)>;

  // Opens what is on disk; nothing is sent or served yet.  `io` outlives it.  Errors name the file
  // or key and what to do.
  static absl::StatusOr<std::unique_ptr<Manager>> Open(ManagerOptions options,
                                                       config::ManagerConfig config,
                                                       kj::AsyncIoProvider& io, const Waits& waits);
  virtual ~Manager() noexcept = default;

  // Serves and posts until a part of it fails or the network turns out to be one where these
  // parameters may not be used: that is the answer.  Call once; it ends when the promise is
  // dropped.
  virtual kj::Promise<absl::Status> Run(kj::Own<kj::ConnectionReceiver> receiver) = 0;

  // Reads the configuration again; what can change at run time changes, the rest is named in the
  // log.  A wrong configuration changes nothing.
  virtual async::Task<void> Reload() = 0;

  // Whether no thread is held by a dead mount, or none after `patience`.  If one is, the process
  // has to end without destroying this.
  virtual bool NothingHangs(absl::Duration patience) const = 0;
};

}  // namespace damocles::manager
