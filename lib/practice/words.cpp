// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/practice/words.h"

#include <algorithm>
#include <charconv>

#include "absl/strings/ascii.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"

#include "damocles/base/hex.h"
#include "damocles/base/status.h"
#include "damocles/filecoin/proof_type.h"
#include "damocles/post/challenge.h"
#include "damocles/prover/local_prover.h"

namespace damocles::practice {
namespace {

bool IsNumber(const std::string& text) {
  return !text.empty() && std::ranges::all_of(text, absl::ascii_isdigit);
}

absl::StatusOr<filecoin::PoStProofType> ReadProofType(const std::string& text) {
  std::int64_t number = 0;
  const char* const end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data(), end, number);
  const auto type = parsed.ec == std::errc() && parsed.ptr == end
                        ? filecoin::PoStProofTypeFromNumber(number)
                        : filecoin::ParsePoStProofType(text);
  if (!type.ok()) {
    return absl::InvalidArgumentError(
        absl::StrFormat("%s: %s", text, std::string(type.status().message())));
  }
  return *type;
}

absl::StatusOr<post::ApiVersion> ReadVersion(const std::string& text, post::PostKind kind) {
  if (text.empty()) {
    return kind == post::PostKind::kWindow ? post::ApiVersion::kV1_2 : post::ApiVersion::kV1_1;
  }
  const auto version = post::ApiVersionFromName(text);
  if (!version.ok()) {
    return absl::InvalidArgumentError(absl::StrFormat(
        "api version %s: write V1_0, V1_1 or V1_2, or the number of a registered proof", text));
  }
  return *version;
}

absl::StatusOr<bls12_381::Fr> ReadElement(const std::string& hex) {
  const auto bytes = FromHex32(hex);
  if (bytes.ok()) {
    if (const auto value = bls12_381::FrFromBytesLe(*bytes); value.ok()) return *value;
  }
  return absl::InvalidArgumentError(
      absl::StrFormat("\"%s\" is not 64 hexadecimal digits of a number below r", hex));
}

// Size and version that a registered proof stands for.
absl::Status TakeRegistered(post::PostKind kind, const std::string& text, std::uint64_t& bytes,
                            post::ApiVersion& version) {
  DAMOCLES_ASSIGN_OR_RETURN(const filecoin::PoStProofType type, ReadProofType(text));
  DAMOCLES_ASSIGN_OR_RETURN(const prover::PostClaim registered, prover::ClaimOf(type, Bytes32{}));
  if (registered.circuit.kind != kind) {
    return absl::InvalidArgumentError(
        absl::StrFormat("registered proof %s is not a %s proof", text, post::KindName(kind)));
  }
  const std::uint64_t registered_bytes = registered.circuit.tree.sector_bytes;
  if (bytes != 0 && bytes != registered_bytes) {
    return absl::InvalidArgumentError(
        absl::StrFormat("registered proof %s is of %s sectors, the size given is %s", text,
                        merkle::SizeName(registered_bytes), merkle::SizeName(bytes)));
  }
  bytes = registered_bytes;
  version = registered.version;
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<prover::PostClaim> ReadClaim(post::PostKind kind, const ClaimWords& words) {
  prover::PostClaim claim;
  claim.randomness = post::MaskRandomness(words.randomness);
  std::uint64_t bytes = words.sector_bytes;
  const bool by_number = IsNumber(words.api_version);
  if (!words.proof_type.empty() || by_number) {
    DAMOCLES_RETURN_IF_ERROR(TakeRegistered(kind, by_number ? words.api_version : words.proof_type,
                                            bytes, claim.version));
  } else {
    DAMOCLES_ASSIGN_OR_RETURN(claim.version, ReadVersion(words.api_version, kind));
  }
  if (bytes == 0) {
    return absl::InvalidArgumentError("neither a sector size nor a registered proof is named");
  }
  if (kind == post::PostKind::kWinning && claim.version == post::ApiVersion::kV1_2) {
    return absl::InvalidArgumentError(
        "api version V1_2 is for window proofs; winning ones have V1_1");
  }
  if (kind == post::PostKind::kWinning && words.sectors_per_partition != 0) {
    return absl::InvalidArgumentError(
        "another number of sectors per partition is for window proofs");
  }
  DAMOCLES_ASSIGN_OR_RETURN(const merkle::TreeShape tree, merkle::ShapeOf(bytes));
  claim.circuit = post::CircuitShapeOf(kind, tree, words.sectors_per_partition);
  return claim;
}

absl::StatusOr<std::vector<groth16::Blinding>> ReadBlindings(const std::string& text) {
  std::vector<groth16::Blinding> blindings;
  for (const auto pair : absl::StrSplit(text, ',')) {
    const std::vector<std::string> parts = absl::StrSplit(pair, ':');
    if (parts.size() != 2) return absl::InvalidArgumentError("write r:s,r:s");
    groth16::Blinding blinding;
    DAMOCLES_ASSIGN_OR_RETURN(blinding.r, ReadElement(parts[0]));
    DAMOCLES_ASSIGN_OR_RETURN(blinding.s, ReadElement(parts[1]));
    blindings.push_back(blinding);
  }
  return blindings;
}

}  // namespace damocles::practice
