// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// A trusted setup made on one machine, for sizes without published parameters and for tests
// (post-proofs.md 8.9).  Who knows the secrets can make false proofs.

#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "absl/status/status.h"

#include "damocles/base/random.h"
#include "damocles/base/thread_pool.h"
#include "damocles/bls12_381/fr.h"
#include "damocles/circuit/post_circuit.h"
#include "damocles/groth16/params.h"

namespace damocles::groth16 {

struct SetupSecrets {
  bls12_381::Fr alpha;
  bls12_381::Fr beta;
  bls12_381::Fr gamma;
  bls12_381::Fr delta;
  bls12_381::Fr tau;
};
SetupSecrets RandomSecrets(Random& random);

// All bytes of the .params file for the standard generators.  INVALID_ARGUMENT if a secret is zero
// or tau lies in the evaluation domain.  `progress`, if given, hears what is being made.
absl::StatusOr<Bytes> MakeParams(const circuit::PostCircuit& circuit, const SetupSecrets& secrets,
                                 ThreadPool& pool,
                                 const std::function<void(std::string_view)>& progress = {});

}  // namespace damocles::groth16
