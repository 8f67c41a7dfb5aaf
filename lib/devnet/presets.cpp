// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/devnet/presets.h"

#include <string>

#include "absl/strings/str_format.h"

#include "damocles/base/status.h"

namespace damocles::devnet {

using filecoin::EpochDelta;

absl::Status Validate(const ChainConfig& config) {
  const filecoin::PeriodShape& period = config.policy.period;
  if (absl::Status status = filecoin::Validate(period); !status.ok()) {
    return Annotate(std::move(status), "devnet");
  }
  const auto refuse = [](const char* what) {
    return absl::InvalidArgumentError(absl::StrFormat("devnet: %s", what));
  };
  if (config.block_delay_secs < 1 || config.block_delay_secs > 86400) {
    return refuse("an epoch must last from 1 to 86400 seconds");
  }
  if (period.challenge_window * static_cast<std::int64_t>(period.deadlines) !=
      period.proving_period) {
    return refuse("the windows must fill the proving period");
  }
  if (config.genesis_blocks < period.challenge_lookback ||
      config.genesis_blocks < period.fault_declaration_cutoff) {
    return refuse("genesis_blocks must cover look-back and cut-off");
  }
  if (config.first_open <= config.genesis_blocks) {
    return refuse("first_open must come after the genesis blocks");
  }
  if (config.first_open < period.proving_period) {
    return refuse("first_open must be a proving period or more, so that no period starts below 0");
  }
  if (config.policy.dispute_window > period.proving_period - period.challenge_window) {
    return refuse("the dispute window must end before the deadline opens again");
  }
  if (config.null_rounds_percent > 90) return refuse("null_rounds_percent must be at most 90");
  if (config.policy.proof_bytes == 0 || config.policy.posted_partitions_max == 0) {
    return refuse("proof_bytes and posted_partitions_max must be at least 1");
  }
  if (config.base_fee.Sign() < 0 || config.base_fee > filecoin::Fil(kTotalFil)) {
    return refuse("base_fee must not be negative, nor more than all the money there is");
  }
  return absl::OkStatus();
}

ChainConfig QuickPreset() {
  ChainConfig config;
  config.network_name = "damocles-quick";
  config.block_delay_secs = 1;
  config.policy.period = {.proving_period = EpochDelta(120),
                          .challenge_window = EpochDelta(10),
                          .deadlines = 12,
                          .challenge_lookback = EpochDelta(5),
                          .fault_declaration_cutoff = EpochDelta(7)};
  config.policy.fault_max_age = config.policy.period.proving_period * 42;
  config.policy.dispute_window = EpochDelta(60);
  config.finality = EpochDelta(30);
  config.confirmation_depth = 2;
  config.genesis_blocks = EpochDelta(120);
  config.first_open = EpochDelta(136);
  return config;
}

ChainConfig MainnetLikePreset() {
  ChainConfig config;
  config.network_name = "damocles-mainnet-like";
  config.block_delay_secs = 30;
  config.genesis_blocks = EpochDelta(2880);
  config.first_open = EpochDelta(3000);
  return config;
}

absl::StatusOr<ChainConfig> PresetByName(std::string_view name) {
  if (name == "quick") return QuickPreset();
  if (name == "mainnet-like") return MainnetLikePreset();
  return absl::InvalidArgumentError(
      absl::StrFormat("preset \"%s\": there are quick and mainnet-like", std::string(name)));
}

}  // namespace damocles::devnet
