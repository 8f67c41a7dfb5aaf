// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// ext-prover.cfg: child processes that compute for the manager.

#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

#include "damocles/config/manager.h"

namespace damocles::config {

inline constexpr std::string_view kExtProverConfigFile = "ext-prover.cfg";

struct ExtProverChild {
  std::string bin;                     // "~" expanded; empty: damocles-worker beside the manager
  std::vector<std::string> args = {};  // used only with bin
  std::uint32_t concurrent = 1;
  std::uint32_t weight = 1;
  absl::Duration ready_timeout = absl::Seconds(5);
  std::map<std::string, std::string> envs = {};
};

struct ExtProverConfig {
  std::vector<ExtProverChild> window_post = {};
  std::vector<ExtProverChild> winning_post = {};
  std::vector<std::string> warnings = {};
};

absl::StatusOr<ExtProverConfig> ParseExtProverConfig(std::string_view text, std::string_view file,
                                                     const LoadOptions& options);
absl::StatusOr<ExtProverConfig> LoadExtProverConfig(const std::string& path,
                                                    const LoadOptions& options);
// What `daemon init` writes; all commented.
std::string DefaultExtProverConfig();

}  // namespace damocles::config
