// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/bls/signature.h"

#include <vector>

#include "gtest/gtest.h"
#include "tests/support/status_matchers.h"

#include "damocles/base/hex.h"
#include "damocles/base/random.h"

namespace damocles::bls {
namespace {

using testing_support::IsOk;
using testing_support::StatusIs;

// RFC 9380, J.10.1.
TEST(HashToG2Test, VectorsOfTheRfc) {
  constexpr char kTag[] = "QUUX-V01-CS02-with-BLS12381G2_XMD:SHA-256_SSWU_RO_";
  const auto x_of = [&](std::string_view message) {
    const auto point = bls12_381::ToUncompressed(HashToG2(AsBytes(message), kTag));
    return ToHex(ByteSpan(point).subspan(48, 48)) + " " + ToHex(ByteSpan(point).first(48));
  };
  EXPECT_EQ(
      x_of(""),
      "0141ebfbdca40eb85b87142e130ab689c673cf60f1a3e98d69335266f30d9b8d4ac44c1038e9dcdd5393faf5"
      "c41fb78a "
      "05cb8437535e20ecffaef7752baddf98034139c38452458baeefab379ba13dff5bf5dd71b72418717047f5b0"
      "f37da03d");
  EXPECT_EQ(
      x_of("abc"),
      "02c2d18e033b960562aae3cab37a27ce00d80ccd5ba4b7fe0e7a210245129dbec7780ccc7954725f4168aff2"
      "787776e6 "
      "139cddbccdc5e91b9623efd38c49f81a6f83f175e80b06fc374de9eb4b41dfe4ca3a230ed250fbe3a2acf73a"
      "41177fd8");
}

TEST(BlsTest, WhatAKeySignsOnlyItsPublicKeyVerifies) {
  SeededRandom random(7);
  const SecretKey key = SecretKey::Generate(random);
  const SecretKey other = SecretKey::Generate(random);
  const Signature signature = key.Sign(AsBytes("a block"));
  EXPECT_THAT(Verify(key.Public(), AsBytes("a block"), signature), IsOk());
  EXPECT_THAT(Verify(other.Public(), AsBytes("a block"), signature),
              StatusIs(absl::StatusCode::kInvalidArgument, "not one of this key"));
  EXPECT_THAT(Verify(key.Public(), AsBytes("a clock"), signature),
              StatusIs(absl::StatusCode::kInvalidArgument, "not one of this key"));
  ASSERT_OK_AND_ASSIGN(const SecretKey again, SecretKey::FromBytesLe(key.ToBytesLe()));
  EXPECT_EQ(again.Public(), key.Public());
}

TEST(BlsTest, WhatDoesNotDecodeIsNamed) {
  SeededRandom random(8);
  const SecretKey key = SecretKey::Generate(random);
  Signature signature = key.Sign({});
  PublicKey none{};
  none[0] = 0xc0;
  EXPECT_THAT(Verify(none, {}, signature),
              StatusIs(absl::StatusCode::kInvalidArgument, "public key: it is the identity"));
  signature[0] &= 0x7f;
  EXPECT_THAT(Verify(key.Public(), {}, signature),
              StatusIs(absl::StatusCode::kInvalidArgument, "signature"));
  EXPECT_FALSE(SecretKey::FromBytesLe(Bytes(32)).ok());
  EXPECT_FALSE(SecretKey::FromBytesLe(Bytes(32, 0xff)).ok());
  EXPECT_FALSE(SecretKey::FromBytesLe(Bytes(31, 1)).ok());
  EXPECT_FALSE(VerifyAggregate({}, key.Sign({})).ok());
}

// On the curve, of another order.
TEST(BlsTest, PointsOutsideTheSubgroupAreRefused) {
  SeededRandom random(10);
  const SecretKey key = SecretKey::Generate(random);
  PublicKey stray_key{};
  for (std::uint8_t x = 1; x < 255; ++x) {
    stray_key = {};
    stray_key[0] = 0x80;
    stray_key[47] = x;
    if (bls12_381::G1FromCompressed(stray_key, bls12_381::PointCheck::kOnCurve).ok()) break;
  }
  ASSERT_TRUE(bls12_381::G1FromCompressed(stray_key, bls12_381::PointCheck::kOnCurve).ok());
  EXPECT_THAT(Verify(stray_key, {}, key.Sign({})),
              StatusIs(absl::StatusCode::kInvalidArgument, "order"));
  Signature stray{};
  for (std::uint8_t x = 1; x < 255; ++x) {
    stray = {};
    stray[0] = 0x80;
    stray[95] = x;
    if (bls12_381::G2FromCompressed(stray, bls12_381::PointCheck::kOnCurve).ok()) break;
  }
  ASSERT_TRUE(bls12_381::G2FromCompressed(stray, bls12_381::PointCheck::kOnCurve).ok());
  EXPECT_THAT(Verify(key.Public(), {}, stray),
              StatusIs(absl::StatusCode::kInvalidArgument, "order"));
  EXPECT_FALSE(Aggregate(std::vector<Signature>{stray}).ok());
  EXPECT_THAT(VerifyAggregate(std::vector<Signed>{{key.Public(), {1}}}, stray),
              StatusIs(absl::StatusCode::kInvalidArgument, "order"));
}

TEST(BlsTest, OneSignatureForManyMessages) {
  SeededRandom random(9);
  std::vector<Signed> signed_by;
  std::vector<Signature> signatures;
  for (std::uint8_t i = 0; i < 5; ++i) {
    const SecretKey key = SecretKey::Generate(random);
    signed_by.push_back({key.Public(), {i, 1, 2}});
    signatures.push_back(key.Sign(signed_by.back().message));
  }
  ASSERT_OK_AND_ASSIGN(const Signature aggregate, Aggregate(signatures));
  EXPECT_THAT(VerifyAggregate(signed_by, aggregate), IsOk());
  signed_by.pop_back();
  EXPECT_FALSE(VerifyAggregate(signed_by, aggregate).ok());
  signed_by.push_back(signed_by.front());
  EXPECT_THAT(VerifyAggregate(signed_by, aggregate),
              StatusIs(absl::StatusCode::kInvalidArgument, "one message"));
  ASSERT_OK_AND_ASSIGN(const Signature of_none, Aggregate({}));
  EXPECT_THAT(VerifyAggregate({}, of_none), IsOk());
}

}  // namespace
}  // namespace damocles::bls
