// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// The one inversion of a batch whose products stand in lanes.

#pragma once

#include "lib/bls12_381/kernels/kernels.h"

namespace damocles::bls12_381::kernels {

// Replaces each of the products, none zero, by its inverse.
void InvertLanes(Fp (&products)[kLanes]);
void InvertLanes(Fp2 (&products)[kLanes]);

}  // namespace damocles::bls12_381::kernels
