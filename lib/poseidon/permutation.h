// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// The optimised permutation for one width (the fast form of the Poseidon paper), with the tables
// laid out for it.

#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "damocles/bls12_381/fr.h"
#include "damocles/poseidon/constants.h"

namespace damocles::poseidon {

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
      AddRow(bls12_381::FrParams::kModulus, limb_[i] * bls12_381::FrParams::kInverse, i);
    }
    // limb_[4 .. 8] < 16 * 0.4525 r + r = 8.24 r.  Its bits from 2^255 up times r is at most the
    // value, and what is left is below 2^255 + 7 (2^255 - r) < 1.84 r < 2^256.
    const std::uint64_t times = (limb_[8] << 1) | (limb_[7] >> 63);
    std::uint64_t product_carry = 0;
    CarryFlag borrow = 0;
    Fr value{};
    DAMOCLES_UNROLL
    for (std::size_t i = 0; i < 4; ++i) {
      const std::uint64_t part =
          bls12_381::internal::MulAdd(times, bls12_381::FrParams::kModulus[i], 0, product_carry);
      value.limb[i] = SubBorrow(limb_[4 + i], part, borrow);
    }
    borrow = 0;
    Fr reduced{};
    DAMOCLES_UNROLL
    for (std::size_t i = 0; i < 4; ++i) {
      reduced.limb[i] = SubBorrow(value.limb[i], bls12_381::FrParams::kModulus[i], borrow);
    }
    DAMOCLES_UNROLL
    for (std::size_t i = 0; i < 4; ++i) {
      reduced.limb[i] = borrow != 0 ? value.limb[i] : reduced.limb[i];
    }
    return reduced;
  }

 private:
  using CarryFlag = bls12_381::internal::CarryFlag;

  static std::uint64_t SubBorrow(std::uint64_t a, std::uint64_t b, CarryFlag& borrow) {
    return bls12_381::internal::SubBorrow(a, b, borrow);
  }

  // limbs += a * b * 2^(64 at)
  void AddRow(const std::uint64_t (&a)[4], std::uint64_t b, std::size_t at) {
    using bls12_381::internal::AddCarry;
    std::uint64_t low[4];
    std::uint64_t high[4];
    DAMOCLES_UNROLL
    for (std::size_t j = 0; j < 4; ++j) {
      const bls12_381::Uint128 product = bls12_381::Uint128{a[j]} * b;
      low[j] = static_cast<std::uint64_t>(product);
      high[j] = static_cast<std::uint64_t>(product >> 64);
    }
    CarryFlag carry = 0;
    DAMOCLES_UNROLL
    for (std::size_t j = 0; j < 4; ++j) limb_[at + j] = AddCarry(limb_[at + j], low[j], carry);
    DAMOCLES_UNROLL
    for (std::size_t k = at + 4; k < 9; ++k) limb_[k] = AddCarry(limb_[k], 0, carry);
    carry = 0;
    DAMOCLES_UNROLL
    for (std::size_t j = 0; j < 4; ++j) {
      limb_[at + j + 1] = AddCarry(limb_[at + j + 1], high[j], carry);
    }
    DAMOCLES_UNROLL
    for (std::size_t k = at + 5; k < 9; ++k) limb_[k] = AddCarry(limb_[k], 0, carry);
  }

  std::uint64_t limb_[9] = {};
};

template <std::size_t kWidth>
class Permutation {
 public:
  // Made at the first call, kept for the life of the process.
  static const Permutation& Instance() {
    static const Permutation permutation(ConstantsFor(kWidth - 1));
    return permutation;
  }

  // preimage.size() == kWidth - 1.
  Fr Hash(std::span<const Fr> preimage) const {
    State state;
    state[0] = first_[0];  // the tag with its constant
    for (std::size_t i = 1; i < kWidth; ++i) state[i] = preimage[i - 1] + first_[i];
    for (std::size_t round = 0; round < kHalfFullRounds; ++round) {
      FullSBoxes(state, before_[round]);
      Mix(state, round + 1 < kHalfFullRounds ? mds_ : pre_sparse_);
    }
    for (const PartialRound& round : partial_) Partial(state, round);
    for (std::size_t round = 0; round + 1 < kHalfFullRounds; ++round) {
      FullSBoxes(state, after_[round]);
      Mix(state, mds_);
    }
    for (Fr& element : state) element = PowFive(element);
    return MixedElement(state, mds_, 1);
  }

 private:
  using State = std::array<Fr, kWidth>;
  // Columns of the matrix one after the other, as they are used.
  using Columns = std::array<State, kWidth>;
  struct PartialRound {
    Fr constant;
    State w_hat;
    std::array<Fr, kWidth - 1> v_rest;
  };

  explicit Permutation(const Constants& c) : partial_(c.partial_rounds) {
    const auto take = [&c](std::size_t from, State& to) {
      std::copy_n(c.compressed.begin() + static_cast<std::ptrdiff_t>(from), kWidth, to.begin());
    };
    take(0, first_);
    first_[0] += c.domain_tag;
    for (std::size_t i = 0; i < kHalfFullRounds; ++i) take((i + 1) * kWidth, before_[i]);
    for (std::size_t i = 0; i + 1 < kHalfFullRounds; ++i) {
      take(5 * kWidth + c.partial_rounds + i * kWidth, after_[i]);
    }
    for (std::size_t i = 0; i < kWidth; ++i) {
      for (std::size_t j = 0; j < kWidth; ++j) {
        mds_[j][i] = c.Mds(i, j);
        pre_sparse_[j][i] = c.PreSparse(i, j);
      }
    }
    for (std::size_t q = 0; q < c.partial_rounds; ++q) {
      partial_[q].constant = c.PartialConstant(q);
      std::copy_n(c.sparse[q].w_hat.begin(), kWidth, partial_[q].w_hat.begin());
      std::copy_n(c.sparse[q].v_rest.begin(), kWidth - 1, partial_[q].v_rest.begin());
    }
  }

  static Fr PowFive(const Fr& x) {
    const Fr square = x.Square();
    return square.Square() * x;
  }

  static void FullSBoxes(State& state, const State& constants) {
    for (std::size_t i = 0; i < kWidth; ++i) state[i] = PowFive(state[i]) + constants[i];
  }

  static Fr MixedElement(const State& state, const Columns& columns, std::size_t j) {
    static_assert(kWidth <= WideSum::kProductsMax);
    WideSum sum;
    for (std::size_t i = 0; i < kWidth; ++i) sum.Add(state[i], columns[j][i]);
    return sum.Reduced();
  }

  static void Mix(State& state, const Columns& columns) {
    State mixed;
    for (std::size_t j = 0; j < kWidth; ++j) mixed[j] = MixedElement(state, columns, j);
    state = mixed;
  }

  static void Partial(State& state, const PartialRound& round) {
    state[0] = PowFive(state[0]) + round.constant;
    WideSum sum;
    for (std::size_t i = 0; i < kWidth; ++i) sum.Add(state[i], round.w_hat[i]);
    for (std::size_t j = 1; j < kWidth; ++j) state[j] += state[0] * round.v_rest[j - 1];
    state[0] = sum.Reduced();
  }

  State first_;
  std::array<State, kHalfFullRounds> before_;
  std::array<State, kHalfFullRounds - 1> after_;
  Columns mds_;
  Columns pre_sparse_;
  std::vector<PartialRound> partial_;
};

}  // namespace damocles::poseidon
