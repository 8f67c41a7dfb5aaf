// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/store/row.h"

#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "tests/support/status_matchers.h"

#include "damocles/base/hex.h"
#include "damocles/store/fields.h"

namespace damocles::store {
namespace {

using testing_support::StatusIs;

constexpr RowKind kKind{"job/spec", 3};

TEST(RowTest, TheFrameIsAsItIsDescribed) {
  const std::string row = FrameRow(kKind, "key", "body");
  EXPECT_EQ(ToHex(AsBytes(row)),
            "da726f77"
            "03"
            "08"
            "6a6f622f73706563"
            "626f6479"
            "a1948b2c9d22db13");
  ASSERT_OK_AND_ASSIGN(const std::string_view body, OpenRow(kKind, "key", row));
  EXPECT_EQ(body, "body");
  EXPECT_TRUE(IsFramed(row));
}

TEST(RowTest, AnyBodyIsKept) {
  for (const std::string& body : {std::string(), std::string("\0", 1), FrameRow(kKind, "a", "b"),
                                  std::string(100'000, '\xda')}) {
    const std::string row = FrameRow(kKind, "key", body);
    ASSERT_OK_AND_ASSIGN(const std::string_view back, OpenRow(kKind, "key", row));
    EXPECT_EQ(back, body);
  }
}

TEST(RowTest, ARowFromBeforeThereWereFramesIsItsBody) {
  for (const std::string row :
       {"", "\x01old", "\x02old", "\x8f\x03", "\x9a", "damocles-result-1\n", "\xda", "\xdaro"}) {
    EXPECT_FALSE(IsFramed(row));
    ASSERT_OK_AND_ASSIGN(const std::string_view body, OpenRow(kKind, "key", row));
    EXPECT_EQ(body, row);
  }
}

TEST(RowTest, EveryCutTailAndWrongBitBehindTheMagicIsDamage) {
  const std::string row = FrameRow(kKind, "key", "body");
  for (std::size_t length = 4; length < row.size(); ++length) {
    EXPECT_THAT(OpenRow(kKind, "key", row.substr(0, length)),
                StatusIs(absl::StatusCode::kDataLoss, ""));
  }
  EXPECT_THAT(OpenRow(kKind, "key", row + '\0'), StatusIs(absl::StatusCode::kDataLoss, ""));
  for (std::size_t bit = 32; bit < row.size() * 8; ++bit) {
    std::string damaged = row;
    damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ (1 << (bit % 8)));
    EXPECT_THAT(OpenRow(kKind, "key", damaged), StatusIs(absl::StatusCode::kDataLoss, "")) << bit;
  }
}

TEST(RowTest, UnderAnotherKeyOrAsAnotherKindItIsNotBelieved) {
  const std::string row = FrameRow(kKind, "key", "body");
  for (const std::string& key :
       {std::string(), std::string("ke"), std::string("kez"), std::string("key\0", 4)}) {
    EXPECT_THAT(OpenRow(kKind, key, row), StatusIs(absl::StatusCode::kDataLoss, "under this key"));
  }
  for (const std::string_view kind : {"job/record", "job/spe", "job/specb", ""}) {
    EXPECT_THAT(OpenRow({kind, 3}, "key", row),
                StatusIs(absl::StatusCode::kDataLoss, "none of kind"));
  }
}

TEST(RowTest, OlderVersionsAreReadAndNewerOnesAreNamed) {
  const std::string row = FrameRow(kKind, "key", "body");
  ASSERT_OK(OpenRow({"job/spec", 200}, "key", row).status());
  EXPECT_THAT(OpenRow({"job/spec", 2}, "key", row),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       "job/spec has format 3, this program knows formats up to 2"));
}

struct Item {
  std::uint64_t number = 0;
  std::string text = {};
  friend bool operator==(const Item&, const Item&) = default;
};

enum class Colour : std::uint8_t { kRed = 0, kBlue = 1 };

struct Everything {
  std::uint8_t u8 = 0xfe;
  std::uint32_t u32 = 0xfedcba98;
  std::uint64_t u64 = 0xfedcba9876543210;
  std::int64_t i64 = -2;
  bool truth = true;
  Bytes32 raw = {1, 2, 3};
  std::string text = "text";
  Bytes blob = {4, 5};
  absl::Time time = absl::FromUnixMicros(-7);
  absl::Time never = absl::InfinitePast();
  absl::Time unknown = absl::InfiniteFuture();
  Colour colour = Colour::kBlue;
  absl::Duration length = absl::Seconds(3);
  std::vector<Item> items = {{1, "a"}, {2, ""}};
  std::string since_2 = "new";
  friend bool operator==(const Everything&, const Everything&) = default;
};

template <typename Io, typename T>
void EverythingFields(Io& io, T& all) {
  io.U8(all.u8);
  io.U32(all.u32);
  io.U64(all.u64);
  io.I64(all.i64);
  io.Bool(all.truth);
  io.Raw32(all.raw);
  io.Text(all.text, 4);
  io.Blob(all.blob, 2);
  io.Time(all.time);
  io.Time(all.never);
  io.Time(all.unknown);
  io.Choice(all.colour, Colour::kBlue);
  io.Number(
      all.length, [](absl::Duration d) { return absl::ToInt64Seconds(d); },
      [](std::int64_t seconds) { return absl::Seconds(seconds); });
  io.List(all.items, 12, 2, [](auto& in, auto& item) {
    in.U64(item.number);
    in.Want(item.number != 9, "nine");
    in.Text(item.text, 100);
  });
  if (io.Version() >= 2) io.Text(all.since_2, 100);
}

Bytes Written(std::uint8_t version, const Everything& all) {
  FieldWriter out(version);
  EverythingFields(out, all);
  return std::move(out).Take();
}

absl::StatusOr<Everything> Read(ByteSpan body) {
  Everything all;
  FieldReader in(2, body);
  EverythingFields(in, all);
  if (const absl::Status status = in.Finish(); !status.ok()) return status;
  return all;
}

TEST(FieldsTest, OneListWritesAndReads) {
  Everything all;
  const Bytes body = Written(2, all);
  Everything other{.u8 = 0, .text = "x", .items = {}, .since_2 = ""};
  ASSERT_OK_AND_ASSIGN(other, Read(body));
  EXPECT_EQ(other, all);
  EXPECT_EQ(Written(2, other), body);
  EXPECT_EQ(ToHex(ByteSpan(body).first(14)),
            "02fe98badcfe1032547698ba"
            "dcfe");
}

TEST(FieldsTest, AnOlderVersionIsReadWithoutWhatItDidNotHave) {
  Everything all;
  all.since_2 = "new";
  ASSERT_OK_AND_ASSIGN(const Everything read, Read(Written(1, all)));
  EXPECT_EQ(read.since_2, "new") << "as it is without a row";
  EXPECT_EQ(read.items, all.items);
}

TEST(FieldsTest, EveryCutAndTailIsRefused) {
  const Bytes body = Written(2, Everything());
  for (std::size_t length = 0; length < body.size(); ++length) {
    EXPECT_THAT(Read(ByteSpan(body).first(length)), StatusIs(absl::StatusCode::kDataLoss, ""));
  }
  Bytes longer = body;
  longer.push_back(0);
  EXPECT_THAT(Read(longer), StatusIs(absl::StatusCode::kDataLoss, "behind the end"));
}

TEST(FieldsTest, WhatNobodyWritesIsRefused) {
  const auto refused = [](auto change, std::string_view why) {
    Everything all;
    change(all);
    EXPECT_THAT(Read(Written(2, all)), StatusIs(absl::StatusCode::kDataLoss, why));
  };
  refused([](Everything& all) { all.text = "above"; }, "above its limit");
  refused([](Everything& all) { all.blob.resize(3); }, "above its limit");
  refused([](Everything& all) { all.items.resize(3); }, "above its limit");
  refused([](Everything& all) { all.items[1].number = 9; }, "nine");
  refused([](Everything& all) { all.colour = static_cast<Colour>(2); }, "stands for nothing");
  Bytes body = Written(2, Everything());
  body[22] = 2;  // the truth value
  EXPECT_THAT(Read(body), StatusIs(absl::StatusCode::kDataLoss, "truth"));
  for (const int version : {0, 3, 255}) {
    body = Written(2, Everything());
    body[0] = static_cast<std::uint8_t>(version);
    EXPECT_THAT(Read(body), StatusIs(absl::StatusCode::kDataLoss, "format"));
  }
}

// A count that is damaged must not ask for all memory.
TEST(FieldsTest, ACountBeyondTheEndIsRefusedBeforeThereIsRoomForIt) {
  FieldWriter out(1);
  out.U32(0xffffffff);
  const Bytes body = std::move(out).Take();
  FieldReader in(1, body);
  std::vector<Item> items;
  in.List(items, 12, 0xffffffff, [](auto& io, auto& item) { io.U64(item.number); });
  EXPECT_TRUE(items.empty());
  EXPECT_THAT(in.Finish(), StatusIs(absl::StatusCode::kDataLoss, "beyond the end"));
}

}  // namespace
}  // namespace damocles::store
