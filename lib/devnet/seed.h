// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// What only the seed of a chain decides.

#pragma once

#include <cstdint>
#include <string_view>

#include "damocles/base/bytes.h"
#include "damocles/devnet/genesis.h"
#include "damocles/filecoin/block.h"

namespace damocles::devnet::internal {

// Of tickets, election proofs and beacon entries, as of BLS signatures.
inline constexpr std::size_t kVrfBytes = 96;

// Bytes that only the seed and the arguments decide.
Bytes SeededBytes(std::string_view what, std::uint64_t seed, std::uint64_t a, std::uint64_t b,
                  std::size_t count);

// One round an epoch; data as long as a drand signature.
filecoin::BeaconEntry BeaconOf(std::uint64_t seed, filecoin::ChainEpoch epoch);

// Epochs without a block before the one that would be at `height`.
std::uint64_t NullRoundsBefore(const ChainConfig& config, filecoin::ChainEpoch height);

}  // namespace damocles::devnet::internal
