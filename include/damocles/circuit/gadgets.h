// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// The gadgets that the circuit is made of (docs/post.md 5).  Order of allocations and
// constraints, signs and sides are part of the format: parameter files depend on them.

#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "damocles/circuit/constraint_system.h"
#include "damocles/circuit/post_circuit.h"

namespace damocles::circuit {

// One step of an insertion: result = condition ? if_one : if_zero.  Operands are numbered: 0 is the
// running node, 1..arity-1 the siblings, kPickBase + i the result of step i.
struct PickStep {
  std::uint8_t condition;  // index bit, or kNorCondition or kAndCondition
  std::uint8_t if_one;
  std::uint8_t if_zero;
  bool is_child;  // the result is the next child
};
inline constexpr std::uint8_t kPickBase = 8;
inline constexpr std::uint8_t kNorCondition = 3;  // neither bit 0 nor bit 1
inline constexpr std::uint8_t kAndCondition = 4;  // bit 0 and bit 1

// The steps that put the running node among its siblings; arity 2, 4 or 8.
std::span<const PickStep> InsertionSteps(unsigned arity);
// log2(arity).
unsigned IndexBits(unsigned arity);

// The Poseidon gadget of the reference's older circuit (neptune's circuit.rs), which all parameter
// files are made with: 311, 377 or 505 constraints.  Returns the output variable.
Variable Poseidon(ConstraintSystem& system, std::span<const Variable> preimage);

// One sector: commitments, then a Merkle inclusion for each challenge (docs/post.md 5).
void SectorGadget(ConstraintSystem& system, const PostShape& shape);

}  // namespace damocles::circuit
