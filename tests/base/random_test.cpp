// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/base/random.h"

#include <array>
#include <set>

#include "gtest/gtest.h"

#include "damocles/base/bytes.h"
#include "damocles/base/hex.h"

namespace damocles {
namespace {

// Gives the numbers it was told, then fails.
class ScriptedRandom final : public Random {
 public:
  explicit ScriptedRandom(std::vector<std::uint64_t> numbers) : numbers_(std::move(numbers)) {}
  void Fill(std::span<std::uint8_t> out) override {
    ASSERT_EQ(out.size(), 8U);
    ASSERT_LT(next_, numbers_.size());
    StoreLe64(numbers_[next_++], out.data());
  }
  std::size_t Used() const { return next_; }

 private:
  std::vector<std::uint64_t> numbers_;
  std::size_t next_ = 0;
};

TEST(RandomTest, SeededRepeats) {
  SeededRandom a(42);
  SeededRandom b(42);
  SeededRandom c(43);
  std::set<std::uint64_t> seen;
  for (int i = 0; i < 1000; ++i) {
    const std::uint64_t value = a.NextU64();
    EXPECT_EQ(b.NextU64(), value);
    EXPECT_NE(c.NextU64(), value);
    seen.insert(value);
  }
  EXPECT_EQ(seen.size(), 1000U);
}

// First outputs of SplitMix64 from seed 0, as its authors publish them.
TEST(RandomTest, SeededIsSplitMix64) {
  SeededRandom random(0);
  EXPECT_EQ(random.NextU64(), 0xe220a8397b1dcdafU);
  EXPECT_EQ(random.NextU64(), 0x6e789e6aa1b965f4U);
}

TEST(RandomTest, BelowIsInRangeAndEven) {
  SeededRandom random(1);
  for (const std::uint64_t bound : {std::uint64_t{1}, std::uint64_t{2}, std::uint64_t{7}}) {
    std::array<int, 7> counts{};
    constexpr int kRounds = 70000;
    for (int i = 0; i < kRounds; ++i) ++counts.at(random.Below(bound));
    const int want = kRounds / static_cast<int>(bound);
    for (std::size_t i = 0; i < bound; ++i) {
      EXPECT_NEAR(counts.at(i), want, want / 20) << i << " of " << bound;
    }
  }
}

TEST(RandomTest, BelowDrawsAgainWhereResiduesWouldBeUneven) {
  constexpr std::uint64_t kMax = ~std::uint64_t{0};
  // 2^64 = 1 modulo 3: only the greatest number is too many.
  ScriptedRandom three({kMax, kMax, kMax - 1});
  EXPECT_EQ(three.Below(3), 2U);
  EXPECT_EQ(three.Used(), 3U);
  // Powers of two divide 2^64: nothing is drawn again.
  ScriptedRandom eight({kMax});
  EXPECT_EQ(eight.Below(8), 7U);
  // Just above the half, nearly half of all numbers are drawn again.
  constexpr std::uint64_t kHalf = std::uint64_t{1} << 63;
  ScriptedRandom half({kHalf + 1, kMax, kHalf});
  EXPECT_EQ(half.Below(kHalf + 1), kHalf);
  EXPECT_EQ(half.Used(), 3U);
}

TEST(RandomTest, HexIsTheBytesAsDigits) {
  std::uint8_t bytes[5];
  SeededRandom(7).Fill(bytes);
  SeededRandom again(7);
  EXPECT_EQ(again.Hex(5), ToHex(bytes));
  EXPECT_EQ(again.Hex(0), "");
}

TEST(RandomTest, SystemDoesNotRepeat) {
  std::set<std::uint64_t> seen;
  for (int i = 0; i < 100; ++i) seen.insert(SystemRandom().NextU64());
  EXPECT_EQ(seen.size(), 100U);
  Bytes empty;
  SystemRandom().Fill(empty);
}

}  // namespace
}  // namespace damocles
