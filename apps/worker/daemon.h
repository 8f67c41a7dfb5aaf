// SPDX-License-Identifier: Apache-2.0 OR MIT

#pragma once

#include <string>

#include "absl/status/statusor.h"

namespace damocles::worker_app {

struct DaemonOptions {
  std::string config;
  bool allow_unknown_config = false;
};

// Serves the managers of the configuration until SIGTERM or SIGINT; then ends what it has begun.  A
// second signal ends it at once.
absl::StatusOr<int> RunDaemon(const DaemonOptions& options);

}  // namespace damocles::worker_app
