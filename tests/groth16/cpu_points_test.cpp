// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "lib/groth16/cpu_points.h"

#include <new>
#include <stop_token>
#include <utility>
#include <vector>

#include "tests/groth16/tiny_circuit.h"
#include "tests/support/status_matchers.h"

namespace damocles::groth16 {
namespace {

using bls12_381::Fr;
using bls12_381::G1;
using testing_support::StatusIs;

class CpuPointsTest : public ::testing::Test {
 protected:
  static constexpr std::size_t kPoints = 20;

  CpuPointsTest() {
    for (std::size_t i = 0; i < kPoints; ++i) {
      scalars_.push_back(bls12_381::RandomFr(random_));
      const G1 point = bls12_381::Mul(bls12_381::G1Generator(), Fr::FromU64(i + 1));
      Append(encoded_, bls12_381::ToUncompressed(bls12_381::ToAffine(point)));
      sum_ += bls12_381::Mul(point, scalars_.back());
    }
    options_.cached_points_bytes_max = kPoints * sizeof(bls12_381::G1Affine);  // of one query
    options_.on_kept = [this](std::span<std::uint8_t>) {
      ++kept_;
      if (std::exchange(starved_, false)) throw std::bad_alloc();
    };
  }

  EncodedPoints Encoded() {
    return {.count = kPoints, .read = [this](std::uint64_t offset, std::span<std::uint8_t> out) {
              ++reads_;
              if (reads_ == stop_at_read_) stop_.request_stop();
              std::copy_n(encoded_.begin() + static_cast<std::ptrdiff_t>(offset), out.size(),
                          out.begin());
              return absl::OkStatus();
            }};
  }
  std::unique_ptr<CpuPoints<G1>> Points(const std::shared_ptr<PointsBudget>& budget,
                                        std::size_t part = CpuPoints<G1>::kPartPoints) {
    return std::make_unique<CpuPoints<G1>>(pool_, budget, Encoded(), part);
  }
  void ExpectRight(const CpuPoints<G1>& points) {
    const auto sum = points.Sum(scalars_, {});
    ASSERT_OK(sum);
    EXPECT_EQ(bls12_381::ToAffine(*sum), bls12_381::ToAffine(sum_));
  }

  ThreadPool pool_{2};
  SeededRandom random_{5};
  std::vector<Fr> scalars_;
  Bytes encoded_;
  G1 sum_ = G1::Infinity();
  CpuBackendOptions options_;
  int kept_ = 0;
  bool starved_ = false;
  std::stop_source stop_;
  int reads_ = 0;
  int stop_at_read_ = 0;
};

TEST_F(CpuPointsTest, ASetThatGoesGivesItsMemoryBackToTheNext) {
  const auto budget = std::make_shared<PointsBudget>(options_);
  for (int i = 1; i <= 3; ++i) {
    const auto points = Points(budget);
    ExpectRight(*points);
    ExpectRight(*points);
    EXPECT_EQ(kept_, i);
  }
}

TEST_F(CpuPointsTest, WhatDoesNotFitIsDecodedAtEachUseAndTakesNothing) {
  const auto budget = std::make_shared<PointsBudget>(options_);
  auto first = Points(budget);
  ExpectRight(*first);
  auto second = Points(budget);
  ExpectRight(*second);
  EXPECT_EQ(kept_, 1);
  // One that took nothing gives nothing back.
  second = nullptr;
  const auto third = Points(budget);
  ExpectRight(*third);
  EXPECT_EQ(kept_, 1);
  first = nullptr;
  const auto fourth = Points(budget);
  ExpectRight(*fourth);
  EXPECT_EQ(kept_, 2);
}

TEST_F(CpuPointsTest, PointsThatCannotBeDecodedTakeNothing) {
  const auto budget = std::make_shared<PointsBudget>(options_);
  EncodedPoints broken = Encoded();
  broken.read = [](std::uint64_t, std::span<std::uint8_t>) {
    return absl::UnavailableError("no disk");
  };
  const CpuPoints<G1> bad(pool_, budget, std::move(broken));
  EXPECT_THAT(bad.Sum(scalars_, {}), StatusIs(absl::StatusCode::kUnavailable, "no disk"));
  ExpectRight(*Points(budget));
  EXPECT_EQ(kept_, 1);
}

TEST_F(CpuPointsTest, AfterWantOfMemoryTheNextTryIsAFreshOne) {
  const auto budget = std::make_shared<PointsBudget>(options_);
  const auto points = Points(budget);
  starved_ = true;
  EXPECT_THAT(points->Sum(scalars_, {}),
              StatusIs(absl::StatusCode::kResourceExhausted, "too little memory"));
  ExpectRight(*points);
  EXPECT_EQ(kept_, 2) << "the budget was given back";
}

TEST_F(CpuPointsTest, IsTheWholeSumWhateverTheParts) {
  for (const std::uint64_t cached : {options_.cached_points_bytes_max, std::uint64_t{0}}) {
    const auto budget =
        std::make_shared<PointsBudget>(CpuBackendOptions{.cached_points_bytes_max = cached});
    for (const std::size_t part : {1U, 3U, 5U, 10U, 20U, 21U}) {
      SCOPED_TRACE(part);
      ExpectRight(*Points(budget, part));
    }
  }
}

TEST_F(CpuPointsTest, StoppedInTheMiddleItEndsAfterThePart) {
  const auto budget =
      std::make_shared<PointsBudget>(CpuBackendOptions{.cached_points_bytes_max = 0});
  stop_at_read_ = 3;
  EXPECT_THAT(Points(budget, 2)->Sum(scalars_, stop_.get_token()),
              StatusIs(absl::StatusCode::kCancelled, ""));
  EXPECT_EQ(reads_, 3);
}

TEST_F(CpuPointsTest, StoppedWhileItDecodesItTakesNothing) {
  const auto budget = std::make_shared<PointsBudget>(options_);
  const auto points = Points(budget, 2);
  stop_at_read_ = 3;
  EXPECT_THAT(points->Sum(scalars_, stop_.get_token()), StatusIs(absl::StatusCode::kCancelled, ""));
  EXPECT_EQ(reads_, 3);
  EXPECT_EQ(kept_, 0);
  ExpectRight(*points);
  EXPECT_EQ(kept_, 1) << "the budget was given back";
}

}  // namespace
}  // namespace damocles::groth16
