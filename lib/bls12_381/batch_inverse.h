// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// One inversion for many.

#pragma once

#include <cstddef>
#include <span>
#include <vector>

namespace damocles::bls12_381::internal {

// Replaces every element by its inverse, zeros staying zero: three products an element.
template <typename F>
void InvertAll(std::span<F> values) {
  // before[i] = product of the non-zero values[0, i).
  std::vector<F> before(values.size());
  F product = F::One();
  for (std::size_t i = 0; i < values.size(); ++i) {
    before[i] = product;
    if (!values[i].IsZero()) product *= values[i];
  }
  // Invariant: inverse = 1 / product of the non-zero values[0, i).
  F inverse = product.Inverse();
  for (std::size_t i = values.size(); i-- > 0;) {
    if (values[i].IsZero()) continue;
    const F value = values[i];
    values[i] = inverse * before[i];
    inverse *= value;
  }
}

}  // namespace damocles::bls12_381::internal
