// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// A whole proof as data: everything that can be compared between two implementations.

#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

#include "damocles/base/bytes.h"
#include "damocles/base/random.h"
#include "damocles/base/thread_pool.h"
#include "damocles/groth16/backend.h"
#include "damocles/groth16/setup.h"
#include "damocles/post/partition.h"
#include "damocles/prover/post_prover.h"

namespace damocles::practice {

// Setup secrets as cases and files hold them: {"alpha": hex, "beta", "gamma", "delta", "tau"}, each
// 32 bytes little-endian and below r; or a whole case that has them.
absl::StatusOr<groth16::SetupSecrets> ReadSecrets(std::string_view json);

// What a case, or what `damocles-prover prove --json` prints, says of a proof.
struct ProofCase {
  prover::PostClaim claim;  // the randomness as it stands, not masked
  std::vector<post::SectorCommitment> sectors;
  Bytes proof;
};

// Reads kind, sector_size, api_version, circuit, randomness, sectors[].sector and .comm_r, and
// proof; all must be there, others are not looked at.  INVALID_ARGUMENT names the member that is
// wrong.
absl::StatusOr<ProofCase> ReadProofCase(std::string_view json);

struct CaseOptions {
  std::string store;  // a folder in the Lotus layout: sealed/, cache/
  std::string
      parameters;  // folder of parameter files; absent ones are made from the case's secrets
  std::function<void(std::string_view)> progress;
};

// Takes a case as JSON, reads only its inputs (name, kind, sector_size, api_version, circuit,
// miner, randomness, sectors[].sector, partitions[].r and .s, secrets) and returns the case as
// JSON with everything computed: comm_r, challenges, vanilla proofs, parameters, witness digests,
// proofs and the verifier's verdicts on five changes.  INVALID_ARGUMENT names the member that is
// wrong; FAILED_PRECONDITION if a sector cannot be proven; ALREADY_EXISTS if the parameters are to
// be made and a .vk of another setup lies there.  `progress` hears a warning when parameters are
// made.
absl::StatusOr<std::string> RunCase(std::string_view json, const CaseOptions& options,
                                    groth16::Backend& backend, ThreadPool& pool, Random& random);

}  // namespace damocles::practice
