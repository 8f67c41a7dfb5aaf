// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "lib/devnet/pool.h"

#include <algorithm>
#include <limits>

namespace damocles::devnet::internal {
namespace {

using filecoin::SignedMessage;
using filecoin::TokenAmount;

constexpr std::size_t kBlockMessagesMax = 10000;  // as on the network

// The messages of one sender, as far as a block has taken them.
struct Lane {
  const Pool::Queue* queue = nullptr;
  std::uint64_t nonce = 0;
  TokenAmount funds;
};

// The next message of a lane, if the block may hold it.
const SignedMessage* NextOf(const Lane& lane, const Offer& offer) {
  const auto found = lane.queue->find(lane.nonce);
  if (found == lane.queue->end()) return nullptr;
  const filecoin::Message& message = found->second.message.message;
  const filecoin::EpochDelta waited = offer.height - found->second.arrived;
  if (message.gas_fee_cap < offer.base_fee ||
      lane.funds < message.gas_fee_cap * message.gas_limit ||
      waited.Count() <= static_cast<std::int64_t>(offer.inclusion_delay)) {
    return nullptr;
  }
  return &found->second.message;
}

}  // namespace

void Pool::Add(const SignedMessage& message, filecoin::ChainEpoch arrived) {
  queues_[message.message.from].insert_or_assign(message.message.nonce,
                                                 PoolEntry{message, CidOf(message), arrived});
}

bool Pool::Drop(const filecoin::Cid& message) {
  std::size_t dropped = 0;
  for (auto& [sender, queue] : queues_) {
    dropped += std::erase_if(queue, [&](const auto& entry) { return entry.second.cid == message; });
  }
  return dropped > 0;
}

bool Pool::Holds(const filecoin::Cid& message) const {
  for (const auto& [sender, queue] : queues_) {
    for (const auto& [nonce, entry] : queue) {
      if (entry.cid == message) return true;
    }
  }
  return false;
}

void Pool::Prune(const World& world) {
  for (auto it = queues_.begin(); it != queues_.end();) {
    const Account* account = world.FindAccount(it->first);
    const std::uint64_t nonce =
        account == nullptr ? std::numeric_limits<std::uint64_t>::max() : account->nonce;
    it->second.erase(it->second.begin(), it->second.lower_bound(nonce));
    it = it->second.empty() ? queues_.erase(it) : std::next(it);
  }
}

const Pool::Queue& Pool::Of(const filecoin::Address& sender) const {
  static const auto* none = new Queue();
  const auto found = queues_.find(sender);
  return found == queues_.end() ? *none : found->second;
}

std::vector<SignedMessage> Pool::All() const {
  std::vector<SignedMessage> all;
  for (const auto& [sender, queue] : queues_) {
    for (const auto& [nonce, entry] : queue) all.push_back(entry.message);
  }
  return all;
}

std::uint64_t Pool::NextNonce(const Account& account) const {
  std::uint64_t nonce = account.nonce;
  for (const auto& [number, entry] : Of(account.key)) {
    if (number == nonce) ++nonce;
  }
  return nonce;
}

std::vector<SignedMessage> Pool::Select(Offer offer) const {
  std::vector<Lane> lanes;
  for (const auto& [sender, queue] : queues_) {
    const Account* account = offer.world.FindAccount(sender);
    if (account != nullptr) lanes.push_back({&queue, account->nonce, account->balance});
  }
  const auto premium = [&](const SignedMessage& message) {
    return EffectivePremium(offer.base_fee, message.message.gas_fee_cap,
                            message.message.gas_premium);
  };
  std::vector<SignedMessage> selected;
  std::int64_t gas = 0;
  while (selected.size() < kBlockMessagesMax) {
    Lane* best = nullptr;
    const SignedMessage* message = nullptr;
    for (Lane& lane : lanes) {
      const SignedMessage* candidate = NextOf(lane, offer);
      if (candidate == nullptr) continue;
      if (message == nullptr || premium(*candidate) > premium(*message)) {
        best = &lane;
        message = candidate;
      }
    }
    if (message == nullptr) break;
    for (PricedGas& lot : offer.foreign) {
      if (lot.premium < premium(*message)) continue;
      gas += lot.gas_limit;
      lot.gas_limit = 0;
    }
    if (gas + message->message.gas_limit > kBlockGasLimit) {
      best->queue = nullptr;
      std::erase_if(lanes, [](const Lane& lane) { return lane.queue == nullptr; });
      continue;
    }
    gas += message->message.gas_limit;
    best->funds -= message->message.gas_fee_cap * message->message.gas_limit;
    // What it moves the next one of its sender does not have; a value that it cannot pay stays.
    if (best->funds >= message->message.value) best->funds -= message->message.value;
    ++best->nonce;
    selected.push_back(*message);
  }
  return selected;
}

}  // namespace damocles::devnet::internal
