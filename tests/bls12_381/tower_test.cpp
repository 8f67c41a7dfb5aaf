// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "gtest/gtest.h"

#include "damocles/base/random.h"
#include "damocles/bls12_381/fp_tower.h"

namespace damocles::bls12_381 {
namespace {

// The host's products come from other code at compile time: both must agree.
static_assert(Fp::FromU64(3) * Fp::FromU64(5) == Fp::FromU64(15));
static_assert(Fp::FromU64(3).Inverse() * Fp::FromU64(3) == Fp::One());

Fp RandomFp(Random& random) {
  while (true) {
    std::array<std::uint8_t, 48> bytes;
    random.Fill(bytes);
    bytes[0] &= 0x1f;
    if (const auto value = FpFromBytesBe(bytes); value.ok()) return *value;
  }
}
Fp2 RandomFp2(Random& random) {
  return {RandomFp(random), RandomFp(random)};
}
Fp6 RandomFp6(Random& random) {
  return {RandomFp2(random), RandomFp2(random), RandomFp2(random)};
}
Fp12 RandomFp12(Random& random) {
  return {RandomFp6(random), RandomFp6(random)};
}

// this^p, bit by bit.
template <typename F>
F PowP(const F& value) {
  F result = F::One();
  for (std::size_t bit = 384; bit-- > 0;) {
    result = result.Square();
    if ((FpParams::kModulus[bit / 64] >> (bit % 64)) & 1) result = result * value;
  }
  return result;
}

TEST(FpTest, RunTimeArithmeticAgreesWithCompileTime) {
  constexpr Fp kA = Fp::FromU64(0xfedcba9876543210).Inverse();
  constexpr Fp kB = -Fp::FromU64(0x0123456789abcdef).Inverse();
  constexpr Fp kProduct = kA * kB;
  constexpr Fp kSum = kA + kB;
  constexpr Fp kDifference = kB - kA;
  volatile std::uint64_t hidden = 0xfedcba9876543210;
  const Fp a = Fp::FromU64(hidden).Inverse();
  hidden = 0x0123456789abcdef;
  const Fp b = -Fp::FromU64(hidden).Inverse();
  EXPECT_EQ(a * b, kProduct);
  EXPECT_EQ(a + b, kSum);
  EXPECT_EQ(b - a, kDifference);
}

TEST(FpTest, ExtremesOfTheRange) {
  const Fp zero = Fp::Zero();
  const Fp one = Fp::One();
  const Fp largest = -one;
  EXPECT_EQ(largest + one, zero);
  EXPECT_EQ(zero - one, largest);
  EXPECT_EQ(-zero, zero);
  EXPECT_EQ(largest * largest, one);
  EXPECT_EQ(largest.Double(), -Fp::FromU64(2));
  EXPECT_EQ(largest.Inverse(), largest);
  EXPECT_EQ(zero.Inverse(), zero);
  EXPECT_EQ(largest.Canonical()[0], FpParams::kModulus[0] - 1);
}

TEST(FpTest, InversesOfSparseAndRandomValues) {
  SeededRandom random(5);
  for (std::size_t bit = 0; bit < 380; ++bit) {
    Fp::Limbs limbs{};
    limbs[bit / 64] = std::uint64_t{1} << (bit % 64);
    const Fp value = FpFromBytesBe([&] {
                       std::array<std::uint8_t, 48> bytes;
                       StoreBe(Fp::FromCanonical(limbs), bytes);
                       return bytes;
                     }())
                         .value();
    EXPECT_EQ(value, Fp::FromCanonical(limbs));
    EXPECT_EQ(value.Inverse() * value, Fp::One()) << bit;
    EXPECT_EQ((-value).Inverse() * value, -Fp::One()) << bit;
    // The same words in Montgomery form.
    Fp raw;
    for (std::size_t i = 0; i < 6; ++i) raw.limb[i] = limbs[i];
    EXPECT_EQ(raw.Inverse() * raw, Fp::One()) << bit;
  }
  for (int i = 0; i < 1000; ++i) {
    const Fp value = RandomFp(random);
    EXPECT_EQ(value.Inverse() * value, Fp::One());
  }
}

TEST(FpTest, RootsOfSquaresOnly) {
  SeededRandom random(6);
  int squares = 0;
  for (int i = 0; i < 50; ++i) {
    const Fp value = RandomFp(random);
    const auto root = Sqrt(value.Square());
    ASSERT_TRUE(root);
    EXPECT_TRUE(*root == value || *root == -value);
    EXPECT_NE(Sqrt(value).has_value(), Sqrt(-value).has_value());  // -1 is no square
    squares += Sqrt(value) ? 1 : 0;
  }
  EXPECT_GT(squares, 0);
  EXPECT_LT(squares, 50);
  EXPECT_EQ(Sqrt(Fp::Zero()), Fp::Zero());
}

TEST(FpTest, TheSignTurnsAtHalfOfP) {
  EXPECT_FALSE(IsLexicographicallyLargest(Fp::Zero()));
  EXPECT_FALSE(IsLexicographicallyLargest(Fp::One()));
  EXPECT_TRUE(IsLexicographicallyLargest(-Fp::One()));
  const Fp half = Fp::FromU64(2).Inverse();  // (p + 1) / 2
  EXPECT_TRUE(IsLexicographicallyLargest(half));
  EXPECT_FALSE(IsLexicographicallyLargest(half - Fp::One()));
}

TEST(FpTest, OnlyCanonicalBytesAreRead) {
  std::array<std::uint8_t, 48> bytes;
  StoreBe(-Fp::One(), bytes);
  ASSERT_TRUE(FpFromBytesBe(bytes).ok());
  ++bytes[47];  // p itself; p - 1 ends in 0xaa
  EXPECT_EQ(FpFromBytesBe(bytes).status().code(), absl::StatusCode::kInvalidArgument);
  bytes.fill(0xff);
  EXPECT_FALSE(FpFromBytesBe(bytes).ok());
}

TEST(Fp2Test, RootsOfSquaresOnly) {
  SeededRandom random(7);
  int squares = 0;
  for (int i = 0; i < 40; ++i) {
    Fp2 value = RandomFp2(random);
    if (i % 4 == 1) value.c1 = Fp::Zero();
    if (i % 4 == 2) value.c0 = Fp::Zero();
    const auto root = Sqrt(value.Square());
    ASSERT_TRUE(root);
    EXPECT_TRUE(*root == value || *root == -value);
    const auto own = Sqrt(value);
    if (own) {
      EXPECT_EQ(own->Square(), value);
    }
    // 1 + u is no square.
    EXPECT_NE(own.has_value(), Sqrt(value.TimesNonResidue()).has_value());
    squares += own ? 1 : 0;
  }
  EXPECT_GT(squares, 0);
  EXPECT_LT(squares, 40);
}

template <typename F>
class TowerTest : public ::testing::Test {};

template <typename F>
F RandomOf(Random& random) {
  if constexpr (std::is_same_v<F, Fp2>) return RandomFp2(random);
  if constexpr (std::is_same_v<F, Fp6>) return RandomFp6(random);
  if constexpr (std::is_same_v<F, Fp12>) return RandomFp12(random);
}
template <typename F>
F Plus(const F& a, const F& b) {
  return a + b;
}
Fp12 Plus(const Fp12& a, const Fp12& b) {
  return {a.c0 + b.c0, a.c1 + b.c1};
}

using Fields = ::testing::Types<Fp2, Fp6, Fp12>;
TYPED_TEST_SUITE(TowerTest, Fields);

TYPED_TEST(TowerTest, FieldAxiomsHoldOnRandomElements) {
  using F = TypeParam;
  SeededRandom random(8);
  for (int i = 0; i < 20; ++i) {
    const F a = RandomOf<F>(random);
    const F b = RandomOf<F>(random);
    const F c = RandomOf<F>(random);
    EXPECT_EQ(a * b, b * a);
    EXPECT_EQ((a * b) * c, a * (b * c));
    EXPECT_EQ(a * Plus(b, c), Plus(a * b, a * c));
    EXPECT_EQ(a.Square(), a * a);
    EXPECT_EQ(a * a.Inverse(), F::One());
    EXPECT_EQ(a * F::One(), a);
  }
}

TEST(TowerTest, FrobeniusIsThePthPower) {
  SeededRandom random(9);
  const Fp12 a = RandomFp12(random);
  EXPECT_EQ(a.Frobenius(), PowP(a));
  EXPECT_EQ(a.c0.Frobenius(), PowP(a.c0));
  EXPECT_EQ(a.c0.c0.Conjugate(), PowP(a.c0.c0));
  Fp12 sixth = a;
  for (int i = 0; i < 6; ++i) sixth = sixth.Frobenius();
  EXPECT_EQ(a.Conjugate(), sixth);
}

TEST(TowerTest, DefiningRelations) {
  const Fp2 u{Fp::Zero(), Fp::One()};
  EXPECT_EQ(u.Square(), -Fp2::One());
  const Fp6 v{Fp2::Zero(), Fp2::One(), Fp2::Zero()};
  EXPECT_EQ(v * v * v, (Fp6{{Fp::One(), Fp::One()}, Fp2::Zero(), Fp2::Zero()}));
  EXPECT_EQ(v * v, v.TimesV());
  const Fp12 w{Fp6::Zero(), Fp6::One()};
  EXPECT_EQ(w * w, (Fp12{v, Fp6::Zero()}));
}

TEST(TowerTest, SparseProductsAgreeWithFullOnes) {
  SeededRandom random(10);
  const Fp12 a = RandomFp12(random);
  const Fp2 b0 = RandomFp2(random);
  const Fp2 b1 = RandomFp2(random);
  const Fp2 b4 = RandomFp2(random);
  EXPECT_EQ(a.c0.TimesSparse(b0, b1), a.c0 * (Fp6{b0, b1, Fp2::Zero()}));
  EXPECT_EQ(a.TimesLine(b0, b1, b4),
            a * (Fp12{{b0, b1, Fp2::Zero()}, {Fp2::Zero(), b4, Fp2::Zero()}}));
}

TEST(TowerTest, CyclotomicSquareAgreesInItsSubgroup) {
  SeededRandom random(11);
  const Fp12 a = RandomFp12(random);
  const Fp12 b = a.Conjugate() * a.Inverse();             // ^(p^6 - 1)
  const Fp12 cyclotomic = b.Frobenius().Frobenius() * b;  // ^(p^2 + 1)
  EXPECT_EQ(cyclotomic.CyclotomicSquare(), cyclotomic.Square());
  EXPECT_EQ(cyclotomic * cyclotomic.Conjugate(), Fp12::One());
}

}  // namespace
}  // namespace damocles::bls12_381
