// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// What tools print of proofs, as JSON with the words of the cases (case.h).

#pragma once

#include <string>
#include <vector>

#include "damocles/base/bytes.h"
#include "damocles/prover/post_prover.h"

namespace damocles::practice {

// What is claimed, with the sectors and the proof, which ReadProofCase reads; or with the faults
// for which there is none.
std::string ProofReport(const prover::PostClaim& claim, filecoin::ActorId miner,
                        const prover::VanillaOutcome& vanilla, ByteSpan proof);

// What is claimed, with length, digest and challenges of each vanilla proof, and the faults.
// `files`, unless empty: where each was written.
std::string VanillaReport(const prover::PostClaim& claim, filecoin::ActorId miner,
                          const prover::VanillaOutcome& vanilla,
                          const std::vector<std::string>& files);

}  // namespace damocles::practice
