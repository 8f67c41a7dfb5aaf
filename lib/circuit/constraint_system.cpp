// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/circuit/constraint_system.h"

#include <algorithm>

#include "lib/circuit/digest_writer.h"

namespace damocles::circuit {

LinearCombination LinearCombination::Constant(const Fr& value) {
  LinearCombination result;
  result.Add(Variable::One(), value);
  return result;
}

LinearCombination& LinearCombination::Add(Variable variable, const Fr& coefficient) {
  if (coefficient.IsZero()) return *this;
  // Mostly the newest variable comes last.
  if (terms_.empty() || terms_.back().variable < variable) {
    terms_.push_back({variable, coefficient});
    return *this;
  }
  const auto at = std::lower_bound(terms_.begin(), terms_.end(), variable,
                                   [](const Term& term, Variable v) { return term.variable < v; });
  if (at == terms_.end() || at->variable != variable) {
    terms_.insert(at, {variable, coefficient});
    return *this;
  }
  at->coefficient += coefficient;
  if (at->coefficient.IsZero()) terms_.erase(at);
  return *this;
}

LinearCombination& LinearCombination::AddScaled(const LinearCombination& other, const Fr& factor) {
  // A merge: both are ascending.
  std::vector<Term> merged;
  merged.reserve(terms_.size() + other.terms_.size());
  auto mine = terms_.begin();
  for (const Term& term : other.terms_) {
    while (mine != terms_.end() && mine->variable < term.variable) merged.push_back(*mine++);
    Fr coefficient = term.coefficient * factor;
    if (mine != terms_.end() && mine->variable == term.variable) {
      coefficient += (mine++)->coefficient;
    }
    if (!coefficient.IsZero()) merged.push_back({term.variable, coefficient});
  }
  merged.insert(merged.end(), mine, terms_.end());
  terms_ = std::move(merged);
  return *this;
}

void Matrix::AppendRow(std::span<const Term> terms) {
  terms_.insert(terms_.end(), terms.begin(), terms.end());
  ends_.push_back(terms_.size());
}

std::span<const Term> Matrix::Row(std::size_t row) const {
  const std::size_t begin = row == 0 ? 0 : ends_[row - 1];
  return std::span<const Term>(terms_).subspan(begin, ends_[row] - begin);
}

void ConstraintSystem::Enforce(const LinearCombination& a, const LinearCombination& b,
                               const LinearCombination& c) {
  a_.AppendRow(a.Terms());
  b_.AppendRow(b.Terms());
  c_.AppendRow(c.Terms());
}

Bytes32 Digest(const ConstraintSystem& system) {
  DigestWriter writer(system.Inputs(), system.Aux(), system.Constraints());
  for (std::size_t row = 0; row < system.Constraints(); ++row) {
    for (const Matrix* matrix : {&system.A(), &system.B(), &system.C()}) {
      writer.Row(matrix->Row(row), [](Variable variable) { return variable; });
    }
  }
  return writer.Finish();
}

}  // namespace damocles::circuit
