// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// Addresses and CIDs: whatever is read, as text or bytes, comes back the same.

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "damocles/base/check.h"
#include "damocles/filecoin/address.h"
#include "damocles/filecoin/cid.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace damocles::filecoin;  // NOLINT(google-build-using-namespace): the whole target
  const damocles::ByteSpan bytes(data, size);
  const std::string_view text = damocles::AsText(bytes);
  if (const auto address = Address::Parse(text); address.ok() && !address->IsUndefined()) {
    const Network network = text[0] == 'f' ? Network::kMainnet : Network::kTestnet;
    DAMOCLES_CHECK(*Address::Parse(address->ToString(network)) == *address);
    DAMOCLES_CHECK(*Address::FromBytes(address->ToBytes()) == *address);
    // Only decimal numbers have more than one spelling: zeros in front.
    const bool has_number = address->IsId() || address->Protocol() == AddressProtocol::kDelegated;
    DAMOCLES_CHECK(has_number || address->ToString(network) == text);
  }
  if (const auto address = Address::FromBytes(bytes); address.ok() && size > 0) {
    DAMOCLES_CHECK(std::ranges::equal(address->ToBytes(), bytes));
    DAMOCLES_CHECK(*Address::Parse(address->ToString()) == *address);
    DAMOCLES_CHECK(*cbor::Decode<Address>(cbor::Encode(*address)) == *address);
  }
  if (const auto cid = Cid::Parse(text); cid.ok()) {
    DAMOCLES_CHECK(cid->ToString() == text);
    DAMOCLES_CHECK(cid->Digest().size() < cid->ToBytes().size());
  }
  if (const auto cid = Cid::FromBytes(bytes); cid.ok()) {
    DAMOCLES_CHECK(std::ranges::equal(cid->ToBytes(), bytes));
    DAMOCLES_CHECK(*Cid::Parse(cid->ToString()) == *cid);
  }
  return 0;
}
