// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// The Merkle tree of one sector, read from its sealed file and its cache folder.

#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

#include "damocles/base/file.h"
#include "damocles/merkle/inclusion_proof.h"
#include "damocles/merkle/p_aux.h"
#include "damocles/merkle/shape.h"
#include "damocles/merkle/tree_file.h"

namespace damocles::merkle {

// Where a sector lies.  For one upgraded by SnapDeals: its update file and update cache.
struct SectorFiles {
  std::string sealed_path;
  std::string cache_folder;
};

// Opens a sealed file; NOT_FOUND if absent, DATA_LOSS if it is not a regular file of the size.
absl::StatusOr<File> OpenSealedFile(const std::string& path, const TreeShape& shape);

// Reads out.size() nodes from node `first` on; DATA_LOSS names a node that is not canonical.
absl::Status ReadSealedNodes(const File& sealed, const std::string& path, std::uint64_t first,
                             std::span<Fr> out);

// Makes inclusion proofs, reading only what each needs: one segment of the sealed file and the
// siblings of the rows above it.  From any thread.
class SectorTree {
 public:
  // Opens all files and reads p_aux and the roots of the base trees.  NOT_FOUND or DATA_LOSS, with
  // the file and the reason, if one is missing, has a wrong length, or the roots do not make
  // p_aux's comm_r_last.  Creates nothing.
  static absl::StatusOr<SectorTree> Open(const TreeShape& shape, const SectorFiles& files);

  // The proof of leaf `leaf`; INVALID_ARGUMENT if the sector has no such leaf, DATA_LOSS if what
  // was read does not hash to comm_r_last (says up to which row it holds).
  absl::StatusOr<InclusionProof> Prove(std::uint64_t leaf) const;

  const TreeShape& Shape() const { return shape_; }
  const PAux& Commitments() const { return p_aux_; }

 private:
  SectorTree() = default;
  absl::Status ProveInBaseTree(std::uint64_t tree, std::uint64_t leaf, InclusionProof& proof) const;

  TreeShape shape_;
  SectorFiles files_;
  PAux p_aux_;
  File sealed_;
  std::vector<TreeFile> trees_;
  std::vector<Fr> base_roots_;
};

}  // namespace damocles::merkle
