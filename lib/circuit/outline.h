// SPDX-License-Identifier: Apache-2.0 OR MIT

#pragma once

#include "damocles/circuit/post_circuit.h"

namespace damocles::circuit {

// What can be counted of a part of a sector.
struct PartOutline {
  std::uint64_t inputs = 0;
  std::uint64_t constraints = 0;
  Densities densities;  // an element each aux variable

  std::uint64_t Aux() const { return densities.a.size(); }
};

// A sector is its commitments, then one part after the other for each challenge, all alike.
struct SectorOutline {
  PartOutline commitments;
  PartOutline challenge;
};
SectorOutline OutlineOf(const PostShape& shape);

}  // namespace damocles::circuit
