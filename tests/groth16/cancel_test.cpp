// SPDX-License-Identifier: Apache-2.0 OR MIT

#include <atomic>
#include <vector>

#include "gtest/gtest.h"
#include "lib/groth16/sum_in_parts.h"
#include "tests/support/status_matchers.h"

#include "damocles/base/random.h"
#include "damocles/base/thread_pool.h"
#include "damocles/bls12_381/g1.h"
#include "damocles/bls12_381/multiexp.h"

namespace damocles::groth16 {
namespace {

using bls12_381::Fr;
using bls12_381::G1;
using testing_support::StatusIs;

class SumInPartsTest : public ::testing::Test {
 protected:
  SumInPartsTest() {
    for (int i = 0; i < 10; ++i) {
      scalars_.push_back(bls12_381::RandomFr(random_));
      const G1 point = G1::From(bls12_381::G1Generator());
      points_.push_back(bls12_381::ToAffine(bls12_381::Mul(point, bls12_381::RandomFr(random_))));
    }
  }
  G1 Multiply(std::uint64_t first, std::span<const Fr> scalars) {
    ++calls_;
    return bls12_381::MultiExp(pool_, std::span(points_).subspan(first, scalars.size()), scalars);
  }

  ThreadPool pool_{1};
  SeededRandom random_{1};
  std::vector<Fr> scalars_;
  std::vector<bls12_381::G1Affine> points_;
  int calls_ = 0;
};

TEST_F(SumInPartsTest, IsTheWholeSumWhateverTheParts) {
  const std::atomic<bool> never{false};
  const G1 whole = Multiply(0, scalars_);
  for (const std::size_t part : {1U, 3U, 5U, 10U, 11U}) {
    const auto sum =
        SumInParts<G1>(scalars_, part, never,
                       [&](std::uint64_t first, std::span<const Fr> some) -> absl::StatusOr<G1> {
                         return Multiply(first, some);
                       });
    ASSERT_OK(sum);
    EXPECT_EQ(bls12_381::ToAffine(*sum), bls12_381::ToAffine(whole)) << part;
  }
}

TEST_F(SumInPartsTest, CancelledInTheMiddleItEndsAfterThePart) {
  std::atomic<bool> cancelled{false};
  const auto sum =
      SumInParts<G1>(scalars_, 2, cancelled,
                     [&](std::uint64_t first, std::span<const Fr> some) -> absl::StatusOr<G1> {
                       if (first == 4) cancelled = true;
                       return Multiply(first, some);
                     });
  EXPECT_THAT(sum, StatusIs(absl::StatusCode::kCancelled, ""));
  EXPECT_EQ(calls_, 3);
}

}  // namespace
}  // namespace damocles::groth16
