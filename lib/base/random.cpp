// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/base/random.h"

#include <errno.h>
#include <sys/random.h>

#include "damocles/base/bytes.h"
#include "damocles/base/check.h"
#include "damocles/base/hex.h"

namespace damocles {
namespace {

class OsRandom final : public Random {
 public:
  void Fill(std::span<std::uint8_t> out) override {
    while (!out.empty()) {
      const ssize_t got = getrandom(out.data(), out.size(), 0);
      if (got < 0) {
        // Without randomness no proof may be made: there is nothing to fall back to.
        DAMOCLES_CHECK(errno == EINTR);
        continue;
      }
      out = out.subspan(static_cast<std::size_t>(got));
    }
  }
};

}  // namespace

std::uint64_t Random::NextU64() {
  std::uint8_t bytes[8];
  Fill(bytes);
  return LoadLe64(bytes);
}

std::string Random::Hex(std::size_t bytes) {
  Bytes random(bytes);
  Fill(random);
  return ToHex(random);
}

std::uint64_t Random::Below(std::uint64_t bound) {
  DAMOCLES_CHECK(bound > 0);
  // The largest multiple of bound below 2^64, so that every residue is equally likely.
  const std::uint64_t limit = ~std::uint64_t{0} - (~std::uint64_t{0} % bound + 1) % bound;
  std::uint64_t value = NextU64();
  while (value > limit) value = NextU64();
  return value % bound;
}

Random& SystemRandom() {
  static OsRandom random;
  return random;
}

// SplitMix64 (Steele, Lea, Flood 2014).
std::uint64_t SeededRandom::Step() {
  state_ += 0x9e3779b97f4a7c15;
  std::uint64_t z = state_;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  return z ^ (z >> 31);
}

void SeededRandom::Fill(std::span<std::uint8_t> out) {
  while (!out.empty()) {
    std::uint8_t block[8];
    StoreLe64(Step(), block);
    const std::size_t count = out.size() < 8 ? out.size() : 8;
    for (std::size_t i = 0; i < count; ++i) out[i] = block[i];
    out = out.subspan(count);
  }
}

}  // namespace damocles
