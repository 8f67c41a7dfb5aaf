// SPDX-License-Identifier: Apache-2.0 OR MIT

#include <memory>

#include "absl/strings/str_format.h"
#include "apps/prover/commands/claim_flags.h"
#include "apps/prover/commands/commands.h"

#include "damocles/base/hex.h"
#include "damocles/base/status.h"
#include "damocles/circuit/post_circuit.h"
#include "damocles/post/circuit.h"
#include "damocles/post/parameter_id.h"

namespace damocles::prover_app {
namespace {

struct R1csFlags {
  std::uint64_t size = 0;
  std::uint64_t sectors = 1;
  std::uint64_t challenges = 1;
};

absl::StatusOr<int> RunR1cs(const R1csFlags& flags) {
  const auto tree = merkle::ShapeOf(flags.size);
  if (!tree.ok()) {
    return cli::UsageError(absl::StrFormat("--size: %s", std::string(tree.status().message())));
  }
  const post::CircuitShape shape{.kind = post::PostKind::kWindow,
                                 .tree = *tree,
                                 .sectors = flags.sectors,
                                 .challenges = flags.challenges};
  const circuit::PostCircuit circuit(post::PostShapeOf(shape));
  cli::PrintJson({{"sector_size", merkle::SizeName(flags.size)},
                  {"sectors", flags.sectors},
                  {"challenges", flags.challenges},
                  {"ident", post::ParameterId(shape)},
                  {"inputs", circuit.Inputs()},
                  {"aux", circuit.Aux()},
                  {"constraints", circuit.Constraints()},
                  {"blake2s", ToHex(circuit::Digest(circuit))}});
  return cli::kExitDone;
}

}  // namespace

void AddR1cs(cli::Program& program) {
  CLI::App& command = *program.App().add_subcommand(
      "r1cs", "Sizes and BLAKE2s digest of a circuit's constraint system");
  auto flags = std::make_shared<R1csFlags>();
  cli::AddSize(command, "--size", flags->size, "Sector size: 2KiB ... 64GiB")->required();
  // At 10000 sectors of 64 GiB with 10 challenges variables still have 31-bit numbers.
  command.add_option("--sectors", flags->sectors, "Sectors of the circuit")
      ->capture_default_str()
      ->check(CLI::Range(1, 10000));
  command.add_option("--challenges", flags->challenges, "Challenges of each sector")
      ->capture_default_str()
      ->check(CLI::Range(1, 10));
  cli::AddJsonFlag(command);  // it prints nothing else
  program.SetAction(
      command, [flags] { return RunR1cs(*flags); },
      "damocles-prover r1cs --size 2KiB --sectors 2 --challenges 10 --json");
}

}  // namespace damocles::prover_app
