// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/poster/senders.h"

#include <algorithm>
#include <tuple>
#include <utility>

#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"

#include "damocles/base/check.h"
#include "damocles/filecoin/cbor.h"

namespace damocles::poster {
namespace {

using filecoin::Address;
using filecoin::ChainEpoch;
using filecoin::EpochDelta;
using filecoin::TokenAmount;

// A node takes so many pending messages of one sender.
constexpr std::size_t kLaneMax = 1000;
// Epochs after which a message that could be executed and is not counts as in the way.
constexpr EpochDelta kPassedOver{5};
// The gas of a small message: who cannot pay that has no money.
constexpr std::int64_t kLeastGas = 10'000'000;

std::string RoleName(const SenderFacts& facts) {
  return facts.role ? std::string(Name(*facts.role)) : "not of this miner";
}

std::string AddressName(const SenderFacts& facts) {
  return (facts.key.IsUndefined() ? facts.id : facts.key).ToString();
}

std::string DescribeBlock(const LaneBlock& block) {
  switch (block.kind) {
    case LaneBlock::Kind::kNone:
      break;
    case LaneBlock::Kind::kGap:
      return absl::StrFormat("no pending message has its nonce %d, and those behind wait for it",
                             block.nonce);
    case LaneBlock::Kind::kLowFee:
      return absl::StrFormat(
          "its message with nonce %d waits for its fee, and all behind it with it", block.nonce);
    case LaneBlock::Kind::kFull:
      return absl::StrFormat("%d of its messages are pending, and a node takes no more", kLaneMax);
  }
  return "";
}

}  // namespace

std::string_view Name(SenderRole role) {
  switch (role) {
    case SenderRole::kControl:
      return "control";
    case SenderRole::kWorker:
      return "worker";
    case SenderRole::kOwner:
      return "owner";
  }
  return "unknown";
}

bool MinerAddresses::IsRecipientOf(const filecoin::Message& message) const {
  return message.to.Id() == miner || robust.contains(message.to);
}

std::optional<SenderRole> MinerAddresses::RoleOf(const filecoin::Address& sender) const {
  const auto found = owned.find(sender);
  if (found == owned.end()) return std::nullopt;
  return found->second;
}

bool IsOurs(const filecoin::Message& message, const MinerAddresses& addresses,
            const OwnCall& call) {
  return addresses.RoleOf(message.from) && addresses.IsRecipientOf(message) &&
         message.method == call.method && message.value.IsZero() && !call.params.empty() &&
         message.params == call.params;
}

bool IsReplacement(const filecoin::Message& a, const filecoin::Message& b) {
  return a.from == b.from && a.nonce == b.nonce && a.to == b.to && a.method == b.method &&
         a.value == b.value && a.params == b.params;
}

LaneBlock BlockBeforeNonce(const SenderFacts& facts, const TokenAmount& base_fee,
                           std::optional<std::uint64_t> before) {
  DAMOCLES_DCHECK(std::is_sorted(
      facts.lane.begin(), facts.lane.end(),
      [](const auto& a, const auto& b) { return a.message.nonce < b.message.nonce; }));
  LaneBlock block;
  const std::optional<std::uint64_t> end = before ? before : facts.next_nonce;
  for (const filecoin::SignedMessage& message : facts.lane) {
    const std::uint64_t nonce = message.message.nonce;
    if (end && nonce >= *end) break;
    // The first gap comes before what is behind it.
    if (before && facts.next_nonce && *facts.next_nonce < nonce) break;
    if (message.message.gas_fee_cap < base_fee) {
      block.kind = LaneBlock::Kind::kLowFee;
      block.nonce = nonce;
      block.message = message;
      return block;
    }
  }
  if (before && facts.next_nonce && *facts.next_nonce < *before) {
    block.kind = LaneBlock::Kind::kGap;
    block.nonce = *facts.next_nonce;
  } else if (!before && facts.lane.size() >= kLaneMax) {
    block.kind = LaneBlock::Kind::kFull;
  }
  return block;
}

LaneBlock BlockBeforeMessage(const SenderFacts& facts, const TokenAmount& base_fee,
                             const filecoin::Message& ours) {
  LaneBlock block = BlockBeforeNonce(facts, base_fee, ours.nonce);
  if (block.kind != LaneBlock::Kind::kNone) return block;
  const auto offered = [&base_fee](const filecoin::Message& message) {
    return std::min(message.gas_premium, message.gas_fee_cap - base_fee);
  };
  for (const filecoin::SignedMessage& message : facts.lane) {
    if (message.message.nonce >= ours.nonce) break;
    if (offered(message.message) >= offered(ours)) continue;
    block.kind = LaneBlock::Kind::kLowFee;
    block.nonce = message.message.nonce;
    block.message = message;
    break;
  }
  return block;
}

LaneBlock BlockIn(const SenderFacts& facts, const TokenAmount& base_fee) {
  if (facts.lane.empty()) return {};
  const LaneBlock block = BlockBeforeNonce(facts, base_fee, facts.lane.back().message.nonce + 1);
  return block.kind == LaneBlock::Kind::kNone ? BlockBeforeNonce(facts, base_fee, std::nullopt)
                                              : block;
}

std::vector<SenderFacts> SendersOf(const chain::MinerInfo& info) {
  std::vector<SenderFacts> facts;
  const auto add = [&facts](const Address& id, SenderRole role) {
    if (id.IsUndefined()) return;
    for (const SenderFacts& known : facts) {
      if (known.id == id) return;
    }
    SenderFacts sender;
    sender.role = role;
    sender.id = id;
    facts.push_back(std::move(sender));
  };
  for (const Address& control : info.control_addresses) add(control, SenderRole::kControl);
  add(info.worker, SenderRole::kWorker);
  add(info.owner, SenderRole::kOwner);
  return facts;
}

std::optional<TokenAmount> SpendableOf(const SenderFacts& facts) {
  if (!facts.balance) return std::nullopt;
  TokenAmount left = *facts.balance;
  for (const filecoin::SignedMessage& message : facts.lane) left -= message.message.value;
  return left;
}

void NameSender(std::vector<SenderFacts>& facts, filecoin::ActorId miner, const Address& named,
                const absl::StatusOr<Address>& id) {
  for (SenderFacts& known : facts) {
    if (known.id != named && !(id.ok() && known.id == *id)) continue;
    known.configured = true;
    return;
  }
  SenderFacts stranger;
  stranger.id = id.ok() ? *id : named;
  stranger.configured = true;
  if (id.ok()) {
    stranger.unusable = absl::StrFormat(
        "it is configured as a sender and is neither owner nor worker nor control of f0%d: the "
        "chain would refuse its messages",
        miner);
  } else {
    stranger.key_read = stranger.doubtful = id.status();
    stranger.unusable =
        absl::StrFormat("the node cannot say whose it is: %s", std::string(id.status().message()));
  }
  facts.push_back(std::move(stranger));
}

void SenderRoom::SetAside(const Address& key, std::string why, absl::Time until) {
  DAMOCLES_DCHECK(!key.IsUndefined());
  Failure& failure = failures_[key];
  ++failure.times;
  failure.until = std::max(failure.until, until);
  failure.why = std::move(why);
}

bool SenderRoom::MayRepair(const Address& key, std::uint64_t nonce, ChainEpoch epoch) {
  const auto at = repaired_at_.find(key);
  if (cannot_sign_.contains(key)) return true;
  if (at != repaired_at_.end() && at->second >= epoch && repaired_nonce_[key] == nonce) {
    return false;
  }
  repaired_at_[key] = epoch;
  repaired_nonce_[key] = nonce;
  return true;
}

void SenderRoom::NoteSigning(const Address& key, bool could) {
  if (could) {
    cannot_sign_.erase(key);
  } else {
    cannot_sign_.insert(key);
  }
}

LaneBlock SenderRoom::Watch(const SenderFacts& facts, const TokenAmount& base_fee,
                            ChainEpoch epoch) {
  LaneBlock block = BlockBeforeNonce(facts, base_fee, std::nullopt);
  if (facts.lane.empty()) {
    fronts_.erase(facts.key);
    return block;
  }
  const filecoin::SignedMessage& front = facts.lane.front();
  const bool next = !facts.next_nonce || front.message.nonce < *facts.next_nonce;
  Bytes bytes = filecoin::cbor::Encode(front);
  Front& seen = fronts_[facts.key];
  if (seen.message != bytes || epoch < seen.since) seen = {std::move(bytes), epoch};
  if (block.kind == LaneBlock::Kind::kNone && next && epoch >= seen.since + kPassedOver) {
    block.kind = LaneBlock::Kind::kLowFee;
    block.nonce = front.message.nonce;
    block.message = front;
  }
  return block;
}

void SenderRoom::Say(const SenderFacts& facts, std::string what, const LaneBlock& block,
                     SenderChoice& out) {
  const std::string sender = AddressName(facts);
  if (what.empty()) {
    said_.erase(sender);
    return;
  }
  SenderWarning warning{sender, RoleName(facts), std::move(what), std::nullopt, ""};
  if (block.kind == LaneBlock::Kind::kLowFee || block.kind == LaneBlock::Kind::kGap) {
    warning.nonce = block.nonce;
  }
  if (block.message) warning.message = CidOf(*block.message).ToString();
  SenderWarning& before = said_[sender];
  if (before == warning) return;
  before = warning;
  out.warnings.push_back(std::move(warning));
}

// In one piece: the rules stand in the order in which they are asked.
SenderChoice SenderRoom::Choose(const std::vector<SenderFacts>& facts, const TokenAmount& base_fee,
                                ChainEpoch epoch, absl::Time now) {
  SenderChoice out;
  // How bad it is, then how often it failed; of equals the richest.
  using Rank = std::tuple<int, std::uint32_t, TokenAmount>;
  std::optional<Rank> best;
  std::vector<std::string> reasons;
  for (const SenderFacts& sender : facts) {
    std::string reason = sender.unusable;
    int level = 0;
    std::uint32_t failed = 0;
    TokenAmount money;
    LaneBlock block;
    if (reason.empty()) {
      block = Watch(sender, base_fee, epoch);
      if (block.kind != LaneBlock::Kind::kNone) {
        level = 1;
        reason = DescribeBlock(block);
      }
      const auto failure = failures_.find(sender.key);
      if (failure != failures_.end() && now < failure->second.until) {
        level = 2;
        failed = failure->second.times;
        reason = absl::StrFormat(
            "set aside until %s: %s",
            absl::FormatTime(absl::RFC3339_sec, failure->second.until, absl::UTCTimeZone()),
            failure->second.why);
      } else if (failure != failures_.end()) {
        failures_.erase(failure);
      }
      const std::optional<TokenAmount> spendable = SpendableOf(sender);
      money = spendable.value_or(TokenAmount(0));
      if (spendable && *spendable <= base_fee * kLeastGas) {
        level = 3;
        reason = absl::StrFormat("its balance is %s", filecoin::FormatFil(*sender.balance));
        if (*spendable != *sender.balance) {
          reason += absl::StrFormat(", and its pending messages give %s of it away",
                                    filecoin::FormatFil(*sender.balance - *spendable));
        }
      }
      if (!sender.doubtful.ok()) {
        level = 4;
        reason = absl::StrFormat("the node's wallet does not answer about it: %s",
                                 std::string(sender.doubtful.message()));
      }
      if (block.message) {
        out.repairs.push_back(
            {sender.key, RoleName(sender), block.nonce, filecoin::cbor::Encode(*block.message)});
      }
      const Rank rank{level, failed, TokenAmount(0) - money};
      if (!best || rank < *best) {
        best = rank;
        out.address = sender.key;
        out.role = RoleName(sender);
      }
    }
    // A cold owner's key is nothing to warn of, a missing one that the operator named is.
    const bool ordinary = !sender.unusable.empty() && !sender.configured;
    Say(sender, ordinary ? "" : reason, block, out);
    if (!reason.empty()) {
      reasons.push_back(
          absl::StrFormat("%s (%s): %s", AddressName(sender), RoleName(sender), reason));
    }
  }
  if (!out.address) out.trouble = absl::StrJoin(reasons, "; ");
  std::stable_partition(out.repairs.begin(), out.repairs.end(), [&](const LaneRepair& repair) {
    return out.address && repair.sender == *out.address;
  });
  return out;
}

}  // namespace damocles::poster
