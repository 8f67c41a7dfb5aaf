// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/circuit/witness.h"

#include <algorithm>
#include <array>

#include "lib/circuit/outline.h"
#include "lib/circuit/walk.h"

#include "damocles/base/check.h"
#include "damocles/bls12_381/wide_sum.h"

namespace damocles::circuit {
namespace {

// Writes variables and rows one after the other.
class ValueSink {
 public:
  using Sum = Fr;

  ValueSink(const WitnessBuffers& out, std::uint64_t input, std::uint64_t aux, std::uint64_t row)
      : input_(&out.inputs[input]),
        aux_(&out.aux[aux]),
        a_(&out.a[row]),
        b_(&out.b[row]),
        c_(&out.c[row]) {}

  template <typename Value>
  Fr Aux(const Value& value) {
    return Copy(value());
  }
  template <typename Value>
  Fr Input(const Value& value) {
    return *input_++ = value();
  }
  static Fr Constant(const Fr& value) { return value; }

  static Fr Plus(const Fr& sum, const Fr& constant) { return sum + constant; }
  static Fr Minus(const Fr& a, const Fr& b) { return a - b; }
  template <std::size_t kCount>
  static Fr Weighted(const std::array<Fr, kCount>& sums, const Fr* factors, std::size_t stride) {
    static_assert(kCount <= bls12_381::WideSum::kProductsMax);
    bls12_381::WideSum weighted;
    for (std::size_t i = 0; i < kCount; ++i) weighted.Add(sums[i], factors[i * stride]);
    return weighted.Reduced();
  }
  static void AddScaled(Fr& to, const Fr& sum, const Fr& factor) { to += sum * factor; }

  void Enforce(const Fr& a, const Fr& b, const Fr& c) {
    *a_++ = a;
    *b_++ = b;
    *c_++ = c;
  }

  Fr Copy(const Fr& value) { return *aux_++ = value; }
  Fr Product(const Fr& a, const Fr& b) {
    const Fr product = a * b;
    Enforce(a, b, product);
    return Copy(product);
  }
  Fr Product(const Fr& a, const Fr& b, const Fr& post) {
    const Fr product = a * b;
    Enforce(a, b, product);
    return Copy(product + post);
  }
  Fr Pick(const Fr& condition, const Fr& if_one, const Fr& if_zero) {
    return Copy(condition.IsZero() ? if_zero : if_one);
  }

 private:
  Fr* input_;
  Fr* aux_;
  Fr* a_;
  Fr* b_;
  Fr* c_;
};

// Where the parts of all sectors lie.
class Generator {
 public:
  Generator(const PostShape& shape, const WitnessBuffers& out)
      : shape_(shape), out_(out), sector_(SectorCounts(shape)), outline_(OutlineOf(shape)) {}

  void Commitments(std::uint64_t s, const SectorPaths& paths) const {
    ValueSink sink(out_, 1 + s * sector_.inputs, s * sector_.aux, s * sector_.constraints);
    Walk(sink).Commitments(&paths);
  }

  void Challenge(std::uint64_t s, std::uint64_t j, const SectorPaths& paths) const {
    const auto& [before, each] = outline_;
    ValueSink sink(out_, 1 + s * sector_.inputs + before.inputs + j * each.inputs,
                   s * sector_.aux + before.Aux() + j * each.Aux(),
                   s * sector_.constraints + before.constraints + j * each.constraints);
    Walk(sink).Challenge(shape_, &paths.challenges[j], paths.comm_r_last);
  }

  // Copies the block of sector `from` to sector `to`.
  void Repeat(std::uint64_t from, std::uint64_t to) const {
    const auto copy = [from, to](std::span<Fr> values, std::uint64_t block, std::uint64_t skip) {
      std::copy_n(&values[skip + from * block], block, &values[skip + to * block]);
    };
    copy(out_.inputs, sector_.inputs, 1);
    copy(out_.aux, sector_.aux, 0);
    for (const std::span<Fr> rows : {out_.a, out_.b, out_.c}) copy(rows, sector_.constraints, 0);
  }

 private:
  const PostShape& shape_;
  const WitnessBuffers& out_;
  const Counts sector_;
  const SectorOutline outline_;
};

bool HasForm(const PostShape& shape, const SectorPaths& sector) {
  const auto has_form = [&shape](const merkle::InclusionProof& proof) {
    return std::ranges::equal(proof.path, shape.level_arities,
                              [](const merkle::PathElement& element, unsigned arity) {
                                return element.siblings.size() + 1 == arity;
                              });
  };
  return sector.challenges.size() == shape.challenges &&
         std::ranges::all_of(sector.challenges, has_form);
}

}  // namespace

void GenerateWitness(const PostShape& shape, std::span<const SectorPaths> sectors,
                     const WitnessBuffers& out, ThreadPool& pool) {
  const Counts counts = CircuitCounts(shape);
  DAMOCLES_CHECK(!sectors.empty() && sectors.size() <= shape.sectors);
  DAMOCLES_CHECK(out.inputs.size() == counts.inputs && out.aux.size() == counts.aux);
  DAMOCLES_CHECK(std::min({out.a.size(), out.b.size(), out.c.size()}) >= counts.Rows());
  DAMOCLES_CHECK(std::ranges::all_of(
      sectors, [&](const SectorPaths& sector) { return HasForm(shape, sector); }));
  const Generator generator(shape, out);
  const std::size_t parts = std::size_t{shape.challenges} + 1;
  pool.ParallelFor(sectors.size() * parts, [&](std::size_t i) {
    const std::size_t s = i / parts;
    const std::size_t part = i % parts;
    if (part == 0) {
      generator.Commitments(s, sectors[s]);
    } else {
      generator.Challenge(s, part - 1, sectors[s]);
    }
  });
  pool.ParallelFor(shape.sectors - sectors.size(), [&](std::size_t i) {
    generator.Repeat(sectors.size() - 1, sectors.size() + i);
  });
  out.inputs[0] = Fr::One();
  for (std::size_t i = 0; i < counts.inputs; ++i) {
    const std::size_t row = counts.constraints + i;
    out.a[row] = out.inputs[i];
    out.b[row] = Fr::Zero();
    out.c[row] = Fr::Zero();
  }
}

}  // namespace damocles::circuit
