// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/filecoin/election.h"

#include <gmpxx.h>

#include <span>
#include <utility>

#include "damocles/base/check.h"
#include "damocles/hash/blake2b.h"

namespace damocles::filecoin {
namespace {

constexpr unsigned kPrecision = 256;

// From the highest power down, in Q.128.
constexpr const char* kNumerator[] = {
    "-648770010757830093818553637600",          "67469480939593786226847644286976",
    "-3197587544499098424029388939001856",      "89244641121992890118377641805348864",
    "-1579656163641440567800982336819953664",   "17685496037279256458459817590917169152",
    "-115682590513835356866803355398940131328", "340282366920938463463374607431768211456",
};
constexpr const char* kDenominator[] = {
    "1225524182432722209606361",
    "114095592300906098243859450",
    "5665570424063336070530214243",
    "194450132448609991765137938448",
    "5068267641632683791026134915072",
    "104716890604972796896895427629056",
    "1748338658439454459487681798864896",
    "23704654329841312470660182937960448",
    "259380097567996910282699886670381056",
    "2250336698853390384720606936038375424",
    "14978272436876548034486263159246028800",
    "72144088983913131323343765784380833792",
    "224599776407103106596571252037123047424",
    "340282366920938463463374607431768211456",
};

mpz_class FromBigInt(const BigInt& value) {
  return mpz_class(value.ToString(), 10);
}

BigInt ToBigInt(const mpz_class& value) {
  Bytes magnitude((mpz_sizeinbase(value.get_mpz_t(), 2) + 7) / 8);
  std::size_t written = 0;
  mpz_export(magnitude.data(), &written, 1, 1, 1, 0, value.get_mpz_t());
  magnitude.resize(written);
  return BigInt::FromBytesBe(magnitude, sgn(value) < 0);
}

// Downwards, also below zero: as Go shifts.
mpz_class ShiftDown(const mpz_class& value) {
  mpz_class shifted;
  mpz_fdiv_q_2exp(shifted.get_mpz_t(), value.get_mpz_t(), kPrecision);
  return shifted;
}

mpz_class Polynomial(std::span<const char* const> coefficients, const mpz_class& x) {
  mpz_class value = 0;
  for (const char* coefficient : coefficients) {
    value = ShiftDown(value * x) + (mpz_class(coefficient, 10) << (kPrecision - 128));
  }
  return value;
}

}  // namespace

namespace election {

BigInt ExpOfMinus(const BigInt& x) {
  const mpz_class exponent = FromBigInt(x);
  const mpz_class numerator = Polynomial(kNumerator, exponent) << kPrecision;
  return ToBigInt(numerator / Polynomial(kDenominator, exponent));
}

BigInt Lambda(const StoragePower& miner, const StoragePower& network) {
  DAMOCLES_CHECK(network.Sign() > 0);
  const mpz_class blocks = FromBigInt(miner) * static_cast<unsigned long>(kBlocksPerEpoch);
  return ToBigInt((blocks << kPrecision) / FromBigInt(network));
}

UpsideDownPoisson::UpsideDownPoisson(BigInt lambda)
    : lambda_(std::move(lambda)),
      density_(ExpOfMinus(lambda_)),
      value_(ToBigInt(mpz_class(1) << kPrecision) - density_) {}

void UpsideDownPoisson::Advance() {
  ++wins_;
  // In this order: each division rounds.
  density_ = ToBigInt(ShiftDown(FromBigInt(density_ / wins_) * FromBigInt(lambda_)));
  value_ -= density_;
}

}  // namespace election

unsigned WinCount(ByteSpan vrf_proof, const StoragePower& miner, const StoragePower& network) {
  if (network.Sign() <= 0 || miner.Sign() <= 0) return 0;
  const BigInt drawn = BigInt::FromBytesBe(hash::Blake2b256Of(vrf_proof));
  election::UpsideDownPoisson poisson(election::Lambda(miner, network));
  unsigned wins = 0;
  while (drawn < poisson.Value() && wins < kWinCountMax) {
    poisson.Advance();
    ++wins;
  }
  return wins;
}

}  // namespace damocles::filecoin
