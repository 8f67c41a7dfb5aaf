// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// What the network's own miner actor did, step by step (golden/chain/actor-traces).

#include <algorithm>
#include <filesystem>
#include <vector>

#include "tests/devnet/trace_compare.h"

#include "damocles/base/file.h"

namespace damocles::devnet {
namespace {

std::string Folder() {
  return std::string(DAMOCLES_GOLDEN_DIR) + "/chain/actor-traces";
}

std::vector<std::string> Traces() {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(Folder())) {
    const std::string name = entry.path().stem().string();
    if (entry.path().extension() == ".json" && name != "index") names.push_back(name);
  }
  std::sort(names.begin(), names.end());
  return names;
}

class ReplayGoldenTest : public testing::TestWithParam<std::string> {};

TEST_P(ReplayGoldenTest, EveryStepEndsAsOnTheNetwork) {
  ASSERT_OK_AND_ASSIGN(const std::string text, ReadFile(Folder() + "/" + GetParam() + ".json"));
  testing_support::ExpectReplays(nlohmann::json::parse(text));
}

INSTANTIATE_TEST_SUITE_P(Traces, ReplayGoldenTest, testing::ValuesIn(Traces()),
                         [](const auto& test) {
                           std::string name = test.param;
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

// The end of a deadline whose sectors are all gone still takes its last snapshot, and with it the
// proofs of the window before.
TEST(ReplayDeadDeadlineTest, LastSnapshotIsTaken) {
  ASSERT_OK_AND_ASSIGN(const std::string text, ReadFile(Folder() + "/disputes.json"));
  nlohmann::json trace = nlohmann::json::parse(text);
  trace["steps"] = nlohmann::json::parse(R"([
    {"n": 1, "op": "message", "epoch": 23100, "from": 0, "method": 9,
     "params_cbor": "8181830500425025"},
    {"n": 2, "op": "cron", "epoch": 23371},
    {"n": 3, "op": "message", "epoch": 23372, "from": 0, "method": 24, "params_cbor": "820500",
     "proof_valid": false},
    {"n": 4, "op": "cron", "epoch": 26251}])");
  for (nlohmann::json& step : trace["steps"]) {
    if (step.contains("from")) step["from"] = trace["miner"]["worker"];
  }
  ASSERT_OK_AND_ASSIGN(const std::string replayed, ReplayTrace(trace.dump()));
  const auto steps = nlohmann::json::parse(replayed)["steps"];
  EXPECT_EQ(steps[0]["exit"], 0);
  EXPECT_EQ(steps[1]["after"]["deadlines"]["5"]["proofs_snapshot"], nlohmann::json::object());
  EXPECT_EQ(steps[2]["exit"], 16);
  EXPECT_EQ(steps[2]["error"], "failed to load proof for dispute: proof 0 not found");
  EXPECT_FALSE(steps[3]["after"]["deadlines"].contains("5"));
}

}  // namespace
}  // namespace damocles::devnet
