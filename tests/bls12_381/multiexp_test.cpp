// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/bls12_381/multiexp.h"

#include <functional>
#include <vector>

#include "gtest/gtest.h"
#include "lib/bls12_381/bucket_sums.h"
#include "lib/bls12_381/signed_digits.h"

#include "damocles/base/random.h"

namespace damocles::bls12_381 {
namespace {

struct MultiExpG1 {
  using Point = G1;
  static G1 Base() { return G1::From(G1Generator()); }
};
struct MultiExpG2 {
  using Point = G2;
  static G2 Base() { return G2::From(G2Generator()); }
};
template <typename Group>
class MultiExpTest : public ::testing::Test {};
using MultiExpGroups = ::testing::Types<MultiExpG1, MultiExpG2>;
TYPED_TEST_SUITE(MultiExpTest, MultiExpGroups);

// The points are known multiples of the generator: the sum is one multiple of it.
Fr Expected(const std::vector<Fr>& logarithms, const std::vector<Fr>& scalars) {
  Fr sum = Fr::Zero();
  for (std::size_t i = 0; i < scalars.size(); ++i) sum += logarithms[i] * scalars[i];
  return sum;
}

TYPED_TEST(MultiExpTest, AgreesWithMultiplesOneByOne) {
  ThreadPool pool(2);
  SeededRandom random(30);
  for (const std::size_t count : {0U, 1U, 7U, 8U, 9U, 50U}) {
    std::vector<typename TypeParam::Point::AffinePoint> points;
    std::vector<Fr> scalars;
    auto sum = TypeParam::Point::Infinity();
    for (std::size_t i = 0; i < count; ++i) {
      points.push_back(ToAffine(Mul(TypeParam::Base(), RandomFr(random))));
      scalars.push_back(RandomFr(random));
      sum += Mul(points[i], scalars[i]);
    }
    EXPECT_EQ(MultiExp(pool, points, scalars), sum) << count;
  }
}

TYPED_TEST(MultiExpTest, SpecialScalarsAndPoints) {
  constexpr std::size_t kCount = 3000;
  SeededRandom random(31);
  std::vector<Fr> some(kCount);
  for (Fr& value : some) value = RandomFr(random);
  const Fr minus_one = -Fr::One();
  const Fr half = Fr::FromU64(2).Inverse();  // (r + 1) / 2: where the sign of a scalar turns
  struct Case {
    const char* name;
    std::function<Fr(std::size_t)> logarithm;
    std::function<Fr(std::size_t)> scalar;
  };
  const auto random_value = [&](std::size_t i) { return some[i]; };
  const auto zero = [](std::size_t) { return Fr::Zero(); };
  const auto one = [](std::size_t) { return Fr::One(); };
  const std::vector<Case> cases = {
      {"random", random_value, [&](std::size_t i) { return some[kCount - 1 - i]; }},
      {"all scalars zero", random_value, zero},
      {"all scalars one", random_value, one},
      {"all scalars minus one", random_value, [&](std::size_t) { return minus_one; }},
      {"around r / 2", random_value,
       [&](std::size_t i) { return i % 2 == 0 ? half : half - Fr::One(); }},
      {"one point all along", one, random_value},
      {"one point and one scalar", one, [&](std::size_t) { return some[0]; }},
      {"opposite neighbours", [&](std::size_t i) { return i % 2 == 0 ? some[i] : -some[i - 1]; },
       [&](std::size_t i) { return some[i / 2]; }},
      {"opposite points, one scalar",
       [&](std::size_t i) { return i % 2 == 0 ? Fr::One() : minus_one; },
       [&](std::size_t) { return some[1]; }},
      {"infinity only", zero, random_value},
      {"infinity here and there", [&](std::size_t i) { return i % 3 == 0 ? Fr::Zero() : some[i]; },
       [&](std::size_t i) { return i % 5 == 0 ? Fr::One() : some[i]; }},
      {"small scalars", random_value, [](std::size_t i) { return Fr::FromU64(i % 40); }},
      {"powers of two", random_value, [](std::size_t i) { return Fr::FromU64(2).Pow(i % 255); }},
  };
  ThreadPool pool(3);
  const FixedBase<typename TypeParam::Point> base(pool, TypeParam::Base(), kCount);
  for (const Case& test : cases) {
    std::vector<Fr> logarithms;
    std::vector<Fr> scalars;
    for (std::size_t i = 0; i < kCount; ++i) {
      logarithms.push_back(test.logarithm(i));
      scalars.push_back(test.scalar(i));
    }
    const auto points = base.Multiples(pool, logarithms);
    EXPECT_EQ(MultiExp(pool, points, scalars), base.Multiple(Expected(logarithms, scalars)))
        << test.name;
  }
}

TYPED_TEST(MultiExpTest, FixedBaseAgreesWithMul) {
  ThreadPool pool(2);
  SeededRandom random(32);
  const auto generator = Mul(TypeParam::Base(), RandomFr(random));
  std::vector<Fr> scalars = {Fr::Zero(), Fr::One(), -Fr::One(), Fr::FromU64(2).Inverse()};
  for (int i = 0; i < 30; ++i) scalars.push_back(RandomFr(random));
  for (const std::size_t expected : {1U, 1000U, 100'000U}) {  // three sizes of windows
    const FixedBase<typename TypeParam::Point> base(pool, generator, expected);
    const auto multiples = base.Multiples(pool, scalars);
    for (std::size_t i = 0; i < scalars.size(); ++i) {
      EXPECT_EQ(multiples[i], ToAffine(Mul(generator, scalars[i]))) << i;
      EXPECT_EQ(base.Multiple(scalars[i]), Mul(generator, scalars[i])) << i;
    }
  }
}

TEST(MultiExpTest, LongSumsOnSeveralThreads) {
  constexpr std::size_t kCount = 40'000;
  SeededRandom random(33);
  std::vector<Fr> logarithms(kCount);
  std::vector<Fr> scalars(kCount);
  for (std::size_t i = 0; i < kCount; ++i) {
    logarithms[i] = RandomFr(random);
    scalars[i] = RandomFr(random);
  }
  ThreadPool pool(2);
  const FixedBase<G1> base(pool, MultiExpG1::Base(), kCount);
  const auto points = base.Multiples(pool, logarithms);
  const G1 expected = base.Multiple(Expected(logarithms, scalars));
  EXPECT_EQ(MultiExp(pool, points, scalars), expected);
  ThreadPool wide(7);
  EXPECT_EQ(MultiExp(wide, points, scalars), expected);
}

// Every digit is in its range and the digits add up to the scalar, for all window sizes.
TEST(SignedDigitsTest, DigitsAddUp) {
  SeededRandom random(34);
  std::vector<Fr> scalars = {Fr::Zero(), Fr::One(), -Fr::One(), Fr::FromU64(2).Inverse(),
                             Fr::FromU64(2).Inverse() - Fr::One()};
  for (int i = 0; i < 50; ++i) scalars.push_back(RandomFr(random));
  for (unsigned bits = 4; bits <= 18; ++bits) {
    const auto bias = internal::BiasOf(bits);
    for (const Fr& scalar : scalars) {
      const internal::BiasedScalar biased = internal::Biased(scalar, bias);
      Fr sum = Fr::Zero();
      for (unsigned window = internal::WindowCount(bits); window-- > 0;) {
        const std::int32_t digit = biased.Digit(window, bits);
        ASSERT_LE(digit < 0 ? -digit : digit, 1 << (bits - 1));
        sum *= Fr::FromU64(std::uint64_t{1} << bits);
        const Fr size = Fr::FromU64(static_cast<std::uint64_t>(digit < 0 ? -digit : digit));
        sum += digit < 0 ? -size : size;
      }
      EXPECT_EQ(sum, scalar) << bits;
    }
  }
}

// Buckets whose points straddle batches, cancel, or are a single infinity.
TEST(BucketSumsTest, KeysOfAllSizes) {
  constexpr std::size_t kKeys = 12;
  const std::size_t sizes[kKeys] = {0, 1, 2, 3, 5000, 0, 2048, 2047, 2049, 1, 4096, 7};
  std::vector<G1Affine> small(8, G1Affine::Infinity());  // i * generator
  for (std::size_t i = 1; i < small.size(); ++i) {
    small[i] = ToAffine(G1::From(small[i - 1]) + G1Generator());
  }
  std::vector<G1Affine> sums(kKeys, G1Affine::Infinity());
  internal::BucketSums<Fp> buckets(sums);
  std::vector<Fr> expected(kKeys, Fr::Zero());
  SeededRandom random(35);
  for (std::size_t key = 0; key < kKeys; ++key) {
    for (std::size_t i = 0; i < sizes[key]; ++i) {
      const std::uint64_t multiple = random.Below(small.size());
      const bool negate = random.Below(2) == 1;
      buckets.Add(key, negate ? -small[multiple] : small[multiple]);
      expected[key] += negate ? -Fr::FromU64(multiple) : Fr::FromU64(multiple);
    }
  }
  buckets.Finish();
  for (std::size_t key = 0; key < kKeys; ++key) {
    EXPECT_EQ(sums[key], ToAffine(Mul(G1Generator(), expected[key]))) << key;
  }
}

}  // namespace
}  // namespace damocles::bls12_381
