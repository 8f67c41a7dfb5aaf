// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// What the commands that speak to a running manager, or to the chain, have in common.

#pragma once

#include <kj/async-io.h>

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
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

// What a command asks, until its exit code.
using ExitCode = async::Task<absl::StatusOr<int>>;
using AskManager = std::function<ExitCode(rpc::ManagerClient&)>;
using AskChain = std::function<ExitCode(chain::ChainReader&)>;

// Connects, runs `ask`, returns its exit code.  UNAVAILABLE says how to start the manager.
absl::StatusOr<int> WithManager(const Globals& globals, AskManager ask);
// The same with the chain nodes of the configuration; the manager need not run.
absl::StatusOr<int> WithChain(const Globals& globals, AskChain ask);

// A command below `parent`.
struct CommandWords {
  const char* name;
  const char* what;
  const char* example;
};
CLI::App* AddCommand(cli::Program& program, CLI::App& parent, const CommandWords& words,
                     cli::Action action);
// One that only asks the running manager.
CLI::App* AddCommand(cli::Program& program, CLI::App& parent, const CommandWords& words,
                     const Globals& globals, AskManager ask);

// Rows of equal length; the first is the head.  Columns stand two spaces apart.
// Control characters are escaped.
void PrintTable(std::vector<std::vector<std::string>> rows);

// A listing: a line for each item.
template <typename T>
struct Column {
  const char* head;
  std::function<std::string(const T&)> cell;
};
template <typename T>
void PrintTable(const std::vector<T>& items, const std::vector<Column<T>>& columns) {
  std::vector<std::vector<std::string>> rows(1 + items.size());
  for (const Column<T>& column : columns) {
    rows[0].emplace_back(column.head);
    for (std::size_t i = 0; i < items.size(); ++i) rows[i + 1].push_back(column.cell(items[i]));
  }
  PrintTable(std::move(rows));
}

// What a cell shows of nothing.
inline std::string OrDash(std::string text) {
  return text.empty() ? "-" : text;
}

// "f01000", "t01000" or "1000".
absl::StatusOr<std::uint64_t> ParseMiner(const std::string& text);

void AddCheckCommand(cli::Program& program, CLI::App& util, Globals& globals);
void AddWdPostCommands(cli::Program& program, CLI::App& util_worker, Globals& globals);
void AddWorkerCommands(cli::Program& program, CLI::App& util_worker, Globals& globals);
void AddStorageCommands(cli::Program& program, CLI::App& util, Globals& globals);
void AddProvingCommands(cli::Program& program, CLI::App& util_sealer, Globals& globals);

}  // namespace damocles::manager
