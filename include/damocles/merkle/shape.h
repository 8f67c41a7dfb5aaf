// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// The shape of the Merkle tree over a sealed sector (docs/post.md 1).

#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

#include "damocles/bls12_381/fr.h"

namespace damocles::merkle {

using bls12_381::Fr;

inline constexpr std::uint64_t kNodeBytes = 32;
inline constexpr unsigned kBaseArity = 8;

// Base trees of arity 8, under an optional level of arity `sub`, under an optional level of arity
// `top`.  Row 0 of a base tree are its leaves, row base_depth is its root.
struct TreeShape {
  std::uint64_t sector_bytes = 0;
  unsigned base_depth = 0;  // levels of a base tree above its leaves
  unsigned sub = 0;         // 0, 2 or 8: base trees under one node; 0: no such level
  unsigned top = 0;         // 0 or 2: sub trees under the root; 0: no such level

  std::uint64_t Nodes() const { return sector_bytes / kNodeBytes; }
  unsigned BaseTrees() const { return (sub == 0 ? 1 : sub) * (top == 0 ? 1 : top); }
  // Leaves of one base tree: 8^base_depth.
  std::uint64_t BaseLeaves() const { return std::uint64_t{1} << (3 * base_depth); }
  // Nodes of row `row` of one base tree.
  std::uint64_t RowNodes(unsigned row) const {
    return std::uint64_t{1} << (3 * (base_depth - row));
  }
  // Elements of an inclusion path: base levels, then the sub and the top level.
  unsigned PathLevels() const { return base_depth + (sub != 0 ? 1 : 0) + (top != 0 ? 1 : 0); }
  // Siblings + 1 at `level` of an inclusion path.
  unsigned Arity(unsigned level) const {
    return level < base_depth ? kBaseArity : level == base_depth ? sub : top;
  }
  // "8-8-2", as parameter names have it.
  std::string Name() const;

  friend bool operator==(const TreeShape&, const TreeShape&) = default;
};

// The ten sizes the network's proofs know, ascending: 2, 4, 16, 32 KiB; 8, 16, 512 MiB; 1, 32, 64
// GiB.
std::span<const TreeShape> AllShapes();

// INVALID_ARGUMENT for a size not among them.
absl::StatusOr<TreeShape> ShapeOf(std::uint64_t sector_bytes);

// "32GiB": one of the ten sizes.
std::string SizeName(std::uint64_t sector_bytes);

// Rows above the leaves that tree files leave out unless told otherwise: 1 or 2.
unsigned DefaultRowsToDiscard(const TreeShape& shape);

// Names of the tree files inside the cache folder, one a base tree, in order.
std::vector<std::string> TreeFileNames(const TreeShape& shape);

// Bytes of a tree file that holds rows rows_to_discard + 1 up to the root.
std::uint64_t TreeFileBytes(const TreeShape& shape, unsigned rows_to_discard);

// The root of the whole tree (comm_r_last) over the roots of the base trees.
Fr RootOverBaseRoots(const TreeShape& shape, std::span<const Fr> base_roots);

}  // namespace damocles::merkle
