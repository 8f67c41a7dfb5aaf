// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// damocles-prover: sectors, parameters, proofs of spacetime, step by step, as files and JSON.

#include "apps/common/cli.h"
#include "apps/prover/commands/commands.h"

#include "damocles/base/limits.h"
#include "damocles/base/version.h"

int main(int argc, char** argv) {
  damocles::RaiseDescriptorLimit();
  damocles::cli::Program program(
      "damocles-prover",
      "Makes and verifies proofs of spacetime, and what they need, step by step");
  program.App().set_version_flag("--version", "damocles-prover " DAMOCLES_VERSION_STRING);
  damocles::cli::Program::SetExample(
      program.App(), "damocles-prover setup --kind window --size 2KiB --params params");
  damocles::prover_app::AddCase(program);
  damocles::prover_app::AddSector(program);
  damocles::prover_app::AddSetup(program);
  damocles::prover_app::AddParams(program);
  damocles::prover_app::AddChallenges(program);
  damocles::prover_app::AddVanilla(program);
  damocles::prover_app::AddProve(program);
  damocles::prover_app::AddVerify(program);
  damocles::prover_app::AddR1cs(program);
  return program.Run(argc, argv);
}
