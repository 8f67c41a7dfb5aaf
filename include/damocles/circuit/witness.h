// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// Witness and row values of the circuit, straight from Merkle paths (docs/post.md 5).

#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "damocles/base/thread_pool.h"
#include "damocles/circuit/post_circuit.h"

namespace damocles::circuit {

// One level of a path: where the running node stands among its siblings, which keep their order.
struct PathLevel {
  std::uint32_t index = 0;       // [0, arity)
  std::array<Fr, 7> siblings{};  // the first arity - 1 count
};

struct ChallengePath {
  Fr leaf{};
  std::vector<PathLevel> levels;  // leaf level first, as PostShape::level_arities
};

struct SectorPaths {
  Fr comm_r_last{};
  Fr comm_c{};
  Fr comm_r{};
  std::vector<ChallengePath> challenges;
};

// Where the generator writes.  `a`, `b` and `c` have room for CircuitCounts().Rows() elements or
// more (the rest is left alone), `inputs` (ONE first) and `aux` for exactly their counts.
struct WitnessBuffers {
  std::span<Fr> inputs;
  std::span<Fr> aux;
  std::span<Fr> a;
  std::span<Fr> b;
  std::span<Fr> c;
};

// Fills `out`.  `sectors` are 1 to shape.sectors; missing ones repeat the last.  Each has
// shape.challenges paths of the shape's levels.  The values are right if and only if the paths
// hash to comm_r_last and the commitments to comm_r: check the vanilla proofs before.
void GenerateWitness(const PostShape& shape, std::span<const SectorPaths> sectors,
                     const WitnessBuffers& out, ThreadPool& pool);

// The challenge that a path answers: its index bits packed, leaf level lowest.
std::uint64_t PackedIndex(const PostShape& shape, const ChallengePath& path);

}  // namespace damocles::circuit
