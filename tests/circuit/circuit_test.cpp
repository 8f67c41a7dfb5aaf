// SPDX-License-Identifier: Apache-2.0 OR MIT

#include <gtest/gtest.h>

#include <array>

#include "lib/circuit/constraint_sink.h"
#include "lib/circuit/walk.h"
#include "tests/circuit/shapes.h"

#include "damocles/base/hex.h"
#include "damocles/circuit/post_circuit.h"

namespace damocles::circuit {
namespace {

template <std::size_t kArity>
std::string BarePoseidonDigest(std::size_t constraints) {
  ConstraintSystem system;
  ConstraintSink sink(system);
  std::array<LinearCombination, kArity> preimage;
  for (LinearCombination& child : preimage) child = LinearCombination(system.AllocateAux());
  Walk(sink).Poseidon(preimage);
  EXPECT_EQ(system.Constraints(), constraints);
  EXPECT_EQ(system.Aux(), constraints + kArity);
  return ToHex(Digest(system));
}

// The digest of another implementation.
TEST(CircuitTest, BarePoseidonHasTheKnownDigest) {
  EXPECT_EQ(BarePoseidonDigest<2>(311),
            "658f013f99360e164ad8e7f96290944601cc064f93c153d9ea7ac1275927175f");
  EXPECT_EQ(BarePoseidonDigest<8>(505),
            "ab50aeda63344f7125999ef5c4af7777380b9015ec82ad48bac2213e9353b163");
  BarePoseidonDigest<4>(377);
}

TEST(CircuitTest, OneSectorWithOneChallengeHasTheReferenceDigest) {
  const std::pair<const char*, const char*> kDigests[] = {
      {"2KiB", "41187bf65ff68c10b160325ef7310c2f8d5cd2c6001e3e54064618035707e1fc"},
      {"4KiB", "1e2378eeb0858266cb9a2b665bcd424fd74ef7cb526ce64581c54337f2e0b754"},
      {"16KiB", "dfc93739bf9961e3d0d23832fef79e945f48773b01642e8b45c44f7e7da99a32"},
      {"32KiB", "10b973da774d90b25c2ceb0605a7cf2c2ef5caeca9641059ddc55a0dea934576"},
      {"8MiB", "5bc6f48fff7f0db961208faa0ec30b07112dea340ca9b62a9e4a165768c98535"},
      {"16MiB", "2d86e953dd9976eae460ba3a3b10855d2d81da8f31bddbc66ad82a1e5f0cb8aa"},
      {"512MiB", "39d3e6038822b087683851aaf94d8895a22348292b2120a8a325c5de9e17629c"},
      {"1GiB", "25949f56d927b9036c1a3b43894b5d653884bfcbb1832bd26d87d1e26da76966"},
      {"32GiB", "8199399ff1d0f77a59aed0aa3e33ab052b5d3d1d7b0d4e09cefbe5db42191296"},
      {"64GiB", "44e7fe42bcab40ff7e2f3690abd35d02cbd970bc0362637a749ecb4979802c9d"}};
  for (const auto& [size, digest] : kDigests) {
    SCOPED_TRACE(size);
    EXPECT_EQ(ToHex(Digest(PostCircuit({Levels(size), 1, 1}))), digest);
  }
}

TEST(CircuitTest, TwoSectorsOfTenChallengesHaveTheReferenceDigest) {
  EXPECT_EQ(ToHex(Digest(PostCircuit({Levels("2KiB"), 10, 2}))),
            "14279e1c38053fa35eab6f56dbf1c5ef337b533f2c42fd3d7b4e7a116796b331");
}

// Window and winning of every registered size: what the network's parameter files are made for.
TEST(CircuitTest, CountsOfTheNetworksCircuits) {
  const struct {
    const char* size;
    std::uint32_t challenges;
    std::uint32_t sectors;
    Counts counts;
    unsigned log2_domain;
  } kCircuits[] = {{"2KiB", 10, 2, {23, 22128, 21866, 16770, 16028}, 15},
                   {"2KiB", 1, 66, {133, 91674, 90750, 69300, 66792}, 17},
                   {"8MiB", 10, 2, {23, 65088, 64266, 49330, 47148}, 16},
                   {"8MiB", 1, 66, {133, 233442, 230670, 176748, 169488}, 18},
                   {"512MiB", 10, 2, {23, 86568, 85466, 65610, 62708}, 17},
                   {"512MiB", 1, 66, {133, 304326, 300630, 230472, 220836}, 19},
                   {"32GiB", 10, 2349, {25840, 126902376, 125279217, 96179805, 91925766}, 27},
                   {"32GiB", 1, 66, {133, 375210, 370590, 284196, 272184}, 19},
                   {"64GiB", 10, 2300, {25301, 131500200, 129887900, 99624500, 95413200}, 27},
                   {"64GiB", 1, 66, {133, 396000, 391314, 299838, 287694}, 19}};
  for (const auto& [size, challenges, sectors, counts, log2_domain] : kCircuits) {
    SCOPED_TRACE(::testing::Message() << size << " " << challenges);
    const Counts found = CircuitCounts({Levels(size), challenges, sectors});
    EXPECT_EQ(found, counts);
    EXPECT_EQ(found.Log2Domain(), log2_domain);
  }
}

// Constants of the reference's own circuit tests (rust-fil-proofs, fallback_circuit.rs).
TEST(CircuitTest, CountsOfTheReferencesCircuitTests) {
  const std::vector<unsigned> sub{8, 8, 4};
  const std::vector<unsigned> top{8, 8, 4, 2};
  EXPECT_EQ(CircuitCounts({Levels("2KiB"), 5, 3}).constraints, 16869u);
  EXPECT_EQ(CircuitCounts({Levels("2KiB"), 5, 3}).inputs, 19u);
  EXPECT_EQ(CircuitCounts({sub, 5, 3}).constraints, 22674u);
  EXPECT_EQ(CircuitCounts({top, 5, 3}).constraints, 27384u);
  EXPECT_EQ(CircuitCounts({std::vector<unsigned>(10, 8), 10, 5}).constraints, 266665u);
}

TEST(CircuitTest, CountsAgreeWithTheRecordedConstraints) {
  std::vector<std::vector<unsigned>> all{{8, 8, 4}, {8, 8, 4, 2}};
  for (const std::string& size : AllSizes()) all.push_back(Levels(size));
  for (const std::vector<unsigned>& levels : all) {
    SCOPED_TRACE(::testing::PrintToString(levels));
    const PostShape shape{levels, 2, 1};
    const PostCircuit circuit(shape);
    const ConstraintSystem& system = circuit.Sector();
    std::vector<bool> a(system.Aux());
    std::vector<bool> b(system.Aux());
    for (std::size_t row = 0; row < system.Constraints(); ++row) {
      for (const Term& term : system.A().Row(row)) {
        if (!term.variable.IsInput()) a[term.variable.Index()] = true;
      }
      for (const Term& term : system.B().Row(row)) {
        if (!term.variable.IsInput()) {
          b[term.variable.Index()] = true;
        } else {
          EXPECT_EQ(term.variable, Variable::One());
        }
      }
    }
    const Densities densities = SectorDensities(shape);
    EXPECT_EQ(densities.a, a);
    EXPECT_EQ(densities.b, b);
    const Counts counts = SectorCounts(shape);
    EXPECT_EQ(counts.inputs + 1, system.Inputs());
    EXPECT_EQ(counts.aux, system.Aux());
    EXPECT_EQ(counts.constraints, system.Constraints());
  }
}

TEST(CircuitTest, SumsStayAscendingWithoutZeros) {
  LinearCombination sum(Variable::Aux(5));
  sum.Add(Variable::Input(3), Fr::FromU64(2)).Add(Variable::Aux(1), Fr::One());
  sum.Add(Variable::Aux(5), -Fr::One());
  LinearCombination other(Variable::Aux(1));
  other.Add(Variable::Aux(9), Fr::FromU64(4));
  sum.AddScaled(other, Fr::FromU64(3));
  ASSERT_EQ(sum.Terms().size(), 3u);
  EXPECT_EQ(sum.Terms()[0].variable, Variable::Input(3));
  EXPECT_EQ(sum.Terms()[1].variable, Variable::Aux(1));
  EXPECT_EQ(sum.Terms()[1].coefficient, Fr::FromU64(4));
  EXPECT_EQ(sum.Terms()[2].coefficient, Fr::FromU64(12));
}

}  // namespace
}  // namespace damocles::circuit
