// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// The field template over primes so small that every pair of elements can be tried, and over ones
// so large that a carry reaches the top limb: what no random element of Fr or Fp would meet.

#include <array>
#include <cstdint>
#include <type_traits>
#include <utility>
#include <vector>

#include "gtest/gtest.h"

#include "damocles/bls12_381/field.h"

namespace damocles::bls12_381 {
namespace {

// What Field needs of a modulus, from its definition.
template <std::size_t N, std::uint64_t kLow, std::uint64_t kHigh>
struct ModulusOf {
  static constexpr std::size_t kLimbs = N;

 private:
  using Words = std::array<std::uint64_t, N>;
  static constexpr Words Modulus() {
    Words words{};
    words[0] = kLow;
    if (N > 1) words[N - 1] += kHigh;
    return words;
  }
  static constexpr bool IsBelow(const Words& a, const Words& b) {
    for (std::size_t i = N; i-- > 0;) {
      if (a[i] != b[i]) return a[i] < b[i];
    }
    return false;
  }
  // 2^exponent mod p, doubling by doubling: p < 2^(64 N - 1).
  static constexpr Words PowerOfTwo(unsigned exponent) {
    Words value{1};
    for (unsigned step = 0; step < exponent; ++step) {
      for (std::size_t i = N; i-- > 0;) {
        value[i] = (value[i] << 1) | (i > 0 ? value[i - 1] >> 63 : 0);
      }
      if (IsBelow(value, Modulus())) continue;
      std::uint64_t borrow = 0;
      for (std::size_t i = 0; i < N; ++i) {
        const Uint128 difference = Uint128{value[i]} - Modulus()[i] - borrow;
        value[i] = static_cast<std::uint64_t>(difference);
        borrow = static_cast<std::uint64_t>(difference >> 64) & 1;
      }
    }
    return value;
  }
  template <std::size_t... I>
  static constexpr internal::Words<N> AsWords(const Words& words, std::index_sequence<I...>) {
    return {{words[I]...}};
  }
  static constexpr std::uint64_t MinusInverse() {
    std::uint64_t inverse = 1;  // Newton's steps double the bits that are right
    for (int i = 0; i < 6; ++i) inverse *= 2 - kLow * inverse;
    return 0 - inverse;
  }
  static constexpr auto kIndices = std::make_index_sequence<N>();
  static constexpr auto kModulusWords = AsWords(Modulus(), kIndices);
  static constexpr auto kRWords = AsWords(PowerOfTwo(64 * N), kIndices);
  static constexpr auto kRSquaredWords = AsWords(PowerOfTwo(128 * N), kIndices);

 public:
  static constexpr const std::uint64_t (&kModulus)[N] = kModulusWords.word;
  static constexpr std::uint64_t kInverse = MinusInverse();
  static constexpr const std::uint64_t (&kR)[N] = kRWords.word;
  static constexpr const std::uint64_t (&kRSquared)[N] = kRSquaredWords.word;
};

template <std::size_t N, std::uint64_t kLow, std::uint64_t kHigh = 0>
using Tiny = Field<ModulusOf<N, kLow, kHigh>>;

template <typename F>
constexpr std::uint64_t ValueOf(const F& element) {
  const auto canonical = element.Canonical();
  for (std::size_t i = 1; i < F::kLimbs; ++i) {
    if (canonical[i] != 0) return ~std::uint64_t{0};
  }
  return canonical[0];
}

// Every operation on every pair of elements below `p`; the number of wrong answers.
template <typename F>
constexpr int WrongAnswers(std::uint64_t p) {
  int wrong = 0;
  const auto expect = [&wrong](bool right) { wrong += right ? 0 : 1; };
  for (std::uint64_t a = 0; a < p; ++a) {
    const F x = F::FromU64(a);
    expect(ValueOf(x) == a);
    expect(x == F::FromU64(a + p) && x == F::FromU64(a + 5 * p));
    expect(F::FromCanonical(x.Canonical()) == x);
    expect(x.IsZero() == (a == 0));
    expect(ValueOf(-x) == (p - a) % p);
    expect(ValueOf(x.Double()) == 2 * a % p && ValueOf(x.Square()) == a * a % p);
    // (clang counts the steps of what it computes while it compiles.)
    if (!std::is_constant_evaluated()) expect(x.Pow(3) == x * x * x && x.Pow(p) == x);  // Fermat
    const F inverse = x.Inverse();
    expect(a == 0 ? inverse.IsZero() : inverse * x == F::One());
    for (std::uint64_t b = 0; b < p; ++b) {
      const F y = F::FromU64(b);
      expect((x == y) == (a == b));
      expect(ValueOf(x + y) == (a + b) % p);
      expect(ValueOf(x - y) == (a + p - b) % p);
      expect(ValueOf(x * y) == a * b % p);
    }
  }
  expect(ValueOf(F::One()) == 1 && F::Zero().IsZero());
  return wrong;
}

// The prime comes from memory, so that nothing is computed while this is compiled.
template <std::size_t N, std::uint64_t kPrime>
void EveryPairBelow() {
  const volatile std::uint64_t prime = kPrime;
  EXPECT_EQ((WrongAnswers<Tiny<N, kPrime>>(prime)), 0) << kPrime;
}

template <std::size_t N>
void EveryPair() {
  EveryPairBelow<N, 3>();
  EveryPairBelow<N, 5>();
  EveryPairBelow<N, 7>();
  EveryPairBelow<N, 13>();
  EveryPairBelow<N, 31>();
  EveryPairBelow<N, 127>();
  EveryPairBelow<N, 257>();
}

TEST(TinyFieldTest, EveryPairInOneLimb) {
  EveryPair<1>();
}
TEST(TinyFieldTest, EveryPairInFourLimbs) {
  EveryPair<4>();
}
TEST(TinyFieldTest, EveryPairInSixLimbs) {
  EveryPair<6>();
}

// What is computed at compile time goes other ways (no carry flag, word by word).
static_assert(WrongAnswers<Tiny<1, 7>>(7) == 0);
static_assert(WrongAnswers<Tiny<4, 5>>(5) == 0);
static_assert(WrongAnswers<Tiny<6, 3>>(3) == 0);

// Elements at both ends and around each limb's border, of a prime that leaves one bit free.
template <typename F>
void Ends() {
  constexpr std::size_t kLimbs = F::kLimbs;
  std::vector<F> elements;
  for (std::uint64_t i = 0; i < 4; ++i) {
    elements.push_back(F::FromU64(i));
    elements.push_back(-F::FromU64(i + 1));
    elements.push_back(F::FromU64(~std::uint64_t{0} >> 1).Double() + F::FromU64(i));  // about 2^64
  }
  for (std::size_t limb = 1; limb < kLimbs; ++limb) {
    const F border = F::FromU64(2).Pow(64 * limb);
    elements.insert(elements.end(), {border, border - F::One(), -border, F::One() - border});
  }
  elements.push_back(F::FromU64(2).Inverse());
  // Montgomery forms that are all ones below the top: the longest chains of carries.
  F ones{};
  for (std::size_t i = 0; i + 1 < kLimbs; ++i) ones.limb[i] = ~std::uint64_t{0};
  elements.insert(elements.end(), {ones, -ones});
  for (const F& a : elements) {
    EXPECT_EQ(F::FromCanonical(a.Canonical()), a);
    EXPECT_EQ(a + (-a), F::Zero());
    EXPECT_EQ(a - a, F::Zero());
    EXPECT_EQ(a.Square(), a * a);
    EXPECT_EQ(a.Double(), a * F::FromU64(2));
    EXPECT_EQ(a * a.Inverse(), a.IsZero() ? a : F::One());
    for (const F& b : elements) {
      EXPECT_EQ(a + b, b + a);
      EXPECT_EQ((a + b) - b, a);
      EXPECT_EQ(a - b, -(b - a));
      EXPECT_EQ(a * b, b * a);
      EXPECT_EQ((a + F::One()) * b, a * b + b);
      EXPECT_EQ((a - b) * (a + b), a.Square() - b.Square());
    }
  }
}

// 2^63 - 25 and 2^127 - 1 are prime.
TEST(TinyFieldTest, EndsOfAPrimeThatFillsOneLimb) {
  Ends<Tiny<1, (std::uint64_t{1} << 63) - 25>>();
}
TEST(TinyFieldTest, EndsOfAPrimeThatFillsTwoLimbs) {
  Ends<Tiny<2, ~std::uint64_t{0}, (std::uint64_t{1} << 63) - 1>>();
}

}  // namespace
}  // namespace damocles::bls12_381
