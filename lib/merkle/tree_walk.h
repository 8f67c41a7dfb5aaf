// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// Hashes base trees from the leaves to the root, a piece at a time.

#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>

#include "absl/status/status.h"

#include "damocles/base/file.h"
#include "damocles/base/thread_pool.h"
#include "damocles/merkle/shape.h"

namespace damocles::merkle {

// Takes nodes [first, first + nodes.size()) of `row`; called from several threads at a time, never
// twice for one node.  An error ends the walk.
using RowSink =
    std::function<absl::Status(unsigned row, std::uint64_t first, std::span<const Fr> nodes)>;

// Calls `sink` with rows first_row up to the root of base tree `tree`; row 0 are the leaves.
// Keeps 1.2 MiB a thread and one node of 32768 leaves.  Where the sealed file has a hole (zeros
// that take no space) it is neither read nor hashed.  `leaves_done` is called with the leaves of
// each finished piece, from several threads.  If several pieces fail, the status is that of the
// first in the file.
absl::StatusOr<Fr> WalkBaseTree(ThreadPool& pool, const TreeShape& shape, const File& sealed,
                                const std::string& sealed_path, unsigned tree, unsigned first_row,
                                const RowSink& sink,
                                const std::function<void(std::uint64_t)>& leaves_done);

// Roots of trees of zeros: element k is the root over 8^k zeros; depth + 1 elements.
std::vector<Fr> ZeroRoots(unsigned depth);

}  // namespace damocles::merkle
