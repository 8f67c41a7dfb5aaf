// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "lib/filecoin/varint.h"

namespace damocles::filecoin {

void AppendUvarint(Bytes& out, std::uint64_t value) {
  for (; value >= 0x80; value >>= 7) out.push_back(static_cast<std::uint8_t>(value | 0x80));
  out.push_back(static_cast<std::uint8_t>(value));
}

absl::StatusOr<Uvarint> ReadUvarint(ByteSpan bytes) {
  constexpr std::size_t kBytesMax = 9;
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    if (i == kBytesMax) {
      return absl::InvalidArgumentError("varints larger than uint63 not supported");
    }
    value |= std::uint64_t{bytes[i] & 0x7fU} << (7 * i);
    if (bytes[i] < 0x80) {
      if (bytes[i] == 0 && i > 0) {
        return absl::InvalidArgumentError("varint not minimally encoded");
      }
      return Uvarint{value, i + 1};
    }
  }
  return absl::InvalidArgumentError("varints malformed, could not reach the end");
}

}  // namespace damocles::filecoin
