// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/groth16/params.h"

#include <algorithm>

#include "tests/groth16/tiny_circuit.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

#include "damocles/base/file.h"

namespace damocles::groth16 {
namespace {

using testing_support::StatusIs;

class ParamsTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    ThreadPool pool(2);
    sound_ = new Bytes(TinyParams(pool, 1));
  }
  static void TearDownTestSuite() { delete sound_; }

  static QueryCounts Expected() { return ExpectedCounts(circuit::CircuitCounts(TinyShape())); }

  absl::StatusOr<std::shared_ptr<const ParamsFile>> Open(const Bytes& content) {
    const std::string path = folder_ / "some.params";
    EXPECT_OK(WriteFileAtomically(path, AsText(content)));
    return ParamsFile::Open(path, Expected());
  }

  // Where each query's count lies, and where its points begin.
  static std::vector<std::size_t> CountOffsets() {
    const ParamsLayout layout = ParseParams(*sound_).value();
    std::vector<std::size_t> offsets{VerifyingKeyBytes({}) - 4};
    for (const FilePart& query : {layout.h, layout.l, layout.a, layout.b_g1, layout.b_g2}) {
      offsets.push_back(query.offset - 4);
    }
    return offsets;
  }

  static inline Bytes* sound_ = nullptr;
  testing_support::TempDir folder_;
  ThreadPool pool_{2};
};

TEST_F(ParamsTest, AGoodFileIsReadWithAllItsPoints) {
  const auto file = Open(*sound_);
  ASSERT_OK(file);
  EXPECT_EQ((*file)->Layout().counts, Expected());
  EXPECT_EQ(sound_->size(), ParamsBytes(Expected()));
  EXPECT_OK((*file)->CheckAllPoints(pool_));
  EXPECT_TRUE(std::ranges::equal(WriteVerifyingKey((*file)->Key()), (*file)->Vk()));
}

TEST_F(ParamsTest, AnHQueryLongerThanNeededIsAccepted) {
  Bytes longer = *sound_;
  const std::size_t h = CountOffsets()[1];
  StoreBe32(LoadBe32(&longer[h]) + 1, &longer[h]);
  const Bytes point(longer.begin() + static_cast<std::ptrdiff_t>(h) + 4,
                    longer.begin() + static_cast<std::ptrdiff_t>(h) + 100);
  longer.insert(longer.begin() + static_cast<std::ptrdiff_t>(h) + 4, point.begin(), point.end());
  EXPECT_OK(Open(longer));
}

TEST_F(ParamsTest, EveryWrongCountIsRefused) {
  for (const std::size_t offset : CountOffsets()) {
    const std::uint32_t count = LoadBe32(&(*sound_)[offset]);
    for (const std::uint32_t wrong : {count - 1, count + 1, 0u, 0xffffffffu, 0x7fffffffu}) {
      SCOPED_TRACE(testing::Message() << "count at byte " << offset << " = " << wrong);
      Bytes spoiled = *sound_;
      StoreBe32(wrong, &spoiled[offset]);
      EXPECT_THAT(Open(spoiled), StatusIs(absl::StatusCode::kDataLoss, "some.params"));
    }
  }
}

// A whole query shifted by a point: form and length fit, the circuit does not.
TEST_F(ParamsTest, CountsOfAnotherCircuitAreRefused) {
  const auto offsets = CountOffsets();
  const std::size_t l = offsets[2];
  Bytes other = *sound_;
  StoreBe32(LoadBe32(&other[l]) - 1, &other[l]);
  other.erase(other.begin() + static_cast<std::ptrdiff_t>(l) + 4,
              other.begin() + static_cast<std::ptrdiff_t>(l) + 100);
  ASSERT_OK(ParseParams(other));
  EXPECT_THAT(Open(other), StatusIs(absl::StatusCode::kDataLoss, "query l"));
}

TEST_F(ParamsTest, CutOrExtendedFilesAreRefused) {
  std::vector<std::size_t> cuts{0, 1, 95, 96, sound_->size() - 1};
  for (const std::size_t offset : CountOffsets()) {
    cuts.insert(cuts.end(), {offset, offset + 3, offset + 4, offset + 50});
  }
  for (const std::size_t cut : cuts) {
    SCOPED_TRACE(cut);
    const Bytes shorter(sound_->begin(), sound_->begin() + static_cast<std::ptrdiff_t>(cut));
    EXPECT_FALSE(Open(shorter).ok());
  }
  Bytes longer = *sound_;
  longer.push_back(0);
  EXPECT_THAT(Open(longer), StatusIs(absl::StatusCode::kDataLoss, "follow"));
}

TEST_F(ParamsTest, APointOffTheCurveIsFoundInEveryQuery) {
  const auto offsets = CountOffsets();
  for (std::size_t i = 1; i < offsets.size(); ++i) {
    SCOPED_TRACE(i);
    Bytes spoiled = *sound_;
    spoiled[offsets[i] + 4 + 96 + 90] ^= 1;
    const auto file = Open(spoiled);
    ASSERT_OK(file);  // points of queries are read when they are used
    EXPECT_THAT((*file)->CheckAllPoints(pool_), StatusIs(absl::StatusCode::kDataLoss, "query"));
  }
}

TEST_F(ParamsTest, InfinityIsRefusedInEveryQuery) {
  const auto offsets = CountOffsets();
  for (std::size_t i = 1; i < offsets.size(); ++i) {
    SCOPED_TRACE(i);
    Bytes spoiled = *sound_;
    const auto at = spoiled.begin() + static_cast<std::ptrdiff_t>(offsets[i]) + 4;
    std::fill(at, at + (i == 5 ? 192 : 96), std::uint8_t{0});
    *at = 0x40;
    const auto file = Open(spoiled);
    ASSERT_OK(file);
    EXPECT_THAT((*file)->CheckAllPoints(pool_), StatusIs(absl::StatusCode::kDataLoss, "infinity"));
  }
}

TEST_F(ParamsTest, TheVerifyingKeyIsCheckedPointByPoint) {
  const ByteSpan vk = ByteSpan(*sound_).first(ParseParams(*sound_).value().vk.bytes);
  ASSERT_OK(ReadVerifyingKey(vk, Expected().ic));
  EXPECT_THAT(ReadVerifyingKey(vk, Expected().ic + 1),
              StatusIs(absl::StatusCode::kInvalidArgument, "ic"));
  const std::size_t starts[] = {0, 96, 192, 384, 576, 672, 868, 868 + 96};
  for (const std::size_t start : starts) {
    SCOPED_TRACE(start);
    Bytes spoiled(vk.begin(), vk.end());
    spoiled[start + 80] ^= 4;
    EXPECT_FALSE(ReadVerifyingKey(spoiled, Expected().ic).ok());
    Bytes infinite(vk.begin(), vk.end());
    const std::size_t bytes = start == 192 || start == 384 || start == 672 ? 192 : 96;
    std::fill_n(infinite.begin() + static_cast<std::ptrdiff_t>(start), bytes, std::uint8_t{0});
    infinite[start] = 0x40;
    EXPECT_THAT(ReadVerifyingKey(infinite, Expected().ic),
                StatusIs(absl::StatusCode::kInvalidArgument, "infinity"));
  }
  // (0, 2) is on the curve and has order 3.
  Bytes small_order(vk.begin(), vk.end());
  std::fill_n(small_order.begin(), 96, std::uint8_t{0});
  small_order[95] = 2;
  EXPECT_FALSE(ReadVerifyingKey(small_order, Expected().ic).ok());
}

TEST_F(ParamsTest, AMissingFileIsNotCreated) {
  const std::string path = folder_ / "absent.params";
  EXPECT_THAT(ParamsFile::Open(path, Expected()), StatusIs(absl::StatusCode::kNotFound, path));
  EXPECT_FALSE(PathExists(path));
}

}  // namespace
}  // namespace damocles::groth16
