// SPDX-License-Identifier: Apache-2.0 OR MIT

#pragma once

#include <string_view>

#include "absl/status/statusor.h"

#include "damocles/devnet/genesis.h"

namespace damocles::devnet {

// 12 deadlines of 10 epochs of 1 s; look-back 5, cut-off 7, confirmation depth 2.
ChainConfig QuickPreset();
// The numbers of mainnet; epochs of 30 s unless block_delay_secs is changed.
ChainConfig MainnetLikePreset();

// "quick" or "mainnet-like".
absl::StatusOr<ChainConfig> PresetByName(std::string_view name);

}  // namespace damocles::devnet
