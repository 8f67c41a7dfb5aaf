// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// Practice sectors for a devnet: in a store and in a genesis file.

#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

#include "damocles/practice/practice_sector.h"

namespace damocles::practice {

// MakePracticeSectors, then adds them to the genesis file, which is locked from before to after:
// what can be known to be wrong with it is found before a sector is made.  Sectors that are in the
// store already are kept: a run that stopped before it wrote the file can be repeated.
// ALREADY_EXISTS if the file has one that the store has not.  `deadline`: the one that the devnet
// shall put them in, else by the chain's rule.
absl::StatusOr<std::vector<PracticeSector>> MakeGenesisSectors(
    ThreadPool& pool, Random& random, PracticeOrder order, const std::string& genesis,
    std::optional<std::uint64_t> deadline);

}  // namespace damocles::practice
