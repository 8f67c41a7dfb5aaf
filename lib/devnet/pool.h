// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// Messages that wait for a block.

#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "lib/devnet/world.h"

#include "damocles/devnet/base_fee.h"

namespace damocles::devnet::internal {

struct PoolEntry {
  filecoin::SignedMessage message;
  filecoin::Cid cid;
  filecoin::ChainEpoch arrived{};  // height of the head then
};

// What a block may hold.
struct Offer {
  const World& world;  // that it builds on
  filecoin::ChainEpoch height{};
  filecoin::TokenAmount base_fee;
  std::uint64_t inclusion_delay = 0;  // epochs that a message waits at least
  std::vector<PricedGas> foreign;     // traffic of others
};

class Pool {
 public:
  using Queue = std::map<std::uint64_t, PoolEntry>;  // of one sender, by nonce

  // Takes the place of another one with the same sender and nonce.
  void Add(const filecoin::SignedMessage& message, filecoin::ChainEpoch arrived);
  // False: it is not there.
  bool Drop(const filecoin::Cid& message);
  bool Holds(const filecoin::Cid& message) const;
  // Without what `world` has executed.
  void Prune(const World& world);

  // By a key address; empty if it has none.
  const Queue& Of(const filecoin::Address& sender) const;
  std::vector<filecoin::SignedMessage> All() const;
  // The first nonce that neither the account nor the pool has used.
  std::uint64_t NextNonce(const Account& account) const;

  // The dearest first, a sender's in the order of its nonces; foreign traffic takes its gas before
  // those that pay less.
  std::vector<filecoin::SignedMessage> Select(Offer offer) const;

 private:
  std::map<filecoin::Address, Queue> queues_;
};

}  // namespace damocles::devnet::internal
