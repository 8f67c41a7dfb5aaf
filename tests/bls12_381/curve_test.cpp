// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/bls12_381/curve.h"

#include <vector>

#include "gtest/gtest.h"

#include "damocles/base/random.h"
#include "damocles/bls12_381/g1.h"
#include "damocles/bls12_381/g2.h"

namespace damocles::bls12_381 {
namespace {

// Both groups run the same tests.
struct G1Group {
  using Point = G1;
  static G1Affine Generator() { return G1Generator(); }
};
struct G2Group {
  using Point = G2;
  static G2Affine Generator() { return G2Generator(); }
};

template <typename Group>
class CurveTest : public ::testing::Test {
 protected:
  static typename Group::Point Base() { return Group::Point::From(Group::Generator()); }
  // The same point with another z.
  static typename Group::Point Rescaled(const typename Group::Point& point, int factor) {
    auto z = Group::Point::Coordinate::One();
    for (int i = 1; i < factor; ++i) z += Group::Point::Coordinate::One();
    return {point.x * z.Square(), point.y * z.Square() * z, point.z * z};
  }
};
using Groups = ::testing::Types<G1Group, G2Group>;
TYPED_TEST_SUITE(CurveTest, Groups);

// All pairs of -6 .. 6 times the generator, in every mixture of forms, against the table of
// multiples: covers infinity, equal points and opposite points in each formula.
TYPED_TEST(CurveTest, EveryAdditionOfSmallMultiplesAgreesWithTheTable) {
  using Point = typename TypeParam::Point;
  using F = typename TypeParam::Point::Coordinate;
  constexpr int kReach = 6;
  std::vector<Point> table(4 * kReach + 1);  // entry i is (i - 2 kReach) * generator
  const auto at = [&](int i) -> Point& { return table[static_cast<std::size_t>(i + 2 * kReach)]; };
  at(0) = Point::Infinity();
  for (int i = 1; i <= 2 * kReach; ++i) {
    const std::uint64_t limb[1] = {static_cast<std::uint64_t>(i)};
    at(i) = MulInteger(this->Base(), limb);
    at(-i) = -at(i);
  }
  for (int i = 1; i < 2 * kReach; ++i) ASSERT_FALSE(at(i) == at(i + 1));
  for (int i = -kReach; i <= kReach; ++i) {
    EXPECT_EQ(at(i).Double(), at(2 * i));
    EXPECT_EQ(Xyzz<F>::From(ToAffine(at(i))).Double().ToJacobian(), at(2 * i));
    for (int j = -kReach; j <= kReach; ++j) {
      const Point a = this->Rescaled(at(i), 3);
      const Point b = this->Rescaled(at(j), 5);
      const auto b_affine = ToAffine(b);
      EXPECT_EQ(a + b, at(i + j)) << i << " + " << j;
      EXPECT_EQ(a + b_affine, at(i + j)) << i << " + " << j;
      EXPECT_EQ(a - b, at(i - j)) << i << " - " << j;
      EXPECT_EQ(a - b_affine, at(i - j)) << i << " - " << j;
      Xyzz<F> sum = Xyzz<F>::From(ToAffine(a));
      sum += b_affine;
      EXPECT_EQ(sum.ToJacobian(), at(i + j)) << i << " + " << j;
      // A second term with zz that is not one.
      Xyzz<F> other = Xyzz<F>::From(ToAffine(at(1)));
      other += ToAffine(at(j - 1));
      sum += other;
      EXPECT_EQ(sum.ToJacobian(), at(i) + at(j) + at(j)) << i << " + 2 * " << j;
    }
  }
}

TYPED_TEST(CurveTest, MultiplesAreLinearInTheScalar) {
  SeededRandom random(3);
  for (int i = 0; i < 10; ++i) {
    const Fr a = RandomFr(random);
    const Fr b = RandomFr(random);
    EXPECT_EQ(Mul(this->Base(), a) + Mul(this->Base(), b), Mul(this->Base(), a + b));
    EXPECT_EQ(Mul(Mul(this->Base(), a), b), Mul(this->Base(), a * b));
  }
  EXPECT_EQ(Mul(this->Base(), Fr::One()), this->Base());
  EXPECT_TRUE(Mul(this->Base(), Fr::Zero()).IsInfinity());
  EXPECT_EQ(Mul(this->Base(), -Fr::One()), -this->Base());
  EXPECT_TRUE(Mul(TypeParam::Point::Infinity(), -Fr::One()).IsInfinity());
}

TYPED_TEST(CurveTest, TheGeneratorHasOrderR) {
  EXPECT_TRUE(MulInteger(this->Base(), FrParams::kModulus).IsInfinity());
  EXPECT_TRUE(IsOnCurve(ToAffine(this->Base())));
  EXPECT_TRUE(IsInSubgroup(ToAffine(this->Base())));
}

TYPED_TEST(CurveTest, BatchToAffineAgreesWithToAffineAndKeepsInfinity) {
  using Point = typename TypeParam::Point;
  SeededRandom random(4);
  std::vector<Point> points;
  for (int i = 0; i < 20; ++i) {
    points.push_back(i % 4 == 1 ? Point::Infinity() : Mul(this->Base(), RandomFr(random)));
  }
  const auto affine = BatchToAffine(points);
  ASSERT_EQ(affine.size(), points.size());
  for (std::size_t i = 0; i < points.size(); ++i) EXPECT_EQ(affine[i], ToAffine(points[i]));
  EXPECT_TRUE(affine[1].IsInfinity());
  EXPECT_TRUE(BatchToAffine(std::vector<Point>{}).empty());
}

// Points of the whole curve, found by trying x: the endomorphism checks must say what the
// multiplication by r says, for both answers.
TYPED_TEST(CurveTest, SubgroupCheckAgreesWithMultiplicationByR) {
  using Point = typename TypeParam::Point;
  using AffinePoint = typename TypeParam::Point::AffinePoint;
  using F = typename TypeParam::Point::Coordinate;
  const AffinePoint g = ToAffine(this->Base());
  const F b = g.y.Square() - g.x.Square() * g.x;  // the constant of the curve
  int on_curve = 0;
  int inside = 0;
  F x = F::One();
  for (; on_curve < 20; x += F::One()) {
    const auto y = Sqrt(x.Square() * x + b);
    if (!y) continue;
    ++on_curve;
    const AffinePoint point{x, *y};
    ASSERT_TRUE(IsOnCurve(point));
    const bool expected = MulInteger(Point::From(point), FrParams::kModulus).IsInfinity();
    EXPECT_EQ(IsInSubgroup(point), expected);
    // r times a point has small order; adding it spoils a good point.
    const Point torsion = MulInteger(Point::From(point), FrParams::kModulus);
    const AffinePoint spoiled = ToAffine(torsion + g);
    EXPECT_EQ(IsInSubgroup(spoiled), torsion.IsInfinity());
    EXPECT_EQ(IsInSubgroup(ToAffine(torsion)), torsion.IsInfinity());
    inside += expected ? 1 : 0;
    EXPECT_FALSE(IsOnCurve(AffinePoint{x, *y + F::One()}));
  }
  EXPECT_LT(inside, on_curve);
  EXPECT_TRUE(IsInSubgroup(AffinePoint::Infinity()));
}

}  // namespace
}  // namespace damocles::bls12_381
