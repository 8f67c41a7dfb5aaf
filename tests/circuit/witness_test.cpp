// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/circuit/witness.h"

#include <gtest/gtest.h>

#include "tests/circuit/made_up_sector.h"
#include "tests/circuit/shapes.h"

namespace damocles::circuit {
namespace {

struct Witness {
  std::vector<Fr> inputs, aux, a, b, c;

  explicit Witness(const Counts& counts)
      : inputs(counts.inputs), aux(counts.aux), a(counts.Rows()), b(a.size()), c(a.size()) {}
};

Witness Generate(const PostShape& shape, std::span<const SectorPaths> sectors) {
  ThreadPool pool(2);
  Witness witness(CircuitCounts(shape));
  GenerateWitness(shape, sectors, {witness.inputs, witness.aux, witness.a, witness.b, witness.c},
                  pool);
  return witness;
}

// The value of a row of the recorded constraints.
Fr Evaluate(const PostCircuit& circuit, std::uint32_t sector, std::span<const Term> row,
            const Witness& witness) {
  Fr sum = Fr::Zero();
  for (const Term& term : row) {
    const Variable variable = circuit.InWhole(term.variable, sector);
    sum += term.coefficient *
           (variable.IsInput() ? witness.inputs[variable.Index()] : witness.aux[variable.Index()]);
  }
  return sum;
}

// Rows at which generator and recorded constraints differ, or that do not hold.
std::size_t WrongRows(const PostShape& shape, const Witness& witness) {
  const PostCircuit circuit(shape);
  const ConstraintSystem& system = circuit.Sector();
  std::size_t wrong = 0;
  for (std::uint32_t s = 0; s < shape.sectors; ++s) {
    for (std::size_t i = 0; i < system.Constraints(); ++i) {
      const std::size_t row = s * system.Constraints() + i;
      const bool right = Evaluate(circuit, s, system.A().Row(i), witness) == witness.a[row] &&
                         Evaluate(circuit, s, system.B().Row(i), witness) == witness.b[row] &&
                         Evaluate(circuit, s, system.C().Row(i), witness) == witness.c[row] &&
                         witness.a[row] * witness.b[row] == witness.c[row];
      wrong += right ? 0 : 1;
    }
  }
  for (std::size_t i = 0; i < witness.inputs.size(); ++i) {
    const std::size_t row = circuit.Constraints() + i;
    const bool right =
        witness.a[row] == witness.inputs[i] && witness.b[row].IsZero() && witness.c[row].IsZero();
    wrong += right ? 0 : 1;
  }
  return wrong;
}

TEST(WitnessTest, GeneratorAgreesWithTheConstraintsForEveryShape) {
  SeededRandom random(1);
  std::vector<std::vector<unsigned>> all{{8, 8, 4}, {8, 8, 4, 2}};
  for (const std::string& size : AllSizes()) all.push_back(Levels(size));
  for (const std::vector<unsigned>& levels : all) {
    SCOPED_TRACE(::testing::PrintToString(levels));
    const PostShape shape{levels, 2, 3};
    std::vector<SectorPaths> sectors;
    for (std::uint32_t s = 0; s < shape.sectors; ++s) {
      sectors.push_back(MadeUpSector(shape, random));
    }
    const Witness witness = Generate(shape, sectors);
    EXPECT_EQ(WrongRows(shape, witness), 0u);
    EXPECT_EQ(witness.inputs[0], Fr::One());
    EXPECT_EQ(witness.inputs[1], sectors[0].comm_r);
    EXPECT_EQ(witness.inputs[2], Fr::FromU64(ComputedLeafIndex(sectors[0].challenges[0])));
  }
}

TEST(WitnessTest, EveryPositionAmongTheSiblingsHolds) {
  SeededRandom random(2);
  for (const unsigned arity : {2u, 4u, 8u}) {
    const PostShape shape{{arity}, 1, 40};
    std::vector<SectorPaths> sectors;
    for (std::uint32_t s = 0; s < shape.sectors; ++s) {
      sectors.push_back(MadeUpSector(shape, random));
    }
    EXPECT_EQ(WrongRows(shape, Generate(shape, sectors)), 0u) << arity;
  }
}

TEST(WitnessTest, MissingSectorsRepeatTheLast) {
  SeededRandom random(3);
  const PostShape shape{Levels("4KiB"), 2, 4};
  std::vector<SectorPaths> sectors{MadeUpSector(shape, random), MadeUpSector(shape, random)};
  const Witness short_list = Generate(shape, sectors);
  sectors.resize(4, sectors[1]);
  const Witness full_list = Generate(shape, sectors);
  EXPECT_EQ(short_list.inputs, full_list.inputs);
  EXPECT_EQ(short_list.aux, full_list.aux);
  EXPECT_EQ(short_list.a, full_list.a);
  EXPECT_EQ(short_list.b, full_list.b);
  EXPECT_EQ(short_list.c, full_list.c);
}

TEST(WitnessTest, WrongPathsBreakConstraints) {
  SeededRandom random(4);
  const PostShape shape{Levels("2KiB"), 1, 1};
  SectorPaths sector = MadeUpSector(shape, random);
  merkle::InclusionProof wrong = sector.challenges[0];
  wrong.path[1].siblings[3] += Fr::One();
  sector.challenges = {&wrong, 1};
  EXPECT_EQ(WrongRows(shape, Generate(shape, std::span(&sector, 1))), 1u);  // the root
  sector = MadeUpSector(shape, random);
  sector.comm_c += Fr::One();
  EXPECT_EQ(WrongRows(shape, Generate(shape, std::span(&sector, 1))), 1u);  // comm_r
}

}  // namespace
}  // namespace damocles::circuit
