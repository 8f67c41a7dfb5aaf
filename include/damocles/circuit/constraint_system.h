// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// Rank-1 constraint systems as they are recorded for a setup or a digest.  A prover needs none:
// see witness.h.

#pragma once

#include <compare>
#include <cstdint>
#include <span>
#include <vector>

#include "damocles/base/bytes.h"
#include "damocles/bls12_381/fr.h"

namespace damocles::circuit {

using bls12_381::Fr;

// A public input or an auxiliary (witness) variable.  Ordered: inputs first, then by index.
class Variable {
 public:
  static constexpr Variable One() { return Input(0); }  // the constant 1 is input 0
  static constexpr Variable Input(std::uint32_t index) { return Variable(index); }
  static constexpr Variable Aux(std::uint32_t index) { return Variable(index | kAuxBit); }

  constexpr bool IsInput() const { return (code_ & kAuxBit) == 0; }
  constexpr std::uint32_t Index() const { return code_ & ~kAuxBit; }
  friend constexpr auto operator<=>(Variable, Variable) = default;

 private:
  static constexpr std::uint32_t kAuxBit = std::uint32_t{1} << 31;
  constexpr explicit Variable(std::uint32_t code) : code_(code) {}
  std::uint32_t code_;
};

struct Term {
  Variable variable;
  Fr coefficient;
};

// A sum of terms, ascending by variable, each variable once, no coefficient zero.
class LinearCombination {
 public:
  LinearCombination() = default;
  explicit LinearCombination(Variable variable) { Add(variable, Fr::One()); }
  static LinearCombination Constant(const Fr& value);

  LinearCombination& Add(Variable variable, const Fr& coefficient);
  LinearCombination& AddScaled(const LinearCombination& other, const Fr& factor);
  std::span<const Term> Terms() const { return terms_; }

 private:
  std::vector<Term> terms_;
};

// One side (A, B or C) of all constraints, row after row.
class Matrix {
 public:
  void AppendRow(std::span<const Term> terms);
  std::size_t Rows() const { return ends_.size(); }
  std::span<const Term> Row(std::size_t row) const;

 private:
  std::vector<Term> terms_;
  std::vector<std::size_t> ends_;  // terms_[ends_[row - 1], ends_[row]) is a row
};

// Variables and constraints <A>·<B> = <C> in the order of their creation.
class ConstraintSystem {
 public:
  Variable AllocateInput() { return Variable::Input(inputs_++); }
  Variable AllocateAux() { return Variable::Aux(aux_++); }
  void Enforce(const LinearCombination& a, const LinearCombination& b, const LinearCombination& c);

  std::uint32_t Inputs() const { return inputs_; }  // ONE included
  std::uint32_t Aux() const { return aux_; }
  std::size_t Constraints() const { return a_.Rows(); }
  const Matrix& A() const { return a_; }
  const Matrix& B() const { return b_; }
  const Matrix& C() const { return c_; }

 private:
  std::uint32_t inputs_ = 1;
  std::uint32_t aux_ = 0;
  Matrix a_;
  Matrix b_;
  Matrix c_;
};

// The unkeyed BLAKE2s-256 digest of the whole system, without the final input rows: `hash` of
// bellperson's test constraint system.
Bytes32 Digest(const ConstraintSystem& system);

}  // namespace damocles::circuit
