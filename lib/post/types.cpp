// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/post/types.h"

#include "absl/strings/str_format.h"

namespace damocles::post {

std::string KindName(PostKind kind) {
  return kind == PostKind::kWindow ? "window" : "winning";
}

std::string ApiVersionName(ApiVersion version) {
  switch (version) {
    case ApiVersion::kV1_0:
      return "V1_0";
    case ApiVersion::kV1_1:
      return "V1_1";
    default:
      return "V1_2";
  }
}

absl::StatusOr<PostKind> KindFromName(std::string_view name) {
  for (PostKind kind : {PostKind::kWindow, PostKind::kWinning}) {
    if (KindName(kind) == name) return kind;
  }
  return absl::InvalidArgumentError(
      absl::StrFormat("'%s' is not a kind of proof: want window or winning", name));
}

absl::StatusOr<ApiVersion> ApiVersionFromName(std::string_view name) {
  for (ApiVersion version : {ApiVersion::kV1_0, ApiVersion::kV1_1, ApiVersion::kV1_2}) {
    if (ApiVersionName(version) == name) return version;
  }
  return absl::InvalidArgumentError(
      absl::StrFormat("'%s' is not an api version: want V1_0, V1_1 or V1_2", name));
}

CircuitShape CircuitShapeOf(PostKind kind, const merkle::TreeShape& tree,
                            std::uint64_t sectors_per_partition) {
  if (kind == PostKind::kWinning) return {kind, tree, kWinningChallenges, 1};
  if (sectors_per_partition == 0) {
    sectors_per_partition =
        filecoin::WindowPartitionSectors(static_cast<filecoin::SectorSize>(tree.sector_bytes));
  }
  return {kind, tree, sectors_per_partition, kWindowChallenges};
}

absl::Status CheckCircuit(const CircuitShape& circuit) {
  if (circuit.sectors >= 1 && circuit.sectors <= kCircuitSectorsMax && circuit.challenges >= 1 &&
      circuit.challenges <= kCircuitChallengesMax) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(absl::StrFormat(
      "a circuit of %d sectors with %d challenges each cannot be: want 1 to %d sectors and 1 to %d "
      "challenges",
      circuit.sectors, circuit.challenges, kCircuitSectorsMax, kCircuitChallengesMax));
}

}  // namespace damocles::post
