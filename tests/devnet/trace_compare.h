// SPDX-License-Identifier: Apache-2.0 OR MIT

#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "gtest/gtest.h"
#include "tests/support/status_matchers.h"

#include "damocles/devnet/replay.h"

namespace damocles::devnet::testing_support {

using Json = nlohmann::json;

// Amounts of money are nominal on the devnet.
inline Json WithoutMoney(Json after) {
  if (after.is_object()) after.erase("fee_debt");
  return after;
}

// Texts of the CBOR library and balances are not compared (README of the traces).
inline std::string ComparableError(const Json& step) {
  if (!step.contains("error") || !step["error"].is_string()) return "";
  const std::string text = step["error"].get<std::string>();
  if (step["exit"] == 21) return "serialization";
  if (step["exit"] == 19) return text.substr(0, text.find('('));
  return text;
}

// Replays the inputs of `expected` and compares every step with it.
inline void ExpectReplays(const Json& expected) {
  // Nothing that is to be computed may be read.
  Json input = expected;
  for (Json& step : input["steps"]) {
    for (const char* name :
         {"exit", "error", "sends", "placed", "randomness", "verify", "after", "params", "note"}) {
      step.erase(name);
    }
  }
  ASSERT_OK_AND_ASSIGN(const std::string replayed, ReplayTrace(input.dump()));
  const Json actual = Json::parse(replayed);
  ASSERT_EQ(actual["steps"].size(), expected["steps"].size());
  for (std::size_t i = 0; i < expected["steps"].size(); ++i) {
    const Json& want = expected["steps"][i];
    const Json& got = actual["steps"][i];
    SCOPED_TRACE("step " + want["n"].dump() + " " + want.value("note", ""));
    EXPECT_EQ(ComparableError(got), ComparableError(want));
    for (const char* name : {"exit", "placed", "randomness", "verify"}) {
      ASSERT_EQ(got.contains(name), want.contains(name)) << name;
      if (want.contains(name)) {
        EXPECT_EQ(got[name], want[name]) << name;
      }
    }
    ASSERT_EQ(WithoutMoney(got["after"]), WithoutMoney(want["after"]));
  }
}

}  // namespace damocles::devnet::testing_support
