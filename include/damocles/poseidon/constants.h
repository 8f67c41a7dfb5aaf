// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// The tables of Poseidon as the Filecoin network uses it: Fr of BLS12-381, S-box x^5, standard
// strength, hash type "Merkle tree": those of neptune.  They are derived, not stored.

#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "damocles/bls12_381/fr.h"

namespace damocles::poseidon {

using bls12_381::Fr;

inline constexpr std::size_t kFullRounds = 8;
inline constexpr std::size_t kHalfFullRounds = kFullRounds / 2;

// The linear layer of one partial round: the state is a row vector,
//   new_0 = sum_i state_i * w_hat[i],   new_j = state_j + state_0 * v_rest[j - 1]  for j >= 1.
struct SparseMatrix {
  std::vector<Fr> w_hat;   // width elements
  std::vector<Fr> v_rest;  // width - 1 elements
};

// Everything of one arity.  Matrices are row major, width x width, and act on row vectors:
// new_j = sum_i state_i * matrix[i * width + j].
struct Constants {
  std::size_t arity = 0;
  std::size_t width = 0;           // arity + 1
  std::size_t partial_rounds = 0;  // 55, 56, 57, 57
  Fr domain_tag{};                 // 2^arity - 1, the state's element 0

  // Round k of the plain form adds round_constants[k * width .. (k + 1) * width).
  std::vector<Fr> round_constants;
  // Compressed for the optimised permutation, 8 width + partial_rounds elements: [0, t) before the
  // first S-box; four blocks of t after the S-boxes of full rounds 0 to 3; one scalar after each
  // partial S-box, from 5 t on; three blocks of t after the S-boxes of full rounds 4 to 6.  The
  // last round adds none.
  std::vector<Fr> compressed;
  std::vector<Fr> mds;               // symmetric
  std::vector<Fr> pre_sparse;        // after full round 3 in place of mds; not symmetric
  std::vector<SparseMatrix> sparse;  // in the order of use, one a partial round

  Fr Mds(std::size_t row, std::size_t column) const { return mds[row * width + column]; }
  Fr PreSparse(std::size_t row, std::size_t column) const {
    return pre_sparse[row * width + column];
  }
  // What the partial round q adds after its S-box.
  Fr PartialConstant(std::size_t q) const { return compressed[5 * width + q]; }
};

// Whether the network defines this arity here: 2, 4, 8 and 11.
constexpr bool IsArity(std::size_t arity) {
  return arity == 2 || arity == 4 || arity == 8 || arity == 11;
}

// The tables of `arity`, made at the first call (milliseconds) and kept for the life of the
// process.  IsArity(arity) must hold.  From any thread.
const Constants& ConstantsFor(std::size_t arity);

}  // namespace damocles::poseidon
