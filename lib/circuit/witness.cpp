// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/circuit/witness.h"

#include <algorithm>

#include "damocles/base/check.h"
#include "damocles/circuit/gadgets.h"
#include "damocles/poseidon/constants.h"

namespace damocles::circuit {
namespace {

// Writes aux variables and rows one after the other.
class Writer {
 public:
  Writer(const WitnessBuffers& out, std::uint64_t aux, std::uint64_t row)
      : aux_(&out.aux[aux]), a_(&out.a[row]), b_(&out.b[row]), c_(&out.c[row]) {}

  const Fr& Aux(const Fr& value) { return *aux_++ = value; }
  void Row(const Fr& a, const Fr& b, const Fr& c) {
    *a_++ = a;
    *b_++ = b;
    *c_++ = c;
  }

 private:
  Fr* aux_;
  Fr* a_;
  Fr* b_;
  Fr* c_;
};

constexpr std::size_t kWidthMax = 9;
const Fr kOne = Fr::One();

// The Poseidon gadget for one arity, in the order of gadgets.cpp.
class PoseidonRows {
 public:
  explicit PoseidonRows(unsigned arity)
      : constants_(poseidon::ConstantsFor(arity)), width_(arity + 1) {
    const auto& keys = constants_.compressed;
    first_lane_ = (constants_.domain_tag + keys[0]).Pow(5) + keys[width_];
  }

  Fr operator()(std::span<const Fr> preimage, Writer& out) const {
    const auto& keys = constants_.compressed;
    const std::size_t partial_rounds = constants_.partial_rounds;
    std::array<Fr, kWidthMax> state;
    state[0] = first_lane_;
    for (std::size_t i = 1; i < width_; ++i) {
      state[i] = Power(preimage[i - 1] + keys[i], keys[width_ + i], out);
    }
    Dense(constants_.mds, state);
    for (std::size_t round = 1; round < 4; ++round) {
      FullRound(&keys[(1 + round) * width_], state, out);
      Dense(round < 3 ? constants_.mds : constants_.pre_sparse, state);
    }
    for (std::size_t round = 0; round < partial_rounds; ++round) {
      state[0] = SBox(state[0], keys[5 * width_ + round], out);
      Sparse(constants_.sparse[round], state);
    }
    for (std::size_t round = 0; round < 3; ++round) {
      FullRound(&keys[5 * width_ + partial_rounds + round * width_], state, out);
      Dense(constants_.mds, state);
    }
    static constexpr std::array<Fr, kWidthMax> kNoKeys{};
    FullRound(kNoKeys.data(), state, out);
    // Only lane 1 leaves the last layer.
    Fr result = Fr::Zero();
    for (std::size_t i = 0; i < width_; ++i) result += state[i] * constants_.mds[i * width_ + 1];
    out.Aux(result);
    out.Row(result, kOne, result);
    return result;
  }

 private:
  static Fr Power(const Fr& base, const Fr& post, Writer& out) {
    const Fr l2 = out.Aux(base.Square());
    out.Row(base, base, l2);
    const Fr l4 = out.Aux(l2.Square());
    out.Row(l2, l2, l4);
    const Fr fifth = base * l4;
    out.Row(base, l4, fifth);
    return out.Aux(fifth + post);
  }

  static Fr SBox(const Fr& value, const Fr& post, Writer& out) {
    out.Aux(value);
    out.Row(value, kOne, value);
    return Power(value, post, out);
  }

  void FullRound(const Fr* posts, std::array<Fr, kWidthMax>& state, Writer& out) const {
    for (std::size_t i = 0; i < width_; ++i) state[i] = SBox(state[i], posts[i], out);
  }

  void Dense(const std::vector<Fr>& matrix, std::array<Fr, kWidthMax>& state) const {
    std::array<Fr, kWidthMax> next{};
    for (std::size_t i = 0; i < width_; ++i) {
      for (std::size_t j = 0; j < width_; ++j) next[j] += state[i] * matrix[i * width_ + j];
    }
    state = next;
  }

  void Sparse(const poseidon::SparseMatrix& sparse, std::array<Fr, kWidthMax>& state) const {
    Fr first = state[0] * sparse.w_hat[0];
    for (std::size_t i = 1; i < width_; ++i) {
      first += state[i] * sparse.w_hat[i];
      state[i] += state[0] * sparse.v_rest[i - 1];
    }
    state[0] = first;
  }

  const poseidon::Constants& constants_;
  std::size_t width_;
  Fr first_lane_;
};

// What all sectors share.
struct Generator {
  const PostShape& shape;
  const WitnessBuffers& out;
  const Counts sector_counts;
  std::uint64_t challenge_aux;
  std::uint64_t challenge_rows;
  std::array<PoseidonRows, 3> hashes{PoseidonRows(2), PoseidonRows(4), PoseidonRows(8)};

  Generator(const PostShape& the_shape, const WitnessBuffers& buffers)
      : shape(the_shape), out(buffers), sector_counts(SectorCounts(the_shape)) {
    const Counts none = SectorCounts({the_shape.level_arities, 0, 1});
    const Counts one = SectorCounts({the_shape.level_arities, 1, 1});
    prologue_aux = none.aux;
    prologue_rows = none.constraints;
    challenge_aux = one.aux - none.aux;
    challenge_rows = one.constraints - none.constraints;
  }

  std::uint64_t prologue_aux = 0;
  std::uint64_t prologue_rows = 0;

  const PoseidonRows& Hash(unsigned arity) const { return hashes[IndexBits(arity) - 1]; }
  Fr& Input(std::uint64_t sector, std::uint64_t k) const {
    return out.inputs[1 + sector * sector_counts.inputs + k];
  }

  void Prologue(std::uint64_t s, const SectorPaths& paths) const {
    Writer writer(out, s * sector_counts.aux, s * sector_counts.constraints);
    writer.Aux(paths.comm_r_last);
    writer.Aux(paths.comm_c);
    writer.Aux(paths.comm_r);
    Input(s, 0) = paths.comm_r;
    writer.Row(paths.comm_r, kOne, paths.comm_r);
    const std::array<Fr, 2> commitments{paths.comm_c, paths.comm_r_last};
    const Fr hashed = Hash(2)(commitments, writer);
    writer.Row(paths.comm_r, kOne, hashed);
  }

  void Challenge(std::uint64_t s, std::uint32_t j, const SectorPaths& paths) const {
    const ChallengePath& path = paths.challenges[j];
    Writer writer(out, s * sector_counts.aux + prologue_aux + j * challenge_aux,
                  s * sector_counts.constraints + prologue_rows + j * challenge_rows);
    Fr node = writer.Aux(path.leaf);
    for (std::size_t i = 0; i < shape.level_arities.size(); ++i) {
      node = Level(shape.level_arities[i], node, path.levels[i], writer);
    }
    const Fr challenge = Fr::FromU64(PackedIndex(shape, path));
    Input(s, 1 + j) = challenge;
    writer.Row(challenge, kOne, challenge);
    writer.Row(node, kOne, paths.comm_r_last);
  }

  Fr Level(unsigned arity, const Fr& node, const PathLevel& level, Writer& writer) const {
    const unsigned bit_count = IndexBits(arity);
    std::array<Fr, 5> conditions{};
    for (unsigned i = 0; i < bit_count; ++i) {
      const Fr bit = ((level.index >> i) & 1) != 0 ? kOne : Fr::Zero();
      conditions[i] = writer.Aux(bit);
      writer.Row(kOne - bit, bit, Fr::Zero());
    }
    std::array<Fr, kPickBase + 20> operands{};
    operands[0] = node;
    for (unsigned i = 1; i < arity; ++i) operands[i] = writer.Aux(level.siblings[i - 1]);
    if (arity == 8) {
      const Fr not0 = kOne - conditions[0];
      const Fr not1 = kOne - conditions[1];
      conditions[kNorCondition] = writer.Aux(not0 * not1);
      writer.Row(not0, not1, conditions[kNorCondition]);
      conditions[kAndCondition] = writer.Aux(conditions[0] * conditions[1]);
      writer.Row(conditions[0], conditions[1], conditions[kAndCondition]);
    }
    std::array<Fr, 8> children;
    std::size_t child_count = 0;
    std::size_t next = kPickBase;
    for (const PickStep& step : InsertionSteps(arity)) {
      const Fr& condition = conditions[step.condition];
      const Fr& if_zero = operands[step.if_zero];
      const Fr& if_one = operands[step.if_one];
      const Fr& result = condition.IsZero() ? if_zero : if_one;
      writer.Aux(result);
      writer.Row(if_zero - if_one, condition, if_zero - result);
      if (step.is_child) children[child_count++] = result;
      operands[next++] = result;
    }
    return Hash(arity)(std::span<const Fr>(children.data(), arity), writer);
  }

  // Copies the block of sector `from` to sector `to`.
  void Repeat(std::uint64_t from, std::uint64_t to) const {
    const auto copy = [from, to](std::span<Fr> values, std::uint64_t block, std::uint64_t skip) {
      std::copy_n(&values[skip + from * block], block, &values[skip + to * block]);
    };
    copy(out.inputs, sector_counts.inputs, 1);
    copy(out.aux, sector_counts.aux, 0);
    for (const std::span<Fr> rows : {out.a, out.b, out.c}) copy(rows, sector_counts.constraints, 0);
  }
};

}  // namespace

std::uint64_t PackedIndex(const PostShape& shape, const ChallengePath& path) {
  std::uint64_t packed = 0;
  unsigned shift = 0;
  for (std::size_t i = 0; i < shape.level_arities.size(); ++i) {
    packed |= std::uint64_t{path.levels[i].index} << shift;
    shift += IndexBits(shape.level_arities[i]);
  }
  return packed;
}

void GenerateWitness(const PostShape& shape, std::span<const SectorPaths> sectors,
                     const WitnessBuffers& out, ThreadPool& pool) {
  const Counts counts = CircuitCounts(shape);
  DAMOCLES_CHECK(!sectors.empty() && sectors.size() <= shape.sectors);
  DAMOCLES_CHECK(out.inputs.size() == counts.inputs && out.aux.size() == counts.aux);
  DAMOCLES_CHECK(std::min({out.a.size(), out.b.size(), out.c.size()}) >= counts.Rows());
  for (const SectorPaths& sector : sectors) {
    DAMOCLES_CHECK(sector.challenges.size() == shape.challenges);
    for (const ChallengePath& path : sector.challenges) {
      DAMOCLES_CHECK(path.levels.size() == shape.level_arities.size());
    }
  }
  const Generator generator(shape, out);
  const std::size_t parts = std::size_t{shape.challenges} + 1;
  pool.ParallelFor(sectors.size() * parts, [&](std::size_t i) {
    const std::size_t s = i / parts;
    const std::size_t part = i % parts;
    if (part == 0) {
      generator.Prologue(s, sectors[s]);
    } else {
      generator.Challenge(s, static_cast<std::uint32_t>(part - 1), sectors[s]);
    }
  });
  pool.ParallelFor(shape.sectors - sectors.size(), [&](std::size_t i) {
    generator.Repeat(sectors.size() - 1, sectors.size() + i);
  });
  out.inputs[0] = kOne;
  for (std::size_t i = 0; i < counts.inputs; ++i) {
    const std::size_t row = counts.constraints + i;
    out.a[row] = out.inputs[i];
    out.b[row] = Fr::Zero();
    out.c[row] = Fr::Zero();
  }
}

}  // namespace damocles::circuit
