// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// Groth16 proofs of the circuit of a proof of spacetime (docs/post.md 6).

#pragma once

#include <atomic>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

#include "damocles/base/bytes.h"
#include "damocles/base/random.h"
#include "damocles/base/thread_pool.h"
#include "damocles/circuit/post_circuit.h"
#include "damocles/circuit/witness.h"
#include "damocles/groth16/engine.h"
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

// A circuit with its proving key, ready for many proofs.  One proof at a time for each thread that
// calls; memory for a proof is about 32 * (aux + 3 * 2^k) bytes and its points.
class Prover {
 public:
  // `engine` and `pool` must outlive the prover.
  static absl::StatusOr<std::unique_ptr<Prover>> Make(const circuit::PostShape& shape,
                                                      std::shared_ptr<const ParamsFile> params,
                                                      Engine& engine, ThreadPool& pool);

  // Proves one partition; `sectors` as for circuit::GenerateWitness, and checked by the caller.
  // CANCELLED if `cancelled` becomes true; DATA_LOSS if a point of the file is not sound.
  // `digests`, if given, is filled in.
  absl::StatusOr<Proof> Prove(std::span<const circuit::SectorPaths> sectors,
                              const Blinding& blinding, const std::atomic<bool>& cancelled,
                              WitnessDigests* digests = nullptr) const;

  const circuit::PostShape& Shape() const { return shape_; }
  const circuit::Counts& Counts() const { return counts_; }
  const ParamsFile& Params() const { return *params_; }

 private:
  // The multi-exponentiations of 8.5.
  struct QuerySums {
    bls12_381::G1 h = bls12_381::G1::Infinity();
    bls12_381::G1 l = bls12_381::G1::Infinity();
    bls12_381::G1 a = bls12_381::G1::Infinity();
    bls12_381::G1 b_g1 = bls12_381::G1::Infinity();
    bls12_381::G2 b_g2 = bls12_381::G2::Infinity();
  };

  Prover(circuit::PostShape shape, std::shared_ptr<const ParamsFile> params, Engine& engine,
         ThreadPool& pool);
  absl::StatusOr<QuerySums> Sums(std::span<const circuit::SectorPaths> sectors,
                                 const Blinding& blinding, const std::atomic<bool>& cancelled,
                                 WitnessDigests* digests) const;
  static void Assemble(const QuerySums& sums, const VerifyingKey& key, const Blinding& blinding,
                       Proof& out);

  const circuit::PostShape shape_;
  const circuit::Counts counts_;
  const circuit::Densities densities_;
  const std::shared_ptr<const ParamsFile> params_;
  Engine& engine_;
  ThreadPool& pool_;
  std::unique_ptr<PointSet> h_;
  std::unique_ptr<PointSet> l_;
  std::unique_ptr<PointSet> a_;
  std::unique_ptr<PointSet> b_g1_;
  std::unique_ptr<PointSet> b_g2_;
};

}  // namespace damocles::groth16
