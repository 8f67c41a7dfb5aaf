// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// Parameter files: counts must never lead outside the bytes that are there.

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "damocles/base/check.h"
#include "damocles/groth16/params.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using damocles::groth16::ParamsBytes;
  const damocles::ByteSpan bytes(data, size);
  const auto layout = damocles::groth16::ParseParams(bytes);
  if (layout.ok()) {
    DAMOCLES_CHECK(ParamsBytes(layout->counts) == size);
    DAMOCLES_CHECK(layout->b_g2.offset + layout->b_g2.bytes == size);
  }
  const damocles::ByteSpan vk = layout.ok() ? bytes.first(layout->vk.bytes) : bytes;
  const std::uint64_t ic = layout.ok() ? layout->counts.ic : 1;
  const auto key = damocles::groth16::ReadVerifyingKey(vk, ic);
  if (key.ok()) {
    DAMOCLES_CHECK(key->ic.size() == ic);
    DAMOCLES_CHECK(std::ranges::equal(damocles::groth16::WriteVerifyingKey(*key), vk));
  }
  return 0;
}
