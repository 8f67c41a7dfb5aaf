// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/merkle/inclusion_proof.h"

#include <array>
#include <span>

#include "absl/strings/str_format.h"

#include "damocles/base/check.h"
#include "damocles/poseidon/poseidon.h"

namespace damocles::merkle {

absl::Status CheckForm(const InclusionProof& proof, const TreeShape& shape) {
  if (proof.path.size() != shape.PathLevels()) {
    return absl::InvalidArgumentError(absl::StrFormat("an inclusion path has %d levels, want %d",
                                                      proof.path.size(), shape.PathLevels()));
  }
  for (unsigned level = 0; level < shape.PathLevels(); ++level) {
    const PathElement& element = proof.path[level];
    const unsigned arity = shape.Arity(level);
    if (element.siblings.size() != arity - 1) {
      return absl::InvalidArgumentError(
          absl::StrFormat("level %d of an inclusion path has %d siblings, want %d", level,
                          element.siblings.size(), arity - 1));
    }
    if (element.index >= arity) {
      return absl::InvalidArgumentError(
          absl::StrFormat("level %d of an inclusion path has index %d, which is not below %d",
                          level, element.index, arity));
    }
  }
  return absl::OkStatus();
}

Fr ComputedRoot(const InclusionProof& proof) {
  Fr node = proof.leaf;
  std::array<Fr, kBaseArity> group;
  for (const PathElement& element : proof.path) {
    const std::size_t arity = element.siblings.size() + 1;
    DAMOCLES_CHECK(arity <= group.size() && element.index < arity);
    for (std::size_t i = 0, sibling = 0; i < arity; ++i) {
      group[i] = i == element.index ? node : element.siblings[sibling++];
    }
    node = poseidon::Hash(std::span<const Fr>(group.data(), arity));
  }
  return node;
}

std::uint64_t ComputedLeafIndex(const InclusionProof& proof) {
  std::uint64_t leaf = 0;
  for (std::size_t level = proof.path.size(); level-- > 0;) {
    const PathElement& element = proof.path[level];
    DAMOCLES_DCHECK(element.index <= element.siblings.size());
    leaf = leaf * (element.siblings.size() + 1) + element.index;
  }
  return leaf;
}

}  // namespace damocles::merkle
