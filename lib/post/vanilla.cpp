// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/post/vanilla.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_format.h"

#include "damocles/base/status.h"
#include "damocles/poseidon/poseidon.h"

namespace damocles::post {

absl::StatusOr<Fr> CommRFromBytes(const Bytes32& bytes) {
  absl::StatusOr<Fr> comm_r = bls12_381::FrFromBytesLe(bytes);
  if (!comm_r.ok()) return Annotate(comm_r.status(), "comm_r");
  if (comm_r->IsZero()) return absl::InvalidArgumentError("comm_r is all zeros");
  return comm_r;
}

absl::StatusOr<FallbackSectorProof> GenerateVanillaProof(
    const merkle::TreeShape& tree, std::uint64_t sector, const Fr& comm_r,
    const merkle::SectorFiles& files, std::span<const std::uint64_t> challenges) {
  DAMOCLES_ASSIGN_OR_RETURN(const merkle::SectorTree sector_tree,
                            merkle::SectorTree::Open(tree, files));
  const merkle::PAux& p_aux = sector_tree.Commitments();
  if (p_aux.CommR() != comm_r) {
    return absl::DataLossError(absl::StrFormat(
        "%s/%s: comm_c and comm_r_last do not make the sector's comm_r: the file is corrupt or "
        "belongs to another sector",
        files.cache_folder, merkle::kPAuxName));
  }
  FallbackSectorProof out;
  out.sector = sector;
  out.comm_r = comm_r;
  out.proof.comm_c = p_aux.comm_c;
  out.proof.comm_r_last = p_aux.comm_r_last;
  out.proof.inclusion_proofs.reserve(challenges.size());
  for (std::uint64_t challenge : challenges) {
    DAMOCLES_ASSIGN_OR_RETURN(merkle::InclusionProof proof, sector_tree.Prove(challenge));
    out.proof.inclusion_proofs.push_back(std::move(proof));
  }
  return out;
}

absl::Status VerifySectorProof(const SectorProof& proof, const merkle::TreeShape& tree,
                               const Fr& comm_r, std::span<const std::uint64_t> challenges) {
  if (poseidon::Hash2(proof.comm_c, proof.comm_r_last) != comm_r) {
    return absl::InvalidArgumentError("comm_c and comm_r_last do not make comm_r");
  }
  if (proof.inclusion_proofs.size() != challenges.size()) {
    return absl::InvalidArgumentError(absl::StrFormat("there are %d inclusion proofs, want %d",
                                                      proof.inclusion_proofs.size(),
                                                      challenges.size()));
  }
  for (std::size_t n = 0; n < challenges.size(); ++n) {
    const merkle::InclusionProof& inclusion = proof.inclusion_proofs[n];
    const std::string where = absl::StrFormat("challenge %d", n);
    DAMOCLES_RETURN_IF_ERROR(Annotate(merkle::CheckForm(inclusion, tree), where));
    if (inclusion.root != proof.comm_r_last) {
      return absl::InvalidArgumentError(where + ": the root is not comm_r_last");
    }
    if (const std::uint64_t leaf = merkle::ComputedLeafIndex(inclusion); leaf != challenges[n]) {
      return absl::InvalidArgumentError(absl::StrFormat(
          "%s: leaf %d is shown, leaf %d was asked for", where, leaf, challenges[n]));
    }
    if (merkle::ComputedRoot(inclusion) != inclusion.root) {
      return absl::InvalidArgumentError(where + ": the path does not hash to the root");
    }
  }
  return absl::OkStatus();
}

}  // namespace damocles::post
