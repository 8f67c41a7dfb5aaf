// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// The optimal ate pairing e: G1 x G2 -> Gt.

#pragma once

#include <span>
#include <utility>

#include "damocles/bls12_381/fp_tower.h"
#include "damocles/bls12_381/fr.h"
#include "damocles/bls12_381/g1.h"
#include "damocles/bls12_381/g2.h"

namespace damocles::bls12_381 {

// The elements of order r of Fp12, written multiplicatively.
using Gt = Fp12;
using PairingPair = std::pair<G1Affine, G2Affine>;

// The product of the Miller functions of all pairs, one chain of squarings for all; a pair with a
// point at infinity counts as one.  The points must be in their subgroups.
Fp12 MillerLoop(std::span<const PairingPair> pairs);
// Makes an element of Gt of a product of Miller functions.
//
// It is the cube of the power (p^12 - 1) / r: cheaper, and as good a pairing (bilinear and
// non-degenerate, since 3 does not divide r).
Gt FinalExponentiation(const Fp12& miller);

Gt Pairing(const G1Affine& p, const G2Affine& q);
// Whether the product of e(p, q) over all pairs is one: one final exponentiation.
bool PairingProductIsOne(std::span<const PairingPair> pairs);

// element^scalar.
Gt Pow(const Gt& element, const Fr& scalar);

}  // namespace damocles::bls12_381
