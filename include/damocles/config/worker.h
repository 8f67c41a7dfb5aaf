// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// The worker's TOML file (docs/config.md lists every key).

#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

#include "damocles/config/endpoint.h"
#include "damocles/config/manager.h"
#include "damocles/config/secret.h"
#include "damocles/job/queue.h"

namespace damocles::config {

struct ManagerEndpoint {
  HostPort address;
  Secret token;  // from token or token_file; may be empty
};

struct AttachedStore {
  std::string name;      // the absolute path if no name is given
  std::string location;  // "~" expanded, absolute
};

// One [[sealing_thread]] with plan = "wdpost": one job at a time.
struct WorkerThread {
  job::JobFilter takes;
  absl::Duration recover_interval = absl::Minutes(1);
};

// A child process that computes.
struct ProcessorConfig {
  std::string bin;                     // "~" expanded; empty: the running executable
  std::vector<std::string> args = {};  // empty and no bin: "processor", "window_post"
  std::map<std::string, std::string> envs = {};
  bool inherit_envs = true;
  std::uint32_t concurrent = 0;  // 0: no limit
  absl::Duration stable_wait = absl::Seconds(5);
  bool auto_restart = true;
  std::string cgroup_group_name = "vc-worker";
  std::string cgroup_cpuset;
  std::optional<std::uint32_t> numa_preferred = {};
  std::vector<std::string> locks = {};
};

struct WorkerConfig {
  std::string name;                            // empty: the machine's host name
  std::vector<ManagerEndpoint> managers = {};  // at least one
  std::vector<AttachedStore> attached = {};
  std::vector<std::string> scan_persist_stores = {};
  std::string scan_place = {};             // of that key, "file:line:column"
  std::vector<WorkerThread> threads = {};  // plan wdpost only
  // Proofs at a time over all threads; nullopt: one for each thread.
  std::optional<std::uint32_t> window_post_concurrent = {};
  std::optional<std::uint32_t> winning_post_concurrent = {};
  absl::Duration window_post_staggered = absl::ZeroDuration();  // least time between two starts
  std::map<std::string, std::uint32_t> ext_locks = {};
  std::vector<ProcessorConfig> window_post = {};  // empty: computed in the worker
  std::vector<ProcessorConfig> winning_post = {};
  // Where finished proofs wait for their manager and whatever else must survive.
  std::string state_dir = "~/.damocles-worker";
  // Where the parameter files are; empty: FIL_PROOFS_PARAMETER_CACHE or its default.
  std::string params_dir;

  bool holds_token = false;  // in the file itself, not in a token_file

  std::vector<std::string> warnings = {};
};

// As for the manager.  Token files are read: one that others may read is a warning.
absl::StatusOr<WorkerConfig> ParseWorkerConfig(std::string_view text, std::string_view file,
                                               const LoadOptions& options);
absl::StatusOr<WorkerConfig> LoadWorkerConfig(const std::string& path, const LoadOptions& options);

std::string DescribeForLog(const WorkerConfig& config);

}  // namespace damocles::config
