// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// The base fee as the network has it since FIP-0115: it follows the premiums of a tipset.  Plain
// values and functions.

#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

#include "damocles/filecoin/token_amount.h"

namespace damocles::devnet {

inline constexpr std::int64_t kBlockGas = 10'000'000'000;
inline constexpr std::int64_t kBaseFeeMin = 100;  // attoFIL

// What a message pays to the block's maker at this base fee, a unit of gas.
filecoin::TokenAmount EffectivePremium(const filecoin::TokenAmount& base_fee,
                                       const filecoin::TokenAmount& fee_cap,
                                       const filecoin::TokenAmount& premium_cap);

// A message, or several, as it weighs in a block.
struct PricedGas {
  filecoin::TokenAmount premium;  // effective
  std::int64_t gas_limit = 0;
};

// The premium that the cheapest of the dearest `gas` units of a tipset pays; 0 if the tipset has
// less than that.
filecoin::TokenAmount PremiumAt(std::vector<PricedGas> messages, std::int64_t gas);
// At the 20th percentile of a block: what the base fee follows.
filecoin::TokenAmount PercentilePremium(std::vector<PricedGas> messages);

// By so much a base fee rises or falls at most: an eighth, rounded up.
filecoin::TokenAmount MaxAdjustment(const filecoin::TokenAmount& base_fee);
filecoin::TokenAmount NextBaseFee(const filecoin::TokenAmount& base_fee,
                                  const filecoin::TokenAmount& percentile_premium);

// ---------------------------------------------------------------- foreign traffic

// Messages of others, which take gas and move the base fee; they are nobody's, carry no nonce and
// pay whatever the base fee is.
enum class Traffic {
  kQuiet,        // none
  kRamp,         // 60 epochs in which the base fee rises by an eighth each, then 120 without
  kSpike,        // 20 epochs of full blocks at 100 times the usual premium, then 100 without
  kOscillation,  // 6 epochs of rise, 6 without, and so on
};
std::string_view Name(Traffic traffic);
absl::StatusOr<Traffic> TrafficByName(std::string_view name);

// Of the block that is `epochs` (from 0) after the script's begin.
std::vector<PricedGas> LoadOf(Traffic traffic, std::int64_t epochs,
                              const filecoin::TokenAmount& base_fee);

}  // namespace damocles::devnet
