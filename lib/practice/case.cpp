// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/practice/case.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>
#include <stop_token>
#include <utility>
#include <vector>

#include "absl/strings/str_format.h"
#include "lib/practice/case_input.h"
#include "lib/practice/report_json.h"

#include "damocles/base/file.h"
#include "damocles/base/hex.h"
#include "damocles/base/status.h"
#include "damocles/circuit/post_circuit.h"
#include "damocles/hash/sha256.h"
#include "damocles/params/parameter_store.h"
#include "damocles/post/challenge.h"
#include "damocles/post/circuit.h"
#include "damocles/post/parameter_id.h"
#include "damocles/practice/stored_sectors.h"
#include "damocles/prover/post_prover.h"

namespace damocles::practice {
namespace {

using nlohmann::json;

json VanillaJson(const CaseInputs& inputs, std::span<const post::FallbackSectorProof> proofs) {
  json list = json::array();
  for (const post::FallbackSectorProof& proof : proofs) {
    const Bytes bytes = post::EncodeVanillaProof(proof, inputs.claim.circuit.tree);
    list.push_back({{"sector", proof.sector},
                    {"file", absl::StrFormat("%s-%d.vproof", inputs.name, proof.sector)},
                    {"bytes", bytes.size()},
                    {"sha256", ToHex(hash::Sha256Of(bytes))}});
  }
  return list;
}

absl::StatusOr<json> ParamsJson(const post::CircuitShape& circuit, const groth16::ParamsFile& file,
                                const params::LoadedVk& vk) {
  const groth16::QueryCounts& counts = file.Layout().counts;
  DAMOCLES_ASSIGN_OR_RETURN(const groth16::FileDigests digests,
                            groth16::DigestsOfFile(file.Path()));
  return json{{"file", post::ParamsFileName(circuit)},
              {"bytes", digests.bytes},
              {"sha256", digests.sha256},
              {"vk_sha256", vk.sha256},
              {"counts",
               {{"ic", counts.ic},
                {"h", counts.h},
                {"l", counts.l},
                {"a", counts.a},
                {"b_g1", counts.b_g1},
                {"b_g2", counts.b_g2}}}};
}

json PartitionsJson(const CaseInputs& inputs, std::span<const prover::PartitionProof> partitions) {
  const circuit::Counts counts = circuit::CircuitCounts(post::PostShapeOf(inputs.claim.circuit));
  json list = json::array();
  for (std::size_t i = 0; i < partitions.size(); ++i) {
    const groth16::WitnessDigests& digests = partitions[i].digests;
    list.push_back({{"r", ToHex(bls12_381::ToBytesLe(inputs.blindings[i].r))},
                    {"s", ToHex(bls12_381::ToBytesLe(inputs.blindings[i].s))},
                    {"inputs", counts.inputs},
                    {"aux", counts.aux},
                    {"rows", counts.Rows()},
                    {"inputs_without_one_sha256", digests.inputs_without_one},
                    {"aux_sha256", digests.aux},
                    {"a_sha256", digests.a},
                    {"b_sha256", digests.b},
                    {"c_sha256", digests.c},
                    {"proof", ToHex(partitions[i].proof)}});
  }
  return list;
}

// What the verifier says after each of the five changes of the golden cases.
json VerdictsOnChanges(const prover::PostClaim& claim,
                       std::span<const post::SectorCommitment> sectors, const Bytes& proof,
                       const groth16::Verifier& verifier, Random& random, ThreadPool& pool) {
  json list = json::array();
  const auto judge = [&](const char* what, const prover::PostClaim& changed_claim,
                         const Bytes& changed) {
    const auto valid = prover::VerifyPost(changed_claim, sectors, changed, verifier, random, pool);
    list.push_back({{"what", what},
                    {"verdict", !valid.ok() ? "error"
                                : *valid    ? "true"
                                            : "false"}});
  };
  prover::PostClaim other = claim;
  other.randomness[0] ^= 1;
  judge("other randomness", other, proof);
  Bytes changed(proof.begin(), proof.end() - 1);
  judge("one byte short", claim, changed);
  changed = proof;
  changed.push_back(0);
  judge("one byte more", claim, changed);
  changed = proof;
  std::copy_n(proof.begin(), bls12_381::kG1CompressedBytes,
              changed.begin() + (groth16::kProofBytes - bls12_381::kG1CompressedBytes));
  judge("C := A", claim, changed);
  changed = proof;
  changed[0] ^= 0x20;
  judge("sign of A flipped", claim, changed);
  return list;
}

absl::Status EnsureParameters(const CaseInputs& inputs, const params::ParameterStore& store,
                              const CaseOptions& options, ThreadPool& pool, Random& random) {
  const post::CircuitShape& circuit = inputs.claim.circuit;
  if (PathExists(store.ParamsPath(circuit))) return absl::OkStatus();
  if (!inputs.secrets) {
    return absl::FailedPreconditionError(absl::StrFormat(
        "%s is missing and the case has no secrets to make it from", store.ParamsPath(circuit)));
  }
  if (options.progress) {
    options.progress(absl::StrFormat(
        "WARNING: making %s from the secrets in the case: whoever has them can prove what is not "
        "true; for tests and devnets only, manager and worker refuse such parameters elsewhere",
        store.ParamsPath(circuit)));
  }
  return params::MakeParameterFiles(options.parameters, circuit, inputs.secrets, random, pool,
                                    /*overwrite=*/false, options.progress);
}

}  // namespace

absl::StatusOr<std::string> RunCase(std::string_view text, const CaseOptions& options,
                                    groth16::Backend& backend, ThreadPool& pool, Random& random) {
  DAMOCLES_ASSIGN_OR_RETURN(const CaseInputs inputs, ReadCaseInputs(text));
  const prover::PostClaim& claim = inputs.claim;
  const std::stop_token never{};
  StoredSectors sectors{.store = options.store,
                        .miner = inputs.miner,
                        .numbers = inputs.sectors,
                        .upgraded = {},
                        .comm_r = {}};
  std::ranges::sort(sectors.numbers);
  DAMOCLES_ASSIGN_OR_RETURN(const prover::VanillaOutcome vanilla,
                            ProveStored(claim, sectors, pool));
  if (!vanilla.faults.empty()) {
    return absl::FailedPreconditionError(absl::StrFormat("sector %d cannot be proven: %s",
                                                         vanilla.faults.front().number,
                                                         vanilla.faults.front().reason));
  }
  params::ParameterStore store(options.parameters);
  DAMOCLES_RETURN_IF_ERROR(EnsureParameters(inputs, store, options, pool, random));
  prover::PostProver prover(store, backend, pool, random);
  DAMOCLES_ASSIGN_OR_RETURN(
      const std::vector<prover::PartitionProof> partitions,
      prover.Prove(claim, vanilla.challenged, vanilla.proofs,
                   {.blindings = inputs.blindings, .want_digests = true}, never));
  const Bytes proof = prover::Join(partitions);
  DAMOCLES_ASSIGN_OR_RETURN(const auto params, store.Params(claim.circuit));
  DAMOCLES_ASSIGN_OR_RETURN(const auto vk, store.Vk(claim.circuit));
  DAMOCLES_ASSIGN_OR_RETURN(const json params_json, ParamsJson(claim.circuit, *params, *vk));
  std::vector<post::SectorCommitment> commitments;
  commitments.reserve(vanilla.challenged.size());
  for (const post::ChallengedSector& sector : vanilla.challenged) {
    commitments.push_back({sector.sector, bls12_381::ToBytesLe(sector.comm_r)});
  }
  json result = ClaimJson(claim, inputs.miner);
  result.update({{"name", inputs.name},
                 {"prover_id", ToHex(post::ProverId(inputs.miner))},
                 {"sectors", SectorsJson(vanilla.challenged)},
                 {"vanilla", VanillaJson(inputs, vanilla.proofs)},
                 {"params", params_json},
                 {"partitions", PartitionsJson(inputs, partitions)},
                 {"proof", ToHex(proof)},
                 {"verdicts_on_changes",
                  VerdictsOnChanges(claim, commitments, proof, vk->verifier, random, pool)}});
  return result.dump(1);
}

}  // namespace damocles::practice
