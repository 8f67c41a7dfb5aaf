// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "lib/bls12_381/kernels/lane_inverse.h"

#include "lib/bls12_381/batch_inverse.h"

namespace damocles::bls12_381::kernels {

void InvertLanes(Fp (&products)[kLanes]) {
  internal::InvertAll<Fp>(products);
}
void InvertLanes(Fp2 (&products)[kLanes]) {
  internal::InvertAll<Fp2>(products);
}

}  // namespace damocles::bls12_381::kernels
