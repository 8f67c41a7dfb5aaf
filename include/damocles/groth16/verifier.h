// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// Verification of one or many proofs of a circuit (docs/post.md 7).

#pragma once

#include <span>
#include <vector>

#include "absl/status/statusor.h"

#include "damocles/base/random.h"
#include "damocles/base/thread_pool.h"
#include "damocles/bls12_381/fr.h"
#include "damocles/bls12_381/pairing.h"
#include "damocles/groth16/params.h"
#include "damocles/groth16/proof.h"

namespace damocles::groth16 {

// A verifying key made ready.  Immutable: safe to use from several threads.
class Verifier {
 public:
  explicit Verifier(VerifyingKey key);

  const VerifyingKey& Key() const { return key_; }

  // Whether the proof holds for the public inputs (ONE not among them).  INVALID_ARGUMENT if their
  // number is not the key's.
  absl::StatusOr<bool> Verify(const Proof& proof, std::span<const bls12_381::Fr> inputs,
                              ThreadPool& pool) const;

  // Whether all proofs hold, inputs[i] for proofs[i]; wrong by chance at most once in 2^120 tries.
  // `random` must be unpredictable to whoever made the proofs.  No proofs: INVALID_ARGUMENT.
  absl::StatusOr<bool> VerifyAll(std::span<const Proof> proofs,
                                 std::span<const std::vector<bls12_381::Fr>> inputs, Random& random,
                                 ThreadPool& pool) const;

 private:
  absl::Status CheckInputCount(std::size_t count) const;

  const VerifyingKey key_;
  const bls12_381::Fp12 minus_alpha_beta_;  // the Miller function of (-alpha, beta)
};

}  // namespace damocles::groth16
