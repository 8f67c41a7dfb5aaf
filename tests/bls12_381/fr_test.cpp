// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/bls12_381/fr.h"

#include <vector>

#include "gtest/gtest.h"
#include "tests/support/status_matchers.h"

#include "damocles/base/hex.h"
#include "damocles/bls12_381/wide_sum.h"

namespace damocles::bls12_381 {
namespace {

TEST(FrTest, RingAxiomsHoldOnRandomElements) {
  SeededRandom random(1);
  for (int i = 0; i < 200; ++i) {
    const Fr a = RandomFr(random);
    const Fr b = RandomFr(random);
    const Fr c = RandomFr(random);
    EXPECT_EQ(a * (b + c), a * b + a * c);
    EXPECT_EQ((a * b) * c, a * (b * c));
    EXPECT_EQ(a - b, -(b - a));
    EXPECT_EQ(a + Fr::Zero(), a);
    EXPECT_EQ(a * Fr::One(), a);
    EXPECT_EQ(a * a.Inverse(), Fr::One());
  }
}

TEST(FrTest, RootOfUnityHasOrder2To32AndComesFrom7) {
  Fr root = kFrRootOfUnity;
  for (unsigned i = 0; i < kFrTwoAdicity - 1; ++i) root = root.Square();
  EXPECT_EQ(root, -Fr::One());
  Fr::Limbs exponent;  // (r - 1) / 2^32
  for (std::size_t i = 0; i < 4; ++i) {
    exponent[i] = FrParams::kModulus[i] >> 32;
    if (i < 3) exponent[i] |= FrParams::kModulus[i + 1] << 32;
  }
  EXPECT_EQ(Fr::FromU64(kFrMultiplicativeGenerator).Pow(exponent), kFrRootOfUnity);
}

TEST(FrTest, OnlyCanonicalBytesAreRead) {
  ASSERT_OK_AND_ASSIGN(
      Bytes32 r, FromHex32("01000000fffffffffe5bfeff02a4bd5305d8a10908d83933487d9d2953a7ed73"));
  EXPECT_FALSE(FrFromBytesLe(r).ok());
  r[0] = 0;
  ASSERT_OK_AND_ASSIGN(const Fr largest, FrFromBytesLe(r));
  EXPECT_EQ(largest, -Fr::One());
  EXPECT_EQ(ToBytesLe(largest), r);
}

TEST(FrTest, BatchInverseLeavesZeros) {
  SeededRandom random(2);
  std::vector<Fr> values;
  for (int i = 0; i < 20; ++i) values.push_back(i % 3 == 0 ? Fr::Zero() : RandomFr(random));
  std::vector<Fr> inverses = values;
  BatchInverse(inverses);
  for (std::size_t i = 0; i < values.size(); ++i) EXPECT_EQ(inverses[i], values[i].Inverse());
}

// The largest sums: Montgomery forms just below r, as many products as it allows.
TEST(WideSumTest, LargestSumsAreReducedInFull) {
  Fr largest{};
  for (std::size_t i = 0; i < 4; ++i) largest.limb[i] = FrParams::kModulus[i];
  largest.limb[0] -= 1;
  SeededRandom random(3);
  for (int count = 0; count <= WideSum::kProductsMax; ++count) {
    SCOPED_TRACE(count);
    WideSum wide;
    Fr plain = Fr::Zero();
    WideSum wide_random;
    Fr plain_random = Fr::Zero();
    for (int i = 0; i < count; ++i) {
      wide.Add(largest, largest);
      plain += largest * largest;
      const Fr a = RandomFr(random);
      const Fr b = RandomFr(random);
      wide_random.Add(a, b);
      plain_random += a * b;
    }
    EXPECT_EQ(wide.Reduced(), plain);
    EXPECT_EQ(wide_random.Reduced(), plain_random);
  }
}

}  // namespace
}  // namespace damocles::bls12_381
