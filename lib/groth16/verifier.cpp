// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/groth16/verifier.h"

#include <utility>

#include "absl/strings/str_format.h"

#include "damocles/base/check.h"
#include "damocles/base/status.h"
#include "damocles/bls12_381/multiexp.h"

namespace damocles::groth16 {
namespace {

using bls12_381::Fp12;
using bls12_381::Fr;
using bls12_381::G1;
using bls12_381::PairingPair;

Fp12 MillerOf(const G1Affine& p, const G2Affine& q) {
  const PairingPair pair{p, q};
  return bls12_381::MillerLoop(std::span(&pair, 1));
}

// 128 random bits as a scalar.
Fr RandomWeight(Random& random) {
  Fr::Limbs limbs{};
  limbs[0] = random.NextU64();
  limbs[1] = random.NextU64();
  return Fr::FromCanonical(limbs);
}

}  // namespace

Verifier::Verifier(VerifyingKey key)
    : key_(std::move(key)), minus_alpha_beta_(MillerOf(-key_.alpha_g1, key_.beta_g2)) {}

absl::Status Verifier::CheckInputCount(std::size_t count) const {
  if (count + 1 == key_.ic.size()) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrFormat(
      "%d public inputs, the verifying key is for %d; it belongs to another circuit", count,
      key_.ic.size() - 1));
}

absl::StatusOr<bool> Verifier::Verify(const Proof& proof, std::span<const Fr> inputs,
                                      ThreadPool& pool) const {
  DAMOCLES_RETURN_IF_ERROR(CheckInputCount(inputs.size()));
  const G1 sum = bls12_381::MultiExp(pool, std::span(key_.ic).subspan(1), inputs) + key_.ic.front();
  // e(A, B) = e(alpha, beta) e(sum, gamma) e(C, delta), all on one side.
  const PairingPair pairs[] = {
      {proof.a, proof.b}, {-bls12_381::ToAffine(sum), key_.gamma_g2}, {-proof.c, key_.delta_g2}};
  const Fp12 product = bls12_381::MillerLoop(pairs) * minus_alpha_beta_;
  return bls12_381::FinalExponentiation(product) == bls12_381::Gt::One();
}

absl::StatusOr<bool> Verifier::VerifyAll(std::span<const Proof> proofs,
                                         std::span<const std::vector<Fr>> inputs, Random& random,
                                         ThreadPool& pool) const {
  DAMOCLES_CHECK(proofs.size() == inputs.size());
  if (proofs.empty()) return absl::InvalidArgumentError("there is no proof to verify");
  if (proofs.size() == 1) return Verify(proofs.front(), inputs.front(), pool);

  std::vector<Fr> weighted_inputs(key_.ic.size(), Fr::Zero());  // ONE first
  std::vector<PairingPair> pairs;
  G1 sum_c = G1::Infinity();
  for (std::size_t i = 0; i < proofs.size(); ++i) {
    DAMOCLES_RETURN_IF_ERROR(CheckInputCount(inputs[i].size()));
    const Fr weight = RandomWeight(random);
    weighted_inputs[0] += weight;
    for (std::size_t k = 0; k < inputs[i].size(); ++k) {
      weighted_inputs[1 + k] += weight * inputs[i][k];
    }
    pairs.emplace_back(bls12_381::ToAffine(bls12_381::Mul(proofs[i].a, weight)), proofs[i].b);
    sum_c += bls12_381::Mul(proofs[i].c, weight);
  }
  const G1 sum_inputs = bls12_381::MultiExp(pool, key_.ic, weighted_inputs);
  pairs.emplace_back(-bls12_381::ToAffine(sum_inputs), key_.gamma_g2);
  pairs.emplace_back(-bls12_381::ToAffine(sum_c), key_.delta_g2);
  pairs.emplace_back(-bls12_381::ToAffine(bls12_381::Mul(key_.alpha_g1, weighted_inputs[0])),
                     key_.beta_g2);
  return bls12_381::PairingProductIsOne(pairs);
}

}  // namespace damocles::groth16
