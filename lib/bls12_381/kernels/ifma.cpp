// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// The form for AVX-512 IFMA: eight elements at once.

#include <immintrin.h>

#include "lib/bls12_381/kernels/kernels.h"
#include "lib/bls12_381/kernels/lane_additions.h"
#include "lib/bls12_381/kernels/lane_transform.h"

namespace damocles::bls12_381::kernels {
namespace {

#define DAMOCLES_ZMM [[gnu::always_inline]] inline

// Eight words in one register.
struct Zmm {
  __m512i v;
  using Mask = __mmask8;

  DAMOCLES_ZMM static Zmm Broadcast(std::uint64_t word) {
    return {_mm512_set1_epi64(static_cast<long long>(word))};
  }
  DAMOCLES_ZMM static Zmm Load(const std::uint64_t* words) { return {_mm512_loadu_si512(words)}; }
  DAMOCLES_ZMM void Store(std::uint64_t* words) const { _mm512_storeu_si512(words, v); }

  DAMOCLES_ZMM friend Zmm operator+(const Zmm& a, const Zmm& b) {
    return {_mm512_add_epi64(a.v, b.v)};
  }
  DAMOCLES_ZMM friend Zmm operator-(const Zmm& a, const Zmm& b) {
    return {_mm512_sub_epi64(a.v, b.v)};
  }
  DAMOCLES_ZMM friend Zmm operator&(const Zmm& a, const Zmm& b) {
    return {_mm512_and_si512(a.v, b.v)};
  }
  DAMOCLES_ZMM friend Zmm operator|(const Zmm& a, const Zmm& b) {
    return {_mm512_or_si512(a.v, b.v)};
  }
  DAMOCLES_ZMM friend Zmm operator<<(const Zmm& a, unsigned bits) {
    return {_mm512_slli_epi64(a.v, bits)};
  }
  DAMOCLES_ZMM friend Zmm operator>>(const Zmm& a, unsigned bits) {
    return {_mm512_srli_epi64(a.v, bits)};
  }
  DAMOCLES_ZMM Zmm ShiftedWithSign(unsigned bits) const { return {_mm512_srai_epi64(v, bits)}; }

  // sum + the low, or the high, 52 bits of the product of the low 52 bits of a and b.
  DAMOCLES_ZMM static Zmm MulAddLow(const Zmm& sum, const Zmm& a, const Zmm& b) {
    return {_mm512_madd52lo_epu64(sum.v, a.v, b.v)};
  }
  DAMOCLES_ZMM static Zmm MulAddHigh(const Zmm& sum, const Zmm& a, const Zmm& b) {
    return {_mm512_madd52hi_epu64(sum.v, a.v, b.v)};
  }

  // a >= b as signed words.
  DAMOCLES_ZMM static Mask AtLeast(const Zmm& a, const Zmm& b) {
    return _mm512_cmpge_epi64_mask(a.v, b.v);
  }
  DAMOCLES_ZMM static Zmm SubtractWhere(Mask mask, const Zmm& a, const Zmm& b) {
    return {_mm512_mask_sub_epi64(a.v, mask, a.v, b.v)};
  }
  DAMOCLES_ZMM static Zmm Select(Mask mask, const Zmm& where, const Zmm& elsewhere) {
    return {_mm512_mask_blend_epi64(mask, elsewhere.v, where.v)};
  }

  // out[i] lane j = in[j] lane i.
  DAMOCLES_ZMM static void Transpose(Zmm (&square)[kLanes]) {
    __m512i pairs[8];
    DAMOCLES_UNROLL
    for (int i = 0; i < 4; ++i) {
      pairs[i] = _mm512_unpacklo_epi64(square[2 * i].v, square[2 * i + 1].v);
      pairs[4 + i] = _mm512_unpackhi_epi64(square[2 * i].v, square[2 * i + 1].v);
    }
    const __m512i even = _mm512_set_epi64(13, 12, 5, 4, 9, 8, 1, 0);
    const __m512i odd = _mm512_set_epi64(15, 14, 7, 6, 11, 10, 3, 2);
    DAMOCLES_UNROLL
    for (int i = 0; i < 2; ++i) {
      const __m512i* const from = pairs + 4 * i;
      const __m512i a = _mm512_permutex2var_epi64(from[0], even, from[1]);
      const __m512i b = _mm512_permutex2var_epi64(from[0], odd, from[1]);
      const __m512i c = _mm512_permutex2var_epi64(from[2], even, from[3]);
      const __m512i d = _mm512_permutex2var_epi64(from[2], odd, from[3]);
      square[i].v = _mm512_shuffle_i64x2(a, c, 0x44);
      square[4 + i].v = _mm512_shuffle_i64x2(a, c, 0xee);
      square[2 + i].v = _mm512_shuffle_i64x2(b, d, 0x44);
      square[6 + i].v = _mm512_shuffle_i64x2(b, d, 0xee);
    }
  }

  // words[j] lane i = word j of row i, for 4 words or 6, of which 8 can be read, and more eights.
  template <std::size_t kCount>
  DAMOCLES_ZMM static void LoadRows(const std::uint64_t* const (&rows)[kLanes],
                                    Zmm (&words)[kCount]) {
    constexpr std::size_t kWhole = (kCount + 2) / 8;  // eights
    constexpr std::size_t kOfOne = kCount < 8 ? kCount : 8;
    DAMOCLES_UNROLL
    for (std::size_t part = 0; part < kWhole; ++part) {
      Zmm square[kLanes];
      DAMOCLES_UNROLL
      for (std::size_t i = 0; i < kLanes; ++i) square[i] = Load(rows[i] + 8 * part);
      Transpose(square);
      DAMOCLES_UNROLL
      for (std::size_t i = 0; i < kOfOne; ++i) words[8 * part + i] = square[i];
    }
    if constexpr (kCount % 8 == 4) {
      __m512i twos[4];  // rows 2 i and 2 i + 1
      DAMOCLES_UNROLL
      for (int i = 0; i < 4; ++i) {
        twos[i] = _mm512_inserti64x4(_mm512_castsi256_si512(LoadFour(rows[2 * i] + 8 * kWhole)),
                                     LoadFour(rows[2 * i + 1] + 8 * kWhole), 1);
      }
      const __m512i low = _mm512_set_epi64(13, 9, 5, 1, 12, 8, 4, 0);
      const __m512i high = _mm512_set_epi64(15, 11, 7, 3, 14, 10, 6, 2);
      const __m512i a = _mm512_permutex2var_epi64(twos[0], low, twos[1]);
      const __m512i b = _mm512_permutex2var_epi64(twos[2], low, twos[3]);
      const __m512i c = _mm512_permutex2var_epi64(twos[0], high, twos[1]);
      const __m512i d = _mm512_permutex2var_epi64(twos[2], high, twos[3]);
      words[8 * kWhole].v = _mm512_shuffle_i64x2(a, b, 0x44);
      words[8 * kWhole + 1].v = _mm512_shuffle_i64x2(a, b, 0xee);
      words[8 * kWhole + 2].v = _mm512_shuffle_i64x2(c, d, 0x44);
      words[8 * kWhole + 3].v = _mm512_shuffle_i64x2(c, d, 0xee);
    }
  }
  // The other way, for 4 words and more eights, or eights alone.
  template <std::size_t kCount>
  DAMOCLES_ZMM static void StoreRows(const Zmm (&words)[kCount],
                                     std::uint64_t* const (&rows)[kLanes]) {
    constexpr std::size_t kWhole = kCount / 8;
    DAMOCLES_UNROLL
    for (std::size_t part = 0; part < kWhole; ++part) {
      Zmm square[kLanes];
      DAMOCLES_UNROLL
      for (std::size_t i = 0; i < 8; ++i) square[i] = words[8 * part + i];
      Transpose(square);
      DAMOCLES_UNROLL
      for (std::size_t i = 0; i < kLanes; ++i) square[i].Store(rows[i] + 8 * part);
    }
    if constexpr (kCount % 8 == 4) {
      const __m512i* const from = &words[8 * kWhole].v;
      const __m512i a = _mm512_shuffle_i64x2(from[0], from[1], 0x44);
      const __m512i b = _mm512_shuffle_i64x2(from[0], from[1], 0xee);
      const __m512i c = _mm512_shuffle_i64x2(from[2], from[3], 0x44);
      const __m512i d = _mm512_shuffle_i64x2(from[2], from[3], 0xee);
      // a = word 0 of rows 0 to 3, word 1 of them; c = words 2 and 3
      const __m512i even = _mm512_set_epi64(13, 9, 5, 1, 12, 8, 4, 0);
      const __m512i odd = _mm512_set_epi64(15, 11, 7, 3, 14, 10, 6, 2);
      StoreTwo(_mm512_permutex2var_epi64(a, even, c), rows[0] + 8 * kWhole, rows[1] + 8 * kWhole);
      StoreTwo(_mm512_permutex2var_epi64(a, odd, c), rows[2] + 8 * kWhole, rows[3] + 8 * kWhole);
      StoreTwo(_mm512_permutex2var_epi64(b, even, d), rows[4] + 8 * kWhole, rows[5] + 8 * kWhole);
      StoreTwo(_mm512_permutex2var_epi64(b, odd, d), rows[6] + 8 * kWhole, rows[7] + 8 * kWhole);
    }
  }

 private:
  DAMOCLES_ZMM static __m256i LoadFour(const std::uint64_t* words) {
    return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(words));
  }
  DAMOCLES_ZMM static void StoreTwo(__m512i rows, std::uint64_t* first, std::uint64_t* second) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(first), _mm512_castsi512_si256(rows));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(second), _mm512_extracti64x4_epi64(rows, 1));
  }
};

}  // namespace

const Kernels kIfma = {
    .name = "ifma",
    .transform_columns = LaneTransform<Zmm>::TransformColumns,
    .transform_block = LaneTransform<Zmm>::TransformBlock,
    .multiply_by_powers = LaneTransform<Zmm>::MultiplyByPowers,
    .multiply_subtract_scale = LaneTransform<Zmm>::MultiplySubtractScaleAll,
    .add_pairs_g1 = LaneAdditions<Zmm, Fp>::AddPairs,
    .add_pairs_g2 = LaneAdditions<Zmm, Fp2>::AddPairs,
};

}  // namespace damocles::bls12_381::kernels
