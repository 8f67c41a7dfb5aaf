// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/circuit/gadgets.h"

#include <array>
#include <bit>
#include <utility>

#include "damocles/base/check.h"
#include "damocles/poseidon/constants.h"

namespace damocles::circuit {
namespace {

using Lc = LinearCombination;

constexpr std::uint8_t kN = kNorCondition;
constexpr std::uint8_t kW = kAndCondition;
constexpr std::uint8_t R(unsigned step) {
  return static_cast<std::uint8_t>(kPickBase + step);
}

constexpr std::array<PickStep, 2> kInsertion2{{{0, 1, 0, true}, {0, 0, 1, true}}};
constexpr std::array<PickStep, 8> kInsertion4{{{0, 1, 0, false},
                                               {1, 1, R(0), true},
                                               {0, 0, 1, false},
                                               {1, 2, R(2), true},
                                               {0, 3, 0, false},
                                               {1, R(4), 2, true},
                                               {0, 0, 3, false},
                                               {1, R(6), 3, true}}};
constexpr std::array<PickStep, 20> kInsertion8{
    {{kN, 0, 1, false},    {2, 1, R(0), true},   {0, 0, 1, false},    {1, 2, R(2), false},
     {2, 2, R(3), true},   {0, 3, 0, false},     {1, R(5), 2, false}, {2, 3, R(6), true},
     {kW, 0, 3, false},    {2, 4, R(8), true},   {kN, 0, 5, false},   {2, R(10), 4, true},
     {0, 0, 5, false},     {1, 6, R(12), false}, {2, R(13), 5, true}, {0, 7, 0, false},
     {1, R(15), 6, false}, {2, R(16), 6, true},  {kW, 0, 7, false},   {2, R(18), 7, true}}};

Lc One() {
  return Lc(Variable::One());
}

Lc Minus(const Lc& a, Variable b) {
  Lc result = a;
  result.Add(b, -Fr::One());
  return result;
}

Variable Bit(ConstraintSystem& system) {
  const Variable bit = system.AllocateAux();
  system.Enforce(Minus(One(), bit), Lc(bit), Lc());
  return bit;
}

// <x>·<ONE> = <y>
void Equal(ConstraintSystem& system, Variable x, Variable y) {
  system.Enforce(Lc(x), One(), Lc(y));
}

Variable Pick(ConstraintSystem& system, Variable condition, Variable if_one, Variable if_zero) {
  const Variable result = system.AllocateAux();
  system.Enforce(Minus(Lc(if_zero), if_one), Lc(condition), Minus(Lc(if_zero), result));
  return result;
}

std::vector<Variable> Insert(ConstraintSystem& system, Variable node,
                             std::span<const Variable> bits, std::span<const Variable> siblings) {
  std::vector<Variable> conditions(bits.begin(), bits.end());
  if (bits.size() == 3) {
    const Variable nor = system.AllocateAux();
    system.Enforce(Minus(One(), bits[0]), Minus(One(), bits[1]), Lc(nor));
    const Variable both = system.AllocateAux();
    system.Enforce(Lc(bits[0]), Lc(bits[1]), Lc(both));
    conditions.insert(conditions.end(), {nor, both});
  }
  std::vector<Variable> operands(kPickBase, node);
  for (std::size_t i = 0; i < siblings.size(); ++i) operands[1 + i] = siblings[i];
  std::vector<Variable> children;
  for (const PickStep& step : InsertionSteps(static_cast<unsigned>(siblings.size()) + 1)) {
    const Variable result =
        Pick(system, conditions[step.condition], operands[step.if_one], operands[step.if_zero]);
    operands.push_back(result);
    if (step.is_child) children.push_back(result);
  }
  return children;
}

// The state of the Poseidon gadget between layers: a variable or a sum each.
class PoseidonState {
 public:
  PoseidonState(ConstraintSystem& system, const poseidon::Constants& constants,
                std::span<const Variable> preimage)
      : system_(system), constants_(constants), lanes_(1 + preimage.size()) {
    for (std::size_t i = 0; i < preimage.size(); ++i) lanes_[1 + i] = Lc(preimage[i]);
  }

  // Full round 0: lane 0 is a constant and costs nothing, the others are variables.
  void FirstRound(const Fr& tag, std::span<const Variable> preimage) {
    const std::size_t width = lanes_.size();
    const auto& keys = constants_.compressed;
    lanes_[0] = Lc::Constant((tag + keys[0]).Pow(5) + keys[width]);
    for (std::size_t i = 1; i < width; ++i) {
      Lc sum(preimage[i - 1]);
      sum.Add(Variable::One(), keys[i]);
      const Variable l2 = system_.AllocateAux();
      system_.Enforce(sum, sum, Lc(l2));
      const Variable l4 = system_.AllocateAux();
      system_.Enforce(Lc(l2), Lc(l2), Lc(l4));
      lanes_[i] = Fifth(sum, l4, keys[width + i]);
    }
  }

  // x^5 + post of a lane that is a sum.
  void SBox(std::size_t lane, const Fr& post) {
    const Variable l = Materialise(lane);
    const Variable l2 = system_.AllocateAux();
    system_.Enforce(Lc(l), Lc(l), Lc(l2));
    const Variable l4 = system_.AllocateAux();
    system_.Enforce(Lc(l2), Lc(l2), Lc(l4));
    lanes_[lane] = Fifth(Lc(l), l4, post);
  }

  void Dense(const std::vector<Fr>& matrix) {
    const std::size_t width = lanes_.size();
    std::vector<Lc> next(width);
    for (std::size_t j = 0; j < width; ++j) {
      for (std::size_t i = 0; i < width; ++i) next[j].AddScaled(lanes_[i], matrix[i * width + j]);
    }
    lanes_ = std::move(next);
  }

  void Sparse(const poseidon::SparseMatrix& sparse) {
    Lc first;
    for (std::size_t i = 0; i < lanes_.size(); ++i) first.AddScaled(lanes_[i], sparse.w_hat[i]);
    for (std::size_t j = 1; j < lanes_.size(); ++j) {
      lanes_[j].AddScaled(lanes_[0], sparse.v_rest[j - 1]);
    }
    lanes_[0] = std::move(first);
  }

  Variable Materialise(std::size_t lane) {
    const Variable value = system_.AllocateAux();
    system_.Enforce(lanes_[lane], One(), Lc(value));
    return value;
  }

 private:
  // The variable base^5 + post, given base^4; its row is <base>·<l4> = <l5 - post>.
  Lc Fifth(const Lc& base, Variable l4, const Fr& post) {
    const Variable l5 = system_.AllocateAux();
    Lc power(l5);
    power.Add(Variable::One(), -post);
    system_.Enforce(base, Lc(l4), power);
    return Lc(l5);
  }

  ConstraintSystem& system_;
  const poseidon::Constants& constants_;
  std::vector<Lc> lanes_;
};

Variable Level(ConstraintSystem& system, Variable node, unsigned arity,
               std::vector<Variable>& index_bits) {
  std::vector<Variable> bits;
  for (unsigned i = 0; i < IndexBits(arity); ++i) bits.push_back(Bit(system));
  std::vector<Variable> siblings;
  for (unsigned i = 1; i < arity; ++i) siblings.push_back(system.AllocateAux());
  index_bits.insert(index_bits.end(), bits.begin(), bits.end());
  return Poseidon(system, Insert(system, node, bits, siblings));
}

void Inclusion(ConstraintSystem& system, const PostShape& shape, Variable root) {
  Variable node = system.AllocateAux();
  std::vector<Variable> index_bits;
  for (const unsigned arity : shape.level_arities) node = Level(system, node, arity, index_bits);
  Lc packed;
  Fr weight = Fr::One();
  for (const Variable bit : index_bits) {
    packed.Add(bit, weight);
    weight = weight.Double();
  }
  const Variable challenge = system.AllocateInput();
  system.Enforce(packed, One(), Lc(challenge));
  Equal(system, node, root);
}

}  // namespace

std::span<const PickStep> InsertionSteps(unsigned arity) {
  if (arity == 2) return kInsertion2;
  if (arity == 4) return kInsertion4;
  DAMOCLES_CHECK(arity == 8);
  return kInsertion8;
}

unsigned IndexBits(unsigned arity) {
  return static_cast<unsigned>(std::countr_zero(arity));
}

Variable Poseidon(ConstraintSystem& system, std::span<const Variable> preimage) {
  const poseidon::Constants& constants = poseidon::ConstantsFor(preimage.size());
  const auto& keys = constants.compressed;
  const std::size_t width = preimage.size() + 1;
  const std::size_t partial_rounds = constants.partial_rounds;
  PoseidonState state(system, constants, preimage);
  state.FirstRound(constants.domain_tag, preimage);
  state.Dense(constants.mds);
  for (std::size_t round = 1; round < 4; ++round) {
    for (std::size_t i = 0; i < width; ++i) state.SBox(i, keys[(1 + round) * width + i]);
    state.Dense(round < 3 ? constants.mds : constants.pre_sparse);
  }
  for (std::size_t round = 0; round < partial_rounds; ++round) {
    state.SBox(0, keys[5 * width + round]);
    state.Sparse(constants.sparse[round]);
  }
  for (std::size_t round = 0; round < 4; ++round) {
    for (std::size_t i = 0; i < width; ++i) {
      // The last round adds no key.
      const Fr post = round < 3 ? keys[5 * width + partial_rounds + round * width + i] : Fr::Zero();
      state.SBox(i, post);
    }
    state.Dense(constants.mds);
  }
  return state.Materialise(1);
}

void SectorGadget(ConstraintSystem& system, const PostShape& shape) {
  const Variable comm_r_last = system.AllocateAux();
  const Variable comm_c = system.AllocateAux();
  const Variable comm_r = system.AllocateAux();
  const Variable public_comm_r = system.AllocateInput();
  Equal(system, public_comm_r, comm_r);
  const std::array<Variable, 2> commitments{comm_c, comm_r_last};
  Equal(system, comm_r, Poseidon(system, commitments));
  for (std::uint32_t i = 0; i < shape.challenges; ++i) Inclusion(system, shape, comm_r_last);
}

}  // namespace damocles::circuit
