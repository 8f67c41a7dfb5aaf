// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// All of golden/chain/bls-signatures.json.

#include <fstream>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "tests/support/status_matchers.h"

#include "damocles/base/hex.h"
#include "damocles/bls/signature.h"

namespace damocles::bls {
namespace {

using testing_support::IsOk;
using Json = nlohmann::json;

class BlsGoldenTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::ifstream file(DAMOCLES_GOLDEN_DIR "/chain/bls-signatures.json");
    ASSERT_TRUE(file.is_open());
    golden_ = Json::parse(file, nullptr, /*allow_exceptions=*/false);
    ASSERT_GT(golden_["signatures"].size(), 5U);
  }
  static Bytes Hex(const Json& text) { return FromHex(text.get<std::string>()).value(); }

  Json golden_;
};

TEST_F(BlsGoldenTest, KeysHashesAndSignatures) {
  EXPECT_EQ(golden_["dst"], std::string(kChainTag));
  for (const Json& entry : golden_["signatures"]) {
    ASSERT_OK_AND_ASSIGN(const SecretKey key, SecretKey::FromBytesLe(Hex(entry["secret"])));
    const Bytes message = Hex(entry["message"]);
    EXPECT_EQ(ToHex(key.Public()), entry["public_key"]);
    EXPECT_EQ(ToHex(bls12_381::ToCompressed(HashToG2(message))), entry["hash"]);
    EXPECT_EQ(ToHex(key.Sign(message)), entry["signature"]);
    EXPECT_THAT(Verify(Hex(entry["public_key"]), message, Hex(entry["signature"])), IsOk());
  }
}

TEST_F(BlsGoldenTest, HashesUnderAnotherTag) {
  ASSERT_GT(golden_["hash_other_dst"].size(), 1U);
  for (const Json& entry : golden_["hash_other_dst"]) {
    const auto point =
        bls12_381::ToUncompressed(HashToG2(Hex(entry["message"]), entry["dst"].get<std::string>()));
    EXPECT_EQ(ToHex(point), entry["x_c1"].get<std::string>() + entry["x_c0"].get<std::string>() +
                                entry["y_c1"].get<std::string>() +
                                entry["y_c0"].get<std::string>());
  }
}

TEST_F(BlsGoldenTest, OneSignatureForAll) {
  std::vector<Signature> signatures;
  std::vector<Signed> signed_by;
  for (const Json& entry : golden_["signatures"]) {
    const Bytes signature = Hex(entry["signature"]);
    std::copy(signature.begin(), signature.end(), signatures.emplace_back().begin());
    Signed& one = signed_by.emplace_back();
    const Bytes key = Hex(entry["public_key"]);
    std::copy(key.begin(), key.end(), one.public_key.begin());
    one.message = Hex(entry["message"]);
  }
  ASSERT_OK_AND_ASSIGN(const Signature aggregate, Aggregate(signatures));
  EXPECT_EQ(ToHex(aggregate), golden_["aggregate"]["signature"]);
  EXPECT_THAT(VerifyAggregate(signed_by, aggregate), IsOk());
  signed_by.front().message.push_back(0);
  EXPECT_FALSE(VerifyAggregate(signed_by, aggregate).ok());
}

TEST_F(BlsGoldenTest, WhatIsBadIsRefused) {
  ASSERT_GT(golden_["bad"].size(), 5U);
  for (const Json& entry : golden_["bad"]) {
    const absl::Status verified =
        Verify(Hex(entry["public_key"]), Hex(entry["message"]), Hex(entry["signature"]));
    EXPECT_EQ(verified.code(), absl::StatusCode::kInvalidArgument) << entry["why"];
  }
}

}  // namespace
}  // namespace damocles::bls
