// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/post/circuit.h"

#include "absl/strings/str_format.h"

#include "damocles/base/check.h"
#include "damocles/base/status.h"

namespace damocles::post {
namespace {

absl::Status CheckMatches(const CircuitShape& circuit, const ChallengedSector& sector,
                          const FallbackSectorProof& proof) {
  if (sector.sector != proof.sector || sector.comm_r != proof.comm_r) {
    return absl::InvalidArgumentError("the proof is of another sector");
  }
  if (proof.proof.inclusion_proofs.size() != circuit.ChallengesPerSector()) {
    return absl::InvalidArgumentError(absl::StrFormat("the proof answers %d challenges, want %d",
                                                      proof.proof.inclusion_proofs.size(),
                                                      circuit.ChallengesPerSector()));
  }
  for (const merkle::InclusionProof& inclusion : proof.proof.inclusion_proofs) {
    DAMOCLES_RETURN_IF_ERROR(merkle::CheckForm(inclusion, circuit.tree));
  }
  return absl::OkStatus();
}

}  // namespace

circuit::PostShape PostShapeOf(const CircuitShape& circuit) {
  DAMOCLES_CHECK(CheckCircuit(circuit).ok());
  circuit::PostShape shape;
  for (unsigned level = 0; level < circuit.tree.PathLevels(); ++level) {
    shape.level_arities.push_back(circuit.tree.Arity(level));
  }
  shape.challenges = static_cast<std::uint32_t>(circuit.challenges);
  shape.sectors = static_cast<std::uint32_t>(circuit.sectors);
  return shape;
}

absl::StatusOr<std::vector<circuit::SectorPaths>> SectorPathsOf(
    const CircuitShape& circuit, std::span<const ChallengedSector> real,
    std::span<const FallbackSectorProof> proofs) {
  if (real.empty() || real.size() != proofs.size()) {
    return absl::InvalidArgumentError(
        absl::StrFormat("%d vanilla proofs for %d sectors", proofs.size(), real.size()));
  }
  std::vector<circuit::SectorPaths> all;
  for (std::size_t i = 0; i < real.size(); ++i) {
    if (const absl::Status status = CheckMatches(circuit, real[i], proofs[i]); !status.ok()) {
      return Annotate(status, absl::StrFormat("sector %d", real[i].sector));
    }
    const SectorProof& proof = proofs[i].proof;
    // A window sector has all its proofs, a winning "sector" one of them.
    for (std::size_t at = 0; at < proof.inclusion_proofs.size(); at += circuit.challenges) {
      all.push_back(
          {.comm_r_last = proof.comm_r_last,
           .comm_c = proof.comm_c,
           .comm_r = real[i].comm_r,
           .challenges = std::span(proof.inclusion_proofs).subspan(at, circuit.challenges)});
    }
  }
  return all;
}

}  // namespace damocles::post
