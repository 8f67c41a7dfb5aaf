// SPDX-License-Identifier: Apache-2.0 OR MIT

#pragma once

#include <deque>
#include <utility>
#include <vector>

#include "damocles/base/random.h"
#include "damocles/circuit/witness.h"
#include "damocles/poseidon/poseidon.h"

namespace damocles::circuit {

// A sector whose challenges all answer one made-up path.  The path stays until the program ends.
inline SectorPaths MadeUpSector(const PostShape& shape, Random& random) {
  static std::deque<std::vector<merkle::InclusionProof>> kept;
  merkle::InclusionProof proof;
  proof.leaf = bls12_381::RandomFr(random);
  Fr node = proof.leaf;
  for (const unsigned arity : shape.level_arities) {
    merkle::PathElement element;
    element.index = random.Below(arity);
    for (unsigned i = 0; i + 1 < arity; ++i) {
      element.siblings.push_back(bls12_381::RandomFr(random));
    }
    std::vector<Fr> children = element.siblings;
    children.insert(children.begin() + static_cast<std::ptrdiff_t>(element.index), node);
    node = poseidon::Hash(children);
    proof.path.push_back(std::move(element));
  }
  proof.root = node;
  kept.emplace_back(shape.challenges, proof);
  SectorPaths sector;
  sector.comm_r_last = node;
  sector.comm_c = bls12_381::RandomFr(random);
  sector.comm_r = poseidon::Hash2(sector.comm_c, sector.comm_r_last);
  sector.challenges = kept.back();
  return sector;
}

}  // namespace damocles::circuit
