// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// WindowPoSt and WinningPoSt in this process, with the network's circuits.

#pragma once

#include <memory>
#include <stop_token>

#include "absl/status/statusor.h"

#include "damocles/base/bytes.h"
#include "damocles/base/random.h"
#include "damocles/base/thread_pool.h"
#include "damocles/params/parameter_store.h"
#include "damocles/prover/post_prover.h"
#include "damocles/prover/window_prover.h"

namespace damocles::prover {

// All arguments must outlive what is made.
std::unique_ptr<WindowProver> MakeLocalWindowProver(PostProver& prover, ThreadPool& pool);
std::unique_ptr<WindowVerifier> MakeLocalWindowVerifier(params::ParameterStore& parameters,
                                                        ThreadPool& pool, Random& random);

// A WinningPoSt of one sector; outcome and statuses as WindowProver::Prove.  `randomness` as there.
absl::StatusOr<WindowPostOutcome> ProveWinning(PostProver& prover, ThreadPool& pool,
                                               filecoin::PoStProofType proof_type,
                                               const Bytes32& randomness,
                                               const SectorToProve& sector,
                                               const std::stop_token& stop);
// Statuses as WindowVerifier::Verify.
absl::StatusOr<bool> VerifyWinning(params::ParameterStore& parameters, ThreadPool& pool,
                                   Random& random, filecoin::PoStProofType proof_type,
                                   const Bytes32& randomness, const post::SectorCommitment& sector,
                                   ByteSpan proof);

// The claim behind a registered proof, randomness masked.  INVALID_ARGUMENT for a number that is
// not registered.
absl::StatusOr<PostClaim> ClaimOf(filecoin::PoStProofType proof_type, const Bytes32& randomness);

}  // namespace damocles::prover
