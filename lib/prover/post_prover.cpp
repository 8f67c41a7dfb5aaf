// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/prover/post_prover.h"

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <set>
#include <thread>
#include <utility>

#include "absl/strings/str_format.h"

#include "damocles/base/check.h"
#include "damocles/base/log.h"
#include "damocles/base/status.h"
#include "damocles/groth16/proof.h"
#include "damocles/post/circuit.h"
#include "damocles/post/public_inputs.h"

namespace damocles::prover {
namespace {

absl::Status CheckGoOn(const std::atomic<bool>& cancelled) {
  return cancelled ? absl::CancelledError("proving was cancelled") : absl::OkStatus();
}

// Whether the sector is to blame.  Lack of descriptors, of memory or of rights is this machine's.
bool IsFault(const absl::Status& status) {
  return absl::IsNotFound(status) || absl::IsDataLoss(status);
}

std::string ParentOf(const std::string& path) {
  return std::filesystem::path(path).parent_path().string();
}

using SectorResult = absl::StatusOr<post::FallbackSectorProof>;

SectorResult ProveSector(const PostClaim& claim, const post::ChallengedSector& sector,
                         const SectorToProve& files) {
  SectorResult proof =
      post::GenerateVanillaProof(claim.circuit.tree, sector.sector, sector.comm_r,
                                 {files.sealed_path, files.cache_dir}, sector.challenges);
  if (!proof.ok()) return proof;
  const absl::Status check =
      post::VerifySectorProof(proof->proof, claim.circuit.tree, sector.comm_r, sector.challenges);
  if (!check.ok()) return absl::DataLossError(std::string(check.message()));
  return proof;
}

std::vector<std::vector<bls12_381::Fr>> InputsOfPartitions(
    const post::CircuitShape& circuit, std::span<const post::ChallengedSector> challenged) {
  std::vector<std::vector<bls12_381::Fr>> inputs;
  const std::uint64_t count = post::PartitionCount(circuit, challenged.size()).Count();
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
  std::vector<SectorResult> proofs(count, absl::CancelledError("proving was cancelled"));
  const auto prove = [&](std::size_t i) {
    const post::ChallengedSector& sector = outcome.challenged[i];
    proofs[i] = ProveSector(claim, sector, *by_number.at(sector.sector));
  };
  pool.ParallelFor(count, [&](std::size_t i) {
    if (!cancelled) prove(i);
  });
  DAMOCLES_RETURN_IF_ERROR(CheckGoOn(cancelled));

  std::set<std::string> readable;  // folders of sealed files
  const auto folder_of = [&](std::size_t i) {
    return ParentOf(by_number.at(outcome.challenged[i].sector)->sealed_path);
  };
  for (std::size_t i = 0; i < count; ++i) {
    if (proofs[i].ok()) readable.insert(folder_of(i));
  }
  for (std::size_t i = 0; i < count; ++i) {
    if (proofs[i].ok()) continue;
    if (!IsFault(proofs[i].status())) {
      // Perhaps the trouble is this machine's: once more, with nobody beside it that takes
      // descriptors or memory.
      DAMOCLES_RETURN_IF_ERROR(CheckGoOn(cancelled));
      prove(i);
      if (proofs[i].ok()) continue;
    }
    const absl::Status& status = proofs[i].status();
    // A device that fails twice in one sector while its neighbours can be read has lost that
    // sector: it must not cost all the others their proof.
    const bool bad_blocks = absl::IsUnavailable(status) && readable.contains(folder_of(i));
    if (!IsFault(status) && !bad_blocks) {
      return Annotate(status, absl::StrFormat("sector %d cannot be read on this machine",
                                              outcome.challenged[i].sector));
    }
    outcome.faults.push_back({.number = outcome.challenged[i].sector,
                              .reason = std::string(status.message()),
                              .missing = absl::IsNotFound(status)});
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
  const std::uint64_t partitions = post::PartitionCount(claim.circuit, challenged.size()).Count();
  DAMOCLES_ASSIGN_OR_RETURN(const std::vector<groth16::Proof> proofs,
                            groth16::ProofsFromBytes(proof, partitions));
  return verifier.VerifyAll(proofs, InputsOfPartitions(claim.circuit, challenged), random, pool);
}

// One proof at a time; gives the turn back at the end of its life.
class PostProver::Turn {
 public:
  static absl::StatusOr<std::unique_ptr<Turn>> Take(PostProver& prover,
                                                    const std::atomic<bool>& cancelled) {
    while (prover.proving_.exchange(true)) {
      DAMOCLES_RETURN_IF_ERROR(CheckGoOn(cancelled));
      std::this_thread::sleep_for(kPoll);
    }
    return std::make_unique<Turn>(prover);
  }
  explicit Turn(PostProver& prover) : prover_(prover) {}
  Turn(const Turn&) = delete;
  Turn& operator=(const Turn&) = delete;
  ~Turn() { prover_.proving_ = false; }

 private:
  // Nobody wakes us when `cancelled` changes; beside the seconds of a proof this is nothing.
  static constexpr std::chrono::milliseconds kPoll{20};
  PostProver& prover_;
};

// Only whoever has the turn calls this.
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
  const std::uint64_t count = post::PartitionCount(claim.circuit, challenged.size()).Count();
  if (!options.blindings.empty() && options.blindings.size() != count) {
    return absl::InvalidArgumentError(
        absl::StrFormat("%d pairs of blinding for %d partitions", options.blindings.size(), count));
  }
  // The self-check needs the key: better to miss it before the work than after.
  DAMOCLES_ASSIGN_OR_RETURN(const auto vk, parameters_.Vk(claim.circuit));
  DAMOCLES_ASSIGN_OR_RETURN(const std::unique_ptr<Turn> turn, Turn::Take(*this, cancelled));
  DAMOCLES_RETURN_IF_ERROR(CheckGoOn(cancelled));
  DAMOCLES_RETURN_IF_ERROR(InService(claim.circuit));
  auto made = ProveOnce(claim, challenged, proofs, options, cancelled);
  if (!absl::IsInternal(made.status())) return made;
  // Perhaps a bit of what is kept in memory has changed; every later proof would fail as well.
  // From the files, then, and once.
  LogError("prover", "proof_wrong",
           {{"error", made.status()}, {"now", "made again, from parameters read anew"}});
  provers_.erase(parameters_.ParamsPath(claim.circuit));
  engine_.Forget();
  parameters_.Forget(claim.circuit);
  DAMOCLES_ASSIGN_OR_RETURN(const auto anew, parameters_.Vk(claim.circuit));
  made = anew->sha256 == vk->sha256
             ? ProveOnce(claim, challenged, proofs, options, cancelled)
             : absl::InternalError(
                   absl::StrFormat("%s is not what it was when this process began", anew->path));
  if (made.ok()) {
    LogError("prover", "memory_changed",
             {{"file", parameters_.ParamsPath(claim.circuit)},
              {"now", "the proof made from the file is right"},
              {"do", "test this machine's memory"}});
    return made;
  }
  if (!absl::IsInternal(made.status())) return made;
  const absl::Status why = absl::FailedPreconditionError(absl::StrFormat(
      "out of service: two proofs in a row were wrong, the second from parameters read anew (%s); "
      "check %s with damocles-prover params check, then memory and processor, and start this "
      "program again",
      std::string(made.status().message()), parameters_.ParamsPath(claim.circuit)));
  LogError("prover", "out_of_service",
           {{"error", why}, {"effect", "no proof of this kind is made here any more"}});
  const MutexLock lock(mutex_);
  out_of_service_.emplace(parameters_.ParamsPath(claim.circuit), why);
  return why;
}

absl::Status PostProver::InService(const post::CircuitShape& circuit) const {
  const MutexLock lock(mutex_);
  const auto found = out_of_service_.find(parameters_.ParamsPath(circuit));
  return found == out_of_service_.end() ? absl::OkStatus() : found->second;
}

// Whoever has the turn calls this.
absl::StatusOr<std::vector<PartitionProof>> PostProver::ProveOnce(
    const PostClaim& claim, std::span<const post::ChallengedSector> challenged,
    std::span<const post::FallbackSectorProof> proofs, const PartitionOptions& options,
    const std::atomic<bool>& cancelled) {
  const std::uint64_t count = post::PartitionCount(claim.circuit, challenged.size()).Count();
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
  const auto verify = [&]() -> absl::StatusOr<bool> {
    DAMOCLES_ASSIGN_OR_RETURN(const std::vector<groth16::Proof> proofs,
                              groth16::ProofsFromBytes(Join(partitions), partitions.size()));
    return vk->verifier.VerifyAll(proofs, InputsOfPartitions(claim.circuit, challenged), random_,
                                  pool_);
  };
  const absl::StatusOr<bool> valid = verify();
  if (valid.ok() && *valid) return absl::OkStatus();
  // Whatever is wrong with it, we made it: never the fault of whoever asked.
  const std::string why =
      valid.ok() ? "" : absl::StrFormat(" (%s)", std::string(valid.status().message()));
  return absl::InternalError(absl::StrFormat(
      "the proof made with %s does not verify%s and was thrown away; check the parameters with "
      "damocles-prover params check, then memory and processor",
      parameters_.ParamsPath(claim.circuit), why));
}

Bytes Join(std::span<const PartitionProof> partitions) {
  Bytes all;
  for (const PartitionProof& partition : partitions) Append(all, partition.proof);
  return all;
}

}  // namespace damocles::prover
