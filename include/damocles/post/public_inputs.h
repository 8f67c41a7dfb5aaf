// SPDX-License-Identifier: Apache-2.0 OR MIT

#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "damocles/post/partition.h"

namespace damocles::post {

// Length of the vector below: sectors * (1 + challenges).
std::uint64_t PublicInputCount(const CircuitShape& circuit);

// The public inputs of one partition without the leading ONE (docs/post.md 4): for each of the
// circuit's sectors comm_r and its challenges; `real` as from PartitionOf, padded here.
std::vector<Fr> PublicInputs(const CircuitShape& circuit, std::span<const ChallengedSector> real);

}  // namespace damocles::post
