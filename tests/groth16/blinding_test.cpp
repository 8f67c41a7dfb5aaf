// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// Whoever learns the blinding of a proof later can read the witness out of it.

#include <pthread.h>
#include <string.h>

#include <new>
#include <vector>

#include "tests/groth16/tiny_circuit.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

#include "damocles/base/file.h"
#include "damocles/groth16/prover.h"
#include "damocles/groth16/verifier.h"

// A sanitizer keeps copies of its own on the stack; what is shipped has none.
#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define DAMOCLES_TEST_SANITIZED
#endif
#endif

namespace damocles::groth16 {
namespace {

using bls12_381::Fr;

TEST(BlindingTest, GoesWithItsObject) {
  alignas(Blinding) std::uint8_t memory[sizeof(Blinding)];
  auto* blinding = new (memory) Blinding(RandomBlinding(SystemRandom()));
  EXPECT_FALSE(blinding->r.IsZero());
  blinding->~Blinding();
  for (const std::uint8_t byte : memory) EXPECT_EQ(byte, 0);
}

#ifndef DAMOCLES_TEST_SANITIZED
// Gives out bytes that were drawn before.
class DrawnRandom final : public Random {
 public:
  explicit DrawnRandom(const Bytes& bytes) : bytes_(bytes) {}
  void Fill(std::span<std::uint8_t> out) override {
    for (std::uint8_t& byte : out) byte = bytes_[next_++];
  }

 private:
  const Bytes& bytes_;
  std::size_t next_ = 0;
};

struct Work {
  const Prover& prover;
  const std::vector<circuit::SectorPaths>& sectors;
  DrawnRandom& random;
  Proof proof;
  bool done = false;
};

void* ProveOnce(void* argument) {
  auto* work = static_cast<Work*>(argument);
  const auto proof = work->prover.Prove(work->sectors, RandomBlinding(work->random), {});
  work->done = proof.ok();
  if (proof.ok()) work->proof = *proof;
  return nullptr;
}

void* DrawOnly(void* argument) {
  const Blinding blinding = RandomBlinding(*static_cast<DrawnRandom*>(argument));
  return blinding.r.IsZero() ? argument : nullptr;
}

// Two scalars below the modulus.
Bytes DrawnBytes(Random& random) {
  Bytes drawn(64);
  random.Fill(drawn);
  drawn[31] = drawn[63] = 0x11;
  return drawn;
}

// Runs `call` on a stack of its own, on which no word of the blinding may be found afterwards: of
// either part, in both forms, or of their product.
void ExpectNothingOnTheStackOf(void* (*call)(void*), void* argument, const Bytes& drawn) {
  const Fr r = bls12_381::FrFromBytesLe(ByteSpan(drawn).first(32)).value();
  const Fr s = bls12_381::FrFromBytesLe(ByteSpan(drawn).last(32)).value();
  constexpr std::size_t kStackBytes = std::size_t{4} << 20;
  std::vector<std::uint8_t> stack(kStackBytes + 4096);
  auto* aligned = stack.data() + (4096 - reinterpret_cast<std::uintptr_t>(stack.data()) % 4096);
  pthread_attr_t attributes;
  ASSERT_EQ(pthread_attr_init(&attributes), 0);
  ASSERT_EQ(pthread_attr_setstack(&attributes, aligned, kStackBytes), 0);
  pthread_t thread{};
  ASSERT_EQ(pthread_create(&thread, &attributes, call, argument), 0);
  ASSERT_EQ(pthread_join(thread, nullptr), 0);
  std::vector<std::uint64_t> secrets;
  for (const Fr& value : {r, s, r * s}) {
    for (const std::uint64_t word : value.limb) secrets.push_back(word);
    for (const std::uint64_t word : value.Canonical()) secrets.push_back(word);
  }
  std::size_t used = 0;
  for (std::size_t at = 0; at + 8 <= kStackBytes; ++at) {
    std::uint64_t word = 0;
    memcpy(&word, aligned + at, 8);
    if (word != 0) ++used;
    for (const std::uint64_t secret : secrets) EXPECT_NE(word, secret) << "at " << at;
  }
  EXPECT_GT(used, 100U) << "this was its stack";
}

TEST(BlindingTest, NothingOfItStaysWhereItWasDrawn) {
  SeededRandom seeded(12);
  const Bytes drawn = DrawnBytes(seeded);
  DrawnRandom random(drawn);
  ExpectNothingOnTheStackOf(DrawOnly, &random, drawn);
}

TEST(BlindingTest, NothingOfItStaysOnTheStack) {
  ThreadPool pool(2);
  SeededRandom seeded(11);
  testing_support::TempDir folder;
  ASSERT_OK(WriteFileAtomically(folder / "params", AsText(TinyParams(pool, 1))));
  const auto params =
      ParamsFile::Open(folder / "params", ExpectedCounts(circuit::CircuitCounts(TinyShape())))
          .value();
  const auto backend = MakeCpuBackend(pool);
  const auto prover = Prover::Make(TinyShape(), params, *backend, pool).value();
  const std::vector<circuit::SectorPaths> sectors = {TinySector(seeded), TinySector(seeded)};
  const Bytes drawn = DrawnBytes(seeded);
  DrawnRandom random(drawn);
  Work work{.prover = *prover, .sectors = sectors, .random = random, .proof = {}};
  ExpectNothingOnTheStackOf(ProveOnce, &work, drawn);
  ASSERT_TRUE(work.done);
  const Verifier verifier(params->Key());
  EXPECT_TRUE(verifier.Verify(work.proof, TinyInputs(sectors), pool).value());
}
#endif

}  // namespace
}  // namespace damocles::groth16
