// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/hash/blake2b.h"

#include <sodium.h>

#include <algorithm>
#include <new>

#include "damocles/base/check.h"

namespace damocles::hash {
namespace {

using State = crypto_generichash_blake2b_state;

State* Context(std::array<std::uint8_t, 384>& state) {
  static_assert(sizeof(State) <= 384 && alignof(State) <= 64);
  return std::launder(reinterpret_cast<State*>(state.data()));
}

}  // namespace

Blake2b::Blake2b(std::size_t digest_bytes) : digest_bytes_(digest_bytes) {
  // Picks the fastest implementation of this processor; does nothing at the next calls.
  static const bool ready = sodium_init() >= 0;
  DAMOCLES_CHECK(ready && digest_bytes >= 1 && digest_bytes <= 64);
  new (state_.data()) State;
  DAMOCLES_CHECK(crypto_generichash_blake2b_init(Context(state_), nullptr, 0, digest_bytes) == 0);
}

Blake2b& Blake2b::Update(ByteSpan bytes) {
  DAMOCLES_CHECK(crypto_generichash_blake2b_update(Context(state_), bytes.data(), bytes.size()) ==
                 0);
  return *this;
}

Bytes Blake2b::Finish() {
  Bytes digest(digest_bytes_);
  DAMOCLES_CHECK(crypto_generichash_blake2b_final(Context(state_), digest.data(), digest_bytes_) ==
                 0);
  return digest;
}

Bytes Blake2bOf(ByteSpan bytes, std::size_t digest_bytes) {
  return Blake2b(digest_bytes).Update(bytes).Finish();
}

Bytes32 Blake2b256Of(ByteSpan bytes) {
  const Bytes digest = Blake2bOf(bytes, 32);
  Bytes32 out;
  std::copy(digest.begin(), digest.end(), out.begin());
  return out;
}

}  // namespace damocles::hash
