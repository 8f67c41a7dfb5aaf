// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/groth16/engine.h"

#include <vector>

#include "tests/groth16/tiny_circuit.h"
#include "tests/support/status_matchers.h"

namespace damocles::groth16 {
namespace {

using bls12_381::Fr;
using bls12_381::G1;

class CpuEngineTest : public ::testing::Test {
 protected:
  static constexpr std::size_t kPoints = 20;

  CpuEngineTest() {
    for (std::size_t i = 0; i < kPoints; ++i) {
      scalars_.push_back(bls12_381::RandomFr(random_));
      const G1 point = bls12_381::Mul(bls12_381::G1Generator(), Fr::FromU64(i + 1));
      Append(encoded_, bls12_381::ToUncompressed(bls12_381::ToAffine(point)));
      sum_ += bls12_381::Mul(point, scalars_.back());
    }
    options_.cached_points_bytes_max = kPoints * sizeof(bls12_381::G1Affine);  // of one set
    options_.on_kept = [this](std::span<std::uint8_t>) { ++kept_; };
  }

  EncodedPoints Encoded() {
    return {.count = kPoints, .read = [this](std::uint64_t offset, std::span<std::uint8_t> out) {
              std::copy_n(encoded_.begin() + static_cast<std::ptrdiff_t>(offset), out.size(),
                          out.begin());
              return absl::OkStatus();
            }};
  }
  void ExpectRight(Engine& engine, const PointSet& points) {
    const auto sum = engine.MultiExpG1(points, 0, scalars_);
    ASSERT_OK(sum);
    EXPECT_EQ(bls12_381::ToAffine(*sum), bls12_381::ToAffine(sum_));
  }

  ThreadPool pool_{2};
  SeededRandom random_{5};
  std::vector<Fr> scalars_;
  Bytes encoded_;
  G1 sum_ = G1::Infinity();
  CpuEngineOptions options_;
  int kept_ = 0;
};

TEST_F(CpuEngineTest, ASetThatGoesGivesItsMemoryBackToTheNext) {
  const auto engine = MakeCpuEngine(pool_, options_);
  for (int i = 1; i <= 3; ++i) {
    const auto points = engine->LoadG1(Encoded()).value();
    ExpectRight(*engine, *points);
    ExpectRight(*engine, *points);
    EXPECT_EQ(kept_, i);
  }
}

TEST_F(CpuEngineTest, WhatDoesNotFitIsDecodedAtEachUseAndTakesNothing) {
  const auto engine = MakeCpuEngine(pool_, options_);
  auto first = engine->LoadG1(Encoded()).value();
  ExpectRight(*engine, *first);
  auto second = engine->LoadG1(Encoded()).value();
  ExpectRight(*engine, *second);
  EXPECT_EQ(kept_, 1);
  // One that took nothing gives nothing back.
  second = nullptr;
  const auto third = engine->LoadG1(Encoded()).value();
  ExpectRight(*engine, *third);
  EXPECT_EQ(kept_, 1);
  first = nullptr;
  const auto fourth = engine->LoadG1(Encoded()).value();
  ExpectRight(*engine, *fourth);
  EXPECT_EQ(kept_, 2);
}

TEST_F(CpuEngineTest, PointsThatCannotBeDecodedTakeNothing) {
  const auto engine = MakeCpuEngine(pool_, options_);
  EncodedPoints broken = Encoded();
  broken.read = [](std::uint64_t, std::span<std::uint8_t>) {
    return absl::UnavailableError("no disk");
  };
  const auto bad = engine->LoadG1(std::move(broken)).value();
  EXPECT_THAT(engine->MultiExpG1(*bad, 0, scalars_),
              testing_support::StatusIs(absl::StatusCode::kUnavailable, "no disk"));
  const auto good = engine->LoadG1(Encoded()).value();
  ExpectRight(*engine, *good);
  EXPECT_EQ(kept_, 1);
}

}  // namespace
}  // namespace damocles::groth16
