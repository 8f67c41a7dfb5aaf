// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// What the chain says of a miner, from a simulated chain; names in JSON are kept as scripts read
// them.

#include "damocles/manager/chain_view.h"

#include <memory>
#include <nlohmann/json.hpp>
#include <vector>

#include "gtest/gtest.h"
#include "tests/devnet/chain_fixture.h"
#include "tests/support/loop.h"

#include "damocles/devnet/direct_api.h"

namespace damocles::manager {
namespace {

using devnet::testing_support::AdvanceTo;
using devnet::testing_support::FirstOpen;
using devnet::testing_support::kMiner;
using filecoin::EpochDelta;
using nlohmann::json;
using testing_support::StatusIs;

class ChainViewTest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_OK_AND_ASSIGN(chain_, devnet::Chain::InMemory(devnet::QuickPreset(),
                                                         devnet::testing_support::SmallGenesis(),
                                                         verifier_.Options()));
    node_ = std::make_unique<devnet::DirectApi>(*chain_);
    AdvanceTo(*chain_, FirstOpen(*chain_) + EpochDelta(3));
  }
  template <typename T>
  absl::StatusOr<T> Wait(chain::Result<T> task) {
    return loop_.Wait(kj::mv(task).ToPromise());
  }

  testing_support::Loop loop_;
  devnet::testing_support::Verifier verifier_;
  std::unique_ptr<devnet::Chain> chain_;
  std::unique_ptr<devnet::DirectApi> node_;
};

TEST_F(ChainViewTest, TheProvingPeriod) {
  ASSERT_OK_AND_ASSIGN(const ProvingView view, Wait(ViewProving(*node_, kMiner)));
  const std::int64_t open = FirstOpen(*chain_).Value();
  EXPECT_EQ(view.total,
            (SectorCounts{.partitions = 4, .all = 6, .live = 6, .faulty = 0, .recovering = 0}));
  EXPECT_EQ(view.at.epoch, absl::Seconds(1));
  const json want = {{"miner", kMiner},
                     {"current_epoch", open + 3},
                     {"proving_period_boundary", open % 120},
                     {"proving_period_start", open},
                     {"next_period_start", open + 120},
                     {"sectors", 6},
                     {"faults", 0},
                     {"faults_percent", 0.0},
                     {"recovering", 0},
                     {"deadline",
                      {{"index", 0},
                       {"sectors", 3},
                       {"open", open},
                       {"close", open + 10},
                       {"challenge", open - 5},
                       {"fault_cutoff", open - 7}}}};
  EXPECT_EQ(json::parse(ProvingJson(view)), want);
  EXPECT_EQ(view.at.Describe(FirstOpen(*chain_) + EpochDelta(3)),
            std::to_string(open + 3) + " (now)");
  EXPECT_EQ(view.at.Describe(FirstOpen(*chain_) + EpochDelta(93)),
            std::to_string(open + 93) + " (in 90 epochs, 1m30s)");
  EXPECT_EQ(view.at.Describe(FirstOpen(*chain_)), std::to_string(open) + " (3 epochs, 3s ago)");
  ASSERT_OK(chain_->Advance());
  EXPECT_FALSE(Wait(ViewProving(*node_, 77)).ok()) << "a miner that does not exist";
}

TEST_F(ChainViewTest, AllDeadlines) {
  ASSERT_OK_AND_ASSIGN(const auto rows, Wait(ViewDeadlines(*node_, kMiner, false)));
  ASSERT_EQ(rows.size(), 12U);
  const std::int64_t open = FirstOpen(*chain_).Value();
  const json all = json::parse(DeadlineRowsJson(rows));
  json third = {{"deadline", 3},
                {"open_epoch", open + 30},
                {"close_epoch", open + 40},
                {"partitions", 1},
                {"sectors", 2},
                {"faults", 0},
                {"current", false},
                {"proven_partitions", 0}};
  third["open_at"] = all[3]["open_at"];
  EXPECT_EQ(all[3], third);
  EXPECT_EQ(rows[3].open_at - absl::FromUnixSeconds(static_cast<std::int64_t>(
                                  chain_->ChainHead().Blocks().front().timestamp)),
            absl::Seconds(27));
  EXPECT_TRUE(rows[0].current);
  EXPECT_EQ(rows[0].partitions, 2U);
  EXPECT_EQ(rows[0].sectors, 3U);
}

TEST_F(ChainViewTest, OneDeadlineWithItsNumbers) {
  ASSERT_OK_AND_ASSIGN(
      const DeadlineView view,
      Wait(ViewDeadline(*node_, kMiner, 0, SetDetails{.numbers = true, .encoded = true})));
  const std::int64_t open = FirstOpen(*chain_).Value();
  const auto set = [](std::vector<std::uint64_t> numbers) {
    return json{{"count", numbers.size()},
                {"numbers", numbers},
                {"runs", numbers.empty() ? 0 : 1},
                {"encoded_bytes", numbers.empty() ? 0 : 2}};
  };
  json got = json::parse(DeadlineJson(view));
  for (json& partition : got["partitions"]) {
    for (const char* name : {"all", "live", "active", "faulty", "recovering"}) {
      json& bytes = partition[name]["encoded_bytes"];
      // The encoding has its own tests: nothing for nothing, something for something.
      bytes = bytes.get<int>() == 0 ? 0 : 2;
    }
  }
  // Sectors that were never proven are live and not yet active.
  const auto partition = [&](int number, const std::vector<std::uint64_t>& numbers) {
    return json{{"partition", number},  {"proven", false},   {"all", set(numbers)},
                {"live", set(numbers)}, {"active", set({})}, {"faulty", set({})},
                {"recovering", set({})}};
  };
  const json want = {{"deadline", 0},
                     {"open_epoch", open},
                     {"close_epoch", open + 10},
                     {"proven_partitions", 0},
                     {"current", true},
                     {"partitions", {partition(0, {1, 2}), partition(1, {3})}}};
  EXPECT_EQ(got, want);
  ASSERT_OK_AND_ASSIGN(const DeadlineView plain, Wait(ViewDeadline(*node_, kMiner, 3, {})));
  EXPECT_EQ(json::parse(DeadlineJson(plain))["partitions"][0]["live"], (json{{"count", 2}}));
  EXPECT_THAT(Wait(ViewDeadline(*node_, kMiner, 12, {})),
              StatusIs(absl::StatusCode::kOutOfRange, "deadlines 0 to 11"));
}

TEST_F(ChainViewTest, FaultySectorsAndWhyEachIsLeftSo) {
  ASSERT_OK_AND_ASSIGN(const FaultsView none, Wait(ViewFaults(*node_, kMiner, {})));
  EXPECT_EQ(FaultsJson(none), "[]");
  // Nobody posts for the first window: sectors 1 to 3 are faulty.
  AdvanceTo(*chain_, FirstOpen(*chain_) + EpochDelta(13));
  filecoin::Message recovery;
  recovery.to = filecoin::Address::FromId(kMiner);
  recovery.from = filecoin::Address::FromId(chain_->MinerAfterHead(kMiner)->worker);
  recovery.method = filecoin::kMethodDeclareFaultsRecovered;
  recovery.params = filecoin::cbor::Encode(
      filecoin::DeclareFaultsRecoveredParams{{{.deadline = 0, .partition = 1, .sectors = {3}}}});
  ASSERT_OK(chain_->MpoolPushMessage(recovery, devnet::testing_support::WithUuid(1)));
  ASSERT_OK(chain_->Advance());
  ASSERT_OK(chain_->Advance());
  std::vector<rpc::RecoverySummary> recoveries(1);
  recoveries[0].miner = kMiner;
  recoveries[0].state = "TooLate";
  recoveries[0].note = "the node did not answer";
  recoveries[0].sectors = {
      {.partition = 0, .number = 1, .why = "p_aux is missing", .message_cid = "bafy"}};
  ASSERT_OK_AND_ASSIGN(const FaultsView view, Wait(ViewFaults(*node_, kMiner, recoveries)));
  // Two windows before the next one of this deadline.
  const std::int64_t from = FirstOpen(*chain_).Value() + 100;
  const json want = {{{"deadline", 0},
                      {"partition", 0},
                      {"sector", 1},
                      {"declared", false},
                      {"why", "p_aux is missing"},
                      {"message", "bafy"},
                      {"looked_at_from", from}},
                     {{"deadline", 0},
                      {"partition", 0},
                      {"sector", 2},
                      {"declared", false},
                      {"why", "the cut-off passed: the node did not answer"},
                      {"message", ""},
                      {"looked_at_from", from}},
                     {{"deadline", 0},
                      {"partition", 1},
                      {"sector", 3},
                      {"declared", true},
                      {"why", "declared recovered: to be proven in its next window"},
                      {"message", ""},
                      {"looked_at_from", nullptr}}};
  EXPECT_EQ(json::parse(FaultsJson(view)), want);
  ASSERT_OK_AND_ASSIGN(const FaultsView unknown, Wait(ViewFaults(*node_, kMiner, {})));
  EXPECT_EQ(unknown.rows[0].why, "not looked at yet");
  // That of the next window is over once its deadline is near.
  AdvanceTo(*chain_, FirstOpen(*chain_) + EpochDelta(111));
  ASSERT_OK_AND_ASSIGN(const FaultsView late, Wait(ViewFaults(*node_, kMiner, {})));
  EXPECT_EQ(late.rows[0].looked_at_from, filecoin::ChainEpoch(from + 120));
  node_->SetDown(true);
  EXPECT_THAT(Wait(ViewFaults(*node_, kMiner, {})), StatusIs(absl::StatusCode::kUnavailable, ""));
}

}  // namespace
}  // namespace damocles::manager
