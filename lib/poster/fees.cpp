// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "lib/poster/fees.h"

#include <algorithm>
#include <utility>

namespace damocles::poster::internal {

using filecoin::TokenAmount;

namespace {

// Premiums that make the base fee rise grow by an eighth an epoch with it, and what the node saw is
// an epoch or two old when the message gets to a block.
constexpr std::int64_t kHeadroomNum = 3;
constexpr std::int64_t kHeadroomDen = 2;

}  // namespace

void BaseFeeHistory::Note(filecoin::ChainEpoch epoch, TokenAmount base_fee) {
  fees_[epoch] = std::move(base_fee);
  fees_.erase(fees_.begin(), fees_.lower_bound(fees_.rbegin()->first - kBaseFeeMemory));
}

TokenAmount BaseFeeHistory::Highest(filecoin::ChainEpoch epoch) const {
  TokenAmount highest = 0;
  for (const auto& [at, fee] : fees_) {
    if (at <= epoch) highest = std::max(highest, fee);
  }
  return highest;
}

bool BaseFeeHistory::ReachesBack(filecoin::ChainEpoch epoch) const {
  // Null rounds leave gaps.
  return !fees_.empty() &&
         fees_.begin()->first <= epoch - kBaseFeeMemory + filecoin::EpochDelta(20);
}

FeeRaise RaiseOf(const filecoin::Message& message, const Market& market, const FeePolicy& fees) {
  FeeRaise out;
  const bool below = message.gas_fee_cap < market.base_fee + message.gas_premium;
  const bool outbid = market.premium > message.gas_premium;
  out.wanted = below || outbid || market.passed_over;
  if (!out.wanted) return out;
  // Nodes want 1.25 times the premium by default.
  const TokenAmount least = message.gas_premium * 5 / 4 + 1;
  out.premium = std::max(least, outbid ? market.premium * kHeadroomNum / kHeadroomDen : least);
  // Twice the base fee holds for five epochs of the fastest rise.
  TokenAmount cap =
      std::max({market.base_fee * 2 + out.premium, market.highest, message.gas_fee_cap});
  const TokenAmount limit = std::max(fees.max_gas_fee_cap, message.gas_fee_cap);
  out.limited = cap > limit;
  cap = std::min(cap, limit);
  // Nodes refuse a cap that the sender could not pay.
  if (market.balance && message.gas_limit > 0) {
    const TokenAmount payable = *market.balance / TokenAmount(message.gas_limit);
    if (payable >= market.base_fee + least) cap = std::min(cap, std::max(payable, least));
  }
  out.fee_cap = cap;
  out.premium = std::min(out.premium, cap);
  const bool taken = out.premium >= least;
  // A premium that the cap leaves no room for changes nothing.
  const bool helps =
      out.fee_cap > message.gas_fee_cap ||
      ((outbid || market.passed_over) && out.fee_cap > market.base_fee + message.gas_premium);
  out.raise = taken && helps;
  return out;
}

}  // namespace damocles::poster::internal
