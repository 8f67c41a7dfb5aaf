// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/bls12_381/pairing.h"

#include <vector>

#include "gtest/gtest.h"

#include "damocles/base/random.h"

namespace damocles::bls12_381 {
namespace {

G1Affine TimesG1(const Fr& scalar) {
  return ToAffine(Mul(G1Generator(), scalar));
}
G2Affine TimesG2(const Fr& scalar) {
  return ToAffine(Mul(G2Generator(), scalar));
}

TEST(PairingTest, IsBilinearAndNotDegenerate) {
  SeededRandom random(12);
  const Gt base = Pairing(G1Generator(), G2Generator());
  EXPECT_FALSE(base.IsOne());
  EXPECT_TRUE(Pow(base, -Fr::One()) * base == Gt::One());  // order r
  for (int i = 0; i < 3; ++i) {
    const Fr a = RandomFr(random);
    const Fr b = RandomFr(random);
    const Gt expected = Pow(base, a * b);
    EXPECT_EQ(Pairing(TimesG1(a), TimesG2(b)), expected);
    EXPECT_EQ(Pairing(TimesG1(a * b), G2Generator()), expected);
    EXPECT_EQ(Pairing(TimesG1(Fr::One()), TimesG2(a * b)), expected);
    EXPECT_EQ(Pow(base, a) * Pow(base, b), Pow(base, a + b));
  }
  EXPECT_EQ(Pairing(-G1Generator(), G2Generator()), base.Conjugate());
}

TEST(PairingTest, InfinityGivesOne) {
  EXPECT_TRUE(Pairing(G1Affine::Infinity(), G2Generator()).IsOne());
  EXPECT_TRUE(Pairing(G1Generator(), G2Affine::Infinity()).IsOne());
  EXPECT_TRUE(PairingProductIsOne({}));
}

TEST(PairingTest, ProductsOfSeveralPairs) {
  SeededRandom random(13);
  // The sum of a_i b_i must vanish.
  std::vector<PairingPair> pairs;
  Fr sum = Fr::Zero();
  for (int i = 0; i < 4; ++i) {
    const Fr a = RandomFr(random);
    const Fr b = RandomFr(random);
    pairs.emplace_back(TimesG1(a), TimesG2(b));
    sum += a * b;
  }
  pairs.emplace_back(G1Affine::Infinity(), G2Generator());
  EXPECT_FALSE(PairingProductIsOne(pairs));
  pairs.emplace_back(TimesG1(-sum), G2Generator());
  EXPECT_TRUE(PairingProductIsOne(pairs));
  pairs.back().first = TimesG1(Fr::One() - sum);
  EXPECT_FALSE(PairingProductIsOne(pairs));
}

}  // namespace
}  // namespace damocles::bls12_381
