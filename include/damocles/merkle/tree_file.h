// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// One tree file: rows D + 1 up to the root of one base tree, without header (docs/post.md 1).

#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "absl/status/statusor.h"

#include "damocles/base/file.h"
#include "damocles/bls12_381/fr.h"
#include "damocles/merkle/shape.h"

namespace damocles::merkle {

// The most rows that a reader accepts to be left out.  The network's programs leave out at most 2;
// at 5 a proof of one leaf already reads 8 MiB of the sealed file.
inline constexpr unsigned kRowsToDiscardMax = 5;

// Reads nodes of a tree file.  Never creates or changes a file.  From any thread.
class TreeFile {
 public:
  // D, the number of rows left out above the leaves, follows from the length of the file; a file
  // with all rows, leaves too, is accepted as well.  NOT_FOUND if absent; DATA_LOSS for a length
  // that no D up to kRowsToDiscardMax has or for what is not a regular file; the message names the
  // file.
  static absl::StatusOr<TreeFile> Open(const std::string& path, const TreeShape& shape);

  // The lowest row in the file: D + 1, or 0 if the leaves are there too.
  unsigned FirstRow() const { return first_row_; }
  const std::string& Path() const { return path_; }

  // Reads nodes [first, first + out.size()) of `row`, which is >= FirstRow() and has them.
  // DATA_LOSS if a node is not a canonical element (with its row and index) or the file ends
  // before.
  absl::Status ReadNodes(unsigned row, std::uint64_t first, std::span<Fr> out) const;
  absl::StatusOr<Fr> Root() const;

 private:
  TreeFile(std::string path, const TreeShape& shape, unsigned first_row, File file)
      : path_(std::move(path)), shape_(shape), first_row_(first_row), file_(std::move(file)) {}

  std::string path_;
  TreeShape shape_;
  unsigned first_row_ = 0;
  File file_;
};

}  // namespace damocles::merkle
