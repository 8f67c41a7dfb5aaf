// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// Sums of products in Fr.

#pragma once

#include <cstddef>
#include <cstdint>

#include "damocles/bls12_381/fr.h"
#include "damocles/bls12_381/words.h"

namespace damocles::bls12_381 {

// A sum of products a * b of Montgomery forms, reduced once at the end instead of once a product:
// nearly half the multiplications of a dense layer.
//
// r < 0.4525 * 2^256, so a product is below 0.205 * 2^512 and kProductsMax of them leave room in
// the ninth limb.
class WideSum {
 public:
  static constexpr int kProductsMax = 16;

  void Add(const Fr& a, const Fr& b) {
    DAMOCLES_UNROLL
    for (std::size_t i = 0; i < 4; ++i) AddRow(a.limb, b.limb[i], i);
  }

  // The sum times 2^-256 modulo r: again a Montgomery form.
  Fr Reduced() {
    DAMOCLES_UNROLL
    for (std::size_t i = 0; i < 4; ++i) {
      AddRow(FrParams::kModulus, limb_[i] * FrParams::kInverse, i);
    }
    // limb_[4 .. 8] < 16 * 0.4525 r + r = 8.24 r.  Its bits from 2^255 up times r is at most the
    // value, and what is left is below 2^255 + 7 (2^255 - r) < 1.84 r < 2^256.
    const std::uint64_t times = (limb_[8] << 1) | (limb_[7] >> 63);
    std::uint64_t product_carry = 0;
    internal::CarryFlag borrow = 0;
    Fr value{};
    DAMOCLES_UNROLL
    for (std::size_t i = 0; i < 4; ++i) {
      const std::uint64_t part = internal::MulAdd(times, FrParams::kModulus[i], 0, product_carry);
      value.limb[i] = internal::SubBorrow(limb_[4 + i], part, borrow);
    }
    borrow = 0;
    Fr reduced{};
    DAMOCLES_UNROLL
    for (std::size_t i = 0; i < 4; ++i) {
      reduced.limb[i] = internal::SubBorrow(value.limb[i], FrParams::kModulus[i], borrow);
    }
    DAMOCLES_UNROLL
    for (std::size_t i = 0; i < 4; ++i) {
      reduced.limb[i] = borrow != 0 ? value.limb[i] : reduced.limb[i];
    }
    return reduced;
  }

 private:
  // limbs += a * b * 2^(64 at)
  void AddRow(const std::uint64_t (&a)[4], std::uint64_t b, std::size_t at) {
    std::uint64_t low[4];
    std::uint64_t high[4];
    DAMOCLES_UNROLL
    for (std::size_t j = 0; j < 4; ++j) {
      const Uint128 product = Uint128{a[j]} * b;
      low[j] = static_cast<std::uint64_t>(product);
      high[j] = static_cast<std::uint64_t>(product >> 64);
    }
    internal::CarryFlag carry = 0;
    DAMOCLES_UNROLL
    for (std::size_t j = 0; j < 4; ++j) {
      limb_[at + j] = internal::AddCarry(limb_[at + j], low[j], carry);
    }
    DAMOCLES_UNROLL
    for (std::size_t k = at + 4; k < 9; ++k) limb_[k] = internal::AddCarry(limb_[k], 0, carry);
    carry = 0;
    DAMOCLES_UNROLL
    for (std::size_t j = 0; j < 4; ++j) {
      limb_[at + j + 1] = internal::AddCarry(limb_[at + j + 1], high[j], carry);
    }
    DAMOCLES_UNROLL
    for (std::size_t k = at + 5; k < 9; ++k) limb_[k] = internal::AddCarry(limb_[k], 0, carry);
  }

  std::uint64_t limb_[9] = {};
};

}  // namespace damocles::bls12_381
