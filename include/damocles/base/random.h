// SPDX-License-Identifier: Apache-2.0 OR MIT

#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace damocles {

// A source of random bytes, handed in so that simulations repeat from a seed.
//
// Safe to call from several threads unless the implementation says otherwise.
class Random {
 public:
  virtual ~Random() = default;
  virtual void Fill(std::span<std::uint8_t> out) = 0;

  std::uint64_t NextU64();
  // Uniform in [0, bound); bound > 0.
  std::uint64_t Below(std::uint64_t bound);
  // So many random bytes, written as hexadecimal digits: for names and tokens.
  std::string Hex(std::size_t bytes);
};

// The operating system's generator: fit for secrets and for blinding.
Random& SystemRandom();

// Repeats from its seed; for simulations and tests, never for secrets.  One thread only.
class SeededRandom final : public Random {
 public:
  explicit SeededRandom(std::uint64_t seed) : state_(seed) {}
  void Fill(std::span<std::uint8_t> out) override;

 private:
  std::uint64_t Step();
  std::uint64_t state_;
};

}  // namespace damocles
