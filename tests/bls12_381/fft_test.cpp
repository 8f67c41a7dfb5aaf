// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/bls12_381/fft.h"

#include <vector>

#include "gtest/gtest.h"

#include "damocles/base/random.h"

namespace damocles::bls12_381 {
namespace {

std::vector<Fr> RandomVector(std::size_t size, std::uint64_t seed) {
  SeededRandom random(seed);
  std::vector<Fr> values(size);
  for (Fr& value : values) value = RandomFr(random);
  return values;
}

Fr Evaluate(const std::vector<Fr>& coefficients, const Fr& at) {
  Fr value = Fr::Zero();
  for (std::size_t i = coefficients.size(); i-- > 0;) value = value * at + coefficients[i];
  return value;
}

TEST(FftTest, AgreesWithEvaluationAtEveryPointOfSmallDomains) {
  ThreadPool pool(2);
  const Fr seven = Fr::FromU64(7);
  for (unsigned log2_size = 0; log2_size <= 8; ++log2_size) {
    const Domain domain(log2_size);
    ASSERT_EQ(domain.Size(), std::size_t{1} << log2_size);
    const std::vector<Fr> coefficients = RandomVector(domain.Size(), 20 + log2_size);
    std::vector<Fr> values = coefficients;
    domain.Fft(pool, values);
    std::vector<Fr> coset = coefficients;
    domain.CosetFft(pool, coset);
    Fr at = Fr::One();
    for (std::size_t i = 0; i < domain.Size(); ++i) {
      EXPECT_EQ(values[i], Evaluate(coefficients, at)) << log2_size << " " << i;
      EXPECT_EQ(coset[i], Evaluate(coefficients, seven * at)) << log2_size << " " << i;
      at *= domain.Root();
    }
    EXPECT_EQ(at, Fr::One());
    domain.InverseFft(pool, values);
    EXPECT_EQ(values, coefficients);
    domain.InverseCosetFft(pool, coset);
    EXPECT_EQ(coset, coefficients);
  }
}

// Sizes on both sides of every border between passes, at a few points each.
TEST(FftTest, LargeDomainsAgreeAtSomePointsAndTurnBack) {
  ThreadPool pool(3);
  for (const unsigned log2_size : {10U, 11U, 12U, 13U, 16U, 19U, 20U}) {
    const Domain domain(log2_size);
    const std::vector<Fr> coefficients = RandomVector(domain.Size(), 40 + log2_size);
    std::vector<Fr> values = coefficients;
    domain.Fft(pool, values);
    for (const std::size_t i : {std::size_t{0}, std::size_t{1}, std::size_t{2}, domain.Size() / 2,
                                domain.Size() / 3, domain.Size() - 1}) {
      EXPECT_EQ(values[i], Evaluate(coefficients, domain.Root().Pow(i))) << log2_size << " " << i;
    }
    domain.InverseFft(pool, values);
    EXPECT_EQ(values, coefficients) << log2_size;
    domain.CosetFft(pool, values);
    EXPECT_EQ(values[5], Evaluate(coefficients, Fr::FromU64(7) * domain.Root().Pow(5)));
    domain.InverseCosetFft(pool, values);
    EXPECT_EQ(values, coefficients) << log2_size;
  }
}

TEST(FftTest, TheVanishingPolynomialIsZeroOnTheDomainOnly) {
  const Domain domain(4);
  EXPECT_TRUE(domain.VanishingAt(domain.Root().Pow(3)).IsZero());
  EXPECT_EQ(domain.VanishingAt(Fr::FromU64(2)), Fr::FromU64(65535));
  EXPECT_EQ(Domain(0).VanishingAt(Fr::FromU64(9)), Fr::FromU64(8));
}

}  // namespace
}  // namespace damocles::bls12_381
