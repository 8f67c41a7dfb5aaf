// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// The registered proofs and the sector sizes behind them.

#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace damocles::filecoin {

// A sector size that the proofs know: one of ten powers of two.  Five of them have registered
// proofs; 4 KiB, 16 KiB, 32 KiB, 16 MiB and 1 GiB exist for tests of the proofs only.
enum class SectorSize : std::uint64_t {
  k2KiB = std::uint64_t{2} << 10,
  k4KiB = std::uint64_t{4} << 10,
  k16KiB = std::uint64_t{16} << 10,
  k32KiB = std::uint64_t{32} << 10,
  k8MiB = std::uint64_t{8} << 20,
  k16MiB = std::uint64_t{16} << 20,
  k512MiB = std::uint64_t{512} << 20,
  k1GiB = std::uint64_t{1} << 30,
  k32GiB = std::uint64_t{32} << 30,
  k64GiB = std::uint64_t{64} << 30,
};
inline constexpr std::array kSectorSizes = {
    SectorSize::k2KiB,  SectorSize::k4KiB,  SectorSize::k16KiB,  SectorSize::k32KiB,
    SectorSize::k8MiB,  SectorSize::k16MiB, SectorSize::k512MiB, SectorSize::k1GiB,
    SectorSize::k32GiB, SectorSize::k64GiB};

constexpr std::uint64_t ToBytes(SectorSize size) {
  return static_cast<std::uint64_t>(size);
}
absl::StatusOr<SectorSize> SectorSizeFromBytes(std::uint64_t bytes);
// "2KiB" ... "64GiB"; exactly these texts.
absl::StatusOr<SectorSize> ParseSectorSize(std::string_view text);
std::string ToString(SectorSize size);
// Sectors in a partition of window proofs of this size: 2349 for 32 GiB, 2300 for 64 GiB, else 2.
std::uint64_t WindowPartitionSectors(SectorSize size);

// How challenges are derived (ApiVersion in filecoin-proofs; V1_2 came with FIP-0061).  What chain,
// actors and nodes call V1_1 in the names of window proofs is version 1.2 of the proofs.
enum class ApiVersion { kV1_0, kV1_1, kV1_2 };
std::string ToString(ApiVersion version);  // "1.2.0"

// Registered PoSt proofs by the numbers of the chain.  A value decoded from foreign bytes may be
// any integer: ask IsRegistered first.
enum class PoStProofType : std::int64_t {
  kWinning2KiBV1 = 0,
  kWinning8MiBV1 = 1,
  kWinning512MiBV1 = 2,
  kWinning32GiBV1 = 3,
  kWinning64GiBV1 = 4,
  kWindow2KiBV1 = 5,
  kWindow8MiBV1 = 6,
  kWindow512MiBV1 = 7,
  kWindow32GiBV1 = 8,
  kWindow64GiBV1 = 9,
  kWindow2KiBV1_1 = 10,
  kWindow8MiBV1_1 = 11,
  kWindow512MiBV1_1 = 12,
  kWindow32GiBV1_1 = 13,
  kWindow64GiBV1_1 = 14,
};
inline constexpr std::int64_t kPoStProofTypes = 15;

constexpr std::int64_t ToNumber(PoStProofType type) {
  return static_cast<std::int64_t>(type);
}
constexpr bool IsRegistered(PoStProofType type) {
  return ToNumber(type) >= 0 && ToNumber(type) < kPoStProofTypes;
}
absl::StatusOr<PoStProofType> PoStProofTypeFromNumber(std::int64_t number);
// "StackedDRGWindow2KiBV1P1" and "StackedDrgWindow2KiBV1_1" are both read; ToString gives the
// latter, which nodes print, or "PoStProofType(99)".
std::string ToString(PoStProofType type);
absl::StatusOr<PoStProofType> ParsePoStProofType(std::string_view text);

// The five below are for registered proofs only.
bool IsWinning(PoStProofType type);
bool IsWindow(PoStProofType type);
SectorSize SectorSizeOf(PoStProofType type);
ApiVersion ApiVersionOf(PoStProofType type);
// Bytes of a proof of one partition: 192.
std::uint64_t ProofBytes(PoStProofType type);
// The window proof of today's network (version >= 19) for one of either generation;
// INVALID_ARGUMENT for a winning proof.
absl::StatusOr<PoStProofType> ToV1_1(PoStProofType type);
// The proofs of a size; nullopt for a size without registered id.
std::optional<PoStProofType> WindowProofOf(SectorSize size);  // V1_1
std::optional<PoStProofType> WinningProofOf(SectorSize size);

// Registered seal proofs: five sizes in the order of PoStProofType, in four generations.
enum class SealProofType : std::int64_t {
  k2KiBV1 = 0,
  k8MiBV1 = 1,
  k512MiBV1 = 2,
  k32GiBV1 = 3,
  k64GiBV1 = 4,
  k2KiBV1_1 = 5,
  k8MiBV1_1 = 6,
  k512MiBV1_1 = 7,
  k32GiBV1_1 = 8,
  k64GiBV1_1 = 9,
  k2KiBSynthetic = 10,
  k8MiBSynthetic = 11,
  k512MiBSynthetic = 12,
  k32GiBSynthetic = 13,
  k64GiBSynthetic = 14,
  k2KiBNonInteractive = 15,
  k8MiBNonInteractive = 16,
  k512MiBNonInteractive = 17,
  k32GiBNonInteractive = 18,
  k64GiBNonInteractive = 19,
};
inline constexpr std::int64_t kSealProofTypes = 20;

constexpr std::int64_t ToNumber(SealProofType type) {
  return static_cast<std::int64_t>(type);
}
constexpr bool IsRegistered(SealProofType type) {
  return ToNumber(type) >= 0 && ToNumber(type) < kSealProofTypes;
}
absl::StatusOr<SealProofType> SealProofTypeFromNumber(std::int64_t number);
std::string ToString(SealProofType type);  // "StackedDrg32GiBV1_1"
absl::StatusOr<SealProofType> ParseSealProofType(std::string_view text);

// For registered proofs only.
SectorSize SectorSizeOf(SealProofType type);
bool IsSynthetic(SealProofType type);
bool IsNonInteractive(SealProofType type);
// Bytes of a seal proof.
std::uint64_t ProofBytes(SealProofType type);
// The window proof of the sector's miner by network version: V1 up to 18, V1_1 from 19.
PoStProofType WindowProofOf(SealProofType type, std::uint32_t network_version);
PoStProofType WinningProofOf(SealProofType type);

}  // namespace damocles::filecoin
