// SPDX-License-Identifier: Apache-2.0 OR MIT

#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "damocles/base/bytes.h"

namespace damocles::hash {

// Unkeyed BLAKE2b with a digest of 1 to 64 bytes.  The length enters the hash: a digest of 32 bytes
// is not the head of the one of 64.  One thread at a time.
class Blake2b {
 public:
  explicit Blake2b(std::size_t digest_bytes);
  Blake2b& Update(ByteSpan bytes);
  // The digest of all that was given; the object must not be used again but by assignment.
  Bytes Finish();

 private:
  std::size_t digest_bytes_;
  alignas(64) std::array<std::uint8_t, 384> state_;
};

Bytes Blake2bOf(ByteSpan bytes, std::size_t digest_bytes);
// The length that Filecoin's CIDs, ticket draws and message signatures use.
Bytes32 Blake2b256Of(ByteSpan bytes);

}  // namespace damocles::hash
