// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// Witness and row values of the circuit, straight from Merkle paths (docs/post.md 5).

#pragma once

#include <span>

#include "damocles/base/thread_pool.h"
#include "damocles/circuit/post_circuit.h"
#include "damocles/merkle/inclusion_proof.h"

namespace damocles::circuit {

// One sector of the circuit.
struct SectorPaths {
  Fr comm_r_last{};
  Fr comm_c{};
  Fr comm_r{};
  std::span<const merkle::InclusionProof> challenges;  // elsewhere
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
// shape.challenges paths that passed merkle::CheckForm for the shape's levels.  The values are
// right if and only if the paths hash to comm_r_last and the commitments to comm_r: check the
// vanilla proofs before.
void GenerateWitness(const PostShape& shape, std::span<const SectorPaths> sectors,
                     const WitnessBuffers& out, ThreadPool& pool);

}  // namespace damocles::circuit
