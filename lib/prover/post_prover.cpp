// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/prover/post_prover.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_format.h"

#include "damocles/base/check.h"
#include "damocles/base/status.h"
#include "damocles/groth16/proof.h"
#include "damocles/post/circuit.h"
#include "damocles/post/public_inputs.h"

namespace damocles::prover {
namespace {

absl::Status CheckGoOn(const std::atomic<bool>& cancelled) {
  return cancelled ? absl::CancelledError("proving was cancelled") : absl::OkStatus();
}

std::vector<std::vector<bls12_381::Fr>> InputsOfPartitions(
    const post::CircuitShape& circuit, std::span<const post::ChallengedSector> challenged) {
  std::vector<std::vector<bls12_381::Fr>> inputs;
  const std::uint64_t count = post::PartitionCount(circuit, challenged.size());
  for (std::uint64_t i = 0; i < count; ++i) {
    inputs.push_back(post::PublicInputs(circuit, post::PartitionOf(circuit, challenged, i)));
  }
  return inputs;
}

}  // namespace

absl::StatusOr<VanillaOutcome> ProveVanilla(const PostClaim& claim,
                                            std::span<const SectorToProve> sectors,
                                            ThreadPool& pool, const std::atomic<bool>& cancelled) {
  std::vector<post::SectorCommitment> commitments;
  std::map<filecoin::SectorNumber, const SectorToProve*> by_number;
  for (const SectorToProve& sector : sectors) {
    commitments.push_back({sector.number, sector.comm_r});
    by_number.emplace(sector.number, &sector);
  }
  VanillaOutcome outcome;
  DAMOCLES_ASSIGN_OR_RETURN(
      outcome.challenged,
      post::ChallengeSectors(claim.circuit, claim.version, claim.randomness, commitments));

  const std::size_t count = outcome.challenged.size();
  std::vector<absl::StatusOr<post::FallbackSectorProof>> proofs(
      count, absl::CancelledError("proving was cancelled"));
  pool.ParallelFor(count, [&](std::size_t i) {
    if (cancelled) return;
    const post::ChallengedSector& sector = outcome.challenged[i];
    const SectorToProve& files = *by_number.at(sector.sector);
    proofs[i] = post::GenerateVanillaProof(claim.circuit.tree, sector.sector, sector.comm_r,
                                           {files.sealed_path, files.cache_dir}, sector.challenges);
    if (!proofs[i].ok()) return;
    const absl::Status check = post::VerifySectorProof(proofs[i]->proof, claim.circuit.tree,
                                                       sector.comm_r, sector.challenges);
    if (!check.ok()) proofs[i] = check;
  });
  DAMOCLES_RETURN_IF_ERROR(CheckGoOn(cancelled));
  for (std::size_t i = 0; i < count; ++i) {
    if (!proofs[i].ok()) {
      outcome.faults.push_back(
          {outcome.challenged[i].sector, std::string(proofs[i].status().message())});
    }
  }
  if (!outcome.faults.empty()) return outcome;
  for (auto& proof : proofs) outcome.proofs.push_back(*std::move(proof));
  return outcome;
}

absl::Status CheckVanilla(const PostClaim& claim,
                          std::span<const post::ChallengedSector> challenged,
                          std::span<const post::FallbackSectorProof> proofs, ThreadPool& pool) {
  if (proofs.size() != challenged.size()) {
    return absl::InvalidArgumentError(
        absl::StrFormat("%d vanilla proofs for %d sectors", proofs.size(), challenged.size()));
  }
  std::vector<absl::Status> results(proofs.size());
  pool.ParallelFor(proofs.size(), [&](std::size_t i) {
    if (proofs[i].sector != challenged[i].sector || proofs[i].comm_r != challenged[i].comm_r) {
      results[i] = absl::InvalidArgumentError("the vanilla proof is of another sector");
      return;
    }
    results[i] = post::VerifySectorProof(proofs[i].proof, claim.circuit.tree, challenged[i].comm_r,
                                         challenged[i].challenges);
  });
  for (std::size_t i = 0; i < results.size(); ++i) {
    if (!results[i].ok()) {
      return Annotate(results[i], absl::StrFormat("sector %d", challenged[i].sector));
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<bool> VerifyPost(const PostClaim& claim,
                                std::span<const post::SectorCommitment> sectors, ByteSpan proof,
                                const groth16::Verifier& verifier, Random& random,
                                ThreadPool& pool) {
  DAMOCLES_ASSIGN_OR_RETURN(
      const std::vector<post::ChallengedSector> challenged,
      post::ChallengeSectors(claim.circuit, claim.version, claim.randomness, sectors));
  const std::uint64_t partitions = post::PartitionCount(claim.circuit, challenged.size());
  DAMOCLES_ASSIGN_OR_RETURN(const std::vector<groth16::Proof> proofs,
                            groth16::ProofsFromBytes(proof, partitions));
  return verifier.VerifyAll(proofs, InputsOfPartitions(claim.circuit, challenged), random, pool);
}

absl::StatusOr<const groth16::Prover*> PostProver::ProverOf(const post::CircuitShape& circuit) {
  auto& slot = provers_[parameters_.ParamsPath(circuit)];
  if (slot == nullptr) {
    DAMOCLES_ASSIGN_OR_RETURN(auto params, parameters_.Params(circuit));
    DAMOCLES_ASSIGN_OR_RETURN(
        slot, groth16::Prover::Make(post::PostShapeOf(circuit), std::move(params), engine_, pool_));
  }
  return slot.get();
}

absl::StatusOr<std::vector<PartitionProof>> PostProver::Prove(
    const PostClaim& claim, std::span<const post::ChallengedSector> challenged,
    std::span<const post::FallbackSectorProof> proofs, const PartitionOptions& options,
    const std::atomic<bool>& cancelled) {
  DAMOCLES_CHECK(challenged.size() == proofs.size());
  const std::uint64_t count = post::PartitionCount(claim.circuit, challenged.size());
  if (!options.blindings.empty() && options.blindings.size() != count) {
    return absl::InvalidArgumentError(
        absl::StrFormat("%d pairs of blinding for %d partitions", options.blindings.size(), count));
  }
  // The self-check needs the key: better to miss it before the work than after.
  DAMOCLES_RETURN_IF_ERROR(parameters_.Vk(claim.circuit).status());
  const MutexLock lock(mutex_);
  DAMOCLES_RETURN_IF_ERROR(CheckGoOn(cancelled));
  DAMOCLES_ASSIGN_OR_RETURN(const groth16::Prover* const prover, ProverOf(claim.circuit));
  std::vector<PartitionProof> partitions;
  std::size_t first = 0;
  for (std::uint64_t i = 0; i < count; ++i) {
    const std::span<const post::ChallengedSector> real =
        post::PartitionOf(claim.circuit, challenged, i);
    DAMOCLES_ASSIGN_OR_RETURN(
        const std::vector<circuit::SectorPaths> paths,
        post::SectorPathsOf(claim.circuit, real, proofs.subspan(first, real.size())));
    first += real.size();
    const groth16::Blinding blinding =
        options.blindings.empty() ? groth16::RandomBlinding(random_) : options.blindings[i];
    PartitionProof partition;
    DAMOCLES_ASSIGN_OR_RETURN(const groth16::Proof proof,
                              prover->Prove(paths, blinding, cancelled,
                                            options.want_digests ? &partition.digests : nullptr));
    const auto bytes = groth16::ToBytes(proof);
    partition.proof.assign(bytes.begin(), bytes.end());
    partitions.push_back(std::move(partition));
  }
  DAMOCLES_RETURN_IF_ERROR(SelfCheck(claim, challenged, partitions));
  return partitions;
}

absl::Status PostProver::SelfCheck(const PostClaim& claim,
                                   std::span<const post::ChallengedSector> challenged,
                                   std::span<const PartitionProof> partitions) {
  DAMOCLES_ASSIGN_OR_RETURN(const auto vk, parameters_.Vk(claim.circuit));
  DAMOCLES_ASSIGN_OR_RETURN(const std::vector<groth16::Proof> proofs,
                            groth16::ProofsFromBytes(Join(partitions), partitions.size()));
  DAMOCLES_ASSIGN_OR_RETURN(
      const bool valid, vk->verifier.VerifyAll(
                            proofs, InputsOfPartitions(claim.circuit, challenged), random_, pool_));
  if (valid) return absl::OkStatus();
  return absl::InternalError(absl::StrFormat(
      "the proof made with %s does not verify and was thrown away; check the parameters with "
      "damocles-prover params check, then memory and processor",
      parameters_.ParamsPath(claim.circuit)));
}

Bytes Join(std::span<const PartitionProof> partitions) {
  Bytes all;
  for (const PartitionProof& partition : partitions) Append(all, partition.proof);
  return all;
}

}  // namespace damocles::prover
