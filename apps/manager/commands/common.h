// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// What the commands that speak to a running manager, or to the chain, have in common.

#pragma once

#include <kj/async-io.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "apps/common/cli.h"

#include "damocles/async/task.h"
#include "damocles/chain/api.h"
#include "damocles/manager/home.h"
#include "damocles/rpc/client.h"

namespace damocles::manager {

// Flags of the whole program and of `util`.
struct Globals {
  Home home;
  std::string manager_address;  // empty: what the home says
  std::string manager_flag;     // by which name that was given
  std::string token_file;       // empty: the admin token of the home, if it is there
  bool allow_unknown_config = false;
};

// Connects, runs `use`, returns its exit code.  UNAVAILABLE says how to start the manager.
absl::StatusOr<int> WithManager(
    const Globals& globals,
    std::function<async::Task<absl::StatusOr<int>>(rpc::ManagerClient&)> use);

// The same with the chain nodes of the configuration; the manager need not run.
absl::StatusOr<int> WithChain(
    const Globals& globals,
    std::function<async::Task<absl::StatusOr<int>>(chain::ChainReader&)> use);

// Rows of equal length; the first is the head.  Columns stand two spaces apart.
// Control characters are escaped.
void PrintTable(std::vector<std::vector<std::string>> rows);

// "MM-DD hh:mm:ss" in local time; "-" for a time that has not come.
std::string LocalTime(absl::Time time);
// Whole seconds, "1h2m3s".
std::string FormatElapsed(absl::Duration duration);

// "f01000", "t01000" or "1000".
absl::StatusOr<std::uint64_t> ParseMiner(const std::string& text);

void AddCheckCommand(cli::Program& program, CLI::App& util, Globals& globals);
void AddWdPostCommands(cli::Program& program, CLI::App& util_worker, Globals& globals);
void AddWorkerCommands(cli::Program& program, CLI::App& util_worker, Globals& globals);
void AddStorageCommands(cli::Program& program, CLI::App& util, Globals& globals);
void AddProvingCommands(cli::Program& program, CLI::App& util_sealer, Globals& globals);

}  // namespace damocles::manager
