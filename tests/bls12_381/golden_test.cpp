// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// All of golden/post/curve.json.

#include <fstream>
#include <string>

#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "tests/bls12_381/vectors.h"
#include "tests/support/status_matchers.h"

#include "damocles/base/hex.h"
#include "damocles/base/thread_pool.h"
#include "damocles/bls12_381/multiexp.h"

namespace damocles::bls12_381 {
namespace {

class CurveGoldenTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::ifstream file(DAMOCLES_GOLDEN_DIR "/post/curve.json");
    ASSERT_TRUE(file.is_open()) << DAMOCLES_GOLDEN_DIR "/post/curve.json";
    golden_ = nlohmann::json::parse(file, nullptr, /*allow_exceptions=*/false);
    ASSERT_TRUE(golden_.is_object());
  }
  static std::string Text(const nlohmann::json& json) { return json.get<std::string>(); }

  nlohmann::json golden_;
};

TEST_F(CurveGoldenTest, Encodings) {
  ASSERT_GT(golden_["g1"].size(), 0U);
  ASSERT_GT(golden_["g2"].size(), 0U);
  const auto check = [&](const nlohmann::json& entries, const auto& generator, const auto& from,
                         const auto& from_compressed) {
    for (const auto& entry : entries) {
      const Bytes scalar_bytes = FromHex(Text(entry["scalar"])).value();
      ASSERT_OK_AND_ASSIGN(const Fr scalar, FrFromBytesLe(scalar_bytes));
      const auto point = ToAffine(Mul(generator, scalar));
      EXPECT_EQ(ToHex(ToUncompressed(point)), Text(entry["uncompressed"]));
      EXPECT_EQ(ToHex(ToCompressed(point)), Text(entry["compressed"]));
      ASSERT_OK_AND_ASSIGN(const auto read, from(FromHex(Text(entry["uncompressed"])).value(),
                                                 PointCheck::kSubgroup));
      ASSERT_OK_AND_ASSIGN(
          const auto read_compressed,
          from_compressed(FromHex(Text(entry["compressed"])).value(), PointCheck::kSubgroup));
      EXPECT_EQ(read, point);
      EXPECT_EQ(read_compressed, point);
    }
  };
  check(golden_["g1"], G1Generator(), G1FromUncompressed, G1FromCompressed);
  check(golden_["g2"], G2Generator(), G2FromUncompressed, G2FromCompressed);
}

TEST_F(CurveGoldenTest, MultiExponentiations) {
  ASSERT_GT(golden_["msm"].size(), 0U);
  for (const std::size_t threads : {1U, 2U, 5U}) {
    ThreadPool pool(threads);
    const FixedBase<G1> g1(pool, G1::From(G1Generator()), 5000);
    const FixedBase<G2> g2(pool, G2::From(G2Generator()), 5000);
    for (const auto& entry : golden_["msm"]) {
      const MsmTerms terms = MsmTermsOf(Text(golden_["salt"]), entry["n"].get<std::size_t>());
      const G1 sum1 = MultiExp(pool, g1.Multiples(pool, terms.logarithms), terms.scalars);
      const G2 sum2 = MultiExp(pool, g2.Multiples(pool, terms.logarithms), terms.scalars);
      EXPECT_EQ(ToHex(ToCompressed(ToAffine(sum1))), Text(entry["g1"])) << entry["n"];
      EXPECT_EQ(ToHex(ToCompressed(ToAffine(sum2))), Text(entry["g2"])) << entry["n"];
    }
  }
}

TEST_F(CurveGoldenTest, ProofEncodings) {
  ASSERT_EQ(golden_["proof_encodings"].size(), 16U);
  for (const auto& entry : golden_["proof_encodings"]) {
    ASSERT_OK_AND_ASSIGN(const Bytes proof, FromHex(Text(entry["proof"])));
    EXPECT_EQ(ReadProof(proof).ok(), entry["reads"].get<bool>()) << entry["what"];
  }
}

}  // namespace
}  // namespace damocles::bls12_381
