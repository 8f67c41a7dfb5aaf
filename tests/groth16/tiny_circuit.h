// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// A circuit of two sectors over a tree of one binary level: small enough for a setup in each test.

#pragma once

#include <vector>

#include "tests/circuit/made_up_sector.h"

#include "damocles/base/bytes.h"
#include "damocles/base/check.h"
#include "damocles/base/random.h"
#include "damocles/circuit/witness.h"
#include "damocles/groth16/setup.h"

namespace damocles::groth16 {

inline circuit::PostShape TinyShape() {
  return {{2}, /*challenges=*/1, /*sectors=*/2};
}

inline circuit::SectorPaths TinySector(Random& random) {
  return circuit::MadeUpSector(TinyShape(), random);
}

// The public inputs of these sectors, the last repeated.
inline std::vector<bls12_381::Fr> TinyInputs(const std::vector<circuit::SectorPaths>& sectors) {
  const circuit::PostShape shape = TinyShape();
  std::vector<bls12_381::Fr> inputs;
  for (std::size_t i = 0; i < shape.sectors; ++i) {
    const circuit::SectorPaths& sector = sectors[std::min(i, sectors.size() - 1)];
    inputs.push_back(sector.comm_r);
    inputs.push_back(bls12_381::Fr::FromU64(ComputedLeafIndex(sector.challenges[0])));
  }
  return inputs;
}

inline Bytes TinyParams(ThreadPool& pool, std::uint64_t seed) {
  SeededRandom random(seed);
  Bytes params;
  const auto vk_bytes = MakeParams(circuit::PostCircuit(TinyShape()), RandomSecrets(random), pool,
                                   [&params](ByteSpan bytes) {
                                     Append(params, bytes);
                                     return absl::OkStatus();
                                   });
  DAMOCLES_CHECK(vk_bytes.ok());
  return params;
}

}  // namespace damocles::groth16
