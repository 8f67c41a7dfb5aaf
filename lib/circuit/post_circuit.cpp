// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/circuit/post_circuit.h"

#include <bit>

#include "lib/circuit/constraint_sink.h"
#include "lib/circuit/digest_writer.h"
#include "lib/circuit/walk.h"

namespace damocles::circuit {
unsigned Counts::Log2Domain() const {
  return static_cast<unsigned>(std::bit_width(Rows() - 1));
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
  ConstraintSink sink(sector_);
  Walk(sink).Sector(shape_, nullptr);
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
