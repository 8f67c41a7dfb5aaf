// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/groth16/prover.h"

#include <string.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_format.h"
#include "lib/groth16/secret_memory.h"
#include "lib/groth16/sum_in_parts.h"

#include "damocles/base/check.h"
#include "damocles/base/hex.h"
#include "damocles/base/status.h"
#include "damocles/hash/sha256.h"

namespace damocles::groth16 {
namespace {

using bls12_381::Fr;
using bls12_381::G1;
using bls12_381::G2;

std::string DigestOf(std::span<const Fr> values) {
  hash::Sha256 sha;
  for (const Fr& value : values) sha.Update(bls12_381::ToBytesLe(value));
  return ToHex(sha.Finish());
}

// A proof that nobody needs any more must end soon: so many scalars at a time.  The arithmetic
// works in parts of this size anyway.
constexpr std::size_t kCancelPart = std::size_t{1} << 21;

// Appends the values of one density: sector after sector, the dense ones in order.
void AppendDense(std::span<const Fr> aux, const std::vector<bool>& density, std::vector<Fr>& out) {
  for (std::size_t begin = 0; begin < aux.size(); begin += density.size()) {
    for (std::size_t i = 0; i < density.size(); ++i) {
      if (density[i]) out.push_back(aux[begin + i]);
    }
  }
}

[[gnu::noinline]] void Draw(Random& random, Blinding& out) {
  out.r = bls12_381::RandomFr(random);
  out.s = bls12_381::RandomFr(random);
}

}  // namespace

Blinding::~Blinding() {
  explicit_bzero(static_cast<void*>(&r), sizeof(r));
  explicit_bzero(static_cast<void*>(&s), sizeof(s));
}

Blinding RandomBlinding(Random& random) {
  Blinding blinding;
  Draw(random, blinding);
  WipeStackBelow();
  return blinding;
}

Prover::Prover(circuit::PostShape shape, std::shared_ptr<const ParamsFile> params, Engine& engine,
               ThreadPool& pool)
    : shape_(std::move(shape)),
      counts_(circuit::CircuitCounts(shape_)),
      densities_(circuit::SectorDensities(shape_)),
      params_(std::move(params)),
      engine_(engine),
      pool_(pool) {}

absl::StatusOr<std::unique_ptr<Prover>> Prover::Make(const circuit::PostShape& shape,
                                                     std::shared_ptr<const ParamsFile> params,
                                                     Engine& engine, ThreadPool& pool) {
  std::unique_ptr<Prover> prover(new Prover(shape, std::move(params), engine, pool));
  const ParamsLayout& layout = prover->params_->Layout();
  const QueryCounts expected = ExpectedCounts(prover->counts_);
  QueryCounts found = layout.counts;
  found.h = std::min(found.h, expected.h);
  if (found != expected) {
    return absl::InvalidArgumentError(
        absl::StrFormat("%s: belongs to another circuit", prover->params_->Path()));
  }
  const ParamsFile& file = *prover->params_;
  EncodedPoints h = file.G1Points(layout.h);
  h.count = expected.h;
  DAMOCLES_ASSIGN_OR_RETURN(prover->h_, engine.LoadG1(std::move(h)));
  DAMOCLES_ASSIGN_OR_RETURN(prover->l_, engine.LoadG1(file.G1Points(layout.l)));
  DAMOCLES_ASSIGN_OR_RETURN(prover->a_, engine.LoadG1(file.G1Points(layout.a)));
  DAMOCLES_ASSIGN_OR_RETURN(prover->b_g1_, engine.LoadG1(file.G1Points(layout.b_g1)));
  DAMOCLES_ASSIGN_OR_RETURN(prover->b_g2_, engine.LoadG2(file.G2Points(layout.b_g2)));
  return prover;
}

absl::StatusOr<Proof> Prover::Prove(std::span<const circuit::SectorPaths> sectors,
                                    const Blinding& blinding, const std::atomic<bool>& cancelled,
                                    WitnessDigests* digests) const {
  auto sums = Sums(sectors, blinding, cancelled, digests);
  if (absl::IsInvalidArgument(sums.status())) {
    return absl::DataLossError(absl::StrFormat("%s: %s; copy or make the file again",
                                               params_->Path(),
                                               std::string(sums.status().message())));
  }
  if (!sums.ok()) return sums.status();
  Proof proof;
  Assemble(*sums, params_->Key(), blinding, proof);
  WipeStackBelow();
  return proof;
}

// A function of its own, so that what it has of the blinding lies below its caller's frame.
[[gnu::noinline]] void Prover::Assemble(const QuerySums& sums, const VerifyingKey& key,
                                        const Blinding& blinding, Proof& out) {
  const auto& [r, s] = blinding;
  const G1 a = sums.a + key.alpha_g1 + bls12_381::Mul(key.delta_g1, r);
  const G2 b = sums.b_g2 + key.beta_g2 + bls12_381::Mul(key.delta_g2, s);
  const G1 b_g1 = sums.b_g1 + key.beta_g1 + bls12_381::Mul(key.delta_g1, s);
  const G1 c = sums.h + sums.l + bls12_381::Mul(a, s) + bls12_381::Mul(b_g1, r) -
               bls12_381::Mul(key.delta_g1, r * s);
  out = {.a = bls12_381::ToAffine(a), .b = bls12_381::ToAffine(b), .c = bls12_381::ToAffine(c)};
}

absl::StatusOr<Prover::QuerySums> Prover::Sums(std::span<const circuit::SectorPaths> sectors,
                                               const Blinding& blinding,
                                               const std::atomic<bool>& cancelled,
                                               WitnessDigests* digests) const {
  DAMOCLES_RETURN_IF_ERROR(CheckGoOn(cancelled));
  const unsigned log2_size = counts_.Log2Domain();
  const std::size_t size = std::size_t{1} << log2_size;
  std::vector<Fr> inputs(counts_.inputs);
  std::vector<Fr> aux(counts_.aux);
  std::vector<Fr> a(size);
  std::vector<Fr> b(size);
  std::vector<Fr> c(size);
  circuit::GenerateWitness(shape_, sectors, {inputs, aux, a, b, c}, pool_);
  if (digests != nullptr) {
    const std::size_t rows = counts_.Rows();
    *digests = {.inputs_without_one = DigestOf(std::span(inputs).subspan(1)),
                .aux = DigestOf(aux),
                .a = DigestOf(std::span(a).first(rows)),
                .b = DigestOf(std::span(b).first(rows)),
                .c = DigestOf(std::span(c).first(rows))};
  }
  DAMOCLES_RETURN_IF_ERROR(CheckGoOn(cancelled));

  DAMOCLES_RETURN_IF_ERROR(engine_.Quotient(log2_size, a, b, c));
  if (!a.back().IsZero()) {
    return absl::InternalError("the witness does not satisfy the circuit");
  }
  DAMOCLES_RETURN_IF_ERROR(CheckGoOn(cancelled));

  const auto sum_g1 = [&](const PointSet& points, std::span<const Fr> scalars) {
    return SumInParts<G1>(scalars, kCancelPart, cancelled,
                          [&](std::uint64_t first, std::span<const Fr> part) {
                            return engine_.MultiExpG1(points, first, part);
                          });
  };
  const auto sum_g2 = [&](const PointSet& points, std::span<const Fr> scalars) {
    return SumInParts<G2>(scalars, kCancelPart, cancelled,
                          [&](std::uint64_t first, std::span<const Fr> part) {
                            return engine_.MultiExpG2(points, first, part);
                          });
  };
  QuerySums sums;
  DAMOCLES_ASSIGN_OR_RETURN(sums.h, sum_g1(*h_, std::span(a).first(size - 1)));
  DAMOCLES_ASSIGN_OR_RETURN(sums.l, sum_g1(*l_, aux));

  // The rows are done with: their memory serves for the dense scalars.
  std::vector<Fr>& scalars = b;
  scalars.assign(inputs.begin(), inputs.end());
  AppendDense(aux, densities_.a, scalars);
  DAMOCLES_ASSIGN_OR_RETURN(sums.a, sum_g1(*a_, scalars));

  scalars.assign(1, Fr::One());
  AppendDense(aux, densities_.b, scalars);
  DAMOCLES_ASSIGN_OR_RETURN(sums.b_g2, sum_g2(*b_g2_, scalars));
  if (!blinding.r.IsZero()) {  // B in G1 serves only to be multiplied by r
    DAMOCLES_ASSIGN_OR_RETURN(sums.b_g1, sum_g1(*b_g1_, scalars));
  }
  return sums;
}

}  // namespace damocles::groth16
