// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// Configuration and genesis of a chain as the first record of its journal has them.

#pragma once

#include <nlohmann/json.hpp>

#include "absl/status/statusor.h"

#include "damocles/devnet/genesis.h"

namespace damocles::devnet::internal {

nlohmann::json ToJson(const ChainConfig& config);
nlohmann::json ToJson(const Genesis& genesis);
nlohmann::json ToJson(const std::vector<GenesisSector>& sectors);
absl::StatusOr<ChainConfig> ConfigFromJson(const nlohmann::json& json);
absl::StatusOr<Genesis> GenesisFromJson(const nlohmann::json& json);
absl::StatusOr<std::vector<GenesisSector>> SectorsFromJson(const nlohmann::json& json);

}  // namespace damocles::devnet::internal
