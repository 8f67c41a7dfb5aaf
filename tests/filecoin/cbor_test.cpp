// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/filecoin/cbor.h"

#include <limits>

#include "gtest/gtest.h"
#include "tests/support/status_matchers.h"

#include "damocles/base/hex.h"
#include "damocles/base/random.h"

namespace damocles::filecoin::cbor {
namespace {

using testing_support::StatusIs;
constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;

Bytes Hex(std::string_view text) {
  return FromHex(text).value();
}

TEST(CborWriterTest, TakesTheShortestForm) {
  Writer writer;
  for (const std::uint64_t value :
       {std::uint64_t{0}, std::uint64_t{23}, std::uint64_t{24}, std::uint64_t{255},
        std::uint64_t{256}, std::uint64_t{65535}, std::uint64_t{65536}, std::uint64_t{0xffffffff},
        std::uint64_t{0x100000000}, std::numeric_limits<std::uint64_t>::max()}) {
    writer.Uint(value);
  }
  writer.Int(-1);
  writer.Int(-24);
  writer.Int(-25);
  writer.Int(std::numeric_limits<std::int64_t>::min());
  writer.Text("ab");
  writer.Bool(true);
  writer.Null();
  EXPECT_EQ(ToHex(writer.Written()),
            "0017181818ff19010019ffff1a000100001affffffff1b0000000100000000"
            "1bffffffffffffffff203738183b7fffffffffffffff626162f5f6");
}

TEST(CborReaderTest, ReadsWhatWasWritten) {
  SeededRandom random(1);
  for (int round = 0; round < 2000; ++round) {
    // Numbers of every length.
    const std::uint64_t number = random.NextU64() >> random.Below(64);
    const auto with_sign = static_cast<std::int64_t>(random.NextU64()) >> random.Below(63);
    Bytes content(static_cast<std::size_t>(random.Below(300)));
    random.Fill(content);
    Writer writer;
    writer.Array(4);
    writer.Uint(number);
    writer.Int(with_sign);
    writer.ByteString(content);
    writer.Null();
    Reader reader(writer.Written());
    ASSERT_OK(reader.ExpectArray(4, "a test"));
    EXPECT_EQ(reader.ReadUint().value(), number);
    EXPECT_EQ(reader.ReadInt().value(), with_sign);
    EXPECT_EQ(reader.ReadByteString().value(), content);
    EXPECT_TRUE(reader.TryNull());
    EXPECT_OK(reader.ExpectEnd());
    Reader skipper(writer.Written());
    ASSERT_OK_AND_ASSIGN(const ByteSpan item, skipper.Skip());
    EXPECT_EQ(item.size(), writer.Written().size());
  }
}

TEST(CborReaderTest, OverlongIntegersOnlyIfAskedFor) {
  for (const std::string_view text :
       {"1805", "190005", "1a00000005", "1b0000000000000005", "190018", "1a0000ffff"}) {
    SCOPED_TRACE(text);
    const Bytes bytes = Hex(text);
    EXPECT_THAT(Reader(bytes).ReadUint(), StatusIs(kInvalid, "longer than needed"));
    EXPECT_OK(Reader(bytes, {.overlong_integers = true}).ReadUint());
  }
}

TEST(CborReaderTest, RefusesWhatIsNotDefinite) {
  EXPECT_THAT(Reader(Hex("9f01ff")).ReadArray(), StatusIs(kInvalid, "definite"));
  EXPECT_THAT(Reader(Hex("5f41aaff")).ReadByteString(), StatusIs(kInvalid, "definite"));
  EXPECT_THAT(Reader(Hex("1c")).ReadUint(), StatusIs(kInvalid, "definite"));
  EXPECT_THAT(Reader(Hex("ff")).Skip(), StatusIs(kInvalid, "definite"));
}

TEST(CborReaderTest, RefusesWrongTypesAndNamesThePosition) {
  const Bytes bytes = Hex("820140");
  Reader reader(bytes);
  ASSERT_OK(reader.ExpectArray(2, "a pair"));
  EXPECT_THAT(reader.ReadByteString(),
              StatusIs(kInvalid, "at byte 1 of 3: expected a byte string"));
  EXPECT_EQ(reader.ReadUint().value(), 1U);
  EXPECT_FALSE(reader.TryNull());
  EXPECT_THAT(Reader(bytes).ExpectArray(3, "a triple"),
              StatusIs(kInvalid, "a triple has 3 fields"));
  EXPECT_THAT(Reader(Hex("20")).ReadUint(), StatusIs(kInvalid, "unsigned"));
  EXPECT_THAT(Reader(Hex("1b8000000000000000")).ReadInt(), StatusIs(kInvalid, "64 bits"));
  EXPECT_THAT(Reader(Hex("3b8000000000000000")).ReadInt(), StatusIs(kInvalid, "64 bits"));
  EXPECT_THAT(Reader(Hex("f6")).ReadBool(), StatusIs(kInvalid, "boolean"));
}

TEST(CborReaderTest, RefusesCutItemsWithoutReadingBeyond) {
  const Bytes whole = Hex("8443010203194142811a00010000d82a4100");
  ASSERT_OK(Reader(whole).Skip());
  for (std::size_t length = 0; length < whole.size(); ++length) {
    EXPECT_THAT(Reader(ByteSpan(whole).first(length)).Skip(), StatusIs(kInvalid, "unexpected end"));
  }
  // A length of 2^64 - 1 must not overflow.
  EXPECT_FALSE(Reader(Hex("5bffffffffffffffff00")).Skip().ok());
  EXPECT_FALSE(Reader(Hex("5bffffffffffffffff00")).ReadByteString().ok());
  EXPECT_FALSE(Reader(Hex("9bffffffffffffffff00")).Skip().ok());
}

TEST(CborReaderTest, KeepsItsLimits) {
  EXPECT_THAT(Reader(Hex("43010203"), {.string_bytes_max = 2}).ReadByteString(),
              StatusIs(kInvalid, "at most 2"));
  EXPECT_THAT(Reader(Hex("83010203"), {.array_items_max = 2}).ReadArray(),
              StatusIs(kInvalid, "at most 2"));
  const Bytes deep(100, 0x81);
  EXPECT_THAT(Reader(deep).Skip(), StatusIs(kInvalid, "nested too deeply"));
}

}  // namespace
}  // namespace damocles::filecoin::cbor
