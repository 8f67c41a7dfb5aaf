// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "lib/circuit/outline.h"

#include <algorithm>
#include <array>
#include <initializer_list>
#include <span>
#include <vector>

#include "lib/circuit/walk.h"

namespace damocles::circuit {
namespace {

// Counts, and remembers of a sum only what it was made of.
class OutlineSink {
 public:
  // A node; 0 stands for what has no aux variable.
  struct Sum {
    std::uint32_t node = 0;
  };

  explicit OutlineSink(PartOutline& out) : out_(out) { nodes_.emplace_back(); }

  template <typename Value>
  Sum Aux(const Value& /*value*/) {
    return NewAux();
  }
  template <typename Value>
  Sum Input(const Value& /*value*/) {
    ++out_.inputs;
    return {};
  }
  static Sum Constant(const Fr& /*value*/) { return {}; }

  static Sum Plus(Sum sum, const Fr& /*constant*/) { return sum; }
  Sum Minus(Sum a, Sum b) { return Join(std::array{a, b}); }
  template <std::size_t kCount>
  Sum Weighted(const std::array<Sum, kCount>& sums, const Fr* /*factors*/, std::size_t /*stride*/) {
    return Join(sums);
  }
  void AddScaled(Sum& to, Sum sum, const Fr& /*factor*/) { to = Join(std::array{to, sum}); }

  void Enforce(Sum a, Sum b, Sum /*c*/) {
    Mark(a, &Node::in_a, out_.densities.a);
    Mark(b, &Node::in_b, out_.densities.b);
    ++out_.constraints;
  }

  Sum Copy(Sum /*sum*/) { return NewAux(); }
  Sum Product(Sum a, Sum b, const Fr& /*post*/ = Fr::Zero()) {
    const Sum product = NewAux();
    Enforce(a, b, product);
    return product;
  }
  Sum Pick(Sum /*condition*/, Sum /*if_one*/, Sum /*if_zero*/) { return NewAux(); }

 private:
  static constexpr std::uint32_t kNoAux = ~std::uint32_t{0};
  struct Node {
    std::uint32_t aux = kNoAux;
    std::uint32_t parts_begin = 0;  // in parts_
    std::uint32_t parts_end = 0;
    bool in_a = false;
    bool in_b = false;
  };

  Sum NewAux() {
    nodes_.push_back({.aux = static_cast<std::uint32_t>(out_.Aux())});
    out_.densities.a.push_back(false);
    out_.densities.b.push_back(false);
    return Newest();
  }

  Sum Join(std::span<const Sum> sums) {
    const auto begin = static_cast<std::uint32_t>(parts_.size());
    for (const Sum sum : sums) {
      if (sum.node != 0) parts_.push_back(sum.node);
    }
    nodes_.push_back(
        {.parts_begin = begin, .parts_end = static_cast<std::uint32_t>(parts_.size())});
    return Newest();
  }

  Sum Newest() const { return {static_cast<std::uint32_t>(nodes_.size() - 1)}; }

  // All that the sum is made of occurs on this side; what was met before is marked already.
  void Mark(Sum sum, bool Node::*side, std::vector<bool>& density) {
    to_mark_.assign(1, sum.node);
    while (!to_mark_.empty()) {
      Node& node = nodes_[to_mark_.back()];
      to_mark_.pop_back();
      if (node.*side) continue;
      node.*side = true;
      if (node.aux != kNoAux) density[node.aux] = true;
      for (std::uint32_t i = node.parts_begin; i < node.parts_end; ++i) {
        to_mark_.push_back(parts_[i]);
      }
    }
  }

  PartOutline& out_;
  std::vector<Node> nodes_;
  std::vector<std::uint32_t> parts_;
  std::vector<std::uint32_t> to_mark_;
};

void Append(std::vector<bool>& to, const std::vector<bool>& part) {
  to.insert(to.end(), part.begin(), part.end());
}

std::uint64_t Dense(const std::vector<bool>& density) {
  return static_cast<std::uint64_t>(std::count(density.begin(), density.end(), true));
}

}  // namespace

SectorOutline OutlineOf(const PostShape& shape) {
  SectorOutline outline;
  OutlineSink commitments(outline.commitments);
  Walk(commitments).Commitments(nullptr);
  OutlineSink challenge(outline.challenge);
  // comm_r_last, which a challenge is compared with, stands on the C side: neither side of its own
  // part's densities changes by it.
  Walk(challenge).Challenge(shape, nullptr, OutlineSink::Sum{});
  return outline;
}

Densities SectorDensities(const PostShape& shape) {
  const SectorOutline outline = OutlineOf(shape);
  Densities densities = outline.commitments.densities;
  for (std::uint32_t i = 0; i < shape.challenges; ++i) {
    Append(densities.a, outline.challenge.densities.a);
    Append(densities.b, outline.challenge.densities.b);
  }
  return densities;
}

Counts SectorCounts(const PostShape& shape) {
  const auto [commitments, challenge] = OutlineOf(shape);
  const std::uint64_t times = shape.challenges;
  return {.inputs = commitments.inputs + times * challenge.inputs,
          .aux = commitments.Aux() + times * challenge.Aux(),
          .constraints = commitments.constraints + times * challenge.constraints,
          .a_aux = Dense(commitments.densities.a) + times * Dense(challenge.densities.a),
          .b_aux = Dense(commitments.densities.b) + times * Dense(challenge.densities.b)};
}

}  // namespace damocles::circuit
