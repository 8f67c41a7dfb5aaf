// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/hash/blake2s.h"

#include <openssl/evp.h>

#include "damocles/base/check.h"

namespace damocles::hash {

void Blake2s::Free::operator()(void* context) const {
  EVP_MD_CTX_free(static_cast<EVP_MD_CTX*>(context));
}

Blake2s::Blake2s() : context_(EVP_MD_CTX_new()) {
  DAMOCLES_CHECK(context_ != nullptr);
  DAMOCLES_CHECK(
      EVP_DigestInit_ex(static_cast<EVP_MD_CTX*>(context_.get()), EVP_blake2s256(), nullptr) == 1);
}

Blake2s& Blake2s::Update(ByteSpan bytes) {
  DAMOCLES_CHECK(
      EVP_DigestUpdate(static_cast<EVP_MD_CTX*>(context_.get()), bytes.data(), bytes.size()) == 1);
  return *this;
}

Bytes32 Blake2s::Finish() {
  Bytes32 digest;
  unsigned length = 0;
  DAMOCLES_CHECK(
      EVP_DigestFinal_ex(static_cast<EVP_MD_CTX*>(context_.get()), digest.data(), &length) == 1 &&
      length == digest.size());
  return digest;
}

Bytes32 Blake2sOf(ByteSpan bytes) {
  return Blake2s().Update(bytes).Finish();
}

}  // namespace damocles::hash
