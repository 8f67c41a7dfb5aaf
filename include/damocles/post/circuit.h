// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// From vanilla proofs to the circuit that proves them.

#pragma once

#include <span>
#include <vector>

#include "absl/status/statusor.h"

#include "damocles/circuit/post_circuit.h"
#include "damocles/circuit/witness.h"
#include "damocles/post/partition.h"
#include "damocles/post/types.h"
#include "damocles/post/vanilla.h"

namespace damocles::post {

// What the constraints are built from.  The circuit must pass CheckCircuit.
circuit::PostShape PostShapeOf(const CircuitShape& circuit);

// The paths of one partition for circuit::GenerateWitness: window, one a real sector (the
// generator repeats the last); winning, the one sector's inclusion proofs unrolled into 66
// (docs/post.md 4). `proofs` stand in the order of `real` and have passed VerifySectorProof;
// INVALID_ARGUMENT names a sector whose proof has another form.  What is returned looks into
// `proofs`.
absl::StatusOr<std::vector<circuit::SectorPaths>> SectorPathsOf(
    const CircuitShape& circuit, std::span<const ChallengedSector> real,
    std::span<const FallbackSectorProof> proofs);

}  // namespace damocles::post
