// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// A trusted setup made on one machine, for sizes without published parameters and for tests
// (secrets: docs/formats/params.md).  Who knows the secrets can make false proofs.

#pragma once

#include <cstdint>
#include <functional>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "damocles/base/bytes.h"
#include "damocles/base/random.h"
#include "damocles/base/thread_pool.h"
#include "damocles/bls12_381/fr.h"
#include "damocles/circuit/post_circuit.h"

namespace damocles::groth16 {

// Overwritten when it goes.
struct SetupSecrets {
  bls12_381::Fr alpha;
  bls12_381::Fr beta;
  bls12_381::Fr gamma;
  bls12_381::Fr delta;
  bls12_381::Fr tau;

  ~SetupSecrets();
};
SetupSecrets RandomSecrets(Random& random);

// Takes the next bytes of a file; an error stops the work and comes back to the caller.
using ByteSink = std::function<absl::Status(ByteSpan)>;

// Gives all bytes of the .params file for the standard generators to `sink`, in order; returns the
// length of the leading part that is the .vk.  INVALID_ARGUMENT if a secret is zero or tau lies in
// the evaluation domain.  `progress`, if given, hears what is being made.
absl::StatusOr<std::uint64_t> MakeParams(
    const circuit::PostCircuit& circuit, const SetupSecrets& secrets, ThreadPool& pool,
    const ByteSink& sink, const std::function<void(std::string_view)>& progress = {});

}  // namespace damocles::groth16
