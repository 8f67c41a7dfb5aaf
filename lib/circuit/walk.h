// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// The circuit (docs/post.md 5), written once.  A walk over it feeds a sink: constraints for a setup
// (constraint_sink.h), what can be counted (outline.h), or values for a proof (witness.cpp).  Order
// of allocations and rows, signs and sides are part of the format: parameter files depend on them.
//
// A sink has a type Sum, a linear combination of variables as far as the sink cares (default: the
// empty sum), and
//   Sum Aux(fn), Input(fn)            a new variable; fn() is its value, asked for by values only
//   Sum Constant(value)
//   Sum Plus(sum, constant), Minus(sum, sum)
//   Sum Weighted(sums, factors, stride)    sums[0] * factors[0] + sums[1] * factors[stride] + ...
//   void AddScaled(to, sum, factor)
//   void Enforce(a, b, c)             a row <a> * <b> = <c>
//   Sum Copy(sum)                     a new variable of this value, without a row
//   Sum Product(a, b[, post])         a new variable a * b + post, with its row
//   Sum Pick(condition, if_one, if_zero)   a new variable of one's value, without a row

#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "damocles/base/check.h"
#include "damocles/circuit/post_circuit.h"
#include "damocles/circuit/witness.h"
#include "damocles/merkle/inclusion_proof.h"
#include "damocles/poseidon/constants.h"

namespace damocles::circuit {

// One step of an insertion: result = condition ? if_one : if_zero.  Operands are numbered: 0 is the
// running node, 1..arity-1 the siblings, kPickBase + i the result of step i.
struct PickStep {
  std::uint8_t condition;  // index bit, or kNorCondition or kAndCondition
  std::uint8_t if_one;
  std::uint8_t if_zero;
  bool is_child;  // the result is the next child
};
inline constexpr std::uint8_t kPickBase = 8;
inline constexpr std::uint8_t kNorCondition = 3;  // neither bit 0 nor bit 1
inline constexpr std::uint8_t kAndCondition = 4;  // bit 0 and bit 1

// The steps that put the running node among its siblings.
template <std::size_t kArity>
constexpr auto InsertionSteps() {
  constexpr std::uint8_t kN = kNorCondition;
  constexpr std::uint8_t kW = kAndCondition;
  constexpr auto kR = [](unsigned step) { return static_cast<std::uint8_t>(kPickBase + step); };
  if constexpr (kArity == 2) {
    return std::array<PickStep, 2>{{{0, 1, 0, true}, {0, 0, 1, true}}};
  } else if constexpr (kArity == 4) {
    return std::array<PickStep, 8>{{{0, 1, 0, false},
                                    {1, 1, kR(0), true},
                                    {0, 0, 1, false},
                                    {1, 2, kR(2), true},
                                    {0, 3, 0, false},
                                    {1, kR(4), 2, true},
                                    {0, 0, 3, false},
                                    {1, kR(6), 3, true}}};
  } else {
    static_assert(kArity == 8);
    return std::array<PickStep, 20>{
        {{kN, 0, 1, false},     {2, 1, kR(0), true},   {0, 0, 1, false},     {1, 2, kR(2), false},
         {2, 2, kR(3), true},   {0, 3, 0, false},      {1, kR(5), 2, false}, {2, 3, kR(6), true},
         {kW, 0, 3, false},     {2, 4, kR(8), true},   {kN, 0, 5, false},    {2, kR(10), 4, true},
         {0, 0, 5, false},      {1, 6, kR(12), false}, {2, kR(13), 5, true}, {0, 7, 0, false},
         {1, kR(15), 6, false}, {2, kR(16), 6, true},  {kW, 0, 7, false},    {2, kR(18), 7, true}}};
  }
}

template <typename Sink>
class Walk {
 public:
  using Sum = typename Sink::Sum;

  explicit Walk(Sink& sink) : sink_(sink), one_(sink.Constant(Fr::One())) {}

  // One sector.  `paths` here, `proof` and `element` below: where values come from; a sink that
  // asks for none is given nullptr.
  void Sector(const PostShape& shape, const SectorPaths* paths) {
    const Sum comm_r_last = Commitments(paths);
    for (std::uint32_t i = 0; i < shape.challenges; ++i) {
      Challenge(shape, paths == nullptr ? nullptr : &paths->challenges[i], comm_r_last);
    }
  }

  // What a sector has before its challenges; its comm_r_last.
  Sum Commitments(const SectorPaths* paths) {
    const Sum comm_r_last = sink_.Aux([&] { return paths->comm_r_last; });
    const Sum comm_c = sink_.Aux([&] { return paths->comm_c; });
    const Sum comm_r = sink_.Aux([&] { return paths->comm_r; });
    const Sum public_comm_r = sink_.Input([&] { return paths->comm_r; });
    Equal(public_comm_r, comm_r);
    Equal(comm_r, Poseidon<2>({comm_c, comm_r_last}));
    return comm_r_last;
  }

  // One inclusion.
  void Challenge(const PostShape& shape, const merkle::InclusionProof* proof,
                 const Sum& comm_r_last) {
    Sum node = sink_.Aux([&] { return proof->leaf; });
    std::vector<Sum> index_bits;
    index_bits.reserve(3 * shape.level_arities.size());
    for (std::size_t level = 0; level < shape.level_arities.size(); ++level) {
      const auto* const element = proof == nullptr ? nullptr : &proof->path[level];
      node = Level(shape.level_arities[level], node, element, index_bits);
    }
    Sum packed{};
    Fr weight = Fr::One();
    for (const Sum& bit : index_bits) {
      sink_.AddScaled(packed, bit, weight);
      weight = weight.Double();
    }
    const Sum challenge = sink_.Input([&] { return Fr::FromU64(ComputedLeafIndex(*proof)); });
    Equal(packed, challenge);
    Equal(node, comm_r_last);
  }

  // The Poseidon gadget of the reference's older circuit (neptune's circuit.rs), which all
  // parameter files are made with.  Returns the output variable.
  template <std::size_t kArity>
  Sum Poseidon(const std::array<Sum, kArity>& preimage) {
    constexpr std::size_t kWidth = kArity + 1;
    static_assert(poseidon::kFullRounds == 8);
    const poseidon::Constants& constants = poseidon::ConstantsFor(kArity);
    const Fr* const keys = constants.compressed.data();
    const Fr* const partial_keys = keys + 5 * kWidth;
    const Fr* const last_keys = partial_keys + constants.partial_rounds;
    // Full round 0: lane 0 is a constant and costs nothing, the others are variables.
    std::array<Sum, kWidth> state;
    state[0] = sink_.Constant((constants.domain_tag + keys[0]).Pow(5) + keys[kWidth]);
    for (std::size_t i = 1; i < kWidth; ++i) {
      state[i] = FifthPower(sink_.Plus(preimage[i - 1], keys[i]), keys[kWidth + i]);
    }
    Mix(state, constants.mds);
    for (std::size_t round = 1; round < 4; ++round) {
      for (std::size_t i = 0; i < kWidth; ++i) {
        state[i] = SBox(state[i], keys[(1 + round) * kWidth + i]);
      }
      Mix(state, round < 3 ? constants.mds : constants.pre_sparse);
    }
    for (std::size_t round = 0; round < constants.partial_rounds; ++round) {
      const poseidon::SparseMatrix& sparse = constants.sparse[round];
      state[0] = SBox(state[0], partial_keys[round]);
      Sum first = sink_.Weighted(state, sparse.w_hat.data(), 1);
      for (std::size_t j = 1; j < kWidth; ++j) {
        sink_.AddScaled(state[j], state[0], sparse.v_rest[j - 1]);
      }
      state[0] = std::move(first);
    }
    for (std::size_t round = 0; round < 3; ++round) {
      for (std::size_t i = 0; i < kWidth; ++i) {
        state[i] = SBox(state[i], last_keys[round * kWidth + i]);
      }
      Mix(state, constants.mds);
    }
    // The last round adds no key, and only lane 1 leaves it.
    for (Sum& lane : state) lane = SBox(lane, Fr::Zero());
    return Materialised(sink_.Weighted(state, &constants.mds[1], kWidth));
  }

 private:
  // <x> * <ONE> = <y>
  void Equal(const Sum& x, const Sum& y) { sink_.Enforce(x, one_, y); }

  // A variable of a sum's value.
  Sum Materialised(const Sum& sum) {
    Sum value = sink_.Copy(sum);
    Equal(sum, value);
    return value;
  }

  Sum FifthPower(const Sum& base, const Fr& post) {
    const Sum square = sink_.Product(base, base);
    return sink_.Product(base, sink_.Product(square, square), post);
  }
  Sum SBox(const Sum& lane, const Fr& post) { return FifthPower(Materialised(lane), post); }

  // Row major, acting on row vectors.
  template <std::size_t kWidth>
  void Mix(std::array<Sum, kWidth>& state, const std::vector<Fr>& matrix) {
    std::array<Sum, kWidth> mixed;
    for (std::size_t j = 0; j < kWidth; ++j) mixed[j] = sink_.Weighted(state, &matrix[j], kWidth);
    state = std::move(mixed);
  }

  template <typename Value>
  Sum Bit(Value value) {
    Sum bit = sink_.Aux([&] { return value() ? Fr::One() : Fr::Zero(); });
    sink_.Enforce(sink_.Minus(one_, bit), bit, Sum{});
    return bit;
  }

  Sum Level(unsigned arity, const Sum& node, const merkle::PathElement* element,
            std::vector<Sum>& index_bits) {
    switch (arity) {
      case 2:
        return LevelOf<2>(node, element, index_bits);
      case 4:
        return LevelOf<4>(node, element, index_bits);
      default:
        DAMOCLES_CHECK(arity == 8);
        return LevelOf<8>(node, element, index_bits);
    }
  }

  template <std::size_t kArity>
  Sum LevelOf(const Sum& node, const merkle::PathElement* element, std::vector<Sum>& index_bits) {
    constexpr auto kSteps = InsertionSteps<kArity>();
    constexpr auto kBits = static_cast<unsigned>(std::countr_zero(kArity));
    std::array<Sum, kAndCondition + 1> conditions{};
    for (unsigned i = 0; i < kBits; ++i) {
      conditions[i] = Bit([&] { return ((element->index >> i) & 1) != 0; });
      index_bits.push_back(conditions[i]);
    }
    std::array<Sum, kPickBase + kSteps.size()> operands{};
    operands[0] = node;
    for (std::size_t i = 1; i < kArity; ++i) {
      operands[i] = sink_.Aux([&] { return element->siblings[i - 1]; });
    }
    if constexpr (kArity == 8) {
      conditions[kNorCondition] =
          sink_.Product(sink_.Minus(one_, conditions[0]), sink_.Minus(one_, conditions[1]));
      conditions[kAndCondition] = sink_.Product(conditions[0], conditions[1]);
    }
    std::array<Sum, kArity> children;
    std::size_t child = 0;
    std::size_t next = kPickBase;
    for (const PickStep& step : kSteps) {
      const Sum& condition = conditions[step.condition];
      const Sum& if_one = operands[step.if_one];
      const Sum& if_zero = operands[step.if_zero];
      const Sum result = sink_.Pick(condition, if_one, if_zero);
      sink_.Enforce(sink_.Minus(if_zero, if_one), condition, sink_.Minus(if_zero, result));
      if (step.is_child) children[child++] = result;
      operands[next++] = result;
    }
    return Poseidon<kArity>(children);
  }

  Sink& sink_;
  const Sum one_;
};

}  // namespace damocles::circuit
