// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/prover/post_prover.h"

#include <algorithm>
#include <deque>
#include <filesystem>
#include <map>
#include <memory>
#include <numeric>
#include <stop_token>
#include <utility>

#include "absl/strings/str_format.h"

#include "damocles/base/check.h"
#include "damocles/base/io_error.h"
#include "damocles/base/log.h"
#include "damocles/base/status.h"
#include "damocles/base/stop.h"
#include "damocles/groth16/proof.h"
#include "damocles/post/circuit.h"
#include "damocles/post/public_inputs.h"
#include "damocles/storage/many_reads.h"

namespace damocles::prover {
namespace {

static_assert(groth16::kProofBytes == filecoin::kProofPartitionBytes);

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

// What the threads of one ProveVanilla use, also those that it leaves behind.
struct Reading {
  PostClaim claim;
  std::vector<post::ChallengedSector> challenged;
  std::vector<SectorToProve> files;  // of each
};

class StopAtEnd {
 public:
  explicit StopAtEnd(std::stop_source& source) : source_(source) {}
  StopAtEnd(const StopAtEnd&) = delete;
  StopAtEnd& operator=(const StopAtEnd&) = delete;
  ~StopAtEnd() { source_.request_stop(); }

 private:
  std::stop_source& source_;
};

// Threads that hang in dead mounts are this process's, whoever proved.
const std::shared_ptr<storage::Readers>& VanillaReaders() {
  static const auto* const kReaders =
      new std::shared_ptr<storage::Readers>(std::make_shared<storage::Readers>());
  return *kReaders;
}

// Reads those of `which`; none is waited for longer than the limit.
void ReadWithin(const std::shared_ptr<const Reading>& reading,
                const std::vector<std::size_t>& which, std::size_t parallel, absl::Duration limit,
                const std::stop_token& stop, std::vector<SectorResult>& results) {
  std::vector<storage::Read> reads;
  std::vector<std::shared_ptr<SectorResult>> answers;
  for (const std::size_t i : which) {
    // A place of its own for each try: a late answer to the first must not be taken for the second.
    answers.push_back(std::make_shared<SectorResult>(absl::CancelledError("was not read")));
    reads.push_back(
        {ParentOf(reading->files[i].sealed_path), [reading, i, answer = answers.back()] {
           *answer = ProveSector(reading->claim, reading->challenged[i], reading->files[i]);
           return absl::OkStatus();
         }});
  }
  const std::vector<storage::ReadResult> ends = storage::ReadMany(
      VanillaReaders(), std::move(reads), {.parallel = parallel, .single = limit}, stop);
  for (std::size_t k = 0; k < which.size(); ++k) {
    const std::size_t i = which[k];
    if (ends[k].end == storage::ReadEnd::kReturned) {
      results[i] = std::move(*answers[k]);
    } else {
      results[i] = absl::DeadlineExceededError(
          absl::StrFormat("%s: %s", reading->files[i].sealed_path, ends[k].reason));
    }
  }
}

FaultKind KindOf(const absl::Status& status) {
  switch (TroubleOf(status)) {
    case ReadTrouble::kWrong:
      return FaultKind::kWrong;
    case ReadTrouble::kAbsent:
      return FaultKind::kMissing;
    case ReadTrouble::kNone:
    case ReadTrouble::kPassing:
      break;
  }
  return FaultKind::kUnreadable;
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

// In one piece: what the threads share is seen together with what they do.
absl::StatusOr<VanillaOutcome> ProveVanilla(const PostClaim& claim,
                                            std::span<const SectorToProve> sectors,
                                            ThreadPool& pool, const std::stop_token& stop,
                                            absl::Duration read_limit) {
  std::vector<post::SectorCommitment> commitments;
  std::map<filecoin::SectorNumber, const SectorToProve*> by_number;
  for (const SectorToProve& sector : sectors) {
    commitments.push_back({sector.number, sector.comm_r});
    by_number.emplace(sector.number, &sector);
  }
  const auto reading = std::make_shared<Reading>();
  reading->claim = claim;
  DAMOCLES_ASSIGN_OR_RETURN(
      reading->challenged,
      post::ChallengeSectors(claim.circuit, claim.version, claim.randomness, commitments));
  const std::size_t count = reading->challenged.size();
  for (const post::ChallengedSector& sector : reading->challenged) {
    reading->files.push_back(*by_number.at(sector.sector));
  }

  std::vector<SectorResult> proofs(count, absl::CancelledError("was told to stop"));
  const auto read = [&](const std::vector<std::size_t>& which, std::size_t parallel) {
    if (read_limit > absl::ZeroDuration()) {
      ReadWithin(reading, which, parallel, read_limit, stop, proofs);
      return;
    }
    const auto prove = [&](std::size_t k) {
      const std::size_t i = which[k];
      if (!stop.stop_requested()) {
        proofs[i] = ProveSector(claim, reading->challenged[i], reading->files[i]);
      }
    };
    if (parallel > 1) {
      pool.ParallelFor(which.size(), prove);
    } else {
      for (std::size_t k = 0; k < which.size(); ++k) prove(k);
    }
  };
  std::vector<std::size_t> all(count);
  std::iota(all.begin(), all.end(), std::size_t{0});
  read(all, pool.Threads());
  DAMOCLES_RETURN_IF_ERROR(CheckGoOn(stop));
  // Perhaps the trouble is this machine's: once more, with nobody beside it that takes descriptors
  // or memory.  What hung had its time.
  std::vector<std::size_t> again;
  for (std::size_t i = 0; i < count; ++i) {
    if (TroubleOf(proofs[i].status()) == ReadTrouble::kPassing &&
        !absl::IsDeadlineExceeded(proofs[i].status())) {
      again.push_back(i);
    }
  }
  if (!again.empty()) read(again, 1);
  DAMOCLES_RETURN_IF_ERROR(CheckGoOn(stop));

  VanillaOutcome outcome;
  outcome.challenged = reading->challenged;
  std::size_t short_of_something = 0;
  for (std::size_t i = 0; i < count; ++i) {
    const absl::Status& status = proofs[i].status();
    if (status.ok()) continue;
    if (absl::IsResourceExhausted(status)) ++short_of_something;
    outcome.faults.push_back({.number = outcome.challenged[i].sector,
                              .reason = std::string(status.message()),
                              .kind = KindOf(status)});
  }
  if (count > 0 && short_of_something == count) {
    return Annotate(proofs.front().status(), "no sector can be read on this machine");
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
                                                    const std::stop_token& stop) {
    const std::stop_callback wake(stop, [&prover] {
      const MutexLock lock(prover.mutex_);
      prover.turn_is_free_.NotifyAll();
    });
    const MutexLock lock(prover.mutex_);
    while (prover.proving_ && !stop.stop_requested()) prover.turn_is_free_.Wait(prover.mutex_);
    DAMOCLES_RETURN_IF_ERROR(CheckGoOn(stop));
    prover.proving_ = true;
    return std::make_unique<Turn>(prover);
  }
  explicit Turn(PostProver& prover) : prover_(prover) {}
  Turn(const Turn&) = delete;
  Turn& operator=(const Turn&) = delete;
  ~Turn() {
    const MutexLock lock(prover_.mutex_);
    prover_.proving_ = false;
    prover_.turn_is_free_.NotifyAll();
  }

 private:
  PostProver& prover_;
};

// Only whoever has the turn calls this.
absl::StatusOr<const groth16::Prover*> PostProver::ProverOf(const post::CircuitShape& circuit) {
  auto& slot = provers_[parameters_.ParamsPath(circuit)];
  if (slot == nullptr) {
    DAMOCLES_ASSIGN_OR_RETURN(auto params, parameters_.Params(circuit));
    DAMOCLES_ASSIGN_OR_RETURN(slot, groth16::Prover::Make(post::PostShapeOf(circuit),
                                                          std::move(params), backend_, pool_));
  }
  return slot.get();
}

absl::StatusOr<std::vector<PartitionProof>> PostProver::Prove(
    const PostClaim& claim, std::span<const post::ChallengedSector> challenged,
    std::span<const post::FallbackSectorProof> proofs, const PartitionOptions& options,
    const std::stop_token& stop) {
  DAMOCLES_CHECK(challenged.size() == proofs.size());
  const std::uint64_t count = post::PartitionCount(claim.circuit, challenged.size()).Count();
  if (!options.blindings.empty() && options.blindings.size() != count) {
    return absl::InvalidArgumentError(
        absl::StrFormat("%d pairs of blinding for %d partitions", options.blindings.size(), count));
  }
  // The self-check needs the key: better to miss it before the work than after.
  DAMOCLES_ASSIGN_OR_RETURN(const auto vk, parameters_.Vk(claim.circuit));
  DAMOCLES_ASSIGN_OR_RETURN(const std::unique_ptr<Turn> turn, Turn::Take(*this, stop));
  DAMOCLES_RETURN_IF_ERROR(InService(claim.circuit));
  auto made = ProveOnce(claim, challenged, proofs, options, stop);
  if (!absl::IsInternal(made.status())) return made;
  // Perhaps a bit of what is kept in memory has changed; every later proof would fail as well.
  // From the files, then, and once.
  LogError("prover", "proof_wrong",
           {{"error", made.status()}, {"now", "made again, from parameters read anew"}});
  provers_.clear();  // circuits may share what is kept
  parameters_.Forget(claim.circuit);
  DAMOCLES_ASSIGN_OR_RETURN(const auto anew, parameters_.Vk(claim.circuit));
  made = anew->sha256 == vk->sha256
             ? ProveOnce(claim, challenged, proofs, options, stop)
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
    const std::stop_token& stop) {
  const std::uint64_t count = post::PartitionCount(claim.circuit, challenged.size()).Count();
  DAMOCLES_ASSIGN_OR_RETURN(const groth16::Prover* const prover, ProverOf(claim.circuit));
  std::vector<PartitionProof> partitions(count);
  std::size_t first = 0;
  std::stop_source giving_up;
  const std::stop_callback also(stop, [&giving_up] { giving_up.request_stop(); });
  const auto begin = [&](std::uint64_t i) -> absl::StatusOr<groth16::PendingProof> {
    const std::span<const post::ChallengedSector> real =
        post::PartitionOf(claim.circuit, challenged, i);
    DAMOCLES_ASSIGN_OR_RETURN(
        const std::vector<circuit::SectorPaths> paths,
        post::SectorPathsOf(claim.circuit, real, proofs.subspan(first, real.size())));
    first += real.size();
    const groth16::Blinding blinding =
        options.blindings.empty() ? groth16::RandomBlinding(random_) : options.blindings[i];
    return prover->Begin(paths, blinding, giving_up.get_token(),
                         options.want_digests ? &partitions[i].digests : nullptr);
  };
  std::deque<groth16::PendingProof> begun;
  // What was begun ahead has no use once one has failed.
  const StopAtEnd stop_at_end(giving_up);
  std::uint64_t next = 0;
  for (PartitionProof& partition : partitions) {
    while (next < count && (begun.empty() || begun.size() < backend_.Depth())) {
      DAMOCLES_ASSIGN_OR_RETURN(groth16::PendingProof pending, begin(next++));
      begun.push_back(std::move(pending));
    }
    DAMOCLES_ASSIGN_OR_RETURN(const groth16::Proof proof, begun.front().Finish());
    begun.pop_front();
    const auto bytes = groth16::ToBytes(proof);
    partition.proof.assign(bytes.begin(), bytes.end());
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
