// SPDX-License-Identifier: Apache-2.0 OR MIT

#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "damocles/base/bytes.h"

namespace damocles::hash {

// SHA-256 of bytes given in pieces.  A copy goes on from the same point.  One thread at a time.
class Sha256 {
 public:
  Sha256();
  Sha256& Update(ByteSpan bytes);
  // The digest of all that was given; the object must not be used again but by assignment.
  Bytes32 Finish();

 private:
  alignas(8) std::array<std::uint8_t, 112> state_;
};

Bytes32 Sha256Of(ByteSpan bytes);

}  // namespace damocles::hash
