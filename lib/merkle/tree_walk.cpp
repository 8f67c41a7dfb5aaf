// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "lib/merkle/tree_walk.h"

#include <errno.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <utility>
#include <vector>

#include "damocles/base/check.h"
#include "damocles/base/mutex.h"
#include "damocles/base/status.h"
#include "damocles/merkle/sector_tree.h"
#include "damocles/poseidon/poseidon.h"

namespace damocles::merkle {
namespace {

// A piece has 8^5 leaves: 1 MiB to read at once, and few enough in a small sector's tree for all
// threads to have work.
constexpr unsigned kPieceRows = 5;

// Whether bytes [offset, offset + bytes) take no space in the file.
bool IsHole(const File& file, std::uint64_t offset, std::uint64_t bytes) {
  // The position that this moves is not used: reads name their offset.
  const off_t data = lseek(file.Descriptor(), static_cast<off_t>(offset), SEEK_DATA);
  if (data < 0) return errno == ENXIO;
  return static_cast<std::uint64_t>(data) >= offset + bytes;
}

// Hands `nodes` of `row` and all rows above them to `sink`, from row `wanted` on; returns the one
// at the end.
absl::StatusOr<Fr> HashUp(std::vector<Fr> nodes, unsigned row, unsigned wanted, std::uint64_t first,
                          const RowSink& sink) {
  for (;; ++row) {
    if (row >= wanted) DAMOCLES_RETURN_IF_ERROR(sink(row, first, nodes));
    if (nodes.size() == 1) return nodes[0];
    std::vector<Fr> parents(nodes.size() / kBaseArity);
    poseidon::HashRow8(nodes, parents);
    nodes = std::move(parents);
    first /= kBaseArity;
  }
}

absl::StatusOr<Fr> ZerosUp(unsigned rows, std::span<const Fr> zero_roots, unsigned wanted,
                           std::uint64_t first, const RowSink& sink) {
  for (unsigned row = wanted; row <= rows; ++row) {
    const std::vector<Fr> nodes(std::size_t{1} << (3 * (rows - row)), zero_roots[row]);
    DAMOCLES_RETURN_IF_ERROR(sink(row, first >> (3 * row), nodes));
  }
  return zero_roots[rows];
}

// The first error by place in the file.
class FirstError {
 public:
  void Note(std::size_t piece, absl::Status status) {
    const MutexLock lock(mutex_);
    if (failed_.load() && piece_ <= piece) return;
    piece_ = piece;
    status_ = std::move(status);
    failed_.store(true);
  }
  bool Failed() const { return failed_.load(); }
  absl::Status Take() {
    const MutexLock lock(mutex_);
    return status_;
  }

 private:
  Mutex mutex_;
  std::atomic<bool> failed_{false};
  std::size_t piece_ ABSL_GUARDED_BY(mutex_) = 0;
  absl::Status status_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace

absl::StatusOr<Fr> WalkBaseTree(ThreadPool& pool, const TreeShape& shape, const File& sealed,
                                const std::string& sealed_path, unsigned tree, unsigned first_row,
                                const RowSink& sink,
                                const std::function<void(std::uint64_t)>& leaves_done) {
  DAMOCLES_DCHECK(tree < shape.BaseTrees() && first_row <= shape.base_depth);
  const unsigned piece_rows = std::min(kPieceRows, shape.base_depth);
  const std::uint64_t piece_leaves = std::uint64_t{1} << (3 * piece_rows);
  const std::vector<Fr> zero_roots = ZeroRoots(piece_rows);
  std::vector<Fr> tops(shape.BaseLeaves() / piece_leaves);

  const auto walk_piece = [&](std::size_t piece) -> absl::StatusOr<Fr> {
    const std::uint64_t first = piece * piece_leaves;
    const std::uint64_t sealed_first = tree * shape.BaseLeaves() + first;
    if (IsHole(sealed, sealed_first * kNodeBytes, piece_leaves * kNodeBytes)) {
      return ZerosUp(piece_rows, zero_roots, first_row, first, sink);
    }
    std::vector<Fr> leaves(piece_leaves);
    DAMOCLES_RETURN_IF_ERROR(ReadSealedNodes(sealed, sealed_path, sealed_first, leaves));
    return HashUp(std::move(leaves), 0, first_row, first, sink);
  };

  FirstError error;
  pool.ParallelFor(tops.size(), [&](std::size_t piece) {
    // Pieces are given out in order, so those before a failed one have all been begun.
    if (error.Failed()) return;
    const absl::StatusOr<Fr> top = walk_piece(piece);
    if (!top.ok()) {
      error.Note(piece, top.status());
      return;
    }
    tops[piece] = *top;
    leaves_done(piece_leaves);
  });
  if (error.Failed()) return error.Take();

  if (tops.size() == 1) return tops[0];
  // The pieces have handed out row piece_rows already.
  std::vector<Fr> parents(tops.size() / kBaseArity);
  poseidon::HashRow8(tops, parents);
  return HashUp(std::move(parents), piece_rows + 1, first_row, 0, sink);
}

std::vector<Fr> ZeroRoots(unsigned depth) {
  std::vector<Fr> roots = {Fr::Zero()};
  for (unsigned row = 1; row <= depth; ++row) {
    std::array<Fr, kBaseArity> children;
    children.fill(roots.back());
    roots.push_back(poseidon::Hash8(children));
  }
  return roots;
}

}  // namespace damocles::merkle
