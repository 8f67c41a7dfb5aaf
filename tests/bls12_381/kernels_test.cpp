// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// What every form of the kernels must do, for each that this processor can run: the same bits as
// the plain formulas, on random values and on those at the ends of the ranges.

#define DAMOCLES_LANES static inline

#include "lib/bls12_381/kernels/kernels.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstdlib>
#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "lib/bls12_381/bucket_sums.h"
#include "lib/bls12_381/kernels/lane_additions.h"
#include "lib/bls12_381/kernels/lane_transform.h"
#include "lib/bls12_381/kernels/processor.h"

#include "damocles/base/bytes.h"
#include "damocles/base/check.h"
#include "damocles/base/log.h"
#include "damocles/base/random.h"
#include "damocles/bls12_381/g1.h"
#include "damocles/bls12_381/g2.h"

namespace damocles::bls12_381::kernels {
namespace {

template <typename Params>
bool IsBelowModulus(const Field<Params>& raw) {
  for (std::size_t i = Params::kLimbs; i-- > 0;) {
    if (raw.limb[i] != Params::kModulus[i]) return raw.limb[i] < Params::kModulus[i];
  }
  return false;
}

// Representations as words, not values: what carries and borrows depend on.
template <typename Params>
std::vector<Field<Params>> EdgesOf() {
  using F = Field<Params>;
  constexpr std::size_t kTop = Params::kLimbs - 1;
  std::vector<F> edges = {F::Zero(), F::One(), -F::One(), F::FromU64(2), F::FromU64(2).Inverse()};
  F raw{};
  raw.limb[0] = 1;
  edges.push_back(raw);
  edges.push_back(-raw);  // p - 1
  for (std::size_t i = 0; i < kTop; ++i) raw.limb[i] = ~std::uint64_t{0};
  raw.limb[kTop] = Params::kModulus[kTop] - 1;
  edges.push_back(raw);
  edges.push_back(-raw);
  raw = F{};
  raw.limb[kTop] = Params::kModulus[kTop];
  edges.push_back(raw);
  // Single bits, and runs of ones up to them, where limbs of 52 and of 64 bits begin.
  for (std::size_t at = 0; at < 64 * Params::kLimbs; ++at) {
    if (at % 52 > 1 && at % 64 > 1) continue;
    F bit{};
    F run{};
    bit.limb[at / 64] = std::uint64_t{1} << (at % 64);
    for (std::size_t i = 0; i < at; ++i) run.limb[i / 64] |= std::uint64_t{1} << (i % 64);
    if (IsBelowModulus(bit)) edges.push_back(bit);
    if (IsBelowModulus(run)) edges.push_back(run);
  }
  return edges;
}

// Edges among random values.
class Values {
 public:
  explicit Values(std::uint64_t seed) : random_(seed) {}

  void Next(Fr& out) { out = Of(kEdgesFr); }
  void Next(Fp& out) { out = Of(kEdgesFp); }
  void Next(Fp2& out) {
    Next(out.c0);
    Next(out.c1);
  }
  std::vector<Fr> Many(std::size_t count) {
    std::vector<Fr> values(count);
    for (Fr& value : values) Next(value);
    return values;
  }

 private:
  template <typename Params>
  Field<Params> Of(const std::vector<Field<Params>>& edges) {
    std::array<std::uint8_t, Field<Params>::kBytes + 8> bytes;
    while (true) {
      random_.Fill(bytes);
      const std::uint64_t pick = LoadLe64(bytes.data());
      if (pick % 3 != 0) return edges[pick / 3 % edges.size()];
      Field<Params> value{};
      for (std::size_t i = 0; i < Params::kLimbs; ++i) {
        value.limb[i] = LoadLe64(bytes.data() + 8 + 8 * i);
      }
      value.limb[Params::kLimbs - 1] >>= 64 - std::bit_width(Params::kModulus[Params::kLimbs - 1]);
      if (IsBelowModulus(value)) return value;
    }
  }

  const std::vector<Fr> kEdgesFr = EdgesOf<FrParams>();
  const std::vector<Fp> kEdgesFp = EdgesOf<FpParams>();
  SeededRandom random_;
};

// A vector of a processor with AVX-512 IFMA in plain C++, so that the arithmetic on lanes is tested
// on any machine, under sanitizers too.  Stops where a sum would leave its word.
struct ModelVector {
  static constexpr std::uint64_t kLow52 = (std::uint64_t{1} << 52) - 1;
  using Words = std::array<std::uint64_t, kLanes>;
  using Mask = std::array<bool, kLanes>;
  Words word;

  template <typename Fn>
  [[gnu::noinline]] static ModelVector Each(Fn fn) {
    ModelVector out{};
    for (std::size_t i = 0; i < kLanes; ++i) out.word[i] = fn(i);
    return out;
  }

  static ModelVector Broadcast(std::uint64_t value) {
    return Each([&](std::size_t) { return value; });
  }
  static ModelVector Load(const std::uint64_t* words) {
    return Each([&](std::size_t i) { return words[i]; });
  }
  void Store(std::uint64_t* words) const { std::copy(word.begin(), word.end(), words); }

  friend ModelVector operator+(const ModelVector& a, const ModelVector& b) {
    return Each([&](std::size_t i) { return a.word[i] + b.word[i]; });
  }
  friend ModelVector operator-(const ModelVector& a, const ModelVector& b) {
    return Each([&](std::size_t i) { return a.word[i] - b.word[i]; });
  }
  friend ModelVector operator&(const ModelVector& a, const ModelVector& b) {
    return Each([&](std::size_t i) { return a.word[i] & b.word[i]; });
  }
  friend ModelVector operator|(const ModelVector& a, const ModelVector& b) {
    return Each([&](std::size_t i) { return a.word[i] | b.word[i]; });
  }
  friend ModelVector operator<<(const ModelVector& a, unsigned bits) {
    return Each([&](std::size_t i) { return a.word[i] << bits; });
  }
  friend ModelVector operator>>(const ModelVector& a, unsigned bits) {
    return Each([&](std::size_t i) { return a.word[i] >> bits; });
  }
  ModelVector ShiftedWithSign(unsigned bits) const {
    return Each([&](std::size_t i) {
      return static_cast<std::uint64_t>(static_cast<std::int64_t>(word[i]) >> bits);
    });
  }

  static ModelVector MulAddLow(const ModelVector& sum, const ModelVector& a, const ModelVector& b) {
    return Each([&](std::size_t i) { return Sum(sum.word[i], Product(a, b, i) & kLow52); });
  }
  static ModelVector MulAddHigh(const ModelVector& sum, const ModelVector& a,
                                const ModelVector& b) {
    return Each([&](std::size_t i) { return Sum(sum.word[i], Product(a, b, i) >> 52); });
  }

  static Mask AtLeast(const ModelVector& a, const ModelVector& b) {
    Mask mask;
    for (std::size_t i = 0; i < kLanes; ++i) {
      mask[i] = static_cast<std::int64_t>(a.word[i]) >= static_cast<std::int64_t>(b.word[i]);
    }
    return mask;
  }
  static ModelVector SubtractWhere(const Mask& mask, const ModelVector& a, const ModelVector& b) {
    return Each([&](std::size_t i) { return mask[i] ? a.word[i] - b.word[i] : a.word[i]; });
  }
  static ModelVector Select(const Mask& mask, const ModelVector& where,
                            const ModelVector& elsewhere) {
    return Each([&](std::size_t i) { return mask[i] ? where.word[i] : elsewhere.word[i]; });
  }

  static void Transpose(ModelVector (&square)[kLanes]) {
    for (std::size_t i = 0; i < kLanes; ++i) {
      for (std::size_t j = 0; j < i; ++j) std::swap(square[i].word[j], square[j].word[i]);
    }
  }
  template <std::size_t kCount>
  static void LoadRows(const std::uint64_t* const (&rows)[kLanes], ModelVector (&words)[kCount]) {
    for (std::size_t j = 0; j < kCount; ++j) {
      words[j] = Each([&](std::size_t i) { return rows[i][j]; });
    }
  }
  template <std::size_t kCount>
  static void StoreRows(const ModelVector (&words)[kCount], std::uint64_t* const (&rows)[kLanes]) {
    for (std::size_t i = 0; i < kLanes; ++i) {
      for (std::size_t j = 0; j < kCount; ++j) rows[i][j] = words[j].word[i];
    }
  }

 private:
  static Uint128 Product(const ModelVector& a, const ModelVector& b, std::size_t i) {
    return Uint128{a.word[i] & kLow52} * (b.word[i] & kLow52);
  }
  static std::uint64_t Sum(std::uint64_t sum, Uint128 term) {
    DAMOCLES_CHECK(sum + term <= ~std::uint64_t{0});
    return sum + static_cast<std::uint64_t>(term);
  }
};

// A value in words: it may have some bits more than an element of the field.
template <std::size_t kWords>
using Wide = std::array<std::uint64_t, kWords + 1>;

// times * p + rest
template <typename Params>
Wide<Params::kLimbs> Value(std::uint64_t times, const Field<Params>& rest) {
  Wide<Params::kLimbs> value{};
  Uint128 carry = 0;
  for (std::size_t i = 0; i < Params::kLimbs; ++i) {
    carry += Uint128{Params::kModulus[i]} * times + rest.limb[i];
    value[i] = static_cast<std::uint64_t>(carry);
    carry >>= 64;
  }
  value[Params::kLimbs] = static_cast<std::uint64_t>(carry);
  return value;
}

// In all lanes: 2^shift * value, cut into limbs, of which the last takes what is left.
template <typename Params>
Lanes<ModelVector, Params> CutAll(const Wide<Params::kLimbs>& value, unsigned shift) {
  using L = Lanes<ModelVector, Params>;
  std::array<std::uint64_t, 2 * Params::kLimbs> words{};
  for (std::size_t i = 0; i < value.size(); ++i) {
    words[i] |= value[i] << shift;
    if (shift != 0) words[i + 1] |= value[i] >> (64 - shift);
  }
  L out;
  for (std::size_t j = 0; j < L::kLimbs; ++j) {
    const auto offset = static_cast<unsigned>(52 * j % 64);
    std::uint64_t bits = words[52 * j / 64] >> offset;
    if (offset != 0) bits |= words[52 * j / 64 + 1] << (64 - offset);
    if (j + 1 < L::kLimbs) bits &= ModelVector::kLow52;
    out.limb[j] = ModelVector::Broadcast(bits);
  }
  return out;
}

template <typename Params>
Field<Params> FirstLane(const Lanes<ModelVector, Params>& canonical) {
  ModelVector words[Params::kLimbs];
  Lanes<ModelVector, Params>::ToWords(canonical, words);
  Field<Params> value{};
  for (std::size_t i = 0; i < Params::kLimbs; ++i) value.limb[i] = words[i].word[0];
  return value;
}

// Of carried limbs, in units of p.
template <typename Params>
double SizeOf(const Lanes<ModelVector, Params>& value) {
  constexpr auto kModulus = LaneField<Params>::Multiple(1, 0);
  double size = 0;
  double modulus = 0;
  for (std::size_t j = LaneField<Params>::kLimbs; j-- > 0;) {
    size = size * 4503599627370496.0 + static_cast<double>(value.limb[j].word[0]);
    modulus = modulus * 4503599627370496.0 + static_cast<double>(kModulus.limb[j]);
  }
  return size / modulus;
}

// Whatever is in the range, and however much of it is still to be carried.
template <typename Params>
void CanonicalUpToItsEnd() {
  using L = Lanes<ModelVector, Params>;
  using F = Field<Params>;
  F nearly_all{};  // 0.984 p or a little less
  F modulus{};
  std::copy_n(Params::kModulus, Params::kLimbs, modulus.limb);
  for (std::size_t i = 0; i < Params::kLimbs; ++i) nearly_all.limb[i] = ~std::uint64_t{0};
  nearly_all.limb[Params::kLimbs - 1] = modulus.limb[Params::kLimbs - 1] / 64 * 63;
  std::vector<F> rests = EdgesOf<Params>();
  rests.push_back(nearly_all);
  for (const unsigned most : {1U, 2U, 4U, 8U}) {
    for (std::uint64_t times = 0; times <= most; ++times) {
      for (const F& rest : rests) {
        if (times == most &&
            !(rest.limb[Params::kLimbs - 1] <= nearly_all.limb[Params::kLimbs - 1])) {
          continue;  // beyond the range
        }
        for (const int carry : {0, 63, -63}) {
          L value = CutAll<Params>(Value<Params>(times, rest), 0);
          const auto carries = static_cast<std::uint64_t>(carry);
          for (std::size_t j = 0; j + 1 < L::kLimbs; ++j) {
            value.limb[j] = value.limb[j] + ModelVector::Broadcast(carries << 52);
            value.limb[j + 1] = value.limb[j + 1] - ModelVector::Broadcast(carries);
          }
          ASSERT_EQ(FirstLane<Params>(L::Canonical(value.limb, most)), rest)
              << times << " of " << most << ", carry " << carry;
        }
      }
    }
  }
}
TEST(LanesTest, CanonicalUpToTheEndOfItsRangeInFr) {
  CanonicalUpToItsEnd<FrParams>();
}
TEST(LanesTest, CanonicalUpToTheEndOfItsRangeInFp) {
  CanonicalUpToItsEnd<FpParams>();
}

// p less up to 2^-24 of it.
template <typename Params>
Field<Params> NearModulus(Random& random) {
  Field<Params> value{};
  std::array<std::uint8_t, Field<Params>::kBytes> bytes;
  random.Fill(bytes);
  for (std::size_t i = 0; i < Params::kLimbs; ++i) value.limb[i] = LoadLe64(bytes.data() + 8 * i);
  value.limb[Params::kLimbs - 1] >>= 28;
  return -value;
}

// Products of values at the ends of ranges are right, end where RangesOf says, and come close to
// it: whatever counts on a smaller end is wrong for some of them.
template <typename Params>
void ProductsReachTheirEnd() {
  using L = Lanes<ModelVector, Params>;
  using F = Field<Params>;
  using Ranges = RangesOf<Params>;
  // No factor raised; p * p; p * p + p * p; 4 p * 2 p.
  constexpr std::array<double, 4> kEnds = {Ranges::PlainProduct(1), Ranges::Product(1),
                                           Ranges::Product(2), Ranges::Product(8)};
  std::array<double, kEnds.size()> largest{};
  SeededRandom random(8);
  for (int i = 0; i < 3000; ++i) {
    const F a = NearModulus<Params>(random);
    const F b = NearModulus<Params>(random);
    const F c = NearModulus<Params>(random);
    const F d = NearModulus<Params>(random);
    const auto cut = [](std::uint64_t times, const F& rest, unsigned shift) {
      return CutAll<Params>(Value<Params>(times, rest), shift);
    };
    const std::array<L, kEnds.size()> products = {
        L::Product(cut(0, a, 0), cut(0, b, 0)), L::Product(cut(0, a, 0), cut(0, b, L::kShift)),
        L::SumOfTwoProducts(cut(0, a, 0), cut(0, b, L::kShift), cut(0, c, 0), cut(0, d, L::kShift)),
        L::Product(cut(3, a, 0), cut(1, b, L::kShift))};
    const F raised = F::FromU64(std::uint64_t{1} << L::kShift);
    const std::array<F, kEnds.size()> expected = {a * b * raised.Inverse(), a * b, a * b + c * d,
                                                  a * b};
    for (std::size_t k = 0; k < kEnds.size(); ++k) {
      largest[k] = std::max(largest[k], SizeOf<Params>(products[k]));
      L columns = products[k];
      ASSERT_EQ(FirstLane<Params>(L::Canonical(columns.limb, 8)), expected[k]) << k;
    }
  }
  for (std::size_t k = 0; k < kEnds.size(); ++k) {
    EXPECT_LT(largest[k], kEnds[k]) << k;
    EXPECT_GT(largest[k], kEnds[k] * 0.96) << k;
  }
}
TEST(LanesTest, ProductsReachTheEndOfTheirRangeInFr) {
  ProductsReachTheirEnd<FrParams>();
}
TEST(LanesTest, ProductsReachTheEndOfTheirRangeInFp) {
  ProductsReachTheirEnd<FpParams>();
}

constexpr Kernels kModel = {
    .name = "model",
    .transform_columns = LaneTransform<ModelVector>::TransformColumns,
    .transform_block = LaneTransform<ModelVector>::TransformBlock,
    .multiply_by_powers = LaneTransform<ModelVector>::MultiplyByPowers,
    .multiply_subtract_scale = LaneTransform<ModelVector>::MultiplySubtractScaleAll,
    .add_pairs_g1 = LaneAdditions<ModelVector, Fp>::AddPairs,
    .add_pairs_g2 = LaneAdditions<ModelVector, Fp2>::AddPairs,
};

std::vector<const Kernels*> Forms() {
  std::vector<const Kernels*> forms(Available().begin(), Available().end());
  forms.push_back(&kModel);
  return forms;
}

class KernelsTest : public ::testing::TestWithParam<const Kernels*> {};
INSTANTIATE_TEST_SUITE_P(Forms, KernelsTest, ::testing::ValuesIn(Forms()),
                         [](const auto& form) { return std::string(form.param->name); });

// `levels` levels by the definition, on elements `stride` apart.
void TransformPlainly(Fr* values, std::size_t stride, unsigned levels, std::size_t block,
                      const std::vector<Fr>& twiddles) {
  if (levels == 0) return;
  const std::size_t half = std::size_t{1} << (levels - 1);
  for (std::size_t i = 0; i < half; ++i) {
    Fr& low = values[i * stride];
    Fr& high = values[(i + half) * stride];
    const Fr product = high * twiddles[block];
    high = low - product;
    low += product;
  }
  TransformPlainly(values, stride, levels - 1, 2 * block, twiddles);
  TransformPlainly(values + half * stride, stride, levels - 1, 2 * block + 1, twiddles);
}

TEST_P(KernelsTest, TransformsColumns) {
  Values random(1);
  for (unsigned levels = 1; levels <= kColumnLevelsMax; ++levels) {
    for (const std::size_t block : {0U, 1U, 3U}) {
      std::vector<Fr> twiddles = random.Many((block + 1) << levels);
      twiddles[0] = Fr::One();
      constexpr std::size_t kStride = kColumns + 5;
      std::vector<Fr> values = random.Many(kStride << levels);
      std::vector<Fr> expected = values;
      for (std::size_t column = 0; column < kColumns; ++column) {
        TransformPlainly(expected.data() + column, kStride, levels, block, twiddles);
      }
      GetParam()->transform_columns(values.data(), kStride, levels, block, twiddles.data());
      EXPECT_EQ(values, expected) << levels << " levels, block " << block;
    }
  }
}

TEST_P(KernelsTest, TransformsABlock) {
  Values random(2);
  for (unsigned levels = 0; levels <= kBlockLevelsMax; ++levels) {
    for (const std::size_t block : {0U, 1U, 5U}) {
      std::vector<Fr> twiddles = random.Many((block + 1) << levels);
      twiddles[0] = Fr::One();
      std::vector<Fr> values = random.Many((std::size_t{1} << levels) + 1);
      std::vector<Fr> expected = values;
      TransformPlainly(expected.data(), 1, levels, block, twiddles);
      GetParam()->transform_block(values.data(), levels, block, twiddles.data());
      EXPECT_EQ(values, expected) << levels << " levels, block " << block;
    }
  }
}

constexpr std::size_t kCounts[] = {0, 1, 7, 8, 9, 16, 100, 1003};

TEST_P(KernelsTest, MultipliesByPowers) {
  Values random(3);
  for (const std::size_t count : kCounts) {
    // One element more than there is to do.
    std::vector<Fr> values = random.Many(count + 1);
    std::vector<Fr> expected = values;
    Fr first;
    Fr ratio;
    random.Next(first);
    random.Next(ratio);
    Fr factor = first;
    for (std::size_t i = 0; i < count; ++i) {
      expected[i] *= factor;
      factor *= ratio;
    }
    GetParam()->multiply_by_powers(values.data(), count, PowersOf(first, ratio));
    EXPECT_EQ(values, expected) << count;
  }
}

TEST_P(KernelsTest, ProductsAtTheEndsOfTheirRanges) {
  SeededRandom random(9);
  for (int i = 0; i < 300; ++i) {
    std::vector<Fr> values(kLanes);
    std::vector<Fr> others(kLanes);
    const std::vector<Fr> zeros(kLanes, Fr::Zero());
    for (Fr& value : values) value = NearModulus<FrParams>(random);
    for (Fr& value : others) value = NearModulus<FrParams>(random);
    const Fr factor = NearModulus<FrParams>(random);
    std::vector<Fr> by_powers = values;
    std::vector<Fr> scaled = values;
    GetParam()->multiply_by_powers(by_powers.data(), kLanes, PowersOf(factor, Fr::One()));
    GetParam()->multiply_subtract_scale(scaled.data(), others.data(), zeros.data(), kLanes, factor);
    for (std::size_t k = 0; k < kLanes; ++k) {
      ASSERT_EQ(by_powers[k], values[k] * factor);
      ASSERT_EQ(scaled[k], values[k] * others[k] * factor);
    }
  }
}

TEST_P(KernelsTest, MultipliesSubtractsAndScales) {
  Values random(4);
  for (const std::size_t count : kCounts) {
    std::vector<Fr> a = random.Many(count + 1);
    const std::vector<Fr> b = random.Many(count + 1);
    const std::vector<Fr> c = random.Many(count + 1);
    Fr factor;
    random.Next(factor);
    std::vector<Fr> expected = a;
    for (std::size_t i = 0; i < count; ++i) expected[i] = (a[i] * b[i] - c[i]) * factor;
    GetParam()->multiply_subtract_scale(a.data(), b.data(), c.data(), count, factor);
    EXPECT_EQ(a, expected) << count;
  }
}

// The formulas do not ask whether points are on the curve: any coordinates will do.
template <typename F>
void AddsPairs(const Kernels& kernels, std::uint64_t seed) {
  Values random(seed);
  for (const std::size_t count : {1U, 7U, 8U, 9U, 64U, 1003U}) {
    std::vector<Affine<F>> points;
    std::vector<Affine<F>> expected;
    std::vector<std::uint32_t> lefts;
    while (lefts.size() < count) {
      Affine<F> a;
      Affine<F> b;
      random.Next(a.x);
      random.Next(a.y);
      random.Next(b.x);
      random.Next(b.y);
      if (a.x == b.x) continue;
      if (lefts.size() % 5 == 0) {  // one that belongs to no pair
        points.push_back(a);
        expected.push_back(a);
      }
      lefts.push_back(static_cast<std::uint32_t>(points.size()));
      points.push_back(a);
      points.push_back(b);
      const F l = (b.y - a.y) * (b.x - a.x).Inverse();
      const F x = l * l - a.x - b.x;
      expected.push_back({x, l * (a.x - x) - a.y});
      expected.push_back(b);
    }
    std::vector<ScratchLine> scratch(kScratchLines<F> * RoundedToLanes(count));
    kernels.AddPairs(points.data(), lefts, scratch.data());
    EXPECT_EQ(points, expected) << count;
  }
}

TEST_P(KernelsTest, AddsPairsOfG1) {
  AddsPairs<Fp>(*GetParam(), 5);
}
TEST_P(KernelsTest, AddsPairsOfG2) {
  AddsPairs<Fp2>(*GetParam(), 6);
}

// Sums by key with everything that may lie under one key: points alone, equal, opposite, infinite.
template <typename Group>
void SumsByKey(const Kernels& kernels, const typename Group::AffinePoint& generator) {
  using Point = typename Group::AffinePoint;
  SeededRandom random(7);
  std::vector<Point> some = {generator, -generator, Point::Infinity()};
  while (some.size() < 12) some.push_back(ToAffine(Mul(generator, RandomFr(random))));
  constexpr std::size_t kKeys = 300;
  std::vector<Point> sums(kKeys, Point::Infinity());
  std::vector<Group> expected(kKeys, Group::Infinity());
  internal::BucketSums<typename Group::Coordinate> by_key(sums, kernels);
  for (std::size_t key = 0; key < kKeys; ++key) {
    std::array<std::uint8_t, 60> picks;
    random.Fill(picks);
    for (std::size_t i = 0; i < picks[0] % 40U; ++i) {
      const Point& point = some[picks[i + 1] % some.size()];
      by_key.Add(key, point);
      expected[key] += point;
    }
  }
  by_key.Finish();
  for (std::size_t key = 0; key < kKeys; ++key) {
    ASSERT_EQ(sums[key], ToAffine(expected[key])) << key;
  }
}

TEST_P(KernelsTest, SumsByKeyInG1) {
  SumsByKey<G1>(*GetParam(), G1Generator());
}
TEST_P(KernelsTest, SumsByKeyInG2) {
  SumsByKey<G2>(*GetParam(), G2Generator());
}

TEST(KernelsChoiceTest, PortableIsAlwaysThere) {
  EXPECT_EQ(Available().front(), &kPortable);
}

TEST(KernelsChoiceTest, TheFastestUnlessNamed) {
  Kernels fast = kPortable;
  fast.name = "fast";
  const std::array<const Kernels*, 2> forms = {&kPortable, &fast};
  EXPECT_EQ(&Choose(forms, ""), &fast);
  EXPECT_EQ(&Choose(forms, "fast"), &fast);
  EXPECT_EQ(&Choose(forms, "portable"), &kPortable);
}

TEST(KernelsChoiceTest, WhatIsNotThereIsSaidAndReplaced) {
  std::string said;
  SetLogSink([&said](Severity, std::string_view line) { said.append(line); });
  const std::array<const Kernels*, 1> forms = {&kPortable};
  EXPECT_EQ(&Choose(forms, "abacus"), &kPortable);
  SetLogSink({});
  EXPECT_THAT(said, ::testing::HasSubstr("kernels_not_available DAMOCLES_CPU=abacus "
                                         "available=portable used=portable"));
}

// tests/bls12_381/CMakeLists.txt runs this with each name.
TEST(KernelsChoiceTest, TheEnvironmentIsObeyed) {
  const char* const named = std::getenv("DAMOCLES_CPU");  // NOLINT(concurrency-mt-unsafe)
  EXPECT_EQ(&Chosen(), &Choose(Available(), named == nullptr ? "" : named));
  if (named != nullptr) {
    EXPECT_EQ(Chosen().name, named);
  }
}

TEST(ProcessorTest, IfmaNeedsEveryPartOfItAndAnOperatingSystemThatSavesTheRegisters) {
  // Of a processor that has it.
  constexpr ProcessorWords kAll = {.leaf1_ecx = 0xfffa3203, .leaf7_ebx = 0xf1bf27eb, .xcr0 = 0xe7};
  EXPECT_TRUE(HasIfma(kAll));
  EXPECT_FALSE(HasIfma({}));
  for (const unsigned bit : {16U, 17U, 21U, 31U}) {
    ProcessorWords words = kAll;
    words.leaf7_ebx &= ~(1U << bit);
    EXPECT_FALSE(HasIfma(words)) << bit;
  }
  for (const unsigned bit : {1U, 2U, 5U, 6U, 7U}) {
    ProcessorWords words = kAll;
    words.xcr0 &= ~(1U << bit);
    EXPECT_FALSE(HasIfma(words)) << bit;
  }
  ProcessorWords words = kAll;
  words.leaf1_ecx &= ~(1U << 27);
  EXPECT_FALSE(HasIfma(words));
}

}  // namespace
}  // namespace damocles::bls12_381::kernels
