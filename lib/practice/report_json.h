// SPDX-License-Identifier: Apache-2.0 OR MIT

#pragma once

#include <span>
#include <vector>

#include "nlohmann/json.hpp"

#include "damocles/prover/post_prover.h"

namespace damocles::practice {

// Kind, size, version, circuit, miner, randomness: the head of a case.
nlohmann::json ClaimJson(const prover::PostClaim& claim, filecoin::ActorId miner);
nlohmann::json SectorsJson(std::span<const post::ChallengedSector> challenged);

}  // namespace damocles::practice
