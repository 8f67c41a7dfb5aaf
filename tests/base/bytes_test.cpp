// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/base/bytes.h"

#include "gtest/gtest.h"
#include "tests/support/status_matchers.h"

#include "damocles/base/hex.h"
#include "damocles/base/random.h"

namespace damocles {
namespace {

using testing_support::StatusIs;
constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;

TEST(BytesTest, OrderOfBytes) {
  std::uint8_t at[8];
  StoreLe64(0x0102030405060708, at);
  EXPECT_EQ(ToHex(at), "0807060504030201");
  StoreBe64(0x0102030405060708, at);
  EXPECT_EQ(ToHex(at), "0102030405060708");
  StoreLe32(0x01020304, at);
  StoreBe32(0x01020304, at + 4);
  EXPECT_EQ(ToHex(at), "0403020101020304");
  Bytes out{0xff};
  AppendLe32(out, 1);
  AppendBe32(out, 1);
  AppendLe64(out, 1);
  AppendBe64(out, 1);
  EXPECT_EQ(ToHex(out), "ff010000000000000101000000000000000000000000000001");
}

TEST(BytesTest, LoadsWhatWasStored) {
  SeededRandom random(1);
  for (int round = 0; round < 1000; ++round) {
    const std::uint64_t value = random.NextU64() >> random.Below(64);
    const auto low = static_cast<std::uint32_t>(value);
    std::uint8_t at[8];
    StoreLe64(value, at);
    EXPECT_EQ(LoadLe64(at), value);
    StoreBe64(value, at);
    EXPECT_EQ(LoadBe64(at), value);
    StoreLe32(low, at);
    EXPECT_EQ(LoadLe32(at), low);
    StoreBe32(low, at);
    EXPECT_EQ(LoadBe32(at), low);
  }
}

TEST(BytesTest, TextAndBytesAreTheSameMemory) {
  const std::string_view text = "damocles";
  EXPECT_EQ(AsText(AsBytes(text)), text);
  EXPECT_EQ(AsBytes(text).size(), 8U);
  EXPECT_TRUE(AsBytes("").empty());
}

TEST(HexTest, BothWays) {
  EXPECT_EQ(ToHex(Bytes{0x00, 0x7f, 0xAB}), "007fab");
  EXPECT_EQ(FromHex("007fAB").value(), (Bytes{0x00, 0x7f, 0xab}));
  EXPECT_TRUE(FromHex("").value().empty());
  EXPECT_THAT(FromHex("abc"), StatusIs(kInvalid, "odd"));
  EXPECT_THAT(FromHex("aaxb"), StatusIs(kInvalid, "position 2"));
  EXPECT_THAT(FromHex("0x00"), StatusIs(kInvalid, "position 0"));
  EXPECT_EQ(ToHex(FromHex32(std::string(64, '3')).value()), std::string(64, '3'));
  EXPECT_THAT(FromHex32("00"), StatusIs(kInvalid, "want 32"));
}

// Vectors of RFC 4648.
TEST(Base64Test, BothWays) {
  const std::pair<std::string_view, std::string_view> cases[] = {{"", ""},
                                                                 {"f", "Zg=="},
                                                                 {"fo", "Zm8="},
                                                                 {"foo", "Zm9v"},
                                                                 {"foob", "Zm9vYg=="},
                                                                 {"fooba", "Zm9vYmE="},
                                                                 {"foobar", "Zm9vYmFy"}};
  for (const auto& [plain, encoded] : cases) {
    EXPECT_EQ(ToBase64(AsBytes(plain)), encoded);
    EXPECT_EQ(AsText(FromBase64(encoded).value()), plain);
  }
  EXPECT_EQ(ToBase64(Bytes{0xfb, 0xff}), "+/8=");
  EXPECT_THAT(FromBase64("Zm9*"), StatusIs(kInvalid, "base64"));
  EXPECT_THAT(FromBase64("Z"), StatusIs(kInvalid, "base64"));
  SeededRandom random(2);
  for (std::size_t size = 0; size < 200; ++size) {
    Bytes bytes(size);
    random.Fill(bytes);
    EXPECT_EQ(FromBase64(ToBase64(bytes)).value(), bytes);
    EXPECT_EQ(FromHex(ToHex(bytes)).value(), bytes);
  }
}

}  // namespace
}  // namespace damocles
