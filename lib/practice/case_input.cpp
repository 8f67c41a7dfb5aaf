// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "lib/practice/case_input.h"

#include <nlohmann/json.hpp>
#include <utility>

#include "absl/strings/str_format.h"

#include "damocles/base/hex.h"
#include "damocles/base/json_depth.h"
#include "damocles/base/status.h"
#include "damocles/practice/case.h"

namespace damocles::practice {
namespace {

using nlohmann::json;

absl::Status Wrong(std::string_view member, std::string_view want) {
  return absl::InvalidArgumentError(
      absl::StrFormat("member %s: want %s", std::string(member), std::string(want)));
}

absl::StatusOr<json> ParseObject(std::string_view text) {
  DAMOCLES_RETURN_IF_ERROR(CheckJsonDepth(text));
  json root = json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!root.is_object()) return absl::InvalidArgumentError("is no JSON object");
  return root;
}

// Of members of the root `where` is empty, else the path to the object: "sectors[2].".
absl::StatusOr<std::string> Text(const json& object, const char* member,
                                 const std::string& where = "") {
  if (!object.is_object() || !object.contains(member) || !object[member].is_string()) {
    return Wrong(where + member, "a text");
  }
  return object[member].get<std::string>();
}

absl::StatusOr<std::uint64_t> Number(const json& object, const char* member,
                                     const std::string& where = "") {
  if (!object.is_object() || !object.contains(member) || !object[member].is_number_unsigned()) {
    return Wrong(where + member, "a number, not negative");
  }
  return object[member].get<std::uint64_t>();
}

absl::StatusOr<Bytes32> Hex32(const json& object, const char* member,
                              const std::string& where = "") {
  DAMOCLES_ASSIGN_OR_RETURN(const std::string text, Text(object, member, where));
  const auto bytes = FromHex32(text);
  if (!bytes.ok()) return Wrong(where + member, "64 hexadecimal digits");
  return *bytes;
}

absl::StatusOr<bls12_381::Fr> Element(const json& object, const char* member,
                                      const std::string& where = "") {
  DAMOCLES_ASSIGN_OR_RETURN(const Bytes32 bytes, Hex32(object, member, where));
  auto element = bls12_381::FrFromBytesLe(bytes);
  if (!element.ok()) return Annotate(element.status(), "member " + where + member);
  return element;
}

// A member that is a list and not empty.
absl::StatusOr<const json*> List(const json& root, const char* member) {
  if (!root.contains(member) || !root[member].is_array() || root[member].empty()) {
    return Wrong(member, "a list that is not empty");
  }
  return &root[member];
}

std::string At(const char* list, std::size_t index) {
  return absl::StrFormat("%s[%d].", list, index);
}

absl::StatusOr<post::CircuitShape> ReadCircuit(const json& root) {
  DAMOCLES_ASSIGN_OR_RETURN(const std::string kind_name, Text(root, "kind"));
  const auto kind = post::KindFromName(kind_name);
  if (!kind.ok()) return Annotate(kind.status(), "member kind");
  DAMOCLES_ASSIGN_OR_RETURN(const std::string size, Text(root, "sector_size"));
  const auto bytes = filecoin::ParseSectorSize(size);
  if (!bytes.ok()) return Annotate(bytes.status(), "member sector_size");
  DAMOCLES_ASSIGN_OR_RETURN(const merkle::TreeShape tree,
                            merkle::ShapeOf(filecoin::ToBytes(*bytes)));
  if (!root.contains("circuit")) return Wrong("circuit", "an object");
  const std::string where = "circuit.";
  DAMOCLES_ASSIGN_OR_RETURN(const std::uint64_t sectors, Number(root["circuit"], "sectors", where));
  DAMOCLES_ASSIGN_OR_RETURN(const std::uint64_t challenges,
                            Number(root["circuit"], "challenges", where));
  const post::CircuitShape circuit =
      post::CircuitShapeOf(*kind, tree, *kind == post::PostKind::kWindow ? sectors : 0);
  if (circuit.sectors != sectors || circuit.challenges != challenges) {
    return Wrong("circuit", "sectors and challenges that the kind of proof has");
  }
  if (const absl::Status possible = post::CheckCircuit(circuit); !possible.ok()) {
    return Annotate(possible, "member circuit");
  }
  return circuit;
}

absl::StatusOr<prover::PostClaim> ClaimIn(const json& root) {
  prover::PostClaim claim;
  DAMOCLES_ASSIGN_OR_RETURN(claim.circuit, ReadCircuit(root));
  DAMOCLES_ASSIGN_OR_RETURN(const std::string name, Text(root, "api_version"));
  const auto version = post::ApiVersionFromName(name);
  if (!version.ok()) return Annotate(version.status(), "member api_version");
  claim.version = *version;
  // As it stands: a statement is judged as it is, so that bits that must not be set are an error.
  DAMOCLES_ASSIGN_OR_RETURN(claim.randomness, Hex32(root, "randomness"));
  return claim;
}

absl::StatusOr<groth16::SetupSecrets> SecretsOf(const json& object, const std::string& where) {
  groth16::SetupSecrets secrets{};
  const std::pair<const char*, bls12_381::Fr*> members[] = {{"alpha", &secrets.alpha},
                                                            {"beta", &secrets.beta},
                                                            {"gamma", &secrets.gamma},
                                                            {"delta", &secrets.delta},
                                                            {"tau", &secrets.tau}};
  for (const auto& [member, value] : members) {
    DAMOCLES_ASSIGN_OR_RETURN(*value, Element(object, member, where));
  }
  return secrets;
}

absl::StatusOr<CaseInputs> InputsOf(std::string_view text) {
  DAMOCLES_ASSIGN_OR_RETURN(const json root, ParseObject(text));
  CaseInputs inputs;
  if (root.contains("name")) {  // is only repeated
    DAMOCLES_ASSIGN_OR_RETURN(inputs.name, Text(root, "name"));
  }
  DAMOCLES_ASSIGN_OR_RETURN(inputs.claim, ClaimIn(root));
  DAMOCLES_ASSIGN_OR_RETURN(inputs.miner, Number(root, "miner"));
  DAMOCLES_ASSIGN_OR_RETURN(const json* const sectors, List(root, "sectors"));
  for (std::size_t i = 0; i < sectors->size(); ++i) {
    DAMOCLES_ASSIGN_OR_RETURN(const std::uint64_t number,
                              Number((*sectors)[i], "sector", At("sectors", i)));
    inputs.sectors.push_back(number);
  }
  DAMOCLES_ASSIGN_OR_RETURN(const json* const partitions, List(root, "partitions"));
  for (std::size_t i = 0; i < partitions->size(); ++i) {
    groth16::Blinding blinding;
    const std::string where = At("partitions", i);
    DAMOCLES_ASSIGN_OR_RETURN(blinding.r, Element((*partitions)[i], "r", where));
    DAMOCLES_ASSIGN_OR_RETURN(blinding.s, Element((*partitions)[i], "s", where));
    inputs.blindings.push_back(blinding);
  }
  if (root.contains("secrets") && !root["secrets"].is_null()) {
    DAMOCLES_ASSIGN_OR_RETURN(inputs.secrets, SecretsOf(root["secrets"], "secrets."));
  }
  return inputs;
}

absl::StatusOr<ProofCase> ProofOf(std::string_view text) {
  DAMOCLES_ASSIGN_OR_RETURN(const json root, ParseObject(text));
  ProofCase read;
  DAMOCLES_ASSIGN_OR_RETURN(read.claim, ClaimIn(root));
  DAMOCLES_ASSIGN_OR_RETURN(const json* const sectors, List(root, "sectors"));
  for (std::size_t i = 0; i < sectors->size(); ++i) {
    const std::string where = At("sectors", i);
    post::SectorCommitment sector;
    DAMOCLES_ASSIGN_OR_RETURN(sector.number, Number((*sectors)[i], "sector", where));
    DAMOCLES_ASSIGN_OR_RETURN(sector.comm_r, Hex32((*sectors)[i], "comm_r", where));
    read.sectors.push_back(sector);
  }
  DAMOCLES_ASSIGN_OR_RETURN(const std::string proof, Text(root, "proof"));
  const auto bytes = FromHex(proof);
  if (!bytes.ok()) return Annotate(bytes.status(), "member proof");
  read.proof = *bytes;
  return read;
}

}  // namespace

absl::StatusOr<groth16::SetupSecrets> ReadSecrets(std::string_view text) {
  const auto root = ParseObject(text);
  if (!root.ok()) return Annotate(root.status(), "secrets");
  if (root->contains("secrets")) return SecretsOf((*root)["secrets"], "secrets.");  // of a case
  return SecretsOf(*root, "");
}

absl::StatusOr<CaseInputs> ReadCaseInputs(std::string_view text) {
  auto inputs = InputsOf(text);
  if (!inputs.ok()) return Annotate(inputs.status(), "case");
  return inputs;
}

absl::StatusOr<ProofCase> ReadProofCase(std::string_view text) {
  return ProofOf(text);
}

}  // namespace damocles::practice
