// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// All of golden/chain/election.json.

#include <string>

#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "tests/filecoin/golden.h"

#include "damocles/filecoin/election.h"

namespace damocles::filecoin {
namespace {

using election::ExpOfMinus;
using election::Lambda;
using election::UpsideDownPoisson;

BigInt Number(const testing::Json& text) {
  return BigInt::Parse(text.get<std::string>()).value();
}

TEST(ElectionGoldenTest, Exponentials) {
  const testing::Json golden = testing::LoadGolden("election.json");
  ASSERT_GT(golden.at("exp").size(), 200U);
  for (const testing::Json& pair : golden.at("exp")) {
    EXPECT_EQ(ExpOfMinus(Number(pair[0])), Number(pair[1])) << pair[0];
  }
}

TEST(ElectionGoldenTest, Lambdas) {
  const testing::Json golden = testing::LoadGolden("election.json");
  ASSERT_GE(golden.at("lambda").size(), 3U);
  for (const testing::Json& one : golden.at("lambda")) {
    EXPECT_EQ(Lambda(Number(one.at("power")), Number(one.at("total"))), Number(one.at("lambda")));
  }
}

TEST(ElectionGoldenTest, Distributions) {
  const testing::Json golden = testing::LoadGolden("election.json");
  ASSERT_GE(golden.at("poisson").size(), 5U);
  for (const testing::Json& one : golden.at("poisson")) {
    BigInt lambda = BigInt(1);
    for (unsigned i = 0; i < 256 - one.at("lambda_shift").get<unsigned>(); ++i) lambda *= 2;
    lambda *= one.at("lambda_base").get<std::uint64_t>();
    UpsideDownPoisson poisson(lambda);
    EXPECT_EQ(poisson.Value(), Number(one.at("icdf")));
    EXPECT_EQ(one.at("next").size(), kWinCountMax);
    for (const testing::Json& next : one.at("next")) {
      poisson.Advance();
      EXPECT_EQ(poisson.Value(), Number(next));
    }
  }
}

}  // namespace
}  // namespace damocles::filecoin
