// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/winning/blocks_made.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/status_matchers.h"
#include "tests/winning/winning_support.h"

namespace damocles::winning {
namespace {

using filecoin::ChainEpoch;
using testing::CidOfNumber;
using ::testing::ElementsAre;
using testing::KeyOf;
using testing_support::IsOk;
using testing_support::StatusIs;

constexpr auto kRefused = absl::StatusCode::kFailedPrecondition;

Base On(std::int64_t height, const std::vector<std::uint64_t>& blocks,
        const std::vector<std::uint64_t>& parents) {
  return {.key = KeyOf(blocks), .height = ChainEpoch(height), .parents = KeyOf(parents)};
}

TEST(BlocksMadeTest, FirstBlockMayBeMade) {
  EXPECT_THAT(BlocksMade().MayMake(ChainEpoch(11), On(10, {1}, {0})), IsOk());
}

TEST(BlocksMadeTest, NoneBesideOneOfTheSameHeightOrBelow) {
  BlocksMade made;
  made.Add({.height = ChainEpoch(11), .parents = KeyOf({1}), .cid = CidOfNumber(5)});
  EXPECT_THAT(made.MayMake(ChainEpoch(11), On(10, {1, 2}, {0})),
              StatusIs(kRefused, "height 11 was made already"));
  EXPECT_THAT(made.MayMake(ChainEpoch(9), On(8, {3}, {0})), StatusIs(kRefused, "height 11"));
}

TEST(BlocksMadeTest, OneThatMayHaveBeenSignedCounts) {
  BlocksMade made;
  made.Add({.height = ChainEpoch(11), .parents = KeyOf({1}), .cid = {}});
  EXPECT_THAT(made.MayMake(ChainEpoch(11), On(10, {1}, {0})), StatusIs(kRefused, "height 11"));
  EXPECT_THAT(made.MayMake(ChainEpoch(12), On(11, {5, 6}, {1})),
              StatusIs(kRefused, "does not hold the block"));
}

TEST(BlocksMadeTest, NoneOnParentsThatWereBuiltOnBefore) {
  BlocksMade made;
  made.Add({.height = ChainEpoch(11), .parents = KeyOf({1}), .cid = CidOfNumber(5)});
  made.Add({.height = ChainEpoch(13), .parents = KeyOf({5}), .cid = CidOfNumber(7)});
  // The chain went back to {1}, with null rounds behind it.
  EXPECT_THAT(made.MayMake(ChainEpoch(20), On(10, {1}, {0})), StatusIs(kRefused, "same parents"));
}

TEST(BlocksMadeTest, NoneOnATipsetThatItsOwnBlockIsMissingFrom) {
  BlocksMade made;
  made.Add({.height = ChainEpoch(11), .parents = KeyOf({1}), .cid = CidOfNumber(5)});
  EXPECT_THAT(made.MayMake(ChainEpoch(12), On(11, {6}, {1})),
              StatusIs(kRefused, "does not hold the block"));
  EXPECT_THAT(made.MayMake(ChainEpoch(12), On(11, {5, 6}, {1})), IsOk());
}

TEST(BlocksMadeTest, WhatNobodyCanReportIsForgotten) {
  BlocksMade made;
  made.Add({.height = ChainEpoch(11), .parents = KeyOf({1}), .cid = CidOfNumber(5)});
  made.Add({.height = ChainEpoch(500), .parents = KeyOf({2}), .cid = CidOfNumber(6)});
  EXPECT_THAT(made.Forget(ChainEpoch(911)), ElementsAre());
  EXPECT_THAT(made.Forget(ChainEpoch(912)), ElementsAre(ChainEpoch(11)));
  EXPECT_EQ(made.Blocks().size(), 1);
}

}  // namespace
}  // namespace damocles::winning
