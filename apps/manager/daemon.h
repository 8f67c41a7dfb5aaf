// SPDX-License-Identifier: Apache-2.0 OR MIT

#pragma once

#include <string>

#include "absl/status/statusor.h"

#include "damocles/manager/home.h"

namespace damocles::manager {

struct DaemonOptions {
  Home home;
  std::string listen = ":1789";
  std::string port_file;  // empty: none
  std::string params_dir;
  bool poster = false;
  bool worker_prover = false;
  bool require_token = false;  // on loopback too
  bool insecure_no_auth = false;
  bool http_listen = false;  // given: a warning, nothing listens there
  bool allow_unknown_config = false;
};

// Writes the commented default configurations and makes the tokens.  Never overwrites: what exists
// is named.
absl::StatusOr<int> InitDaemon(const Home& home);

// Runs until SIGTERM or SIGINT.
absl::StatusOr<int> RunDaemon(const DaemonOptions& options);

}  // namespace damocles::manager
