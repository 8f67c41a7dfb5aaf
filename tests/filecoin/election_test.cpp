// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/filecoin/election.h"

#include <cstdint>

#include "gtest/gtest.h"

#include "damocles/base/bytes.h"

namespace damocles::filecoin {
namespace {

Bytes Proof(std::uint32_t number) {
  Bytes proof(96);
  StoreLe32(number, proof.data());
  return proof;
}

TEST(ElectionTest, WinsFollowPoissonsLaw) {
  // A fifth of the power: one block an epoch.
  constexpr int kEpochs = 4000;
  int counts[kWinCountMax + 1] = {};
  for (std::uint32_t i = 0; i < kEpochs; ++i) ++counts[WinCount(Proof(i), 20, 100)];
  EXPECT_NEAR(counts[0], kEpochs * 0.3679, 150);
  EXPECT_NEAR(counts[1], kEpochs * 0.3679, 150);
  EXPECT_NEAR(counts[2], kEpochs * 0.1839, 120);
  EXPECT_NEAR(counts[3], kEpochs * 0.0613, 80);
}

TEST(ElectionTest, PowerOfNothingWinsNothing) {
  for (std::uint32_t i = 0; i < 200; ++i) {
    EXPECT_EQ(WinCount(Proof(i), 0, 100), 0);
    EXPECT_EQ(WinCount(Proof(i), 100, 0), 0);
    EXPECT_LE(WinCount(Proof(i), 100, 100), kWinCountMax);
  }
}

TEST(ElectionTest, OnlyTheShareCounts) {
  const StoragePower large = StoragePower(std::int64_t{1} << 62) * 1000;
  for (std::uint32_t i = 0; i < 200; ++i) {
    EXPECT_EQ(WinCount(Proof(i), 3, 10), WinCount(Proof(i), large * 3, large * 10));
  }
}

}  // namespace
}  // namespace damocles::filecoin
