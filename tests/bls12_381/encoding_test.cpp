// SPDX-License-Identifier: Apache-2.0 OR MIT

#include <fstream>
#include <sstream>
#include <string>

#include "gtest/gtest.h"
#include "tests/bls12_381/vectors.h"
#include "tests/support/status_matchers.h"

#include "damocles/base/hex.h"
#include "damocles/base/thread_pool.h"
#include "damocles/bls12_381/multiexp.h"

namespace damocles::bls12_381 {
namespace {

using testing_support::StatusIs;
constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;

// The generators.
constexpr char kG1[] =
    "17f1d3a73197d7942695638c4fa9ac0fc3688c4f9774b905a14e3a3f171bac586c55e83ff97a1aeffb3af00adb22c6"
    "bb"
    "08b3f481e3aaa0f1a09e30ed741d8ae4fcf5e095d5d00af600db18cb2c04b3edd03cc744a2888ae40caa232946c5e7"
    "e1";
constexpr char kG2[] =
    "13e02b6052719f607dacd3a088274f65596bd0d09920b61ab5da61bbdc7f5049334cf11213945d57e5ac7d055d042b"
    "7e"
    "024aa2b2f08f0a91260805272dc51051c6e47ad4fa403b02b4510b647ae3d1770bac0326a805bbefd48056c8c121bd"
    "b8"
    "0606c4a02ea734cc32acd2b02bc28b99cb3e287e85a763af267492ab572e99ab3f370d275cec1da1aaa9075ff05f79"
    "be"
    "0ce5d527727d6e118cc9cdc6da2e351aadfd9baa8cbdd3a76d429a695160d12c923ac9cc3baca289e193548608b828"
    "01";

TEST(EncodingTest, Generators) {
  EXPECT_EQ(ToHex(ToUncompressed(G1Generator())), kG1);
  EXPECT_EQ(ToHex(ToUncompressed(G2Generator())), kG2);
  EXPECT_EQ(ToHex(ToCompressed(G1Generator())), "97" + std::string(kG1).substr(2, 94));
  EXPECT_EQ(ToHex(ToCompressed(G2Generator())), "93" + std::string(kG2).substr(2, 190));
  EXPECT_EQ(ToHex(ToCompressed(-G1Generator())), "b7" + std::string(kG1).substr(2, 94));
  EXPECT_EQ(ToHex(ToCompressed(-G2Generator())), "b3" + std::string(kG2).substr(2, 190));
}

TEST(EncodingTest, ReadsBackWhatItWrites) {
  SeededRandom random(14);
  for (int i = 0; i < 20; ++i) {
    const Fr scalar = i == 0 ? Fr::Zero() : RandomFr(random);
    const G1Affine p = ToAffine(Mul(G1Generator(), scalar));
    const G2Affine q = ToAffine(Mul(G2Generator(), scalar));
    for (const PointCheck check : {PointCheck::kOnCurve, PointCheck::kSubgroup}) {
      ASSERT_OK_AND_ASSIGN(const G1Affine p1, G1FromUncompressed(ToUncompressed(p), check));
      ASSERT_OK_AND_ASSIGN(const G1Affine p2, G1FromCompressed(ToCompressed(p), check));
      ASSERT_OK_AND_ASSIGN(const G2Affine q1, G2FromUncompressed(ToUncompressed(q), check));
      ASSERT_OK_AND_ASSIGN(const G2Affine q2, G2FromCompressed(ToCompressed(q), check));
      EXPECT_TRUE(p1 == p && p2 == p && q1 == q && q2 == q);
    }
  }
}

TEST(EncodingTest, InfinityHasOneFormOnly) {
  EXPECT_EQ(ToHex(ToUncompressed(G1Affine::Infinity())), "40" + std::string(190, '0'));
  EXPECT_EQ(ToHex(ToCompressed(G1Affine::Infinity())), "c0" + std::string(94, '0'));
  EXPECT_EQ(ToHex(ToUncompressed(G2Affine::Infinity())), "40" + std::string(382, '0'));
  EXPECT_EQ(ToHex(ToCompressed(G2Affine::Infinity())), "c0" + std::string(190, '0'));
  for (const std::size_t byte : {0U, 1U, 47U}) {
    auto bytes = ToCompressed(G1Affine::Infinity());
    bytes[byte] |= 1;
    EXPECT_THAT(G1FromCompressed(bytes, PointCheck::kOnCurve), StatusIs(kInvalid, "infinity"));
  }
  auto bytes = ToCompressed(G1Affine::Infinity());
  bytes[0] |= 0x20;
  EXPECT_THAT(G1FromCompressed(bytes, PointCheck::kOnCurve), StatusIs(kInvalid, "infinity"));
  auto plain = ToUncompressed(G2Affine::Infinity());
  plain[191] = 1;
  EXPECT_THAT(G2FromUncompressed(plain, PointCheck::kOnCurve), StatusIs(kInvalid, "infinity"));
}

TEST(EncodingTest, RefusesWrongFlagsLengthsAndCoordinates) {
  const auto plain = ToUncompressed(G1Generator());
  const auto compressed = ToCompressed(G1Generator());
  auto bad = plain;
  bad[0] |= 0x80;
  EXPECT_THAT(G1FromUncompressed(bad, PointCheck::kOnCurve), StatusIs(kInvalid, "compression"));
  bad = plain;
  bad[0] |= 0x20;
  EXPECT_THAT(G1FromUncompressed(bad, PointCheck::kOnCurve), StatusIs(kInvalid, "sign flag"));
  bad = plain;
  bad[95] ^= 1;
  EXPECT_THAT(G1FromUncompressed(bad, PointCheck::kOnCurve), StatusIs(kInvalid, "curve"));
  auto bad_compressed = compressed;
  bad_compressed[0] &= 0x7f;
  EXPECT_THAT(G1FromCompressed(bad_compressed, PointCheck::kOnCurve),
              StatusIs(kInvalid, "compression"));
  EXPECT_THAT(G1FromCompressed(plain, PointCheck::kOnCurve), StatusIs(kInvalid, "96 bytes"));
  EXPECT_THAT(G1FromUncompressed({}, PointCheck::kOnCurve), StatusIs(kInvalid, "0 bytes"));
  EXPECT_THAT(G2FromUncompressed(plain, PointCheck::kOnCurve), StatusIs(kInvalid, "96 bytes"));
  // y + p for y: the same residue, not the same bytes.
  const G1Affine p = G1Generator();
  bad = plain;
  std::uint8_t carry = 0;
  std::array<std::uint8_t, 48> largest;
  StoreBe(-Fp::One(), largest);
  ++largest[47];  // p
  for (std::size_t i = 48; i-- > 0;) {
    const int sum = bad[48 + i] + largest[i] + carry;
    bad[48 + i] = static_cast<std::uint8_t>(sum);
    carry = static_cast<std::uint8_t>(sum >> 8);
  }
  EXPECT_THAT(G1FromUncompressed(bad, PointCheck::kOnCurve), StatusIs(kInvalid, "canonical"));
  // (0, 2) is on the curve and has order 3.
  const G1Affine order3{Fp::Zero(), Fp::FromU64(2)};
  ASSERT_TRUE(IsOnCurve(order3));
  EXPECT_THAT(G1FromUncompressed(ToUncompressed(order3), PointCheck::kOnCurve),
              StatusIs(kInvalid, "x is zero"));
  EXPECT_THAT(G1FromCompressed(ToCompressed(order3), PointCheck::kOnCurve),
              StatusIs(kInvalid, "x is zero"));
  EXPECT_EQ(p, G1Generator());
}

TEST(EncodingTest, SubgroupIsCheckedOnlyWhenAsked) {
  // The first x >= 1 of a point outside the subgroup.
  G1Affine outside;
  for (Fp x = Fp::One();; x += Fp::One()) {
    const auto y = Sqrt(x.Square() * x + Fp::FromU64(4));
    if (!y) continue;
    outside = {x, *y};
    if (!MulInteger(G1::From(outside), FrParams::kModulus).IsInfinity()) break;
  }
  EXPECT_OK(G1FromUncompressed(ToUncompressed(outside), PointCheck::kOnCurve));
  EXPECT_THAT(G1FromUncompressed(ToUncompressed(outside), PointCheck::kSubgroup),
              StatusIs(kInvalid, "subgroup"));
  EXPECT_THAT(G1FromCompressed(ToCompressed(outside), PointCheck::kSubgroup),
              StatusIs(kInvalid, "subgroup"));
}

// A few vectors of another implementation, kept here; golden_test.cpp has all of them.
TEST(EncodingTest, KeptVectors) {
  std::ifstream file(DAMOCLES_TEST_DATA_DIR "/bls12_381/vectors.txt");
  ASSERT_TRUE(file.is_open());
  ThreadPool pool(2);
  int lines = 0;
  for (std::string line; std::getline(file, line);) {
    if (line[0] == '#') continue;
    ++lines;
    std::istringstream words(line);
    std::string kind, first, second, third;
    words >> kind >> first >> second >> third;
    if (kind == "proof") {
      ASSERT_OK_AND_ASSIGN(const Bytes proof, FromHex(second));
      EXPECT_EQ(ReadProof(proof).ok(), first == "yes") << line;
    } else if (kind == "msm") {
      const MsmTerms terms = MsmTermsOf("post-spec", std::stoul(first));
      const FixedBase<G1> g1(pool, G1::From(G1Generator()), terms.scalars.size());
      const FixedBase<G2> g2(pool, G2::From(G2Generator()), terms.scalars.size());
      EXPECT_EQ(ToHex(ToCompressed(
                    ToAffine(MultiExp(pool, g1.Multiples(pool, terms.logarithms), terms.scalars)))),
                second);
      EXPECT_EQ(ToHex(ToCompressed(
                    ToAffine(MultiExp(pool, g2.Multiples(pool, terms.logarithms), terms.scalars)))),
                third);
    } else {
      ASSERT_OK_AND_ASSIGN(const Bytes scalar_bytes, FromHex(first));
      ASSERT_OK_AND_ASSIGN(const Fr scalar, FrFromBytesLe(scalar_bytes));
      const G1Affine p = ToAffine(Mul(G1Generator(), scalar));
      const G2Affine q = ToAffine(Mul(G2Generator(), scalar));
      EXPECT_EQ(kind == "g1" ? ToHex(ToCompressed(p)) : ToHex(ToCompressed(q)), second);
      EXPECT_EQ(kind == "g1" ? ToHex(ToUncompressed(p)) : ToHex(ToUncompressed(q)), third);
    }
  }
  EXPECT_EQ(lines, 23);
}

}  // namespace
}  // namespace damocles::bls12_381
