// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// A circuit of two sectors over a tree of one binary level: small enough for a setup in each test.

#pragma once

#include <vector>

#include "damocles/base/bytes.h"
#include "damocles/base/check.h"
#include "damocles/base/random.h"
#include "damocles/circuit/witness.h"
#include "damocles/groth16/setup.h"
#include "damocles/poseidon/poseidon.h"

namespace damocles::groth16 {

inline circuit::PostShape TinyShape() {
  return {{2}, /*challenges=*/1, /*sectors=*/2};
}

inline circuit::SectorPaths TinySector(Random& random) {
  circuit::ChallengePath path;
  path.leaf = bls12_381::RandomFr(random);
  circuit::PathLevel level;
  level.index = static_cast<std::uint32_t>(random.Below(2));
  level.siblings[0] = bls12_381::RandomFr(random);
  path.levels.push_back(level);
  circuit::SectorPaths sector;
  sector.comm_r_last = level.index == 0 ? poseidon::Hash2(path.leaf, level.siblings[0])
                                        : poseidon::Hash2(level.siblings[0], path.leaf);
  sector.comm_c = bls12_381::RandomFr(random);
  sector.comm_r = poseidon::Hash2(sector.comm_c, sector.comm_r_last);
  sector.challenges.push_back(path);
  return sector;
}

// The public inputs of these sectors, the last repeated.
inline std::vector<bls12_381::Fr> TinyInputs(const std::vector<circuit::SectorPaths>& sectors) {
  const circuit::PostShape shape = TinyShape();
  std::vector<bls12_381::Fr> inputs;
  for (std::size_t i = 0; i < shape.sectors; ++i) {
    const circuit::SectorPaths& sector = sectors[std::min(i, sectors.size() - 1)];
    inputs.push_back(sector.comm_r);
    inputs.push_back(bls12_381::Fr::FromU64(circuit::PackedIndex(shape, sector.challenges[0])));
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
