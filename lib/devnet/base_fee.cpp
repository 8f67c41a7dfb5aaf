// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/devnet/base_fee.h"

#include <algorithm>

#include "absl/strings/str_format.h"

namespace damocles::devnet {

using filecoin::TokenAmount;

namespace {

constexpr std::int64_t kAdjustmentDivisor = 8;
constexpr std::int64_t kPercentileDivisor = 5;  // 20 % of a block are below
constexpr std::int64_t kSpikePremium = 10'000'000;
// Leaves room for those who pay less.
constexpr std::int64_t kBusyGas = kBlockGas / 10 * 9;

constexpr Traffic kTraffics[] = {Traffic::kQuiet, Traffic::kRamp, Traffic::kSpike,
                                 Traffic::kOscillation};

}  // namespace

TokenAmount EffectivePremium(const TokenAmount& base_fee, const TokenAmount& fee_cap,
                             const TokenAmount& premium_cap) {
  return std::max(TokenAmount(0), std::min(premium_cap, fee_cap - base_fee));
}

TokenAmount PremiumAt(std::vector<PricedGas> messages, std::int64_t gas) {
  std::stable_sort(messages.begin(), messages.end(),
                   [](const PricedGas& a, const PricedGas& b) { return a.premium > b.premium; });
  std::int64_t dearer = 0;
  for (const PricedGas& message : messages) {
    dearer += message.gas_limit;
    if (dearer >= gas) return message.premium;
  }
  return 0;
}

TokenAmount PercentilePremium(std::vector<PricedGas> messages) {
  return PremiumAt(std::move(messages), kBlockGas - kBlockGas / kPercentileDivisor);
}

TokenAmount MaxAdjustment(const TokenAmount& base_fee) {
  return (base_fee + (kAdjustmentDivisor - 1)) / kAdjustmentDivisor;
}

TokenAmount NextBaseFee(const TokenAmount& base_fee, const TokenAmount& percentile_premium) {
  const TokenAmount most = MaxAdjustment(base_fee);
  return std::max(TokenAmount(kBaseFeeMin), base_fee + std::min(most, percentile_premium - most));
}

std::string_view Name(Traffic traffic) {
  switch (traffic) {
    case Traffic::kQuiet:
      return "quiet";
    case Traffic::kRamp:
      return "ramp";
    case Traffic::kSpike:
      return "spike";
    case Traffic::kOscillation:
      return "oscillation";
  }
  return "unknown";
}

absl::StatusOr<Traffic> TrafficByName(std::string_view name) {
  for (const Traffic traffic : kTraffics) {
    if (name == Name(traffic)) return traffic;
  }
  return absl::InvalidArgumentError(absl::StrFormat(
      "traffic \"%s\": there are quiet, ramp, spike and oscillation", std::string(name)));
}

std::vector<PricedGas> LoadOf(Traffic traffic, std::int64_t epochs, const TokenAmount& base_fee) {
  if (epochs < 0) return {};
  // What lets the base fee rise as fast as it can.
  const TokenAmount rising = MaxAdjustment(base_fee) * 2;
  switch (traffic) {
    case Traffic::kQuiet:
      return {};
    case Traffic::kRamp:
      if (epochs % 180 >= 60) return {};
      return {{rising, kBusyGas}};
    case Traffic::kSpike:
      if (epochs % 120 >= 20) return {};
      return {{std::max(rising, TokenAmount(kSpikePremium)), kBlockGas}};
    case Traffic::kOscillation:
      if (epochs % 12 >= 6) return {};
      return {{rising, kBusyGas}};
  }
  return {};
}

}  // namespace damocles::devnet
