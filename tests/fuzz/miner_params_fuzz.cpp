// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// Parameters of the miner's methods: read both ways, and written again without a change of meaning.

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "damocles/base/check.h"
#include "damocles/filecoin/miner_params.h"

namespace damocles::filecoin {
namespace {

template <typename T, typename Lazy>
void CheckParams(ByteSpan bytes) {
  const absl::StatusOr<T> strict = DecodeParams<T>(bytes);
  if (strict.ok()) {
    const Bytes written = cbor::Encode(*strict);
    DAMOCLES_CHECK(written.size() <= bytes.size());
    DAMOCLES_CHECK(*DecodeParams<T>(written) == *strict);
  }
  cbor::Reader reader(bytes);
  const absl::StatusOr<Lazy> lazy = Lazy::ReadCbor(reader);
  if (lazy.ok()) {
    const Bytes written = cbor::Encode(*lazy);
    DAMOCLES_CHECK(std::ranges::equal(written, bytes.first(reader.Position())));
    // What has one form only is read by both alike, if the sets in it are canonical.
    if (strict.ok()) DAMOCLES_CHECK(cbor::Encode(*strict) == written);
  }
}

}  // namespace
}  // namespace damocles::filecoin

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace damocles::filecoin;  // NOLINT(google-build-using-namespace): the whole target
  const damocles::ByteSpan bytes(data, size);
  CheckParams<SubmitWindowedPoStParams, LazySubmitWindowedPoStParams>(bytes);
  CheckParams<DeclareFaultsParams, LazyPartitionSectorsParams>(bytes);
  CheckParams<DisputeWindowedPoStParams, DisputeWindowedPoStParams>(bytes);
  return 0;
}
