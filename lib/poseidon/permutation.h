// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// The optimised permutation for one width (the fast form of the Poseidon paper), with the tables
// laid out for it.

#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <span>
#include <vector>

#include "damocles/bls12_381/fr.h"
#include "damocles/bls12_381/wide_sum.h"
#include "damocles/poseidon/constants.h"

namespace damocles::poseidon {

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
    static_assert(kWidth <= bls12_381::WideSum::kProductsMax);
    bls12_381::WideSum sum;
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
    bls12_381::WideSum sum;
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
