// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/merkle/sector_tree.h"

#include <algorithm>
#include <array>
#include <utility>

#include "absl/strings/str_format.h"
#include "lib/merkle/node_io.h"

#include "damocles/base/status.h"
#include "damocles/poseidon/poseidon.h"

namespace damocles::merkle {
namespace {

// The group of eight around node `index` of its row, without the node.
PathElement ElementOf(std::span<const Fr> group, std::uint64_t index) {
  PathElement element;
  element.index = index % group.size();
  element.siblings.reserve(group.size() - 1);
  for (std::size_t i = 0; i < group.size(); ++i) {
    if (i != element.index) element.siblings.push_back(group[i]);
  }
  return element;
}

}  // namespace

absl::StatusOr<File> OpenSealedFile(const std::string& path, const TreeShape& shape) {
  return OpenRegular(path, shape.sector_bytes);
}

absl::Status ReadSealedNodes(const File& sealed, const std::string& path, std::uint64_t first,
                             std::span<Fr> out) {
  return ReadNodesAt(sealed, path, first * kNodeBytes, first, out);
}

absl::StatusOr<SectorTree> SectorTree::Open(const TreeShape& shape, const SectorFiles& files) {
  SectorTree tree;
  tree.shape_ = shape;
  tree.files_ = files;
  DAMOCLES_ASSIGN_OR_RETURN(tree.sealed_, OpenSealedFile(files.sealed_path, shape));
  DAMOCLES_ASSIGN_OR_RETURN(tree.p_aux_, ReadPAux(files.cache_folder));
  for (const std::string& name : TreeFileNames(shape)) {
    DAMOCLES_ASSIGN_OR_RETURN(TreeFile file,
                              TreeFile::Open(files.cache_folder + "/" + name, shape));
    DAMOCLES_ASSIGN_OR_RETURN(const Fr root, file.Root());
    tree.trees_.push_back(std::move(file));
    tree.base_roots_.push_back(root);
  }
  if (RootOverBaseRoots(shape, tree.base_roots_) != tree.p_aux_.comm_r_last) {
    return absl::DataLossError(absl::StrFormat(
        "%s: the roots in the tree files do not make the comm_r_last in p_aux: one of these files "
        "is corrupt; rebuild the trees from the sealed file",
        files.cache_folder));
  }
  return tree;
}

absl::StatusOr<InclusionProof> SectorTree::Prove(std::uint64_t leaf) const {
  if (leaf >= shape_.Nodes()) {
    return absl::InvalidArgumentError(
        absl::StrFormat("leaf %d was asked for, the sector has %d", leaf, shape_.Nodes()));
  }
  const std::uint64_t tree = leaf / shape_.BaseLeaves();
  InclusionProof proof;
  proof.root = p_aux_.comm_r_last;
  DAMOCLES_RETURN_IF_ERROR(ProveInBaseTree(tree, leaf % shape_.BaseLeaves(), proof));

  // What is above the base trees is in no file: it follows from their roots, which Open has checked
  // against comm_r_last.
  const std::span<const Fr> roots = base_roots_;
  if (shape_.sub != 0) {
    const std::uint64_t group = tree / shape_.sub;
    proof.path.push_back(ElementOf(roots.subspan(group * shape_.sub, shape_.sub), tree));
    if (shape_.top != 0) {
      std::vector<Fr> sub_roots;
      for (unsigned i = 0; i < shape_.top; ++i) {
        sub_roots.push_back(poseidon::Hash(roots.subspan(std::size_t{i} * shape_.sub, shape_.sub)));
      }
      proof.path.push_back(ElementOf(sub_roots, group));
    }
  }
  return proof;
}

absl::Status SectorTree::ProveInBaseTree(std::uint64_t tree, std::uint64_t leaf,
                                         InclusionProof& proof) const {
  const TreeFile& file = trees_[tree];
  // A file with the leaves in it is read from row 1 on: the sealed file is what is to be proven.
  const unsigned first_row = std::max(file.FirstRow(), 1u);
  const std::uint64_t width = std::uint64_t{1} << (3 * first_row);
  const std::uint64_t start = leaf / width * width;
  const std::uint64_t sealed_start = tree * shape_.BaseLeaves() + start;

  std::vector<Fr> row_nodes(width);
  DAMOCLES_RETURN_IF_ERROR(ReadSealedNodes(sealed_, files_.sealed_path, sealed_start, row_nodes));
  proof.leaf = row_nodes[leaf - start];
  for (unsigned row = 0; row < first_row; ++row) {
    const std::uint64_t at = (leaf - start) >> (3 * row);
    proof.path.push_back(ElementOf(
        std::span<const Fr>(row_nodes).subspan(at / kBaseArity * kBaseArity, kBaseArity), at));
    std::vector<Fr> parents(row_nodes.size() / kBaseArity);
    poseidon::HashRow8(row_nodes, parents);
    row_nodes = std::move(parents);
  }

  // Invariant: `node` is what the rows below hash to at the leaf's place in `row`.
  Fr node = row_nodes[0];
  for (unsigned row = first_row; row <= shape_.base_depth; ++row) {
    const std::uint64_t index = leaf >> (3 * row);
    std::array<Fr, kBaseArity> group;
    const std::size_t group_size = row == shape_.base_depth ? 1 : kBaseArity;
    const std::span<Fr> nodes(group.data(), group_size);
    DAMOCLES_RETURN_IF_ERROR(file.ReadNodes(row, index / group_size * group_size, nodes));
    if (group[index % group_size] != node) {
      const std::string below = row == first_row
                                    ? absl::StrFormat("nodes %d to %d of %s", sealed_start,
                                                      sealed_start + width - 1, files_.sealed_path)
                                    : absl::StrFormat("row %d", row - 1);
      return absl::DataLossError(
          absl::StrFormat("%s: row %d, node %d is not the hash of %s: one of them is corrupt",
                          file.Path(), row, index, below));
    }
    if (row == shape_.base_depth) break;
    proof.path.push_back(ElementOf(group, index));
    node = poseidon::Hash8(group);
  }
  return absl::OkStatus();
}

}  // namespace damocles::merkle
