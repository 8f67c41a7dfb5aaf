// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// Frames of rows: what opens is what was framed, and nothing that is wrong opens.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "damocles/base/bytes.h"
#include "damocles/base/check.h"
#include "damocles/store/row.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  namespace store = damocles::store;
  constexpr store::RowKind kKind{"job/spec", 3};
  const std::string_view input = damocles::AsText(damocles::ByteSpan(data, size));
  if (const auto body = store::OpenRow(kKind, "key", input); body.ok()) {
    if (store::IsFramed(input)) {
      const store::RowKind written{kKind.name, static_cast<std::uint8_t>(input[4])};
      DAMOCLES_CHECK(store::FrameRow(written, "key", *body) == input);
      DAMOCLES_CHECK(!store::OpenRow(kKind, "key of another", input).ok());
    } else {
      DAMOCLES_CHECK(*body == input);
    }
  }
  // Nothing gets past the check by itself.
  const std::string row = store::FrameRow(kKind, "key", input);
  const auto body = store::OpenRow(kKind, "key", row);
  DAMOCLES_CHECK(body.ok() && *body == input);
  std::string damaged = row;
  const std::size_t at = 4 + size * 31 % (row.size() - 4);
  damaged[at] = static_cast<char>(damaged[at] ^ (1 << (size % 8)));
  DAMOCLES_CHECK(!store::OpenRow(kKind, "key", damaged).ok());
  return 0;
}
