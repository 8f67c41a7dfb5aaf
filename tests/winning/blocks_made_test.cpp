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

TEST(BlocksMadeTest, OneThatMayHaveBeenSignedTakesItsHeightAndNoMore) {
  BlocksMade made;
  made.Add({.height = ChainEpoch(11), .parents = KeyOf({1}), .cid = {}});
  EXPECT_THAT(made.MayMake(ChainEpoch(11), On(10, {1}, {0})), StatusIs(kRefused, "height 11"));
  // Nobody has seen it: the chain that stands still must go on.
  EXPECT_THAT(made.MayMake(ChainEpoch(12), On(10, {1}, {0})), IsOk());
  EXPECT_THAT(made.MayMake(ChainEpoch(12), On(11, {5, 6}, {1})), IsOk());
  made.Withdraw(ChainEpoch(11));
  EXPECT_THAT(made.MayMake(ChainEpoch(11), On(10, {1}, {0})), IsOk());
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
              StatusIs(kRefused, "does not hold our block"));
  EXPECT_THAT(made.MayMake(ChainEpoch(12), On(11, {5, 6}, {1})), IsOk());
  // Of other parents: ours came too late for it, and that is nobody's fault.
  EXPECT_THAT(made.MayMake(ChainEpoch(12), On(11, {6}, {1, 2})), IsOk());
}

TEST(BlocksMadeTest, WhatNobodyCanReportIsForgotten) {
  BlocksMade made;
  made.Add({.height = ChainEpoch(11), .parents = KeyOf({1}), .cid = CidOfNumber(5)});
  EXPECT_THAT(made.Add({.height = ChainEpoch(911), .parents = KeyOf({2}), .cid = CidOfNumber(6)}),
              ElementsAre());
  EXPECT_THAT(made.Add({.height = ChainEpoch(912), .parents = KeyOf({3}), .cid = {}}),
              ElementsAre(ChainEpoch(11)));
  EXPECT_EQ(made.Blocks().size(), 2);
}

}  // namespace
}  // namespace damocles::winning
