// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/groth16/prover.h"

#include <algorithm>
#include <stop_token>
#include <utility>
#include <vector>

#include "absl/strings/str_format.h"
#include "lib/groth16/secret_memory.h"

#include "damocles/base/hex.h"
#include "damocles/base/status.h"
#include "damocles/base/stop.h"
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

// A function of its own, so that what it has of the blinding lies below its caller's frame.
[[gnu::noinline]] void Assemble(const QuerySums& sums, const VerifyingKey& key,
                                const Blinding& blinding, Proof& out) {
  const auto& [r, s] = blinding;
  const G1 a = sums.a + key.alpha_g1 + bls12_381::Mul(key.delta_g1, r);
  const G2 b = sums.b_g2 + key.beta_g2 + bls12_381::Mul(key.delta_g2, s);
  const G1 b_g1 = sums.b_g1 + key.beta_g1 + bls12_381::Mul(key.delta_g1, s);
  const G1 c = sums.h + sums.l + bls12_381::Mul(a, s) + bls12_381::Mul(b_g1, r) -
               bls12_381::Mul(key.delta_g1, r * s);
  out = {.a = bls12_381::ToAffine(a), .b = bls12_381::ToAffine(b), .c = bls12_381::ToAffine(c)};
}

[[gnu::noinline]] void Draw(Random& random, Blinding& out) {
  out.r = bls12_381::RandomFr(random);
  out.s = bls12_381::RandomFr(random);
}

}  // namespace

Blinding::~Blinding() {
  WipeWords(r.limb);
  WipeWords(s.limb);
}

Blinding RandomBlinding(Random& random) {
  Blinding blinding;
  Draw(random, blinding);
  WipeStackBelow();
  return blinding;
}

absl::StatusOr<Proof> PendingProof::Finish() {
  auto sums = sums_.get();
  if (absl::IsInvalidArgument(sums.status())) {
    return absl::DataLossError(absl::StrFormat("%s: %s; copy or make the file again",
                                               params_->Path(),
                                               std::string(sums.status().message())));
  }
  if (!sums.ok()) return sums.status();
  Proof proof;
  Assemble(*sums, params_->Key(), blinding_, proof);
  WipeStackBelow();
  return proof;
}

Prover::Prover(circuit::PostShape shape, std::shared_ptr<const ParamsFile> params, ThreadPool& pool)
    : shape_(std::move(shape)),
      counts_(circuit::CircuitCounts(shape_)),
      params_(std::move(params)),
      pool_(pool) {}

absl::StatusOr<std::unique_ptr<Prover>> Prover::Make(const circuit::PostShape& shape,
                                                     std::shared_ptr<const ParamsFile> params,
                                                     Backend& backend, ThreadPool& pool) {
  std::unique_ptr<Prover> prover(new Prover(shape, std::move(params), pool));
  const QueryCounts expected = ExpectedCounts(prover->counts_);
  QueryCounts found = prover->params_->Layout().counts;
  found.h = std::min(found.h, expected.h);
  if (found != expected) {
    return absl::InvalidArgumentError(
        absl::StrFormat("%s: belongs to another circuit", prover->params_->Path()));
  }
  DAMOCLES_ASSIGN_OR_RETURN(prover->key_, backend.Load(prover->shape_, prover->params_));
  return prover;
}

absl::StatusOr<Proof> Prover::Prove(std::span<const circuit::SectorPaths> sectors,
                                    const Blinding& blinding, const std::stop_token& stop,
                                    WitnessDigests* digests) const {
  DAMOCLES_ASSIGN_OR_RETURN(PendingProof pending, Begin(sectors, blinding, stop, digests));
  return pending.Finish();
}

absl::StatusOr<PendingProof> Prover::Begin(std::span<const circuit::SectorPaths> sectors,
                                           const Blinding& blinding, const std::stop_token& stop,
                                           WitnessDigests* digests) const {
  DAMOCLES_RETURN_IF_ERROR(CheckGoOn(stop));
  Assignment assignment = MakeAssignment(sectors, digests);
  DAMOCLES_RETURN_IF_ERROR(CheckGoOn(stop));
  return PendingProof(*params_, blinding,
                      key_->Sum(std::move(assignment), {.want_b_g1 = !blinding.r.IsZero()}, stop));
}

Assignment Prover::MakeAssignment(std::span<const circuit::SectorPaths> sectors,
                                  WitnessDigests* digests) const {
  const std::size_t size = std::size_t{1} << counts_.Log2Domain();
  Assignment made{.inputs = std::vector<Fr>(counts_.inputs),
                  .aux = std::vector<Fr>(counts_.aux),
                  .a = std::vector<Fr>(size),
                  .b = std::vector<Fr>(size),
                  .c = std::vector<Fr>(size)};
  circuit::GenerateWitness(shape_, sectors, {made.inputs, made.aux, made.a, made.b, made.c}, pool_);
  if (digests != nullptr) {
    const std::size_t rows = counts_.Rows();
    *digests = {.inputs_without_one = DigestOf(std::span(made.inputs).subspan(1)),
                .aux = DigestOf(made.aux),
                .a = DigestOf(std::span(made.a).first(rows)),
                .b = DigestOf(std::span(made.b).first(rows)),
                .c = DigestOf(std::span(made.c).first(rows))};
  }
  return made;
}

}  // namespace damocles::groth16
