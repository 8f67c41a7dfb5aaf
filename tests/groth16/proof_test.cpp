// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/groth16/proof.h"

#include <algorithm>

#include "tests/support/status_matchers.h"

#include "damocles/base/hex.h"

namespace damocles::groth16 {
namespace {

using testing_support::StatusIs;

// The proof of 2 KiB window, sectors 7 and 11 (tests/data/post/cases).
Bytes KnownProof() {
  return FromHex(
             "91c3a40604130882b2899868714d2c6aa2b2e3ad812bbc10a541811fab11cc199860088eda97744076a71"
             "8"
             "bf028218ecb1bccabb8399fbd0d8cbdbd7bc895aa2464939652dad21a32eac87ff65ca2c95ca45f04c5be"
             "b"
             "03c6d66e7a73dd59f59214a05a8322c21c2cd314c6181c998d88c19dac99ea191a78e9265dff8710234de"
             "5"
             "c42d909ab1675ecc109f77284edc9bb8809788ed2effeaef1f72ce2c1e6a00b323dcfbb0c355116fcff0f"
             "4"
             "37073d372d54ac0e2e9404728b6ea17c4eb159ce")
      .value();
}

TEST(ProofTest, BytesComeBack) {
  const auto proof = ProofFromBytes(KnownProof());
  ASSERT_OK(proof);
  EXPECT_TRUE(std::ranges::equal(ToBytes(*proof), KnownProof()));
}

TEST(ProofTest, WrongLengthsAreRefused) {
  Bytes bytes = KnownProof();
  for (const std::size_t length : {0u, 48u, 191u}) {
    EXPECT_THAT(ProofFromBytes(ByteSpan(bytes).first(length)),
                StatusIs(absl::StatusCode::kInvalidArgument, "bytes"));
  }
  bytes.push_back(0);
  EXPECT_FALSE(ProofFromBytes(bytes).ok());
  EXPECT_FALSE(ProofsFromBytes(bytes, 1).ok());
  EXPECT_FALSE(ProofsFromBytes(KnownProof(), 2).ok());
  EXPECT_FALSE(ProofsFromBytes(KnownProof(), 0).ok());
  EXPECT_OK(ProofsFromBytes({}, 0));
}

TEST(ProofTest, InfinityIsRefusedInEveryPlace) {
  for (const auto& [start, length, name] :
       {std::tuple{0, 48, "proof A"}, std::tuple{48, 96, "proof B"},
        std::tuple{144, 48, "proof C"}}) {
    Bytes bytes = KnownProof();
    std::fill_n(bytes.begin() + start, length, std::uint8_t{0});
    bytes[static_cast<std::size_t>(start)] = 0xc0;
    EXPECT_THAT(ProofFromBytes(bytes), StatusIs(absl::StatusCode::kInvalidArgument, name));
  }
}

TEST(ProofTest, FlagsMustBeThoseOfACompressedPoint) {
  for (const std::size_t start : {0u, 48u, 144u}) {
    Bytes bytes = KnownProof();
    bytes[start] &= 0x7f;  // not compressed
    EXPECT_FALSE(ProofFromBytes(bytes).ok());
    bytes = KnownProof();
    bytes[start] |= 0x40;  // infinity, but with coordinates
    EXPECT_FALSE(ProofFromBytes(bytes).ok());
    bytes = KnownProof();
    bytes[start] |= 0x1f;  // x not below p
    EXPECT_FALSE(ProofFromBytes(bytes).ok());
    bytes = KnownProof();
    bytes[start] ^= 0x20;  // the other root: another proof, but one
    EXPECT_OK(ProofFromBytes(bytes));
  }
}

// About half of all x are on the curve, hardly any in the subgroup: all must be refused.
TEST(ProofTest, PointsOffTheCurveOrTheSubgroupAreRefused) {
  for (std::uint8_t change = 1; change != 0; ++change) {
    for (const std::size_t last : {47u, 143u, 191u}) {
      Bytes bytes = KnownProof();
      bytes[last] ^= change;
      EXPECT_FALSE(ProofFromBytes(bytes).ok()) << last << " " << int{change};
    }
  }
}

TEST(ProofTest, TheBadPartitionIsNamed) {
  Bytes two = KnownProof();
  Append(two, KnownProof());
  ASSERT_OK(ProofsFromBytes(two, 2));
  two[192 + 47] ^= 1;
  EXPECT_THAT(ProofsFromBytes(two, 2), StatusIs(absl::StatusCode::kInvalidArgument, "partition 1"));
}

}  // namespace
}  // namespace damocles::groth16
