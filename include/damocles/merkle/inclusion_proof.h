// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// The path from one leaf to the root (docs/post.md 1).

#pragma once

#include <cstdint>
#include <vector>

#include "absl/status/status.h"

#include "damocles/bls12_381/fr.h"
#include "damocles/merkle/shape.h"

namespace damocles::merkle {

// One level of a path: the node at `index` among its siblings is not stored.
struct PathElement {
  std::vector<Fr> siblings;  // arity - 1, in increasing order
  std::uint64_t index = 0;   // [0, arity)

  friend bool operator==(const PathElement&, const PathElement&) = default;
};

struct InclusionProof {
  // Leaf level first; base levels, then (by the shape) the sub level, then the top level.
  std::vector<PathElement> path;
  Fr root{};  // comm_r_last of the whole sector
  Fr leaf{};

  friend bool operator==(const InclusionProof&, const InclusionProof&) = default;
};

// Checks the number of levels, of siblings in each, and the indices; INVALID_ARGUMENT says which is
// wrong.  The functions below need a proof that passed.
absl::Status CheckForm(const InclusionProof& proof, const TreeShape& shape);

// The root that leaf and path hash to.
Fr ComputedRoot(const InclusionProof& proof);

// The index of the leaf in the sector that the path's indices make.
std::uint64_t ComputedLeafIndex(const InclusionProof& proof);

}  // namespace damocles::merkle
