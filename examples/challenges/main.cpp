// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// Prints the ten leaves of a 32 GiB sector that a WindowPoSt must show, built against the installed
// library:
//
//   challenges SECTOR RANDOMNESS      (64 hex digits, as the chain gives it)

#include <cstdlib>
#include <iostream>
#include <string>

#include "damocles/base/hex.h"
#include "damocles/post/challenge.h"

int main(int argc, char** argv) {
  if (argc != 3) {
    std::cerr << "usage: challenges SECTOR RANDOMNESS\n";
    return 2;
  }
  auto randomness = damocles::FromHex32(argv[2]);
  if (!randomness.ok()) {
    std::cerr << "challenges: " << randomness.status().ToString() << "\n";
    return 2;
  }
  (*randomness)[31] &= 0x3f;  // a field element, as prover and chain use it
  const std::uint64_t sector = std::strtoull(argv[1], nullptr, 10);
  constexpr std::uint64_t kLeaves = std::uint64_t{1} << 30;
  for (std::uint64_t i = 0; i < 10; ++i) {
    std::cout << damocles::post::LeafChallenge(*randomness, sector, i, kLeaves) << "\n";
  }
  return 0;
}
