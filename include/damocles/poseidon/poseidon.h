// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// Poseidon hashes of field elements (eprint.iacr.org/2019/458, as neptune has them).  From any
// thread.

#pragma once

#include <span>

#include "damocles/bls12_381/fr.h"

namespace damocles::poseidon {

using bls12_381::Fr;

// The hash of 2, 4, 8 or 11 elements; no other number may be given.
Fr Hash(std::span<const Fr> preimage);

// comm_r = Hash2(comm_c, comm_r_last), and the binary levels of a tree.
Fr Hash2(const Fr& left, const Fr& right);

// Parent of eight tree nodes, leftmost first.
Fr Hash8(std::span<const Fr, 8> children);

// parents[i] = Hash8(children[8 i .. 8 i + 8)); children.size() == 8 * parents.size().
void HashRow8(std::span<const Fr> children, std::span<Fr> parents);

// The same value as Hash by the textbook form, slower: to check against.
Fr HashPlain(std::span<const Fr> preimage);

}  // namespace damocles::poseidon
