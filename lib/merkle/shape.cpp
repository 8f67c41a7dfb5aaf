// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/merkle/shape.h"

#include <algorithm>
#include <array>

#include "absl/strings/str_format.h"

#include "damocles/base/check.h"
#include "damocles/poseidon/poseidon.h"

namespace damocles::merkle {
namespace {

constexpr std::uint64_t kKiB = 1024;
constexpr std::uint64_t kMiB = 1024 * kKiB;
constexpr std::uint64_t kGiB = 1024 * kMiB;

constexpr std::array<TreeShape, 10> kShapes = {{
    {2 * kKiB, 2, 0, 0},
    {4 * kKiB, 2, 2, 0},
    {16 * kKiB, 2, 8, 0},
    {32 * kKiB, 2, 8, 2},
    {8 * kMiB, 6, 0, 0},
    {16 * kMiB, 6, 2, 0},
    {512 * kMiB, 8, 0, 0},
    {1 * kGiB, 8, 2, 0},
    {32 * kGiB, 9, 8, 0},
    {64 * kGiB, 9, 8, 2},
}};

}  // namespace

std::string TreeShape::Name() const {
  return absl::StrFormat("%d-%d-%d", kBaseArity, sub, top);
}

std::span<const TreeShape> AllShapes() {
  return kShapes;
}

absl::StatusOr<TreeShape> ShapeOf(std::uint64_t sector_bytes) {
  const auto* const found = std::find_if(
      kShapes.begin(), kShapes.end(),
      [sector_bytes](const TreeShape& shape) { return shape.sector_bytes == sector_bytes; });
  if (found == kShapes.end()) {
    return absl::InvalidArgumentError(
        absl::StrFormat("no sector has %d bytes: 2, 4, 16, 32 KiB, 8, 16, 512 MiB, 1, 32 and 64 "
                        "GiB are known",
                        sector_bytes));
  }
  return *found;
}

std::string SizeName(std::uint64_t sector_bytes) {
  if (sector_bytes >= kGiB) return absl::StrFormat("%dGiB", sector_bytes / kGiB);
  if (sector_bytes >= kMiB) return absl::StrFormat("%dMiB", sector_bytes / kMiB);
  return absl::StrFormat("%dKiB", sector_bytes / kKiB);
}

unsigned DefaultRowsToDiscard(const TreeShape& shape) {
  return std::min(shape.base_depth - 1, 2u);
}

std::vector<std::string> TreeFileNames(const TreeShape& shape) {
  if (shape.BaseTrees() == 1) return {"sc-02-data-tree-r-last.dat"};
  std::vector<std::string> names;
  for (unsigned tree = 0; tree < shape.BaseTrees(); ++tree) {
    names.push_back(absl::StrFormat("sc-02-data-tree-r-last-%d.dat", tree));
  }
  return names;
}

std::uint64_t TreeFileBytes(const TreeShape& shape, unsigned rows_to_discard) {
  DAMOCLES_DCHECK(rows_to_discard < shape.base_depth);
  std::uint64_t nodes = 0;
  for (unsigned row = rows_to_discard + 1; row <= shape.base_depth; ++row) {
    nodes += shape.RowNodes(row);
  }
  return nodes * kNodeBytes;
}

Fr RootOverBaseRoots(const TreeShape& shape, std::span<const Fr> base_roots) {
  DAMOCLES_CHECK(base_roots.size() == shape.BaseTrees());
  if (shape.sub == 0) return base_roots[0];
  if (shape.top == 0) return poseidon::Hash(base_roots);
  std::vector<Fr> sub_roots;
  for (unsigned i = 0; i < shape.top; ++i) {
    sub_roots.push_back(poseidon::Hash(base_roots.subspan(std::size_t{i} * shape.sub, shape.sub)));
  }
  return poseidon::Hash(sub_roots);
}

}  // namespace damocles::merkle
