// SPDX-License-Identifier: Apache-2.0 OR MIT

#pragma once

#include <compare>
#include <cstdint>
#include <string>

namespace damocles::filecoin {

// Number in an ID address: f01000 is actor 1000.  Below 2^63.
using ActorId = std::uint64_t;

// Number of a sector within its miner.  The chain gives numbers below 2^63.
using SectorNumber = std::uint64_t;
inline constexpr SectorNumber kSectorNumberMax = (std::uint64_t{1} << 63) - 1;

struct SectorId {
  ActorId miner = 0;
  SectorNumber number = 0;
  friend auto operator<=>(const SectorId&, const SectorId&) = default;
};

// For people: "f01000/5".
inline std::string ToString(const SectorId& id) {
  return "f0" + std::to_string(id.miner) + "/" + std::to_string(id.number);
}

}  // namespace damocles::filecoin
