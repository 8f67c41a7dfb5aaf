// SPDX-License-Identifier: Apache-2.0 OR MIT

#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace damocles::devnet_app {

struct RunOptions {
  std::string home;
  std::string listen = ":0";
  std::string port_file;
  std::string params_dir;
  std::string token;
  std::vector<std::string> scoped_tokens;  // "read:TOKEN" and so on
  bool manual_clock = false;
  std::string verify = "always";
  std::string traffic;  // a script of foreign traffic that begins now; empty: as it was
};

// Serves the chain of `home` until SIGTERM or SIGINT.
absl::StatusOr<int> RunDevnet(const RunOptions& options);

}  // namespace damocles::devnet_app
