// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// Reads base-fee.json: values of FIP-0115.

#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "tests/support/status_matchers.h"

#include "damocles/base/file.h"
#include "damocles/devnet/base_fee.h"

namespace damocles::devnet::testing_support {

inline void CompareBaseFees(const std::string& path) {
  ASSERT_OK_AND_ASSIGN(const std::string text, ReadFile(path));
  const nlohmann::json vectors = nlohmann::json::parse(text);
  const auto amount = [](const nlohmann::json& of, const char* name) {
    return filecoin::TokenAmount(of.at(name).get<std::int64_t>());
  };
  std::size_t compared = 0;
  for (const nlohmann::json& v : vectors.at("premium")) {
    EXPECT_EQ(
        EffectivePremium(amount(v, "base_fee"), amount(v, "fee_cap"), amount(v, "premium_cap")),
        amount(v, "premium"))
        << v;
    ++compared;
  }
  for (const nlohmann::json& v : vectors.at("percentile")) {
    std::vector<PricedGas> messages;
    for (const nlohmann::json& message : v.at("messages")) {
      messages.push_back({message.at(0).get<std::int64_t>(), message.at(1).get<std::int64_t>()});
    }
    EXPECT_EQ(PercentilePremium(messages), amount(v, "premium")) << v;
    ++compared;
  }
  for (const nlohmann::json& v : vectors.at("next")) {
    EXPECT_EQ(MaxAdjustment(amount(v, "base_fee")), amount(v, "max_adjustment")) << v;
    EXPECT_EQ(NextBaseFee(amount(v, "base_fee"), amount(v, "premium")), amount(v, "next")) << v;
    ++compared;
  }
  EXPECT_GE(compared, 30U);
}

}  // namespace damocles::devnet::testing_support
