// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// secp256k1 keys of the simulated network: derived from its seed, so worthless anywhere else.

#pragma once

#include <map>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "damocles/base/bytes.h"
#include "damocles/filecoin/address.h"
#include "damocles/filecoin/message.h"

struct secp256k1_context_struct;

namespace damocles::devnet::internal {

class Wallet {
 public:
  Wallet();
  ~Wallet();
  Wallet(const Wallet&) = delete;
  Wallet& operator=(const Wallet&) = delete;

  // Makes key `number` of this seed and keeps it.
  filecoin::Address MakeKey(std::uint64_t seed, std::uint64_t number);
  bool Has(const filecoin::Address& address) const { return keys_.contains(address); }
  std::vector<filecoin::Address> List() const;

  // Signs BLAKE2b-256 of `data` with a nonce derived from it: the same data, the same signature.
  absl::StatusOr<filecoin::Signature> Sign(const filecoin::Address& address, ByteSpan data) const;
  // INVALID_ARGUMENT unless `signature` over `data` is by the key of `address`.
  absl::Status Verify(const filecoin::Address& address, ByteSpan data,
                      const filecoin::Signature& signature) const;

 private:
  secp256k1_context_struct* context_;
  std::map<filecoin::Address, Bytes32> keys_;
};

}  // namespace damocles::devnet::internal
