// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/practice/report.h"

#include <utility>

#include "lib/practice/report_json.h"

#include "damocles/base/hex.h"
#include "damocles/hash/sha256.h"

namespace damocles::practice {
namespace {

nlohmann::json FaultsJson(const std::vector<prover::UnprovableSector>& faults) {
  nlohmann::json list = nlohmann::json::array();
  for (const prover::UnprovableSector& fault : faults) {
    list.push_back({{"sector", fault.number}, {"reason", fault.reason}});
  }
  return list;
}

// Reasons name files, whose names may be any bytes.
std::string Dump(const nlohmann::json& report) {
  return report.dump(1, ' ', /*ensure_ascii=*/false, nlohmann::json::error_handler_t::replace);
}

}  // namespace

nlohmann::json ClaimJson(const prover::PostClaim& claim, filecoin::ActorId miner) {
  return {
      {"kind", post::KindName(claim.circuit.kind)},
      {"sector_size", merkle::SizeName(claim.circuit.tree.sector_bytes)},
      {"api_version", post::ApiVersionName(claim.version)},
      {"circuit", {{"sectors", claim.circuit.sectors}, {"challenges", claim.circuit.challenges}}},
      {"miner", miner},
      {"randomness", ToHex(claim.randomness)}};
}

nlohmann::json SectorsJson(std::span<const post::ChallengedSector> challenged) {
  nlohmann::json list = nlohmann::json::array();
  for (const post::ChallengedSector& sector : challenged) {
    list.push_back({{"sector", sector.sector},
                    {"comm_r", ToHex(bls12_381::ToBytesLe(sector.comm_r))},
                    {"challenges", sector.challenges}});
  }
  return list;
}

std::string ProofReport(const prover::PostClaim& claim, filecoin::ActorId miner,
                        const prover::VanillaOutcome& vanilla, ByteSpan proof) {
  nlohmann::json report = ClaimJson(claim, miner);
  if (vanilla.faults.empty()) {
    report["sectors"] = SectorsJson(vanilla.challenged);
    report["proof"] = ToHex(proof);
  } else {
    report["faults"] = FaultsJson(vanilla.faults);
  }
  return Dump(report);
}

std::string VanillaReport(const prover::PostClaim& claim, filecoin::ActorId miner,
                          const prover::VanillaOutcome& vanilla,
                          const std::vector<std::string>& files) {
  nlohmann::json report = ClaimJson(claim, miner);
  report["vanilla"] = nlohmann::json::array();
  for (std::size_t i = 0; i < vanilla.proofs.size(); ++i) {
    const Bytes bytes = post::EncodeVanillaProof(vanilla.proofs[i], claim.circuit.tree);
    nlohmann::json entry = {{"sector", vanilla.proofs[i].sector},
                            {"comm_r", ToHex(bls12_381::ToBytesLe(vanilla.proofs[i].comm_r))},
                            {"challenges", vanilla.challenged[i].challenges},
                            {"bytes", bytes.size()},
                            {"sha256", ToHex(hash::Sha256Of(bytes))}};
    if (!files.empty()) entry["file"] = files[i];
    report["vanilla"].push_back(std::move(entry));
  }
  report["faults"] = FaultsJson(vanilla.faults);
  return Dump(report);
}

}  // namespace damocles::practice
