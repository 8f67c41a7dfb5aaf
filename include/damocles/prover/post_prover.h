// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// Proofs of spacetime of any kind and circuit, from sector files to bytes and back.

#pragma once

#include <map>
#include <memory>
#include <span>
#include <stop_token>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

#include "damocles/base/bytes.h"
#include "damocles/base/mutex.h"
#include "damocles/base/random.h"
#include "damocles/base/thread_pool.h"
#include "damocles/groth16/backend.h"
#include "damocles/groth16/prover.h"
#include "damocles/params/parameter_store.h"
#include "damocles/post/partition.h"
#include "damocles/post/types.h"
#include "damocles/post/vanilla.h"
#include "damocles/prover/window_prover.h"

namespace damocles::prover {

// What is proven.  Here `randomness` is an element of Fr, its two top bits cleared already
// (post::MaskRandomness, or ClaimOf); in WindowPostTask and WindowPostStatement it is as the chain
// gives it.
struct PostClaim {
  post::CircuitShape circuit;
  post::ApiVersion version = post::ApiVersion::kV1_2;
  Bytes32 randomness{};
};

// Vanilla proofs of all sectors, or the reasons why there are not all.
struct VanillaOutcome {
  std::vector<post::ChallengedSector> challenged;  // ascending
  std::vector<post::FallbackSectorProof> proofs;   // in that order; empty if there are faults
  std::vector<UnprovableSector> faults;            // ascending
};

// Reads the sectors and proves their challenges, several sectors at once.  What fails for another
// reason than its contents is read once more, with nothing beside it.  All sectors that cannot be
// proven are named, each with its kind.  INVALID_ARGUMENT for a wrong claim (see
// post::ChallengeSectors), CANCELLED; RESOURCE_EXHAUSTED if no sector could be read because this
// machine is short of something.  `read_limit`: see WindowPostTask.
absl::StatusOr<VanillaOutcome> ProveVanilla(const PostClaim& claim,
                                            std::span<const SectorToProve> sectors,
                                            ThreadPool& pool, const std::stop_token& stop,
                                            absl::Duration read_limit = absl::ZeroDuration());

// Checks vanilla proofs made elsewhere, and that they are those of `challenged`.
absl::Status CheckVanilla(const PostClaim& claim,
                          std::span<const post::ChallengedSector> challenged,
                          std::span<const post::FallbackSectorProof> proofs, ThreadPool& pool);

// Whether `proof` shows the claim for these sectors, sorted and without repetitions by the callee.
// INVALID_ARGUMENT: claim or proof malformed.  `random`: see groth16::Verifier::VerifyAll.
absl::StatusOr<bool> VerifyPost(const PostClaim& claim,
                                std::span<const post::SectorCommitment> sectors, ByteSpan proof,
                                const groth16::Verifier& verifier, Random& random,
                                ThreadPool& pool);

// One partition of a proof, with what can be compared with other implementations.
struct PartitionProof {
  Bytes proof;
  groth16::WitnessDigests digests;  // only if asked for
};

struct PartitionOptions {
  // One a partition; empty: random.  Fixed blinding gives the witness away.
  std::vector<groth16::Blinding> blindings;
  bool want_digests = false;
};

// Makes SNARK proofs.  Keeps what it needs of each circuit (decoded points) for the next proof.
// Safe to call from any thread; proofs are made one at a time, and who waits for its turn can be
// stopped.
class PostProver {
 public:
  // All must outlive the prover.  `random` is used for blinding and must be fit for secrets.
  PostProver(params::ParameterStore& parameters, groth16::Backend& backend, ThreadPool& pool,
             Random& random)
      : parameters_(parameters), backend_(backend), pool_(pool), random_(random) {}

  // Proves each partition, in order, then verifies them all.  If that fails, once more with all
  // that was kept read anew from the files; if it fails again, FAILED_PRECONDITION, from then on
  // for every proof of this circuit (InService), with the file of parameters: this machine cannot
  // be trusted. The vanilla proofs must have passed their checks.
  absl::StatusOr<std::vector<PartitionProof>> Prove(
      const PostClaim& claim, std::span<const post::ChallengedSector> challenged,
      std::span<const post::FallbackSectorProof> proofs, const PartitionOptions& options,
      const std::stop_token& stop);

  // Why no proofs of this circuit are made any more; OK if they are.
  absl::Status InService(const post::CircuitShape& circuit) const;

 private:
  class Turn;
  absl::StatusOr<std::vector<PartitionProof>> ProveOnce(
      const PostClaim& claim, std::span<const post::ChallengedSector> challenged,
      std::span<const post::FallbackSectorProof> proofs, const PartitionOptions& options,
      const std::stop_token& stop);
  absl::StatusOr<const groth16::Prover*> ProverOf(const post::CircuitShape& circuit);
  absl::Status SelfCheck(const PostClaim& claim, std::span<const post::ChallengedSector> challenged,
                         std::span<const PartitionProof> partitions);

  params::ParameterStore& parameters_;
  groth16::Backend& backend_;
  ThreadPool& pool_;
  Random& random_;
  std::map<std::string, std::unique_ptr<groth16::Prover>> provers_;
  mutable Mutex mutex_;
  CondVar turn_is_free_;
  bool proving_ ABSL_GUARDED_BY(mutex_) = false;  // somebody has the turn, and with it provers_
  std::map<std::string, absl::Status> out_of_service_ ABSL_GUARDED_BY(mutex_);  // by .params file
};

// The partitions' proofs one after the other.
Bytes Join(std::span<const PartitionProof> partitions);

}  // namespace damocles::prover
