// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/filecoin/election.h"

#include <algorithm>
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

// Of another program, in another language.
TEST(ElectionTest, WinsAreThoseOfTheChain) {
  const unsigned fifth[] = {2, 0, 2, 2, 4, 1, 1, 0, 1, 2, 1, 0, 0, 0, 0, 3, 0, 2, 1, 0, 1, 0, 0, 3};
  const unsigned most[] = {5, 3, 6, 6, 8, 5, 3, 2, 3, 6, 4, 2, 2, 3, 3, 7, 3, 5, 4, 2, 4, 2, 2, 7};
  StoragePower unit = 1;
  for (int i = 0; i < 70; ++i) unit *= 2;
  for (std::uint32_t i = 0; i < 24; ++i) {
    EXPECT_EQ(WinCount(Proof(i), 20, 100), fifth[i]) << i;
    EXPECT_EQ(WinCount(Proof(i), unit * 3, unit * 4 + 12345), most[i]) << i;
  }
}

TEST(ElectionTest, NobodyWinsMoreThanTheMost) {
  unsigned most = 0;
  for (std::uint32_t i = 0; i < 20'000; ++i) most = std::max(most, WinCount(Proof(i), 100, 100));
  EXPECT_EQ(most, kWinCountMax);
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
