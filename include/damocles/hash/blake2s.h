// SPDX-License-Identifier: Apache-2.0 OR MIT

#pragma once

#include <memory>

#include "damocles/base/bytes.h"

namespace damocles::hash {

// Unkeyed BLAKE2s (RFC 7693) with a digest of 32 bytes: the hash over a whole constraint system.
// One thread at a time.
class Blake2s {
 public:
  Blake2s();
  Blake2s(Blake2s&&) noexcept = default;
  Blake2s& operator=(Blake2s&&) noexcept = default;
  Blake2s& Update(ByteSpan bytes);
  // The digest of all that was given; the object must not be used again but by assignment.
  Bytes32 Finish();

 private:
  struct Free {
    void operator()(void* context) const;
  };
  std::unique_ptr<void, Free> context_;
};

Bytes32 Blake2sOf(ByteSpan bytes);

}  // namespace damocles::hash
