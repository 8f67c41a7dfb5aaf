// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/circuit/post_circuit.h"

#include <bit>

#include "lib/circuit/digest_writer.h"

#include "damocles/base/check.h"
#include "damocles/circuit/gadgets.h"

namespace damocles::circuit {
namespace {

struct Density {
  bool a;
  bool b;
};

// Lists the aux variables of one sector in order of allocation.
class DensityWalk {
 public:
  explicit DensityWalk(Densities& out) : out_(out) {}

  void Sector(const PostShape& shape) {
    Add(2, {true, true});   // comm_r_last, comm_c: inputs of Poseidon
    Add(1, {true, false});  // comm_r
    Poseidon(2);
    Add(1, {false, false});  // its result stands on the C side only
    for (std::uint32_t i = 0; i < shape.challenges; ++i) {
      Add(1, {true, false});  // leaf
      for (const unsigned arity : shape.level_arities) Level(arity);
    }
  }

 private:
  void Add(std::size_t count, Density density) {
    out_.a.insert(out_.a.end(), count, density.a);
    out_.b.insert(out_.b.end(), count, density.b);
  }

  void Level(unsigned arity) {
    Add(IndexBits(arity), {true, true});
    Add(arity - 1, {true, false});
    if (arity == 8) Add(2, {false, true});  // NOR, AND: conditions only
    for (const PickStep& step : InsertionSteps(arity)) Add(1, {true, step.is_child});
    Poseidon(arity);
    Add(1, {true, false});  // the hash: next running node, or the root that is compared
  }

  // All but the result.
  void Poseidon(unsigned arity) {
    const unsigned width = arity + 1;
    const unsigned partial_rounds = arity == 2 ? 55 : arity == 4 ? 56 : 57;
    for (unsigned i = 1; i < width; ++i) Power();
    for (unsigned i = 0; i < 7 * width + partial_rounds; ++i) {
      Add(1, {true, true});  // l
      Power();
    }
  }

  void Power() {
    Add(1, {true, true});   // l2
    Add(1, {false, true});  // l4
    Add(1, {true, false});  // l5
  }

  Densities& out_;
};

std::uint64_t PoseidonConstraints(unsigned arity) {
  return arity == 2 ? 311 : arity == 4 ? 377 : 505;
}

}  // namespace

unsigned Counts::Log2Domain() const {
  return static_cast<unsigned>(std::bit_width(Rows() - 1));
}

Densities SectorDensities(const PostShape& shape) {
  Densities densities;
  DensityWalk(densities).Sector(shape);
  return densities;
}

Counts SectorCounts(const PostShape& shape) {
  std::uint64_t aux = 1;          // the leaf
  std::uint64_t constraints = 2;  // pack, root
  for (const unsigned arity : shape.level_arities) {
    const std::uint64_t picks = InsertionSteps(arity).size() + (arity == 8 ? 2 : 0);
    const std::uint64_t shared = IndexBits(arity) + picks + PoseidonConstraints(arity);
    aux += shared + arity - 1;  // a sibling has no constraint
    constraints += shared;
  }
  Counts counts;
  counts.inputs = 1 + shape.challenges;
  counts.aux = 3 + PoseidonConstraints(2) + shape.challenges * aux;
  counts.constraints = 2 + PoseidonConstraints(2) + shape.challenges * constraints;
  const Densities densities = SectorDensities(shape);
  for (std::size_t i = 0; i < densities.a.size(); ++i) {
    counts.a_aux += densities.a[i] ? 1 : 0;
    counts.b_aux += densities.b[i] ? 1 : 0;
  }
  return counts;
}

Counts CircuitCounts(const PostShape& shape) {
  const Counts sector = SectorCounts(shape);
  const std::uint64_t sectors = shape.sectors;
  return {.inputs = 1 + sectors * sector.inputs,
          .aux = sectors * sector.aux,
          .constraints = sectors * sector.constraints,
          .a_aux = sectors * sector.a_aux,
          .b_aux = sectors * sector.b_aux};
}

PostCircuit::PostCircuit(const PostShape& shape) : shape_(shape) {
  SectorGadget(sector_, shape_);
}

Variable PostCircuit::InWhole(Variable local, std::uint32_t sector) const {
  if (!local.IsInput()) return Variable::Aux(sector * sector_.Aux() + local.Index());
  if (local == Variable::One()) return local;
  return Variable::Input(sector * (sector_.Inputs() - 1) + local.Index());
}

Bytes32 Digest(const PostCircuit& circuit) {
  const ConstraintSystem& sector = circuit.Sector();
  DigestWriter writer(circuit.Inputs(), circuit.Aux(), circuit.Constraints());
  for (std::uint32_t s = 0; s < circuit.Shape().sectors; ++s) {
    const auto place = [&circuit, s](Variable local) { return circuit.InWhole(local, s); };
    for (std::size_t row = 0; row < sector.Constraints(); ++row) {
      for (const Matrix* matrix : {&sector.A(), &sector.B(), &sector.C()}) {
        writer.Row(matrix->Row(row), place);
      }
    }
  }
  return writer.Finish();
}

}  // namespace damocles::circuit
