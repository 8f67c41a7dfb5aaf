// SPDX-License-Identifier: Apache-2.0 OR MIT

#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "damocles/base/hex.h"
#include "damocles/hash/blake2b.h"
#include "damocles/hash/blake2s.h"
#include "damocles/hash/sha256.h"

namespace damocles::hash {
namespace {

Bytes Pattern(std::size_t length) {
  Bytes bytes(length);
  for (std::size_t i = 0; i < length; ++i) bytes[i] = static_cast<std::uint8_t>(i * 131 + 7);
  return bytes;
}

// FIPS 180-4.
TEST(Sha256Test, KnownAnswers) {
  EXPECT_EQ(ToHex(Sha256Of({})),
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(ToHex(Sha256Of(AsBytes("abc"))),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

// RFC 7693, appendix A, and the reference's vectors for an empty message.
TEST(Blake2bTest, KnownAnswers) {
  EXPECT_EQ(ToHex(Blake2bOf(AsBytes("abc"), 64)),
            "ba80a53f981c4d0d6a2797b69f12f6e94c212f14685ac4b74b12bb6fdbffa2d1"
            "7d87c5392aab792dc252d5de4533cc9518d38aa8dbf1925ab92386edd4009923");
  EXPECT_EQ(ToHex(Blake2bOf({}, 32)),
            "0e5751c026e543b2e8ab2eb06099daa1d1e5df47778f7787faab45cdf12fe3a8");
  EXPECT_EQ(ToHex(Blake2b256Of({})),
            "0e5751c026e543b2e8ab2eb06099daa1d1e5df47778f7787faab45cdf12fe3a8");
}

TEST(Blake2bTest, LengthEntersTheDigest) {
  for (std::size_t length : {1U, 4U, 15U, 20U, 32U, 63U}) {
    const Bytes digest = Blake2bOf(AsBytes("abc"), length);
    ASSERT_EQ(digest.size(), length);
    const Bytes longest = Blake2bOf(AsBytes("abc"), 64);
    if (length > 4) {
      EXPECT_FALSE(std::equal(digest.begin(), digest.end(), longest.begin()));
    }
  }
}

// RFC 7693, appendix B.
TEST(Blake2sTest, KnownAnswers) {
  EXPECT_EQ(ToHex(Blake2sOf(AsBytes("abc"))),
            "508c5e8c327c14e2e1a72ba34eeb452f37458b209ed63a294d999b4c86675982");
  EXPECT_EQ(ToHex(Blake2sOf({})),
            "69217a3079908094e11121d042354a7c1f55b6482ca1a51e1b250dfd1ed0eef9");
}

TEST(HashTest, PiecesGiveTheSameDigestAsTheWhole) {
  const Bytes message = Pattern(1000);
  for (std::size_t piece : {1U, 3U, 63U, 64U, 65U, 127U, 128U, 129U, 999U}) {
    SCOPED_TRACE(piece);
    Sha256 sha256;
    Blake2b blake2b(64);
    Blake2s blake2s;
    for (std::size_t at = 0; at < message.size(); at += piece) {
      const ByteSpan part = ByteSpan(message).subspan(at, std::min(piece, message.size() - at));
      sha256.Update(part);
      blake2b.Update(part);
      blake2s.Update(part);
    }
    EXPECT_EQ(sha256.Finish(), Sha256Of(message));
    EXPECT_EQ(blake2b.Finish(), Blake2bOf(message, 64));
    EXPECT_EQ(blake2s.Finish(), Blake2sOf(message));
  }
}

TEST(HashTest, CopyGoesOnFromTheSamePoint) {
  Sha256 first;
  first.Update(AsBytes("ab"));
  Sha256 second = first;
  first.Update(AsBytes("c"));
  second.Update(AsBytes("d"));
  EXPECT_EQ(first.Finish(), Sha256Of(AsBytes("abc")));
  EXPECT_EQ(second.Finish(), Sha256Of(AsBytes("abd")));
}

}  // namespace
}  // namespace damocles::hash
