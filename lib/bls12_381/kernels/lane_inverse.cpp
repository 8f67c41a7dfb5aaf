// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "lib/bls12_381/kernels/lane_inverse.h"

namespace damocles::bls12_381::kernels {
namespace {

template <typename F>
void InvertLanesOf(F (&products)[kLanes]) {
  F before[kLanes];
  F product = F::One();
  for (std::size_t i = 0; i < kLanes; ++i) {
    before[i] = product;
    product *= products[i];
  }
  F inverse = product.Inverse();
  for (std::size_t i = kLanes; i-- > 0;) {
    const F value = products[i];
    products[i] = inverse * before[i];
    inverse *= value;
  }
}

}  // namespace

void InvertLanes(Fp (&products)[kLanes]) {
  InvertLanesOf(products);
}
void InvertLanes(Fp2 (&products)[kLanes]) {
  InvertLanesOf(products);
}

}  // namespace damocles::bls12_381::kernels
