// SPDX-License-Identifier: Apache-2.0 OR MIT

#pragma once

#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"

#include "damocles/prover/window_prover.h"

namespace damocles::worker_app {

struct DaemonOptions {
  std::string config;
  bool allow_unknown_config = false;
  // What stands between the agent and the real prover; empty: nothing.  For tests, no flag sets it.
  std::function<std::shared_ptr<prover::WindowProver>(std::shared_ptr<prover::WindowProver>)>
      wrap_prover;
};

// Serves the managers of the configuration until SIGTERM or SIGINT; then ends what it has begun.  A
// second signal ends it at once.
absl::StatusOr<int> RunDaemon(const DaemonOptions& options);

}  // namespace damocles::worker_app
