// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// What the network's own miner actor did, step by step (golden/chain/actor-traces).

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "tests/support/status_matchers.h"

#include "damocles/base/file.h"
#include "damocles/devnet/replay.h"

namespace damocles::devnet {
namespace {

using Json = nlohmann::json;

std::vector<std::string> Traces() {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(std::string(DAMOCLES_GOLDEN_DIR) +
                                                               "/chain/actor-traces")) {
    const std::string name = entry.path().stem().string();
    if (entry.path().extension() == ".json" && name != "index") names.push_back(name);
  }
  std::sort(names.begin(), names.end());
  return names;
}

// Amounts of money are nominal on the devnet.
Json WithoutMoney(Json after) {
  if (after.is_object()) after.erase("fee_debt");
  return after;
}

// Texts of the CBOR library and balances are not compared (README of the traces).
std::string ComparableError(const Json& step) {
  if (!step["error"].is_string()) return "";
  std::string text = step["error"].get<std::string>();
  if (step["exit"] == 21) return "serialization";
  if (step["exit"] == 19) text = text.substr(0, text.find('('));
  return text;
}

class ReplayGoldenTest : public testing::TestWithParam<std::string> {};

TEST_P(ReplayGoldenTest, EveryStepEndsAsOnTheNetwork) {
  const std::string path =
      std::string(DAMOCLES_GOLDEN_DIR) + "/chain/actor-traces/" + GetParam() + ".json";
  ASSERT_OK_AND_ASSIGN(const std::string text, ReadFile(path));
  const Json expected = Json::parse(text);
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
    SCOPED_TRACE(GetParam() + " step " + want["n"].dump() + " " + want.value("note", ""));
    if (want["op"] == "message") {
      EXPECT_EQ(ComparableError(got), ComparableError(want));
    }
    for (const char* name : {"exit", "placed", "randomness", "verify"}) {
      ASSERT_EQ(got.contains(name), want.contains(name)) << name;
      if (want.contains(name)) {
        EXPECT_EQ(got[name], want[name]) << name;
      }
    }
    ASSERT_EQ(WithoutMoney(got["after"]), WithoutMoney(want["after"]));
  }
}

INSTANTIATE_TEST_SUITE_P(Traces, ReplayGoldenTest, testing::ValuesIn(Traces()),
                         [](const auto& test) {
                           std::string name = test.param;
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

}  // namespace
}  // namespace damocles::devnet
