// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// damocles-worker: reads the command line and runs the command.

#include <memory>
#include <string>

#include "apps/common/cli.h"
#include "apps/worker/daemon.h"

#include "damocles/base/version.h"

namespace damocles::worker_app {
namespace {

int Main(int argc, char** argv) {
  cli::Program program("damocles-worker", "Computes the proofs that managers ask for");
  CLI::App& app = program.App();
  app.set_version_flag("--version", "damocles-worker " DAMOCLES_VERSION_STRING);
  const auto options = std::make_shared<DaemonOptions>();
  CLI::App* daemon = app.add_subcommand("daemon", "Serves managers until SIGTERM");
  cli::AddPath(*daemon, "-c,--config", options->config, "Configuration file (TOML)")
      ->envname("DAMOCLES_WORKER_CONFIG")
      ->required();
  daemon->add_flag("--allow-unknown-config", options->allow_unknown_config,
                   "Unknown configuration keys are warnings");
  program.SetAction(
      *daemon, [options] { return RunDaemon(*options); }, "damocles-worker daemon -c worker.toml");

  CLI::App* processor = app.add_subcommand("processor", "Child mode: not part of this version");
  processor->require_subcommand(1);
  for (const char* stage : {"window_post", "winning_post"}) {
    program.SetAction(
        *processor->add_subcommand(stage, "Not part of this version"),
        []() -> absl::StatusOr<int> {
          return cli::UsageError(
              "processor children are not part of this version of damocles-worker");
        },
        std::string("damocles-worker processor ") + stage);
  }
  return program.Run(argc, argv);
}

}  // namespace
}  // namespace damocles::worker_app

int main(int argc, char** argv) {
  return damocles::worker_app::Main(argc, argv);
}
