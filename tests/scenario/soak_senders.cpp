// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "tests/scenario/soak_senders.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "damocles/base/check.h"
#include "damocles/filecoin/miner_params.h"

namespace damocles::simulation {
namespace {

using filecoin::Address;
using filecoin::ChainEpoch;
using filecoin::EpochDelta;
using filecoin::TokenAmount;

constexpr std::int64_t kSendGas = 10'000'000;
// Above this the scripts stop: far below the highest cap of a life with others.
const TokenAmount kBaseFeeMax = 100'000'000;

}  // namespace

SoakSenders::SoakSenders(std::uint64_t seed, World& world, const Cluster& cluster,
                         std::function<void(const std::string&)> happened,
                         std::function<bool()> may)
    : dice_(seed ^ 0x94d049bb133111eb),
      world_(world),
      cluster_(cluster),
      happened_(std::move(happened)),
      may_(std::move(may)),
      window_(cluster.options.config.policy.period.challenge_window.Count()) {
  world_.api().alter_pushed = [this](absl::StatusOr<filecoin::SignedMessage>& pushed) {
    if (pushed.ok()) OnPushed(*pushed);
  };
  world_.api().alter_has = [this](const Address& address, absl::StatusOr<bool>& has) {
    if (hidden_.contains(address)) has = false;
  };
  world_.may_fail = [this](const devnet::ExecutedPost& post) {
    const auto params = filecoin::DecodeParams<filecoin::SubmitWindowedPoStParams>(post.params);
    return params.ok() &&
           stranded_.contains({post.miner, params->deadline, params->chain_commit_epoch});
  };
}

EpochDelta SoakSenders::Epochs(std::int64_t low, std::int64_t high) {
  return EpochDelta(static_cast<std::int64_t>(
      dice_.Between(static_cast<std::uint64_t>(low), static_cast<std::uint64_t>(high))));
}

void SoakSenders::AfterBlock(ChainEpoch head, bool peace) {
  head_ = head;
  NoteStranded();
  for (auto& [miner, trouble] : troubles_) {
    if (head < trouble.until || !trouble.end) continue;
    std::exchange(trouble.end, nullptr)();
    trouble.until = head + Epochs(window_ / 2, 2 * window_);
  }
  if (!cluster_.others || peace) return;
  Fees();
  for (const devnet::GenesisMiner& miner : cluster_.options.miners) {
    const auto before = troubles_.find(miner.id);
    if (before != troubles_.end() && (before->second.end || head < before->second.until)) continue;
    if (dice_.Chance(5)) Begin(miner.id);
  }
}

void SoakSenders::Fees() {
  using devnet::Traffic;
  if (world_.chain().BaseFee() > kBaseFeeMax) {
    DAMOCLES_CHECK(world_.chain().SetTraffic(Traffic::kQuiet).ok());
    return;
  }
  if (head_ < next_script_) return;
  next_script_ = head_ + Epochs(window_ / 2, 3 * window_);
  const Traffic scripts[] = {Traffic::kQuiet, Traffic::kRamp, Traffic::kSpike,
                             Traffic::kOscillation};
  const Traffic script = scripts[dice_.Between(0, 3)];
  DAMOCLES_CHECK(world_.chain().SetTraffic(script).ok());
  happened_("traffic " + std::string(Name(script)));
}

std::vector<Address> SoakSenders::SendersOf(filecoin::ActorId miner) const {
  const devnet::Chain& chain = world_.chain();
  const auto info = chain.StateMinerInfo(Address::FromId(miner), filecoin::TipSetKey());
  DAMOCLES_CHECK(info.ok());
  std::vector<Address> ids = info->control_addresses;
  ids.push_back(info->worker);
  if (info->owner != info->worker) ids.push_back(info->owner);
  std::vector<Address> keys;
  for (const Address& id : ids) {
    keys.push_back(chain.StateAccountKey(id, filecoin::TipSetKey()).value());
  }
  return keys;
}

// One address of a miner at a time, so that another one can send.
void SoakSenders::Begin(filecoin::ActorId miner) {
  const std::vector<Address> senders = SendersOf(miner);
  if (senders.size() < 2) return;
  const Address& sender = senders[dice_.Between(0, senders.size() - 1)];
  Trouble trouble{head_ + Epochs(window_ / 4, 2 * window_), [] {}};
  troubles_[miner] = std::move(trouble);
  switch (dice_.Between(0, 3)) {
    case 0:
      LeaveGap(sender);
      break;
    case 1:
      Block(sender);
      break;
    case 2:
      if (!Drain(miner, sender)) troubles_[miner].end = nullptr;
      break;
    default:
      HideKey(miner, sender);
      break;
  }
}

absl::Status SoakSenders::PushSigned(filecoin::Message message) {
  message.to = message.from;
  message.method = filecoin::kMethodSend;
  message.params.clear();
  message.gas_limit = kSendGas;
  filecoin::SignedMessage out;
  out.signature = world_.chain().WalletSign(message.from, SigningBytes(message)).value();
  out.message = std::move(message);
  return world_.chain().MpoolPush(out).status();
}

// Another process has signed one message and lost the one before it.
void SoakSenders::LeaveGap(const Address& sender) {
  filecoin::Message message;
  message.from = sender;
  message.nonce = world_.chain().MpoolGetNonce(sender).value() + 1;
  message.gas_premium = 100'000;
  message.gas_fee_cap = kBaseFeeMax * 4;
  if (PushSigned(std::move(message)).ok()) happened_("gap left in a sender's nonces");
}

// Its message waits for its fee, and all behind it.
void SoakSenders::Block(const Address& sender) {
  const TokenAmount base_fee = world_.chain().BaseFee();
  filecoin::Message message;
  message.from = sender;
  message.nonce = world_.chain().MpoolGetNonce(sender).value();
  message.gas_fee_cap = std::max(TokenAmount(101), base_fee / 4);
  message.gas_premium = 100;
  if (message.gas_fee_cap >= base_fee) return LeaveGap(sender);
  if (PushSigned(std::move(message)).ok()) happened_("sender blocked by a low fee");
}

// All its money goes to another one, and comes back later.
bool SoakSenders::Drain(filecoin::ActorId miner, const Address& sender) {
  devnet::Chain& chain = world_.chain();
  const std::vector<Address> senders = SendersOf(miner);
  const Address& keeper = senders[0] == sender ? senders[1] : senders[0];
  filecoin::Message message;
  message.from = sender;
  message.to = keeper;
  message.gas_limit = kSendGas;
  message.gas_fee_cap = chain.BaseFee() * 2 + 200'000;
  message.gas_premium = std::min(message.gas_fee_cap, TokenAmount(100'000));
  message.value = chain.WalletBalance(sender).value() - message.gas_fee_cap * kSendGas;
  const TokenAmount value = message.value;
  if (value.Sign() <= 0 || !chain.MpoolPushMessage(message, std::nullopt).ok()) return false;
  happened_("sender short of money");
  poor_.insert(sender);
  troubles_[miner].end = [this, sender, keeper, value] {
    poor_.erase(sender);
    filecoin::Message back;
    back.from = keeper;
    back.to = sender;
    back.value = value;
    back.gas_limit = kSendGas;
    back.gas_fee_cap = world_.chain().BaseFee() * 4 + 200'000;
    back.gas_premium = std::min(back.gas_fee_cap, TokenAmount(100'000));
    (void)world_.chain().MpoolPushMessage(back, std::nullopt);
  };
  return true;
}

void SoakSenders::HideKey(filecoin::ActorId miner, const Address& sender) {
  happened_("sender's key gone");
  const char* const methods[] = {"MpoolPushMessage", "WalletSign"};
  for (const char* method : methods) {
    world_.api().BreakFor(method, sender, absl::UnknownError("key info not found"));
  }
  hidden_.insert(sender);
  NoteStranded();
  troubles_[miner].end = [this, sender, methods] {
    for (const char* method : methods) world_.api().MendFor(method, sender);
    hidden_.erase(sender);
  };
}

void SoakSenders::NoteStranded() {
  if (hidden_.empty() && poor_.empty()) return;
  for (const filecoin::SignedMessage& pending : world_.chain().MpoolPending()) {
    const filecoin::Message& message = pending.message;
    const bool stuck = hidden_.contains(message.from) || poor_.contains(message.from);
    if (!stuck || message.method != filecoin::kMethodSubmitWindowedPoSt) continue;
    const auto params = filecoin::DecodeParams<filecoin::SubmitWindowedPoStParams>(message.params);
    const std::optional<filecoin::ActorId> miner = message.to.Id();
    DAMOCLES_CHECK(params.ok() && miner);
    stranded_.insert({*miner, params->deadline, params->chain_commit_epoch});
  }
}

// Where calls fail a signature may: another sender then sends the same, and one of the two costs
// its fee.
void SoakSenders::NoteTakenOver(const filecoin::Message& message) {
  if (cluster_.options.call_faults == 0) return;
  const auto params = filecoin::DecodeParams<filecoin::SubmitWindowedPoStParams>(message.params);
  const std::optional<filecoin::ActorId> miner = message.to.Id();
  DAMOCLES_CHECK(params.ok() && miner);
  const Window window{*miner, params->deadline, params->chain_commit_epoch};
  for (const auto& partition : params->partitions) {
    std::set<filecoin::Address>& senders = senders_of_[{window, partition.index}];
    senders.insert(message.from);
    if (senders.size() > 1) stranded_.insert(window);
  }
}

// Some messages are lost in the network, and of some another process takes the nonce.
void SoakSenders::OnPushed(const filecoin::SignedMessage& pushed) {
  if (pushed.message.method != filecoin::kMethodSubmitWindowedPoSt) return;
  NoteTakenOver(pushed.message);
  if (dice_.Chance(10) && may_()) {
    // The answer to a push that was repeated may be about a message that a block has already.
    if (world_.chain().DropMessage(CidOf(pushed)).ok()) happened_("message dropped");
    return;
  }
  if (!cluster_.others || !dice_.Chance(10) || !may_()) return;
  filecoin::Message other;
  other.from = pushed.message.from;
  other.nonce = pushed.message.nonce;
  other.gas_premium = pushed.message.gas_premium * 2 + 1;
  other.gas_fee_cap = std::max(pushed.message.gas_fee_cap * 2, other.gas_premium);
  if (PushSigned(std::move(other)).ok()) happened_("nonce taken by another message");
}

}  // namespace damocles::simulation
