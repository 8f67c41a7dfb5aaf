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

}  // namespace
}  // namespace damocles::devnet
