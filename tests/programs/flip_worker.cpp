// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// damocles-worker with a fault planted: one bit of every proof is changed before it is sent.

#include <memory>
#include <stop_token>
#include <string>
#include <utility>

#include "apps/common/cli.h"
#include "apps/worker/daemon.h"

#include "damocles/prover/window_prover.h"

namespace damocles {
namespace {

class FlippingProver final : public prover::WindowProver {
 public:
  explicit FlippingProver(std::shared_ptr<prover::WindowProver> real) : real_(std::move(real)) {}
  absl::StatusOr<prover::WindowPostOutcome> Prove(const prover::WindowPostTask& task,
                                                  const std::stop_token& stop) override {
    auto outcome = real_->Prove(task, stop);
    // In the middle of B: whatever it is afterwards, it is not a proof.
    if (outcome.ok() && !outcome->proof.empty()) outcome->proof[100] ^= 1;
    return outcome;
  }

 private:
  const std::shared_ptr<prover::WindowProver> real_;
};

int Main(int argc, char** argv) {
  cli::Program program("flip-worker", "A worker whose proofs are all wrong, for tests");
  worker_app::DaemonOptions options;
  CLI::App* daemon = program.App().add_subcommand("daemon", "Serves managers until SIGTERM");
  daemon->add_option("-c,--config", options.config, "Configuration file (TOML)")->required();
  options.wrap_prover = [](std::shared_ptr<prover::WindowProver> real) {
    return std::make_shared<FlippingProver>(std::move(real));
  };
  program.SetAction(
      *daemon, [&options] { return worker_app::RunDaemon(options); },
      "flip-worker daemon -c worker.toml");
  return program.Run(argc, argv);
}

}  // namespace
}  // namespace damocles

int main(int argc, char** argv) {
  return damocles::Main(argc, argv);
}
