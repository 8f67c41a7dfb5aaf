// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// Proofs from the chain or another machine: what is read writes the same bytes.

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "damocles/base/check.h"
#include "damocles/groth16/proof.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using damocles::groth16::kProofBytes;
  const damocles::ByteSpan bytes(data, size);
  const auto proofs = damocles::groth16::ProofsFromBytes(bytes, size / kProofBytes);
  if (!proofs.ok()) return 0;
  DAMOCLES_CHECK(proofs->size() * kProofBytes == size);
  for (std::size_t i = 0; i < proofs->size(); ++i) {
    DAMOCLES_CHECK(std::ranges::equal(damocles::groth16::ToBytes((*proofs)[i]),
                                      bytes.subspan(i * kProofBytes, kProofBytes)));
  }
  return 0;
}
