// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// Groth16 proofs of the circuit of a proof of spacetime (docs/post.md 6).

#pragma once

#include <future>
#include <memory>
#include <span>
#include <stop_token>
#include <string>
#include <utility>

#include "absl/status/statusor.h"

#include "damocles/base/random.h"
#include "damocles/base/thread_pool.h"
#include "damocles/circuit/post_circuit.h"
#include "damocles/circuit/witness.h"
#include "damocles/groth16/backend.h"
#include "damocles/groth16/params.h"
#include "damocles/groth16/proof.h"

namespace damocles::groth16 {

// The two random numbers that hide the witness.  Fresh for every proof, or the proof tells; whoever
// learns them later can tell as well, so they are overwritten when they go.
struct Blinding {
  bls12_381::Fr r = bls12_381::Fr::Zero();
  bls12_381::Fr s = bls12_381::Fr::Zero();
  ~Blinding();
};
Blinding RandomBlinding(Random& random);

// SHA-256 over the elements, canonical and little-endian: what golden cases hold.
struct WitnessDigests {
  std::string inputs_without_one;  // hexadecimal, as the others
  std::string aux;
  std::string a;
  std::string b;
  std::string c;
};

// A proof that was begun.  Goes before the prover it came from.
class PendingProof {
 public:
  // Waits for the sums, and may compute them.  Once.  CANCELLED if the prover was told to stop;
  // DATA_LOSS, with the file, if a point of the parameters is not sound.
  absl::StatusOr<Proof> Finish();

 private:
  friend class Prover;
  PendingProof(const ParamsFile& params, const Blinding& blinding,
               std::future<absl::StatusOr<QuerySums>> sums)
      : params_(&params), blinding_(blinding), sums_(std::move(sums)) {}

  const ParamsFile* params_;
  Blinding blinding_;
  std::future<absl::StatusOr<QuerySums>> sums_;
};

// A circuit with its proving key, ready for many proofs.  Safe to call from several threads; memory
// for a proof is about 32 * (aux + 3 * 2^k) bytes, its points, and on the processor 16 * 2^k for
// roots of unity.
class Prover {
 public:
  // `backend` and `pool` must outlive the prover.
  static absl::StatusOr<std::unique_ptr<Prover>> Make(const circuit::PostShape& shape,
                                                      std::shared_ptr<const ParamsFile> params,
                                                      Backend& backend, ThreadPool& pool);

  // Makes the witness of one partition and begins its proof; `sectors` as for
  // circuit::GenerateWitness, and checked by the caller.  CANCELLED if `stop` says so.  `digests`,
  // if given, is filled in.
  absl::StatusOr<PendingProof> Begin(std::span<const circuit::SectorPaths> sectors,
                                     const Blinding& blinding, const std::stop_token& stop,
                                     WitnessDigests* digests = nullptr) const;
  // The same to its end.
  absl::StatusOr<Proof> Prove(std::span<const circuit::SectorPaths> sectors,
                              const Blinding& blinding, const std::stop_token& stop,
                              WitnessDigests* digests = nullptr) const;

  const circuit::PostShape& Shape() const { return shape_; }
  const circuit::Counts& Counts() const { return counts_; }
  const ParamsFile& Params() const { return *params_; }

 private:
  Prover(circuit::PostShape shape, std::shared_ptr<const ParamsFile> params, ThreadPool& pool);
  Assignment MakeAssignment(std::span<const circuit::SectorPaths> sectors,
                            WitnessDigests* digests) const;

  const circuit::PostShape shape_;
  const circuit::Counts counts_;
  const std::shared_ptr<const ParamsFile> params_;
  ThreadPool& pool_;
  std::unique_ptr<ProvingKey> key_;
};

}  // namespace damocles::groth16
