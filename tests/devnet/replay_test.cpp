// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "tests/devnet/trace_compare.h"

#include "damocles/base/file.h"

namespace damocles::devnet {
namespace {

using damocles::testing_support::StatusIs;
using nlohmann::json;

json KeptTrace() {
  const auto text = ReadFile(std::string(DAMOCLES_TEST_DATA_DIR) + "/devnet/inject.json");
  EXPECT_OK(text.status());
  return json::parse(*text);
}

TEST(ReplayTest, DebtAndConsensusFaultsSetByHand) {
  testing_support::ExpectReplays(KeptTrace());
}

TEST(ReplayTest, SmallOddTracesAreRefusedNotCrashed) {
  EXPECT_THAT(ReplayTrace("{").status(), StatusIs(absl::StatusCode::kInvalidArgument, "trace"));
  const json kept = KeptTrace();
  json trace = kept;
  trace["steps"][1]["params_cbor"] = "8";
  EXPECT_THAT(ReplayTrace(trace.dump()).status(),
              StatusIs(absl::StatusCode::kInvalidArgument, "step 2"));
  trace = kept;
  trace["steps"][0]["op"] = "dance";
  EXPECT_THAT(ReplayTrace(trace.dump()).status(),
              StatusIs(absl::StatusCode::kInvalidArgument, "unknown op \"dance\""));
  trace = kept;
  trace["steps"][0]["epoch"] = std::int64_t{1} << 60;
  EXPECT_THAT(ReplayTrace(trace.dump()).status(),
              StatusIs(absl::StatusCode::kInvalidArgument, "after the first"));
  trace = kept;
  trace["initial"]["deadlines"]["99"] = trace["initial"]["deadlines"]["5"];
  EXPECT_THAT(ReplayTrace(trace.dump()).status(),
              StatusIs(absl::StatusCode::kInvalidArgument, "deadlines"));
  trace = kept;
  trace["miner"].erase("id");
  EXPECT_THAT(ReplayTrace(trace.dump()).status(),
              StatusIs(absl::StatusCode::kInvalidArgument, "\"id\" is missing"));
}

TEST(ReplayTest, TracesBeyondEveryMeasureAreRefused) {
  json trace = KeptTrace();
  std::string deep = trace.dump();
  deep.insert(1, R"("description":)" + std::string(300000, '[') + std::string(300000, ']') + ",");
  EXPECT_THAT(ReplayTrace(deep).status(),
              StatusIs(absl::StatusCode::kInvalidArgument, "more than 64 deep"));
  trace["steps"][0]["epoch"] = std::int64_t{1} << 62;
  EXPECT_THAT(ReplayTrace(trace.dump()).status(),
              StatusIs(absl::StatusCode::kInvalidArgument, "after the first"));
  trace = KeptTrace();
  trace["steps"][0]["op"] = "assign_sectors";
  trace["steps"][0]["sectors"] = {{"ranges", {{1000, 40000000}}}};
  EXPECT_THAT(ReplayTrace(trace.dump()).status(),
              StatusIs(absl::StatusCode::kInvalidArgument, "new sectors in a step"));
  trace = KeptTrace();
  trace["initial"]["deadlines"]["5"]["partitions"][0]["sectors"] = {{"ranges", {{0, 60000000}}}};
  EXPECT_THAT(ReplayTrace(trace.dump()).status(),
              StatusIs(absl::StatusCode::kInvalidArgument, "sectors at the start"));
}

}  // namespace
}  // namespace damocles::devnet
