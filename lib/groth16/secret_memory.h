// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// Memory that is overwritten before it goes back: a setup's secrets, what they follow from, and the
// blinding of a proof.

#pragma once

#include <string.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "damocles/base/wipe.h"
#include "damocles/bls12_381/fr.h"

namespace damocles::groth16 {

template <typename T>
struct WipingAllocator {
  using value_type = T;

  WipingAllocator() = default;
  template <typename Other>
  WipingAllocator(const WipingAllocator<Other>&) {}  // NOLINT(google-explicit-constructor)

  T* allocate(std::size_t count) { return std::allocator<T>().allocate(count); }
  void deallocate(T* memory, std::size_t count) {
    explicit_bzero(static_cast<void*>(memory), count * sizeof(T));
    std::allocator<T>().deallocate(memory, count);
  }
  friend bool operator==(const WipingAllocator&, const WipingAllocator&) { return true; }
};

// Overwrites the stack below the caller's frame: what the functions that it called have worked on
// still lies there.
[[gnu::noinline]] inline void WipeStackBelow() {
  constexpr std::size_t kBytes = std::size_t{32} << 10;  // a product of a point is some 3 KB deep
  volatile std::uint64_t memory[kBytes / sizeof(std::uint64_t)];
  WipeWords(memory);
}

// The values of polynomials at tau and the like: a few of them tell the secrets.
using SecretFrs = std::vector<bls12_381::Fr, WipingAllocator<bls12_381::Fr>>;

}  // namespace damocles::groth16
