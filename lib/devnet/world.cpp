// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "lib/devnet/world.h"

#include <algorithm>

#include "absl/strings/str_format.h"

#include "damocles/filecoin/miner_params.h"

namespace damocles::devnet::internal {

using filecoin::ActorId;
using filecoin::Address;
using filecoin::ChainEpoch;
using filecoin::TokenAmount;

namespace {

constexpr std::int64_t kExitInvalidReceiver = 5;

constexpr std::int64_t kGasOfAnyMessage = 1'000'000;
constexpr std::int64_t kGasOfDeclaration = 15'000'000;
constexpr std::int64_t kGasOfPost = 20'000'000;
constexpr std::int64_t kGasOfPartition = 5'000'000;

// Never more than a message may have: a message is at most 64 KiB.
std::int64_t GasOf(const filecoin::Message& message) {
  const auto partitions = [](std::size_t count) {
    return static_cast<std::int64_t>(std::min<std::size_t>(count, 500)) * kGasOfPartition;
  };
  switch (message.method) {
    case filecoin::kMethodSubmitWindowedPoSt: {
      const auto params =
          filecoin::DecodeParams<filecoin::SubmitWindowedPoStParams>(message.params);
      return kGasOfPost + (params.ok() ? partitions(params->partitions.size()) : 0);
    }
    case filecoin::kMethodTerminateSectors:
    case filecoin::kMethodDeclareFaults:
    case filecoin::kMethodDeclareFaultsRecovered: {
      const auto params = filecoin::DecodeParams<filecoin::DeclareFaultsParams>(message.params);
      return kGasOfDeclaration + (params.ok() ? partitions(params->entries.size()) : 0);
    }
    case filecoin::kMethodDisputeWindowedPoSt:
      return kGasOfPost;
    default:
      return kGasOfAnyMessage;
  }
}

Executed Deliver(const Rules& rules, const filecoin::Message& message, ActorId from,
                 ChainEpoch epoch, ActorHost& host, World& world) {
  Executed executed;
  Receipt& receipt = executed.receipt;
  const MinerState* miner = world.FindMiner(message.to);
  if (miner != nullptr) {
    MinerState next = *miner;
    const MinerCall call{
        .epoch = epoch, .from = from, .method = message.method, .params = message.params};
    CallResult result = CallMiner(rules.policy, rules.mode, call, host, next);
    receipt.exit_code = result.exit_code;
    receipt.error = std::move(result.error);
    receipt.return_value = std::move(result.return_value);
    executed.post = std::move(result.post);
    if (receipt.exit_code != kExitOk) return executed;
    next.balance += message.value;
    world.Put(std::move(next));
  } else if (const Account* to = world.FindAccount(message.to); to != nullptr) {
    if (message.method != filecoin::kMethodSend) {
      receipt.exit_code = kExitUnhandledMessage;
      receipt.error = "accounts take no calls";
      return executed;
    }
    Account next = *to;
    next.balance += message.value;
    world.Put(std::move(next));
  } else {
    receipt.exit_code = kExitInvalidReceiver;
    receipt.error = "no such actor " + message.to.ToString();
    return executed;
  }
  Account sender = *world.FindAccount(from);
  sender.balance -= message.value;
  world.Put(std::move(sender));
  return executed;
}

}  // namespace

const Account* World::FindAccount(ActorId id) const {
  const auto found = accounts->find(id);
  return found == accounts->end() ? nullptr : &found->second;
}

const Account* World::FindAccount(const Address& address) const {
  if (const std::optional<ActorId> id = address.Id(); id.has_value()) return FindAccount(*id);
  for (const auto& [id, account] : *accounts) {
    if (account.key == address) return &account;
  }
  return nullptr;
}

const MinerState* World::FindMiner(ActorId id) const {
  const auto found = miners.find(id);
  return found == miners.end() ? nullptr : found->second.get();
}

const MinerState* World::FindMiner(const Address& address) const {
  if (const std::optional<ActorId> id = address.Id(); id.has_value()) return FindMiner(*id);
  if (address.IsUndefined() || address.Protocol() != filecoin::AddressProtocol::kActor) {
    return nullptr;
  }
  for (const auto& [id, miner] : miners) {
    if (RobustAddressOf(id) == address) return miner.get();
  }
  return nullptr;
}

Address RobustAddressOf(ActorId miner) {
  Bytes data;
  Append(data, AsBytes("damocles devnet miner"));
  AppendBe64(data, miner);
  return Address::FromActorData(data);
}

void World::Put(Account account) {
  auto next = std::make_shared<std::map<ActorId, Account>>(*accounts);
  const ActorId id = account.id;
  next->insert_or_assign(id, std::move(account));
  accounts = std::move(next);
}

void World::Put(MinerState miner) {
  const ActorId id = miner.id;
  miners.insert_or_assign(id, std::make_shared<const MinerState>(std::move(miner)));
}

Executed ExecuteMessage(const Rules& rules, const filecoin::Message& message, ChainEpoch epoch,
                        const TokenAmount& base_fee, ActorHost& host, World& world) {
  Account sender = *world.FindAccount(message.from);
  const std::int64_t gas = GasOf(message);
  const std::int64_t gas_used = std::min(gas, message.gas_limit);
  const TokenAmount price = std::min(message.gas_fee_cap, base_fee + message.gas_premium);
  ++sender.nonce;
  sender.balance -= price * gas_used;
  const TokenAmount left = sender.balance;
  const ActorId from = sender.id;
  world.Put(std::move(sender));

  Executed executed;
  if (message.gas_limit < gas) {
    executed.receipt.exit_code = kExitOutOfGas;
    executed.receipt.error = absl::StrFormat("gas limit %d, needs %d", message.gas_limit, gas);
  } else if (left < message.value) {
    executed.receipt.exit_code = kExitInsufficientFunds;
    executed.receipt.error = "sender cannot pay the value of the message";
  } else {
    executed = Deliver(rules, message, from, epoch, host, world);
  }
  executed.receipt.gas_used = gas_used;
  return executed;
}

std::vector<MinerCron> RunCrons(const Rules& rules, ChainEpoch epoch, World& world) {
  std::vector<MinerCron> ended;
  for (auto& [id, miner] : world.miners) {
    if (!miner->cron_active) continue;
    const filecoin::DeadlineInfo deadline =
        filecoin::DeadlineAt(rules.policy.period, miner->proving_period_start, epoch);
    if (epoch != deadline.Last()) continue;
    MinerState next = *miner;
    std::optional<CronResult> end = RunCron(rules.policy, epoch, next);
    if (!end.has_value()) continue;
    ended.push_back({.miner = id, .epoch = epoch, .end = std::move(*end)});
    miner = std::make_shared<const MinerState>(std::move(next));
  }
  return ended;
}

std::string ExitName(std::int64_t exit_code) {
  const char* name = nullptr;
  switch (exit_code) {
    case kExitOk:
      name = "Ok";
      break;
    case kExitSenderInvalid:
      name = "SysErrSenderInvalid";
      break;
    case kExitInvalidReceiver:
      name = "SysErrInvalidReceiver";
      break;
    case kExitInsufficientFunds:
      name = "SysErrInsufficientFunds";
      break;
    case kExitOutOfGas:
      name = "SysErrOutOfGas";
      break;
    case kExitIllegalArgument:
      name = "ErrIllegalArgument";
      break;
    case kExitNotFound:
      name = "ErrNotFound";
      break;
    case kExitForbidden:
      name = "ErrForbidden";
      break;
    case kExitFeeDebt:
      name = "ErrInsufficientFunds";
      break;
    case kExitIllegalState:
      name = "ErrIllegalState";
      break;
    case kExitSerialization:
      name = "ErrSerialization";
      break;
    case kExitUnhandledMessage:
      name = "ErrUnhandledMessage";
      break;
    default:
      return std::to_string(exit_code);
  }
  return absl::StrFormat("%s(%d)", name, exit_code);
}

}  // namespace damocles::devnet::internal
