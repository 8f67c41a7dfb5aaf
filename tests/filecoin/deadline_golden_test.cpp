// SPDX-License-Identifier: Apache-2.0 OR MIT

#include <algorithm>
#include <map>

#include "gtest/gtest.h"
#include "tests/filecoin/golden.h"
#include "tests/support/status_matchers.h"

#include "damocles/filecoin/deadline.h"

namespace damocles::filecoin {
namespace {

using testing::Json;
using testing::LoadGolden;

ChainEpoch EpochOf(const Json& number) {
  return ChainEpoch(number.get<std::int64_t>());
}
EpochDelta DeltaOf(const Json& number) {
  return EpochDelta(number.get<std::int64_t>());
}

PeriodShape ShapeOf(const Json& fields) {
  PeriodShape shape;
  shape.proving_period = DeltaOf(fields.at("WPoStProvingPeriod"));
  shape.challenge_window = DeltaOf(fields.at("WPoStChallengeWindow"));
  shape.deadlines = fields.at("WPoStPeriodDeadlines").get<std::uint64_t>();
  shape.challenge_lookback = DeltaOf(fields.at("WPoStChallengeLookback"));
  shape.fault_declaration_cutoff = DeltaOf(fields.at("FaultDeclarationCutoff"));
  return shape;
}

Json ToJson(const DeadlineInfo& info) {
  return {{"CurrentEpoch", info.current_epoch.Value()},
          {"PeriodStart", info.period_start.Value()},
          {"Index", info.index},
          {"Open", info.open.Value()},
          {"Close", info.close.Value()},
          {"Challenge", info.challenge.Value()},
          {"FaultCutoff", info.fault_cutoff.Value()},
          {"WPoStPeriodDeadlines", info.shape.deadlines},
          {"WPoStProvingPeriod", info.shape.proving_period.Count()},
          {"WPoStChallengeWindow", info.shape.challenge_window.Count()},
          {"WPoStChallengeLookback", info.shape.challenge_lookback.Count()},
          {"FaultDeclarationCutoff", info.shape.fault_declaration_cutoff.Count()}};
}

Json FlagsOf(const DeadlineInfo& info) {
  return {{"FaultCutoffPassed", info.FaultCutoffPassed()},
          {"HasElapsed", info.HasElapsed()},
          {"IsOpen", info.IsOpen()},
          {"Last", info.Last().Value()},
          {"NextOpen", info.NextOpen().Value()},
          {"NextPeriodStart", info.NextPeriodStart().Value()},
          {"PeriodElapsed", info.PeriodElapsed()},
          {"PeriodEnd", info.PeriodEnd().Value()},
          {"PeriodStarted", info.PeriodStarted()}};
}

class DeadlineGoldenTest : public ::testing::Test {
 protected:
  const Json golden_ = LoadGolden("deadlines.json");
};

TEST_F(DeadlineGoldenTest, InfosFieldsPredicatesAndNextTurn) {
  std::map<std::string, PeriodShape> shapes;
  for (const Json& params : golden_.at("params")) shapes[params.at("name")] = ShapeOf(params);
  ASSERT_EQ(shapes.size(), 4U);
  EXPECT_EQ(shapes.at("mainnet"), kMainnetPeriod);
  const Json& cases = golden_.at("infos");
  ASSERT_EQ(cases.size(), 176U);
  for (const Json& c : cases) {
    SCOPED_TRACE(c.dump());
    const PeriodShape& shape = shapes.at(c.at("params"));
    EXPECT_OK(Validate(shape));
    const DeadlineInfo info =
        MakeDeadlineInfo(shape, EpochOf(c.at("period_start")), c.at("index").get<std::uint64_t>(),
                         EpochOf(c.at("epoch")));
    EXPECT_EQ(ToJson(info), c.at("info"));
    EXPECT_EQ(FlagsOf(info), c.at("flags"));
    const DeadlineInfo next = NextNotElapsed(info);
    EXPECT_EQ(ToJson(next), c.at("next") == "same" ? c.at("info") : c.at("next"));
    if (c.contains("next_flags")) {
      EXPECT_EQ(FlagsOf(next), c.at("next_flags"));
    }
  }
}

TEST_F(DeadlineGoldenTest, CurrentDeadlineFromOffset) {
  const Json& cases = golden_.at("from_offset");
  ASSERT_EQ(cases.size(), 40U);
  for (const Json& c : cases) {
    SCOPED_TRACE(c.dump());
    const ChainEpoch offset = EpochOf(c.at("offset_or_stored_start"));
    const DeadlineInfo info = DeadlineAt(kMainnetPeriod, offset, EpochOf(c.at("epoch")));
    EXPECT_EQ(ToJson(info), c.at("info"));
    if (!c.contains("new_miner")) continue;
    EXPECT_EQ(info.period_start, EpochOf(c.at("new_miner").at("period_start")));
    EXPECT_EQ(info.index, c.at("new_miner").at("deadline"));
  }
}

TEST_F(DeadlineGoldenTest, RecordedDeadlines) {
  const Json& cases = golden_.at("recorded");
  ASSERT_EQ(cases.size(), 11U);
  for (const Json& c : cases) {
    SCOPED_TRACE(c.dump());
    const ChainEpoch start = EpochOf(c.at("state_period_start"));
    const ChainEpoch height = EpochOf(c.at("height"));
    EXPECT_EQ(ToJson(RecordedDeadline(kMainnetPeriod, start,
                                      c.at("state_current_deadline").get<std::uint64_t>(), height)),
              c.at("answer"));
    EXPECT_EQ(ToJson(DeadlineAt(kMainnetPeriod, start, height)), c.at("by_offset"));
  }
}

TEST_F(DeadlineGoldenTest, Quantisation) {
  const Json& cases = golden_.at("quantize");
  ASSERT_EQ(cases.size(), 34U);
  for (const Json& c : cases) {
    SCOPED_TRACE(c.dump());
    if (c.contains("unit")) {
      EXPECT_EQ(QuantizeUp(DeltaOf(c.at("unit")), EpochOf(c.at("offset")), EpochOf(c.at("epoch"))),
                EpochOf(c.at("quantized_up")));
      continue;
    }
    const DeadlineInfo info = MakeDeadlineInfo(kMainnetPeriod, EpochOf(c.at("period_start")),
                                               c.at("index").get<std::uint64_t>(), ChainEpoch(0));
    EXPECT_EQ(info.Last(), EpochOf(c.at("last")));
    const ChainEpoch up = QuantizeUpToDeadline(info, EpochOf(c.at("epoch")));
    EXPECT_EQ(up, EpochOf(c.at("quantized_up")));
    EXPECT_EQ(QuantizeDown(kMainnetPeriod.proving_period, info.Last(), up), up);
  }
}

TEST_F(DeadlineGoldenTest, OffsetsOfNewMiners) {
  const Json& cases = golden_.at("offset_assignment");
  ASSERT_EQ(cases.size(), 20U);
  for (const Json& c : cases) {
    SCOPED_TRACE(c.dump());
    const ChainEpoch epoch = EpochOf(c.at("epoch"));
    const EpochDelta offset =
        AssignPeriodOffset(kMainnetPeriod, testing::AddressOf(c.at("address")), epoch);
    EXPECT_EQ(offset, DeltaOf(c.at("offset")));
    const DeadlineInfo info = DeadlineAt(kMainnetPeriod, ChainEpoch(offset.Count()), epoch);
    EXPECT_EQ(info.period_start, EpochOf(c.at("period_start")));
    EXPECT_EQ(info.index, c.at("deadline"));
  }
}

TEST_F(DeadlineGoldenTest, Rules) {
  const Json& cases = golden_.at("rules");
  ASSERT_EQ(cases.size(), 70U);
  for (const Json& c : cases) {
    SCOPED_TRACE(c.dump());
    const ChainEpoch start = EpochOf(c.at("period_start"));
    const ChainEpoch epoch = EpochOf(c.at("epoch"));
    const auto index = c.at("index").get<std::uint64_t>();
    if (index >= kMainnetPeriod.deadlines) {  // the actor refuses it before any rule
      EXPECT_EQ(c.at("declaration"), "invalid deadline 48, must be < 48");
      continue;
    }
    EXPECT_EQ(MakeDeadlineInfo(kMainnetPeriod, start, index, epoch).open, EpochOf(c.at("open")));
    EXPECT_EQ(DeadlineIsMutable(kMainnetPeriod, start, index, epoch), c.at("mutable"));
    EXPECT_EQ(DeadlineIsDisputable(kMainnetPeriod, kMainnetDisputeWindow, start, index, epoch),
              c.at("disputable"));
    EXPECT_EQ(DeadlineIsCompactable(kMainnetPeriod, kMainnetDisputeWindow, start, index, epoch),
              c.at("compactable"));
    const DeadlineInfo target = DeclarationDeadline(kMainnetPeriod, start, index, epoch);
    EXPECT_EQ(target.open, EpochOf(c.at("declaration_targets_open")));
    EXPECT_EQ(target.FaultCutoffPassed(), c.at("declaration") != "in time");
  }
}

TEST_F(DeadlineGoldenTest, AssignmentOfNewSectors) {
  const Json& cases = golden_.at("assignment");
  ASSERT_EQ(cases.size(), 12U);
  int refused = 0;
  for (const Json& c : cases) {
    SCOPED_TRACE(c.at("what"));
    const auto immutable = c.at("immutable").get<std::vector<std::uint64_t>>();
    std::vector<DeadlineLoad> loads;
    for (std::uint64_t i = 0; i < kMainnetPeriod.deadlines; ++i) {
      if (std::find(immutable.begin(), immutable.end(), i) != immutable.end()) continue;
      DeadlineLoad load;
      load.index = i;
      if (const auto at = c.at("live_total").find(std::to_string(i));
          at != c.at("live_total").end()) {
        load.live_sectors = at->at(0).get<std::uint64_t>();
        load.total_sectors = at->at(1).get<std::uint64_t>();
      }
      loads.push_back(load);
    }
    const absl::StatusOr<std::vector<std::uint64_t>> chosen = AssignDeadlines(
        loads, c.at("partition_size").get<std::uint64_t>(),
        c.at("max_partitions").get<std::uint64_t>(), c.at("add").get<std::uint64_t>());
    if (c.contains("error")) {
      ++refused;
      EXPECT_THAT(chosen, testing_support::StatusIs(absl::StatusCode::kResourceExhausted,
                                                    c.at("error").get<std::string>()));
      continue;
    }
    ASSERT_OK(chosen);
    std::vector<std::uint64_t> want(c.at("add").get<std::size_t>(), 999);
    for (const auto& [deadline, runs] : c.at("ordinals_by_deadline").items()) {
      for (const Json& run : runs) {
        for (auto i = run[0].get<std::size_t>(); i <= run[1].get<std::size_t>(); ++i) {
          want.at(i) = std::stoull(deadline);
        }
      }
    }
    EXPECT_EQ(*chosen, want);
  }
  EXPECT_EQ(refused, 1);
}

}  // namespace
}  // namespace damocles::filecoin
