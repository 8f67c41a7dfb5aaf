// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/filecoin/proof_type.h"

#include <algorithm>

#include "absl/strings/str_format.h"

#include "damocles/base/check.h"

namespace damocles::filecoin {
namespace {

// Sizes with registered proofs, in the order of their numbers.
constexpr std::array kRegisteredSizes = {SectorSize::k2KiB, SectorSize::k8MiB, SectorSize::k512MiB,
                                         SectorSize::k32GiB, SectorSize::k64GiB};
constexpr std::int64_t kSizes = kRegisteredSizes.size();

// Generations of PoSt proofs: number = generation * kSizes + position of the size.
constexpr std::int64_t kWinning = 0;
constexpr std::int64_t kWindowV1 = 1;
constexpr std::int64_t kWindowV1_1 = 2;
constexpr std::int64_t kSynthetic = 2;
constexpr std::int64_t kNonInteractive = 3;

constexpr std::uint64_t kProofBytes = 192;
constexpr std::uint32_t kNetworkVersionOfV1_1 = 19;

template <typename Type>
std::int64_t Generation(Type type) {
  DAMOCLES_CHECK(IsRegistered(type));
  return ToNumber(type) / kSizes;
}

template <typename Type>
std::size_t SizePosition(Type type) {
  DAMOCLES_CHECK(IsRegistered(type));
  return static_cast<std::size_t>(ToNumber(type) % kSizes);
}

PoStProofType PoStOf(std::int64_t generation, std::size_t size_position) {
  return static_cast<PoStProofType>(generation * kSizes + static_cast<std::int64_t>(size_position));
}

std::optional<std::size_t> PositionOf(SectorSize size) {
  const auto at = std::find(kRegisteredSizes.begin(), kRegisteredSizes.end(), size);
  if (at == kRegisteredSizes.end()) return std::nullopt;
  return static_cast<std::size_t>(at - kRegisteredSizes.begin());
}

// As the actors write names: "StackedDRGWindow2KiBV1P1".
std::string ActorName(PoStProofType type) {
  std::string name = ToString(type);
  name.replace(0, 10, "StackedDRG");
  if (name.ends_with("_1")) name.replace(name.size() - 2, 2, "P1");
  return name;
}

}  // namespace

absl::StatusOr<SectorSize> SectorSizeFromBytes(std::uint64_t bytes) {
  for (const SectorSize size : kSectorSizes) {
    if (ToBytes(size) == bytes) return size;
  }
  return absl::InvalidArgumentError(absl::StrFormat("no sector size has %d bytes", bytes));
}

absl::StatusOr<SectorSize> ParseSectorSize(std::string_view text) {
  for (const SectorSize size : kSectorSizes) {
    if (ToString(size) == text) return size;
  }
  return absl::InvalidArgumentError(absl::StrFormat(
      "\"%s\" is not a sector size: want 2KiB, 8MiB, 512MiB, 32GiB or 64GiB, for tests also 4KiB, "
      "16KiB, 32KiB, 16MiB or 1GiB",
      std::string(text)));
}

std::string ToString(SectorSize size) {
  const std::uint64_t bytes = ToBytes(size);
  if (bytes >= std::uint64_t{1} << 30) return absl::StrFormat("%dGiB", bytes >> 30);
  if (bytes >= std::uint64_t{1} << 20) return absl::StrFormat("%dMiB", bytes >> 20);
  return absl::StrFormat("%dKiB", bytes >> 10);
}

std::uint64_t WindowPartitionSectors(SectorSize size) {
  switch (size) {
    case SectorSize::k32GiB:
      return 2349;
    case SectorSize::k64GiB:
      return 2300;
    default:
      return 2;
  }
}

std::string ToString(ApiVersion version) {
  switch (version) {
    case ApiVersion::kV1_0:
      return "1.0.0";
    case ApiVersion::kV1_1:
      return "1.1.0";
    case ApiVersion::kV1_2:
      return "1.2.0";
  }
  return "unknown";
}

absl::StatusOr<PoStProofType> PoStProofTypeFromNumber(std::int64_t number) {
  const auto type = static_cast<PoStProofType>(number);
  if (IsRegistered(type)) return type;
  return absl::InvalidArgumentError(
      absl::StrFormat("%d is no registered PoSt proof: they are 0 to 14", number));
}

std::string ToString(PoStProofType type) {
  if (!IsRegistered(type)) return absl::StrFormat("PoStProofType(%d)", ToNumber(type));
  return absl::StrFormat("StackedDrg%s%sV1%s", IsWinning(type) ? "Winning" : "Window",
                         ToString(SectorSizeOf(type)), Generation(type) == kWindowV1_1 ? "_1" : "");
}

absl::StatusOr<PoStProofType> ParsePoStProofType(std::string_view text) {
  for (std::int64_t number = 0; number < kPoStProofTypes; ++number) {
    const auto type = static_cast<PoStProofType>(number);
    if (ToString(type) == text || ActorName(type) == text) return type;
  }
  return absl::InvalidArgumentError(
      absl::StrFormat("\"%s\" is no registered PoSt proof", std::string(text)));
}

bool IsWinning(PoStProofType type) {
  return Generation(type) == kWinning;
}
bool IsWindow(PoStProofType type) {
  return !IsWinning(type);
}

SectorSize SectorSizeOf(PoStProofType type) {
  return kRegisteredSizes[SizePosition(type)];
}

ApiVersion ApiVersionOf(PoStProofType type) {
  return Generation(type) == kWindowV1_1 ? ApiVersion::kV1_2 : ApiVersion::kV1_0;
}

std::uint64_t ProofBytes(PoStProofType type) {
  DAMOCLES_CHECK(IsRegistered(type));
  return kProofBytes;
}

absl::StatusOr<PoStProofType> ToV1_1(PoStProofType type) {
  if (!IsRegistered(type) || IsWinning(type)) {
    return absl::InvalidArgumentError(ToString(type) + " is no window proof");
  }
  return PoStOf(kWindowV1_1, SizePosition(type));
}

std::optional<PoStProofType> WindowProofOf(SectorSize size) {
  const std::optional<std::size_t> position = PositionOf(size);
  if (!position.has_value()) return std::nullopt;
  return PoStOf(kWindowV1_1, *position);
}

std::optional<PoStProofType> WinningProofOf(SectorSize size) {
  const std::optional<std::size_t> position = PositionOf(size);
  if (!position.has_value()) return std::nullopt;
  return PoStOf(kWinning, *position);
}

absl::StatusOr<SealProofType> SealProofTypeFromNumber(std::int64_t number) {
  const auto type = static_cast<SealProofType>(number);
  if (IsRegistered(type)) return type;
  return absl::InvalidArgumentError(
      absl::StrFormat("%d is no registered seal proof: they are 0 to 19", number));
}

std::string ToString(SealProofType type) {
  if (!IsRegistered(type)) return absl::StrFormat("SealProofType(%d)", ToNumber(type));
  constexpr std::array kSuffixes = {"V1", "V1_1", "V1_1_Feat_SyntheticPoRep", "V1_2_Feat_NiPoRep"};
  return absl::StrFormat("StackedDrg%s%s", ToString(SectorSizeOf(type)),
                         kSuffixes[static_cast<std::size_t>(Generation(type))]);
}

absl::StatusOr<SealProofType> ParseSealProofType(std::string_view text) {
  for (std::int64_t number = 0; number < kSealProofTypes; ++number) {
    const auto type = static_cast<SealProofType>(number);
    if (ToString(type) == text) return type;
  }
  return absl::InvalidArgumentError(
      absl::StrFormat("\"%s\" is no registered seal proof", std::string(text)));
}

SectorSize SectorSizeOf(SealProofType type) {
  return kRegisteredSizes[SizePosition(type)];
}
bool IsSynthetic(SealProofType type) {
  return Generation(type) == kSynthetic;
}
bool IsNonInteractive(SealProofType type) {
  return Generation(type) == kNonInteractive;
}

std::uint64_t ProofBytes(SealProofType type) {
  const bool is_large = SectorSizeOf(type) >= SectorSize::k32GiB;
  if (IsNonInteractive(type)) return is_large ? 23092 : 14164;  // aggregated
  return is_large ? 10 * kProofBytes : kProofBytes;             // one for each partition
}

PoStProofType WindowProofOf(SealProofType type, std::uint32_t network_version) {
  return PoStOf(network_version >= kNetworkVersionOfV1_1 ? kWindowV1_1 : kWindowV1,
                SizePosition(type));
}

PoStProofType WinningProofOf(SealProofType type) {
  return PoStOf(kWinning, SizePosition(type));
}

}  // namespace damocles::filecoin
