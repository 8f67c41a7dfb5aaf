// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// The circuit of a proof of spacetime (docs/post.md 5): the same sub-circuit once for every sector,
// variable for variable that of rust-fil-proofs (storage-proofs-post, fallback/circuit.rs).

#pragma once

#include <cstdint>
#include <vector>

#include "damocles/base/bytes.h"
#include "damocles/circuit/constraint_system.h"

namespace damocles::circuit {

// What the circuit is built from.  Window: 10 challenges a sector; winning: 66 sectors with one
// challenge each.
struct PostShape {
  // Arity of each Merkle level, leaf level first: the base levels (8), the sub level, the top
  // level.  Each is 2, 4 or 8.
  std::vector<unsigned> level_arities;
  std::uint32_t challenges = 0;  // per sector
  std::uint32_t sectors = 0;

  friend bool operator==(const PostShape&, const PostShape&) = default;
};

// Sizes of a circuit, or of one sector's part of it.
struct Counts {
  std::uint64_t inputs = 0;  // ONE included for the whole circuit, not for a sector
  std::uint64_t aux = 0;
  std::uint64_t constraints = 0;  // without the final input rows
  std::uint64_t a_aux = 0;        // aux variables with a coefficient in some A row
  std::uint64_t b_aux = 0;        // the same for B

  // Rows of the evaluation domain that are used: the final row of every input included.
  std::uint64_t Rows() const { return constraints + inputs; }
  // Smallest n with 2^n >= Rows().
  unsigned Log2Domain() const;
  friend bool operator==(const Counts&, const Counts&) = default;
};

// Without recording a constraint (docs/post.md 5).
Counts SectorCounts(const PostShape& shape);
Counts CircuitCounts(const PostShape& shape);

// For each aux variable of one sector, whether it occurs in an A (B) row.  Of the inputs all occur
// in A and only ONE in B.
struct Densities {
  std::vector<bool> a;
  std::vector<bool> b;
};
Densities SectorDensities(const PostShape& shape);

// The constraints of one sector, and how the whole circuit repeats them.
class PostCircuit {
 public:
  explicit PostCircuit(const PostShape& shape);

  const PostShape& Shape() const { return shape_; }
  // One sector alone: input 0 is ONE, then comm_r, then the challenges.
  const ConstraintSystem& Sector() const { return sector_; }

  // Where a variable of the sub-circuit lies in the whole circuit.
  Variable InWhole(Variable local, std::uint32_t sector) const;
  std::uint32_t Inputs() const { return 1 + shape_.sectors * (sector_.Inputs() - 1); }
  std::uint32_t Aux() const { return shape_.sectors * sector_.Aux(); }
  std::uint64_t Constraints() const {
    return std::uint64_t{shape_.sectors} * sector_.Constraints();
  }

 private:
  PostShape shape_;
  ConstraintSystem sector_;
};

// The unkeyed BLAKE2s-256 digest of the whole circuit: see Digest in constraint_system.h.
Bytes32 Digest(const PostCircuit& circuit);

}  // namespace damocles::circuit
