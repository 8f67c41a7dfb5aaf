// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/filecoin/bitfield.h"

#include <algorithm>
#include <limits>
#include <set>

#include "gtest/gtest.h"
#include "tests/support/status_matchers.h"

#include "damocles/base/random.h"

namespace damocles::filecoin {
namespace {

using Set = std::set<std::uint64_t>;
using testing_support::StatusIs;

constexpr std::uint64_t kU64Max = std::numeric_limits<std::uint64_t>::max();

// The stupid twin of BitField.
Set RandomSet(Random& random) {
  Set bits;
  std::uint64_t at = 0;
  for (std::uint64_t run = random.Below(12); run > 0; --run) {
    at += random.Below(random.Below(2) == 0 ? 4 : 60);
    for (std::uint64_t length = 1 + random.Below(random.Below(2) == 0 ? 3 : 40); length > 0;
         --length) {
      bits.insert(at++);
    }
  }
  return bits;
}

BitField FieldOf(const Set& bits) {
  const std::vector<std::uint64_t> list(bits.begin(), bits.end());
  return BitField::Of(list);
}

Set SetOf(const BitField& field) {
  return {field.begin(), field.end()};
}

// The representation is unique: equal sets are equal fields.
void ExpectIs(const BitField& field, const Set& bits) {
  EXPECT_EQ(field, FieldOf(bits));
  EXPECT_EQ(SetOf(field), bits);
  EXPECT_EQ(field.Count(), bits.size());
}

TEST(BitFieldTest, AlgebraIsThatOfSets) {
  SeededRandom random(7);
  for (int round = 0; round < 1500; ++round) {
    SCOPED_TRACE(round);
    const Set a = RandomSet(random);
    const Set b = RandomSet(random);
    const BitField x = FieldOf(a);
    const BitField y = FieldOf(b);

    Set both = a;
    both.insert(b.begin(), b.end());
    Set common;
    std::set_intersection(a.begin(), a.end(), b.begin(), b.end(),
                          std::inserter(common, common.end()));
    Set left;
    std::set_difference(a.begin(), a.end(), b.begin(), b.end(), std::inserter(left, left.end()));
    Set moved;
    for (const std::uint64_t bit : left) {
      moved.insert(bit - static_cast<std::uint64_t>(std::distance(b.begin(), b.lower_bound(bit))));
    }
    ExpectIs(Union(x, y), both);
    const BitField three[] = {y, x, y};
    ExpectIs(Union(three), both);
    ExpectIs(Intersection(x, y), common);
    ExpectIs(Difference(x, y), left);
    ExpectIs(Cut(x, y), moved);
    EXPECT_EQ(x.ContainsAll(y), std::includes(a.begin(), a.end(), b.begin(), b.end()));
    EXPECT_EQ(x.Intersects(y), !common.empty());

    const std::uint64_t skip = random.Below(a.size() + 2);
    const std::uint64_t count = random.Below(a.size() + 2);
    const absl::StatusOr<BitField> slice = Slice(x, skip, count);
    EXPECT_EQ(slice.ok(), skip + count <= a.size());
    if (slice.ok()) {
      const auto first = std::next(a.begin(), static_cast<std::ptrdiff_t>(skip));
      ExpectIs(*slice, Set(first, std::next(first, static_cast<std::ptrdiff_t>(count))));
    }
  }
}

TEST(BitFieldTest, SetAndUnsetInAnyOrder) {
  SeededRandom random(8);
  BitField field;
  Set bits;
  for (int step = 0; step < 5000; ++step) {
    const std::uint64_t bit = random.Below(200);
    EXPECT_EQ(field.Contains(bit), bits.contains(bit));
    if (random.Below(2) == 0) {
      field.Set(bit);
      bits.insert(bit);
    } else {
      field.Unset(bit);
      bits.erase(bit);
    }
    ASSERT_EQ(field, FieldOf(bits)) << "step " << step;
  }
}

TEST(BitFieldTest, EncodingsRoundTrip) {
  SeededRandom random(9);
  for (int round = 0; round < 2000; ++round) {
    // Runs of every size up to 2^50, so that all three block forms occur.
    std::vector<std::uint64_t> lengths;
    for (std::uint64_t pairs = random.Below(9); pairs > 0; --pairs) {
      lengths.push_back(1 + (random.NextU64() >> (14 + random.Below(50))));
      lengths.push_back(1 + (random.NextU64() >> (14 + random.Below(50))));
    }
    if (!lengths.empty() && random.Below(3) == 0) lengths[0] = 0;
    ASSERT_OK_AND_ASSIGN(const BitField field, BitField::FromRunLengths(lengths));
    EXPECT_EQ(field.ToRunLengths(), lengths.empty() ? std::vector<std::uint64_t>{0} : lengths);
    const Bytes rle = field.ToRle();
    for (const RleReading reading : {RleReading::kActor, RleReading::kNode}) {
      ASSERT_OK_AND_ASSIGN(const BitField read, BitField::FromRle(rle, reading));
      EXPECT_EQ(read, field);
    }
    EXPECT_EQ(cbor::Decode<BitField>(cbor::Encode(field)).value(), field);
    EXPECT_EQ(BitField::FromRanges(field.Ranges()).value(), field);
  }
}

TEST(BitFieldTest, WhateverBytesANodeTakesTheCanonicalFormMeansTheSame) {
  SeededRandom random(10);
  int accepted = 0;
  for (int round = 0; round < 20000; ++round) {
    Bytes rle(1 + static_cast<std::size_t>(random.Below(12)));
    random.Fill(rle);
    rle[0] &= 0xfc;  // version 0
    const absl::StatusOr<BitField> field = BitField::FromRle(rle, RleReading::kNode);
    const absl::StatusOr<BitField> strict = BitField::FromRle(rle, RleReading::kActor);
    if (!field.ok()) {
      EXPECT_FALSE(strict.ok());
      continue;
    }
    ++accepted;
    const Bytes canonical = field->ToRle();
    EXPECT_LE(canonical.size(), rle.size() + 1);
    EXPECT_EQ(BitField::FromRle(canonical, RleReading::kActor).value(), *field);
    EXPECT_EQ(strict.ok(), canonical == rle);
  }
  EXPECT_GT(accepted, 1000);
}

TEST(BitFieldTest, HugeRangesCostNothing) {
  const BitField all = BitField::OfRange(0, kU64Max);
  EXPECT_EQ(all.Count(), kU64Max);
  EXPECT_EQ(all.Last(), BitField::kBitMax);
  EXPECT_TRUE(all.Contains(BitField::kBitMax));
  EXPECT_FALSE(all.Contains(kU64Max));
  const BitField holes{0, std::uint64_t{1} << 63, BitField::kBitMax};
  const BitField rest = Difference(all, holes);
  EXPECT_EQ(rest.Count(), kU64Max - 3);
  EXPECT_EQ(Union(rest, holes), all);
  EXPECT_EQ(Cut(all, holes), BitField::OfRange(0, kU64Max - 3));
  EXPECT_EQ(Slice(rest, 1, std::uint64_t{1} << 62).value(),
            BitField::OfRange(2, std::uint64_t{1} << 62));
  EXPECT_EQ(BitField::FromRle(rest.ToRle(), RleReading::kActor).value(), rest);
  EXPECT_THAT(rest.ToVector(1000), StatusIs(absl::StatusCode::kResourceExhausted, "at most 1000"));
}

TEST(BitFieldTest, RefusesRunsThatAreNoRuns) {
  for (const std::vector<std::uint64_t>& lengths :
       {std::vector<std::uint64_t>{0, 0}, {1, 0}, {0, 1, 0, 1}, {kU64Max, 1}, {1, kU64Max}}) {
    EXPECT_THAT(BitField::FromRunLengths(lengths),
                StatusIs(absl::StatusCode::kInvalidArgument, "bitfield"));
  }
  EXPECT_FALSE(BitField::FromRanges({{3, 3}}).ok());
  EXPECT_FALSE(BitField::FromRanges({{3, 5}, {5, 6}}).ok());
  EXPECT_FALSE(BitField::FromRanges({{3, 5}, {1, 2}}).ok());
  EXPECT_FALSE(BitField::FromRle(Bytes(BitField::kRleBytesMax + 1, 0xfc), RleReading::kNode).ok());
}

TEST(BitFieldTest, ActorReadsStrictlyThroughTheReadersOptions) {
  const Bytes loose = {0x41, 0x1c};  // {0} with a run of absent numbers behind it
  EXPECT_EQ(cbor::Decode<BitField>(loose).value(), BitField({0}));
  EXPECT_FALSE(cbor::Decode<BitField>(loose, {.overlong_integers = true}).ok());
}

}  // namespace
}  // namespace damocles::filecoin
