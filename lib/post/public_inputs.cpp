// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/post/public_inputs.h"

namespace damocles::post {

std::uint64_t PublicInputCount(const CircuitShape& circuit) {
  return circuit.sectors * (1 + circuit.challenges);
}

std::vector<Fr> PublicInputs(const CircuitShape& circuit, std::span<const ChallengedSector> real) {
  std::vector<Fr> inputs;
  inputs.reserve(PublicInputCount(circuit));
  for (const ChallengedSector& sector : CircuitSectors(circuit, real)) {
    inputs.push_back(sector.comm_r);
    for (std::uint64_t challenge : sector.challenges) inputs.push_back(Fr::FromU64(challenge));
  }
  return inputs;
}

}  // namespace damocles::post
