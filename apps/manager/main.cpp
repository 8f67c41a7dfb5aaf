// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// damocles-manager: reads the command line and runs the command.

#include <memory>
#include <string>

#include "apps/common/cli.h"
#include "apps/manager/commands/common.h"
#include "apps/manager/daemon.h"

#include "damocles/base/file.h"
#include "damocles/base/version.h"

namespace damocles::manager {
namespace {

absl::Status NotYet(std::string_view what) {
  return cli::UsageError(std::string(what) + " is not part of this version of damocles-manager");
}

// In one piece: the flags of a command, a list.
void AddDaemon(cli::Program& program, Globals& globals) {
  CLI::App* daemon = program.App().add_subcommand("daemon", "The manager itself");
  daemon->require_subcommand(1);

  CLI::App* init = daemon->add_subcommand(
      "init", "Writes the default configuration files and makes the access tokens");
  program.SetAction(
      *init, [&globals] { return InitDaemon(globals.home); },
      "damocles-manager --home ~/.damocles-manager daemon init");

  struct Flags {
    DaemonOptions options;
    std::string proxy;
    bool miner = false;
    bool ext_prover = false;
    bool devnet = false;
    bool warmup = true;
    bool indexer_off = false;
    std::string http_listen;
  };
  const auto flags = std::make_shared<Flags>();
  CLI::App* run = daemon->add_subcommand("run", "Runs the manager until SIGTERM");
  run->add_option("--listen", flags->options.listen,
                  "Where workers and commands connect; :PORT is every interface, port 0 any port")
      ->capture_default_str();
  cli::AddPath(*run, "--port-file", flags->options.port_file,
               "Writes the port there, in one step, when it listens");
  cli::AddPath(*run, "--params", flags->options.params_dir,
               "Folder of the parameter files (default: FIL_PROOFS_PARAMETER_CACHE)");
  run->add_flag("--poster", flags->options.poster, "Proves and submits WindowPoSt");
  run->add_flag("--worker-prover", flags->options.worker_prover,
                "Proofs are made by damocles-workers that connect here; otherwise in this process");
  run->add_flag("--require-token", flags->options.require_token,
                "Who connects on this machine needs a token too (a tunnel may end here)");
  run->add_flag("--insecure-no-auth", flags->options.insecure_no_auth,
                "Whoever reaches the port may do everything");
  run->add_flag("--allow-unknown-config", flags->options.allow_unknown_config,
                "Unknown configuration keys are warnings");
  run->add_flag("--miner", flags->miner, "WinningPoSt: not part of this version");
  run->add_flag("--ext-prover", flags->ext_prover, "Child provers: not part of this version");
  run->add_option("--proxy", flags->proxy, "Another manager's index: not part of this version");
  run->add_flag("--devnet", flags->devnet,
                "Devnet in the same process: not part of this version; run damocles-devnet");
  run->add_option("--http-listen", flags->http_listen,
                  "Metrics and dashboard: accepted, but nothing listens there in this version");
  run->add_flag("--proxy-sector-indexer-off", flags->indexer_off,
                "Belongs to --proxy: not part of this version");
  run->add_flag("--warmup,!--no-warmup", flags->warmup,
                "WinningPoSt: not part of this version; accepted, without effect on windows")
      ->default_str("true");
  program.SetAction(
      *run,
      [flags, &globals]() -> absl::StatusOr<int> {
        if (flags->ext_prover && flags->options.worker_prover) {
          return cli::UsageError("--worker-prover and --ext-prover exclude each other: choose one");
        }
        if (flags->miner) return NotYet("--miner (WinningPoSt)");
        if (flags->ext_prover) return NotYet("--ext-prover");
        if (!flags->proxy.empty()) return NotYet("--proxy");
        if (flags->indexer_off) return NotYet("--proxy-sector-indexer-off");
        if (flags->devnet) return NotYet("--devnet: run damocles-devnet beside it; the flag");
        flags->options.http_listen = !flags->http_listen.empty();
        flags->options.home = globals.home;
        flags->options.allow_unknown_config |= globals.allow_unknown_config;
        return RunDaemon(flags->options);
      },
      "damocles-manager daemon run --poster --worker-prover");
}

int Main(int argc, char** argv) {
  cli::Program program("damocles-manager",
                       "Proves, window by window, that the sectors of storage providers are held");
  Globals globals;
  CLI::App& app = program.App();
  app.fallthrough();
  app.set_version_flag("--version", "damocles-manager " DAMOCLES_VERSION_STRING);
  globals.home.path = kDefaultHome;
  cli::AddPath(app, "--home", globals.home.path, "Data folder")
      ->envname("DAMOCLES_PATH")
      ->default_str(std::string(kDefaultHome));
  cli::AddPath(app, "--conf-dir", globals.home.conf_dir,
               "Folder of the configuration files (default: the data folder)")
      ->envname("DAMOCLES_CONF_DIR");
  app.parse_complete_callback([&globals] {
    if (const absl::Status known = CheckHome(globals.home.path); !known.ok()) {
      throw CLI::ValidationError("--home", std::string(known.message()));
    }
    if (globals.home.conf_dir.empty()) globals.home.conf_dir = globals.home.path;
  });

  AddDaemon(program, globals);
  CLI::App* util = app.add_subcommand("util", "The operator's tools");
  util->require_subcommand(1);
  util->fallthrough();
  // Two names of one flag; an error says which one was used.
  for (const char* name : {"--manager", "--listen"}) {
    util->add_option_function<std::string>(
        name,
        [&globals, name](const std::string& text) {
          if (text.empty()) throw CLI::ValidationError(name, "is empty: write HOST:PORT or :PORT");
          globals.manager_address = text;
          globals.manager_flag = name;
        },
        std::string(name) == "--manager"
            ? "HOST:PORT of the running manager, or :PORT on this machine (default: what its data "
              "folder says)"
            : "The same as --manager");
  }
  cli::AddPath(*util, "--token-file", globals.token_file,
               "Token to use (default: the admin token of the data folder)");
  util->add_flag("--allow-unknown-config", globals.allow_unknown_config,
                 "Unknown configuration keys are no errors");
  AddCheckCommand(program, *util, globals);
  CLI::App* worker = util->add_subcommand("worker", "Workers and their jobs");
  worker->require_subcommand(1);
  worker->fallthrough();
  AddWorkerCommands(program, *worker, globals);
  AddWdPostCommands(program, *worker, globals);
  CLI::App* sealer = util->add_subcommand("sealer", "Miners and their sectors");
  sealer->require_subcommand(1);
  sealer->fallthrough();
  AddProvingCommands(program, *sealer, globals);
  AddStorageCommands(program, *util, globals);
  return program.Run(argc, argv);
}

}  // namespace
}  // namespace damocles::manager

int main(int argc, char** argv) {
  return damocles::manager::Main(argc, argv);
}
