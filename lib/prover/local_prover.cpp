// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/prover/local_prover.h"

#include <exception>
#include <new>
#include <stop_token>
#include <utility>
#include <vector>

#include "absl/strings/str_format.h"

#include "damocles/base/log.h"
#include "damocles/base/status.h"
#include "damocles/post/challenge.h"

namespace damocles::prover {
namespace {

template <typename Sector>
absl::Status CheckAscending(const std::vector<Sector>& sectors) {
  if (sectors.empty()) return absl::InvalidArgumentError("there is no sector to prove");
  for (std::size_t i = 1; i < sectors.size(); ++i) {
    if (sectors[i].number <= sectors[i - 1].number) {
      return absl::InvalidArgumentError(absl::StrFormat("sectors must ascend: %d follows %d",
                                                        sectors[i].number, sectors[i - 1].number));
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<PostClaim> KindOfClaim(filecoin::PoStProofType type, const Bytes32& randomness,
                                      post::PostKind kind) {
  DAMOCLES_ASSIGN_OR_RETURN(PostClaim claim, ClaimOf(type, randomness));
  if (claim.circuit.kind == kind) return claim;
  return absl::InvalidArgumentError(
      absl::StrFormat("%s is not a %s proof", filecoin::ToString(type), post::KindName(kind)));
}

absl::StatusOr<WindowPostOutcome> ProveClaim(PostProver& prover, ThreadPool& pool,
                                             const PostClaim& claim,
                                             std::span<const SectorToProve> sectors,
                                             const std::stop_token& stop,
                                             absl::Duration read_limit) {
  DAMOCLES_ASSIGN_OR_RETURN(VanillaOutcome vanilla,
                            ProveVanilla(claim, sectors, pool, stop, read_limit));
  WindowPostOutcome outcome;
  if (!vanilla.faults.empty()) {
    outcome.faults = std::move(vanilla.faults);
    return outcome;
  }
  DAMOCLES_ASSIGN_OR_RETURN(const std::vector<PartitionProof> partitions,
                            prover.Prove(claim, vanilla.challenged, vanilla.proofs, {}, stop));
  outcome.proof = Join(partitions);
  return outcome;
}

// What `work` returns; of an exception (there is no memory) a status that says nothing about the
// sectors or the proof.
template <typename T, typename Work>
absl::StatusOr<T> WithoutExceptions(const Work& work) {
  try {
    return work();
  } catch (const std::bad_alloc&) {
    return absl::ResourceExhaustedError("this machine has too little memory for it");
  } catch (const std::exception& error) {
    return absl::ResourceExhaustedError(
        absl::StrFormat("this machine could not do it: %s", error.what()));
  }
}

class LocalWindowProver final : public WindowProver {
 public:
  LocalWindowProver(PostProver& prover, ThreadPool& pool) : prover_(prover), pool_(pool) {}

  absl::StatusOr<WindowPostOutcome> Prove(const WindowPostTask& task,
                                          const std::stop_token& stop) override {
    DAMOCLES_ASSIGN_OR_RETURN(const PostClaim claim, KindOfClaim(task.proof_type, task.randomness,
                                                                 post::PostKind::kWindow));
    DAMOCLES_RETURN_IF_ERROR(CheckAscending(task.sectors));
    return WithoutExceptions<WindowPostOutcome>(
        [&] { return ProveClaim(prover_, pool_, claim, task.sectors, stop, task.read_limit); });
  }

 private:
  PostProver& prover_;
  ThreadPool& pool_;
};

class LocalWindowVerifier final : public WindowVerifier {
 public:
  LocalWindowVerifier(params::ParameterStore& parameters, ThreadPool& pool, Random& random)
      : parameters_(parameters), pool_(pool), random_(random) {}

  absl::StatusOr<bool> Verify(const WindowPostStatement& statement, ByteSpan proof) override {
    return WithoutExceptions<bool>([&] { return Judge(statement, proof); });
  }

  absl::StatusOr<std::string> VkDigest(filecoin::PoStProofType proof_type) override {
    DAMOCLES_ASSIGN_OR_RETURN(const PostClaim claim, ClaimOf(proof_type, Bytes32{}));
    DAMOCLES_ASSIGN_OR_RETURN(const auto vk, parameters_.Vk(claim.circuit));
    return vk->sha256;
  }

 private:
  absl::StatusOr<bool> Judge(const WindowPostStatement& statement, ByteSpan proof) {
    DAMOCLES_ASSIGN_OR_RETURN(
        const PostClaim claim,
        KindOfClaim(statement.proof_type, statement.randomness, post::PostKind::kWindow));
    DAMOCLES_RETURN_IF_ERROR(CheckAscending(statement.sectors));
    DAMOCLES_ASSIGN_OR_RETURN(const auto vk, parameters_.Vk(claim.circuit));
    absl::StatusOr<bool> valid =
        VerifyPost(claim, statement.sectors, proof, vk->verifier, random_, pool_);
    if (!valid.ok() || *valid) return valid;
    // A bit of the key that has changed in memory would refuse every proof until a restart.  The
    // file is the judge, if it still is the one that was read.
    parameters_.Forget(claim.circuit);
    DAMOCLES_ASSIGN_OR_RETURN(const auto anew, parameters_.Vk(claim.circuit));
    if (anew->sha256 != vk->sha256) return valid;
    valid = VerifyPost(claim, statement.sectors, proof, anew->verifier, random_, pool_);
    if (valid.ok() && *valid) {
      LogError("prover", "key_changed_in_memory",
               {{"file", anew->path},
                {"now", "read anew; the proof is right"},
                {"do", "test this machine's memory"}});
    }
    return valid;
  }

  params::ParameterStore& parameters_;
  ThreadPool& pool_;
  Random& random_;
};

}  // namespace

absl::StatusOr<PostClaim> ClaimOf(filecoin::PoStProofType proof_type, const Bytes32& randomness) {
  if (!filecoin::IsRegistered(proof_type)) {
    return absl::InvalidArgumentError(
        absl::StrFormat("proof type %d is not registered", filecoin::ToNumber(proof_type)));
  }
  DAMOCLES_ASSIGN_OR_RETURN(const merkle::TreeShape tree,
                            merkle::ShapeOf(filecoin::ToBytes(filecoin::SectorSizeOf(proof_type))));
  const post::PostKind kind =
      filecoin::IsWindow(proof_type) ? post::PostKind::kWindow : post::PostKind::kWinning;
  return PostClaim{.circuit = post::CircuitShapeOf(kind, tree),
                   .version = filecoin::ApiVersionOf(proof_type),
                   .randomness = post::MaskRandomness(randomness)};
}

std::unique_ptr<WindowProver> MakeLocalWindowProver(PostProver& prover, ThreadPool& pool) {
  return std::make_unique<LocalWindowProver>(prover, pool);
}

std::unique_ptr<WindowVerifier> MakeLocalWindowVerifier(params::ParameterStore& parameters,
                                                        ThreadPool& pool, Random& random) {
  return std::make_unique<LocalWindowVerifier>(parameters, pool, random);
}

absl::StatusOr<WindowPostOutcome> ProveWinning(PostProver& prover, ThreadPool& pool,
                                               filecoin::PoStProofType proof_type,
                                               const Bytes32& randomness,
                                               const SectorToProve& sector,
                                               const std::stop_token& stop) {
  DAMOCLES_ASSIGN_OR_RETURN(const PostClaim claim,
                            KindOfClaim(proof_type, randomness, post::PostKind::kWinning));
  return ProveClaim(prover, pool, claim, std::span(&sector, 1), stop, absl::ZeroDuration());
}

absl::StatusOr<bool> VerifyWinning(params::ParameterStore& parameters, ThreadPool& pool,
                                   Random& random, filecoin::PoStProofType proof_type,
                                   const Bytes32& randomness, const post::SectorCommitment& sector,
                                   ByteSpan proof) {
  DAMOCLES_ASSIGN_OR_RETURN(const PostClaim claim,
                            KindOfClaim(proof_type, randomness, post::PostKind::kWinning));
  DAMOCLES_ASSIGN_OR_RETURN(const auto vk, parameters.Vk(claim.circuit));
  return VerifyPost(claim, std::span(&sector, 1), proof, vk->verifier, random, pool);
}

}  // namespace damocles::prover
