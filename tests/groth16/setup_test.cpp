// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/groth16/setup.h"

#include <array>
#include <new>

#include "tests/groth16/tiny_circuit.h"
#include "tests/support/status_matchers.h"

#include "damocles/bls12_381/fft.h"
#include "damocles/groth16/params.h"

namespace damocles::groth16 {
namespace {

using testing_support::StatusIs;

TEST(SetupTest, SameSecretsSameBytesOnAnyNumberOfThreads) {
  ThreadPool one(1);
  ThreadPool three(3);
  const Bytes first = TinyParams(one, 5);
  EXPECT_EQ(first, TinyParams(three, 5));
  EXPECT_NE(first, TinyParams(one, 6));
}

// tau times an element of h is the next: e(h[i + 1], g2) = e(h[i], tau g2), without knowing more
// than two elements of the query.
TEST(SetupTest, ElementsOfHArePowersOfTau) {
  ThreadPool pool(2);
  const Bytes params = TinyParams(pool, 7);
  SeededRandom random(7);
  const SetupSecrets secrets = RandomSecrets(random);
  const ParamsLayout layout = ParseParams(params).value();
  std::vector<bls12_381::G1Affine> h(layout.counts.h);
  const EncodedPoints encoded{
      .count = layout.counts.h,
      .read = ReadFrom(ByteSpan(params).subspan(layout.h.offset, layout.h.bytes))};
  ASSERT_OK(DecodePoints(pool, encoded, 0, std::span(h)));
  for (const std::size_t i : {std::size_t{0}, std::size_t{1}, h.size() - 2}) {
    EXPECT_EQ(bls12_381::ToAffine(bls12_381::Mul(h[i], secrets.tau)), h[i + 1]) << i;
  }
}

TEST(SetupTest, UnusableSecretsAreRefused) {
  ThreadPool pool(2);
  const circuit::PostCircuit circuit(TinyShape());
  const auto sink = [](ByteSpan) { return absl::OkStatus(); };
  SeededRandom random(1);
  const SetupSecrets sound = RandomSecrets(random);
  for (bls12_381::Fr SetupSecrets::*member :
       {&SetupSecrets::alpha, &SetupSecrets::beta, &SetupSecrets::gamma, &SetupSecrets::delta,
        &SetupSecrets::tau}) {
    SetupSecrets secrets = sound;
    secrets.*member = bls12_381::Fr::Zero();
    EXPECT_THAT(MakeParams(circuit, secrets, pool, sink),
                StatusIs(absl::StatusCode::kInvalidArgument, "secrets"));
  }
  SetupSecrets secrets = sound;
  const bls12_381::Domain domain(circuit::CircuitCounts(TinyShape()).Log2Domain());
  secrets.tau = domain.Root();  // lies in the domain
  EXPECT_THAT(MakeParams(circuit, secrets, pool, sink),
              StatusIs(absl::StatusCode::kInvalidArgument, "secrets"));
}

TEST(SetupTest, SecretsAreOverwrittenWhenTheyGo) {
  alignas(SetupSecrets) std::array<unsigned char, sizeof(SetupSecrets)> memory;
  SeededRandom random(1);
  auto* const secrets = new (memory.data()) SetupSecrets(RandomSecrets(random));
  EXPECT_FALSE(secrets->tau.IsZero());
  secrets->~SetupSecrets();
  EXPECT_THAT(memory, ::testing::Each(0));
}

TEST(SetupTest, AnErrorOfTheSinkComesBack) {
  ThreadPool pool(2);
  SeededRandom random(1);
  const auto result = MakeParams(circuit::PostCircuit(TinyShape()), RandomSecrets(random), pool,
                                 [](ByteSpan) { return absl::UnavailableError("disk full"); });
  EXPECT_THAT(result, StatusIs(absl::StatusCode::kUnavailable, "disk full"));
}

}  // namespace
}  // namespace damocles::groth16
