// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// The CBOR reader stays inside the bytes, and what decodes as a value of the chain is written again
// as the same value, never longer (big integers may come with zeros in front).

#include <cstddef>
#include <cstdint>

#include "damocles/base/check.h"
#include "damocles/filecoin/block.h"
#include "damocles/filecoin/cbor.h"
#include "damocles/filecoin/message.h"

namespace damocles::filecoin {
namespace {

template <typename T>
void CheckRoundTrip(ByteSpan bytes) {
  const absl::StatusOr<T> value = cbor::Decode<T>(bytes);
  if (!value.ok()) return;
  const Bytes written = cbor::Encode(*value);
  DAMOCLES_CHECK(written.size() <= bytes.size());
  DAMOCLES_CHECK(*cbor::Decode<T>(written) == *value);
}

}  // namespace
}  // namespace damocles::filecoin

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace damocles::filecoin;  // NOLINT(google-build-using-namespace): the whole target
  const damocles::ByteSpan bytes(data, size);
  for (const bool overlong : {false, true}) {
    cbor::Reader reader(bytes, {.overlong_integers = overlong});
    const auto item = reader.Skip();
    if (item.ok()) {
      DAMOCLES_CHECK(!item->empty() && item->size() == reader.Position());
      DAMOCLES_CHECK(reader.Position() + reader.Rest().size() == size);
    }
  }
  CheckRoundTrip<Message>(bytes);
  CheckRoundTrip<SignedMessage>(bytes);
  CheckRoundTrip<BlockHeader>(bytes);
  CheckRoundTrip<Cid>(bytes);
  return 0;
}
