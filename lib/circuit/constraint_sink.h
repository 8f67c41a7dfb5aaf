// SPDX-License-Identifier: Apache-2.0 OR MIT

#pragma once

#include <array>
#include <cstddef>

#include "damocles/circuit/constraint_system.h"

namespace damocles::circuit {

// Records a walk as a constraint system.
class ConstraintSink {
 public:
  using Sum = LinearCombination;

  explicit ConstraintSink(ConstraintSystem& system) : system_(system) {}

  template <typename Value>
  Sum Aux(const Value& /*value*/) {
    return NewAux();
  }
  template <typename Value>
  Sum Input(const Value& /*value*/) {
    return Sum(system_.AllocateInput());
  }
  static Sum Constant(const Fr& value) { return Sum::Constant(value); }

  static Sum Plus(Sum sum, const Fr& constant) {
    sum.Add(Variable::One(), constant);
    return sum;
  }
  static Sum Minus(Sum a, const Sum& b) {
    a.AddScaled(b, -Fr::One());
    return a;
  }
  template <std::size_t kCount>
  static Sum Weighted(const std::array<Sum, kCount>& sums, const Fr* factors, std::size_t stride) {
    Sum weighted;
    for (std::size_t i = 0; i < kCount; ++i) weighted.AddScaled(sums[i], factors[i * stride]);
    return weighted;
  }
  static void AddScaled(Sum& to, const Sum& sum, const Fr& factor) { to.AddScaled(sum, factor); }

  void Enforce(const Sum& a, const Sum& b, const Sum& c) { system_.Enforce(a, b, c); }

  Sum Copy(const Sum& /*sum*/) { return NewAux(); }
  Sum Product(const Sum& a, const Sum& b, const Fr& post = Fr::Zero()) {
    Sum product = NewAux();
    Enforce(a, b, Plus(product, -post));
    return product;
  }
  Sum Pick(const Sum& /*condition*/, const Sum& /*if_one*/, const Sum& /*if_zero*/) {
    return NewAux();
  }

 private:
  Sum NewAux() { return Sum(system_.AllocateAux()); }

  ConstraintSystem& system_;
};

}  // namespace damocles::circuit
