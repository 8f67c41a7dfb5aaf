// SPDX-License-Identifier: Apache-2.0 OR MIT

#pragma once

#include <cstddef>
#include <cstdint>

#include "absl/status/statusor.h"

#include "damocles/base/bytes.h"

namespace damocles::filecoin {

// Unsigned LEB128 as addresses and CIDs have it: shortest form, below 2^63, at most 9 bytes.
void AppendUvarint(Bytes& out, std::uint64_t value);

struct Uvarint {
  std::uint64_t value = 0;
  std::size_t bytes = 0;
};
// Reads one from the front of `bytes`.
absl::StatusOr<Uvarint> ReadUvarint(ByteSpan bytes);

}  // namespace damocles::filecoin
