// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// Verifies a WindowPoSt, as the chain would:
//
//   verify_window PARAMS PROOF_TYPE MINER RANDOMNESS PROOF NUMBER:COMM_R...
//
// PARAMS is a folder with the .vk of the size, PROOF_TYPE the registered number (13 for 32 GiB),
// the others hexadecimal; RANDOMNESS as the chain gives it.

#include <algorithm>
#include <cstdlib>
#include <iostream>
#include <string>

#include "damocles/base/hex.h"
#include "damocles/base/random.h"
#include "damocles/base/thread_pool.h"
#include "damocles/params/parameter_store.h"
#include "damocles/prover/local_prover.h"

namespace params = damocles::params;
namespace prover = damocles::prover;

namespace {

int Fail(const absl::Status& status) {
  std::cerr << "verify_window: " << status.message() << "\n";
  return 2;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 7) {
    std::cerr << "usage: verify_window PARAMS PROOF_TYPE MINER RANDOMNESS PROOF NUMBER:COMM_R...\n";
    return 2;
  }
  const auto type = damocles::filecoin::PoStProofTypeFromNumber(std::strtoll(argv[2], nullptr, 10));
  if (!type.ok()) return Fail(type.status());
  const auto randomness = damocles::FromHex32(argv[4]);
  if (!randomness.ok()) return Fail(randomness.status());
  const auto proof = damocles::FromHex(argv[5]);
  if (!proof.ok()) return Fail(proof.status());
  prover::WindowPostStatement statement{.proof_type = *type,
                                        .miner = std::strtoull(argv[3], nullptr, 10),
                                        .randomness = *randomness,
                                        .sectors = {}};
  for (int i = 6; i < argc; ++i) {
    const std::string text = argv[i];
    const auto comm_r =
        damocles::FromHex32(text.substr(std::min(text.find(':'), text.size() - 1) + 1));
    if (!comm_r.ok()) return Fail(comm_r.status());
    statement.sectors.push_back(
        {.number = std::strtoull(text.c_str(), nullptr, 10), .comm_r = *comm_r});
  }

  damocles::ThreadPool pool(damocles::ProcessorCount());
  params::ParameterStore parameters(argv[1]);
  const auto verifier = prover::MakeLocalWindowVerifier(parameters, pool, damocles::SystemRandom());
  const absl::StatusOr<bool> valid = verifier->Verify(statement, *proof);
  if (!valid.ok()) return Fail(valid.status());  // no proof at all, or no .vk here
  std::cout << (*valid ? "valid" : "invalid") << "\n";
  return *valid ? 0 : 1;
}
