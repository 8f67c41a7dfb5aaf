// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/merkle/tree_file.h"

#include <algorithm>
#include <array>
#include <utility>

#include "absl/strings/str_format.h"
#include "lib/merkle/node_io.h"

#include "damocles/base/check.h"
#include "damocles/base/status.h"

namespace damocles::merkle {
namespace {

// Nodes of rows [first, end).
std::uint64_t NodesOfRows(const TreeShape& shape, unsigned first, unsigned end) {
  std::uint64_t nodes = 0;
  for (unsigned row = first; row < end; ++row) nodes += shape.RowNodes(row);
  return nodes;
}

}  // namespace

absl::StatusOr<TreeFile> TreeFile::Open(const std::string& path, const TreeShape& shape) {
  std::uint64_t bytes = 0;
  DAMOCLES_ASSIGN_OR_RETURN(File file, OpenRegular(path, 0, &bytes));
  const unsigned last = std::min(kRowsToDiscardMax + 1, shape.base_depth);
  for (unsigned first_row = 0; first_row <= last; ++first_row) {
    if (bytes == kNodeBytes * NodesOfRows(shape, first_row, shape.base_depth + 1)) {
      return TreeFile(path, shape, first_row, std::move(file));
    }
  }
  return absl::DataLossError(
      absl::StrFormat("%s: is %d bytes, which no tree file of this sector size has; want %d", path,
                      bytes, TreeFileBytes(shape, DefaultRowsToDiscard(shape))));
}

absl::Status TreeFile::ReadNodes(unsigned row, std::uint64_t first, std::span<Fr> out) const {
  DAMOCLES_CHECK(row >= first_row_ && row <= shape_.base_depth &&
                 first + out.size() <= shape_.RowNodes(row));
  const std::uint64_t node = NodesOfRows(shape_, first_row_, row) + first;
  return Annotate(ReadNodesAt(file_, path_, node * kNodeBytes, first, out),
                  absl::StrFormat("tree row %d", row));
}

absl::StatusOr<Fr> TreeFile::Root() const {
  std::array<Fr, 1> root;
  DAMOCLES_RETURN_IF_ERROR(ReadNodes(shape_.base_depth, 0, root));
  return root[0];
}

}  // namespace damocles::merkle
