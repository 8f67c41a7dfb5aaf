// SPDX-License-Identifier: Apache-2.0 OR MIT

// The EVP interface looks the algorithm up and allocates for every hash: three times the cost at
// the 48 bytes of a challenge.
#define OPENSSL_SUPPRESS_DEPRECATED

#include "damocles/hash/sha256.h"

#include <openssl/sha.h>

#include <new>

#include "damocles/base/check.h"

namespace damocles::hash {
namespace {

SHA256_CTX* Context(std::array<std::uint8_t, 112>& state) {
  static_assert(sizeof(SHA256_CTX) <= 112 && alignof(SHA256_CTX) <= 8);
  return std::launder(reinterpret_cast<SHA256_CTX*>(state.data()));
}

}  // namespace

Sha256::Sha256() {
  new (state_.data()) SHA256_CTX;
  DAMOCLES_CHECK(SHA256_Init(Context(state_)) == 1);
}

Sha256& Sha256::Update(ByteSpan bytes) {
  DAMOCLES_CHECK(SHA256_Update(Context(state_), bytes.data(), bytes.size()) == 1);
  return *this;
}

Bytes32 Sha256::Finish() {
  Bytes32 digest;
  DAMOCLES_CHECK(SHA256_Final(digest.data(), Context(state_)) == 1);
  return digest;
}

Bytes32 Sha256Of(ByteSpan bytes) {
  return Sha256().Update(bytes).Finish();
}

}  // namespace damocles::hash
