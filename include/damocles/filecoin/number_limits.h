// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// What numbers may be that come from outside: a row, the name of a file, a message.  Whoever reads
// one asks here first; further inside, a number beyond these is an error of the program.

#pragma once

#include <cstdint>

#include "damocles/filecoin/sector.h"

namespace damocles::filecoin {

inline constexpr ActorId kActorIdMax = (std::uint64_t{1} << 63) - 1;

constexpr bool IsActorId(ActorId id) {
  return id <= kActorIdMax;
}
constexpr bool IsSectorNumber(SectorNumber number) {
  return number <= kSectorNumberMax;
}
constexpr bool IsSectorId(const SectorId& sector) {
  return IsActorId(sector.miner) && IsSectorNumber(sector.number);
}

}  // namespace damocles::filecoin
