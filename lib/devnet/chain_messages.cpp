// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// Gas, pool, and finding messages again.

#include <algorithm>

#include "absl/strings/str_format.h"
#include "lib/devnet/chain_core.h"

#include "damocles/base/status.h"

namespace damocles::devnet {

using filecoin::Address;
using filecoin::Cid;
using filecoin::EpochDelta;
using filecoin::Message;
using filecoin::SignedMessage;
using filecoin::TipSetKey;
using filecoin::TokenAmount;
using internal::Account;
using internal::Executed;
using internal::NodePtr;
using internal::VerdictSource;

namespace {

constexpr std::int64_t kNominalPremium = 100'000;
constexpr std::size_t kPremiumTipsets = 5;
constexpr std::size_t kPendingPerSenderMax = 1000;
constexpr std::uint64_t kNonceGapMax = 4;
// The node's estimate is what the dry run used, and a quarter more.
constexpr std::int64_t kOverestimationNum = 5;
constexpr std::int64_t kOverestimationDen = 4;
constexpr std::int64_t kReplaceNum = 5;  // premium of a replacement: 1.25 times
constexpr std::int64_t kReplaceDen = 4;

// The node's default cap on the fee of one message.
TokenAmount DefaultMaxFee() {
  return filecoin::Fil(7) / 100;
}

// The words of a node since Lotus 1.35.
absl::Status ExecutionFailed(const internal::Receipt& receipt, const Message& message) {
  return absl::FailedPreconditionError(absl::StrFormat(
      "estimating gas used: message execution failed (exit=[%s], vm error=[message failed with "
      "backtrace:\n00: %s (method %d) -- %s (%d)\n (RetCode=%d)])",
      internal::ExitName(receipt.exit_code), message.to.ToString(), message.method, receipt.error,
      receipt.exit_code, receipt.exit_code));
}

enum class Gas { kToBeEstimated, kStated };

// What a node asks of every message, in its words; with estimated gas the last two follow later.
absl::Status CheckMessage(const Message& message, Gas gas) {
  std::string wrong;
  if (message.version != 0) {
    wrong = "'Version' unsupported";
  } else if (message.to.IsUndefined()) {
    wrong = "'To' address cannot be empty";
  } else if (message.from.IsUndefined()) {
    wrong = "'From' address cannot be empty";
  } else if (message.value.Sign() < 0) {
    wrong = "'Value' field cannot be negative";
  } else if (message.value > filecoin::Fil(kTotalFil)) {
    wrong = "'Value' field cannot be greater than total filecoin supply";
  } else if (message.gas_fee_cap.Sign() < 0) {
    wrong = "'GasFeeCap' field cannot be negative";
  } else if (message.gas_premium.Sign() < 0) {
    wrong = "'GasPremium' field cannot be negative";
  } else if (message.gas_limit > internal::kBlockGasLimit) {
    wrong = absl::StrFormat("'GasLimit' field cannot be greater than a block's gas limit (%d > %d)",
                            message.gas_limit, internal::kBlockGasLimit);
  } else if (message.gas_limit < 0 || (gas == Gas::kStated && message.gas_limit == 0)) {
    wrong = absl::StrFormat("'GasLimit' field %d must be positive", message.gas_limit);
  } else if (gas == Gas::kStated && message.gas_premium > message.gas_fee_cap) {
    wrong = "'GasFeeCap' less than 'GasPremium'";
  }
  if (wrong.empty()) return absl::OkStatus();
  return absl::InvalidArgumentError("message is invalid: " + wrong);
}

bool SameCall(const Message& a, const Message& b) {
  return a.from == b.from && a.to == b.to && a.method == b.method && a.value == b.value &&
         a.params == b.params;
}

chain::MessageReceipt ReceiptOf(const internal::Receipt& receipt) {
  return {.exit_code = receipt.exit_code,
          .return_value = receipt.return_value,
          .gas_used = receipt.gas_used,
          .events_root = std::nullopt};
}

chain::InvocResult InvocationOf(const Message& message, const Cid& cid,
                                const internal::Receipt& receipt) {
  chain::InvocResult result;
  result.msg_cid = cid;
  result.msg = message;
  result.msg_rct = ReceiptOf(receipt);
  result.gas_cost.message = cid;
  result.gas_cost.gas_used = receipt.gas_used;
  result.execution_trace.msg = {
      .from = message.from,
      .to = message.to,
      .value = message.value,
      .method = message.method,
      .params = message.params,
      .params_codec = message.params.empty() ? 0 : filecoin::kCodecDagCbor,
      .gas_limit = static_cast<std::uint64_t>(message.gas_limit),
      .read_only = false};
  result.execution_trace.msg_rct = {
      .exit_code = receipt.exit_code, .return_value = receipt.return_value, .return_codec = 0};
  result.error = receipt.error;
  return result;
}

absl::StatusOr<Address> ResolveSender(const ChainCore& core, const Address& from) {
  const Account* account = core.Tips().Head()->after.FindAccount(from);
  if (account == nullptr) {
    return absl::NotFoundError(
        absl::StrFormat("getting key address: resolve address %s: actor "
                        "not found",
                        from.ToString()));
  }
  return account->key;
}

absl::StatusOr<Executed> DryRun(ChainCore& core, Message message) {
  DAMOCLES_RETURN_IF_ERROR(CheckMessage(message, Gas::kToBeEstimated));
  DAMOCLES_ASSIGN_OR_RETURN(message.from, ResolveSender(core, message.from));
  VerdictSource live;
  const NodePtr head = core.Tips().Head();
  internal::ChainHost host = core.HostAt(head, live);
  internal::World world = head->after;
  const filecoin::ChainEpoch epoch = head->Height() + EpochDelta(1);
  std::uint64_t nonce = world.FindAccount(message.from)->nonce;
  for (const auto& [number, entry] : core.Pending().Of(message.from)) {
    if (number != nonce) break;
    internal::ExecuteMessage(core.GetRules(), entry.message.message, epoch, core.BaseFee(), host,
                             world);
    ++nonce;
  }
  message.nonce = world.FindAccount(message.from)->nonce;
  if (message.gas_limit == 0) message.gas_limit = internal::kMessageGasMax;
  message.gas_fee_cap = 0;  // a dry run costs nothing
  message.gas_premium = 0;
  return internal::ExecuteMessage(core.GetRules(), message, epoch, 0, host, world);
}

// A bit more than what half a block paid, at the worst of the latest tipsets.
TokenAmount EstimatePremium(const ChainCore& core) {
  const std::vector<std::shared_ptr<internal::Node>>& canonical = core.Tips().Canonical();
  TokenAmount premium = 0;
  const std::size_t first =
      canonical.size() > kPremiumTipsets ? canonical.size() - kPremiumTipsets : 0;
  for (std::size_t i = first; i < canonical.size(); ++i) {
    premium = std::max(premium, PremiumAt(canonical[i]->load, kBlockGas / 2));
  }
  return std::max(TokenAmount(kNominalPremium), premium + premium / 20);
}

absl::StatusOr<Message> Estimate(ChainCore& core, Message message,
                                 const std::optional<chain::MessageSendSpec>& spec) {
  DAMOCLES_RETURN_IF_ERROR(CheckMessage(message, Gas::kToBeEstimated));
  if (spec.has_value() && spec->max_fee.Sign() < 0) {
    return absl::InvalidArgumentError("'MaxFee' must not be negative");
  }
  if (message.gas_limit == 0) {
    DAMOCLES_ASSIGN_OR_RETURN(const Executed executed, DryRun(core, message));
    if (executed.receipt.exit_code != kExitOk) return ExecutionFailed(executed.receipt, message);
    message.gas_limit = executed.receipt.gas_used * kOverestimationNum / kOverestimationDen;
  }
  if (message.gas_premium.IsZero()) message.gas_premium = EstimatePremium(core);
  TokenAmount max_fee = spec.has_value() ? spec->max_fee : TokenAmount(0);
  if (max_fee.IsZero()) max_fee = DefaultMaxFee();
  const TokenAmount limit = max_fee / message.gas_limit;
  if (message.gas_fee_cap.IsZero()) {
    const bool maximize = spec.has_value() && spec->maximize_fee_cap;
    message.gas_fee_cap = maximize ? limit : core.BaseFee() * 2 + message.gas_premium;
  }
  message.gas_fee_cap = std::min(message.gas_fee_cap, limit);
  message.gas_premium = std::min(message.gas_premium, message.gas_fee_cap);
  return message;
}

}  // namespace

// ---------------------------------------------------------------- gas

absl::StatusOr<Message> Chain::GasEstimateMessageGas(
    Message message, const std::optional<chain::MessageSendSpec>& spec, const TipSetKey& key) {
  DAMOCLES_RETURN_IF_ERROR(core_->Tips().Resolve(key).status());
  return Estimate(*core_, std::move(message), spec);
}

TokenAmount Chain::GasEstimateFeeCap(const Message& message) const {
  const TokenAmount premium =
      message.gas_premium.IsZero() ? EstimatePremium(*core_) : message.gas_premium;
  return core_->BaseFee() * 2 + premium;
}

TokenAmount Chain::GasEstimateGasPremium() const {
  return EstimatePremium(*core_);
}

absl::StatusOr<std::int64_t> Chain::GasEstimateGasLimit(const Message& message,
                                                        const TipSetKey& key) {
  DAMOCLES_RETURN_IF_ERROR(core_->Tips().Resolve(key).status());
  DAMOCLES_ASSIGN_OR_RETURN(const Executed executed, DryRun(*core_, message));
  if (executed.receipt.exit_code != kExitOk) return ExecutionFailed(executed.receipt, message);
  return executed.receipt.gas_used;
}

// ---------------------------------------------------------------- pool

namespace {

absl::Status CheckFunds(const Account& account, const Message& message) {
  const TokenAmount needed = message.value + message.gas_fee_cap * message.gas_limit;
  if (account.balance >= needed) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrFormat(
      "mpool push: not enough funds: %s < %s", account.balance.ToString(), needed.ToString()));
}

absl::Status CheckSize(const SignedMessage& message) {
  const std::size_t size = filecoin::cbor::Encode(message).size();
  if (size <= filecoin::kMessageBytesMax) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrFormat(
      "mpool push: message too big: %d bytes, at most %d", size, filecoin::kMessageBytesMax));
}

absl::Status TooManyPending() {
  return absl::ResourceExhaustedError("mpool push: too many pending messages for actor");
}

}  // namespace

absl::StatusOr<SignedMessage> Chain::MpoolPushMessage(
    Message message, const std::optional<chain::MessageSendSpec>& spec) {
  ChainCore& core = *core_;
  const chain::Uuid uuid = spec.has_value() ? spec->msg_uuid : chain::Uuid{};
  if (uuid != chain::Uuid{}) {
    if (const SignedMessage* found = core.ByUuid(uuid); found != nullptr) return *found;
  }
  if (message.nonce != 0) {
    return absl::InvalidArgumentError(
        absl::StrFormat("MpoolPushMessage expects message nonce to be 0, was %d", message.nonce));
  }
  DAMOCLES_RETURN_IF_ERROR(Annotate(CheckMessage(message, Gas::kToBeEstimated), "mpool push"));
  DAMOCLES_ASSIGN_OR_RETURN(message.from, ResolveSender(core, message.from));
  if (!core.Keys().Has(message.from)) {
    return absl::NotFoundError(
        absl::StrFormat("mpool push: key %s is not in the wallet", message.from.ToString()));
  }
  absl::StatusOr<Message> estimated = Estimate(core, std::move(message), spec);
  if (!estimated.ok()) return Annotate(estimated.status(), "GasEstimateMessageGas error");
  message = *std::move(estimated);
  DAMOCLES_RETURN_IF_ERROR(Annotate(CheckMessage(message, Gas::kStated), "mpool push"));
  const Account& account = *core.Tips().Head()->after.FindAccount(message.from);
  DAMOCLES_RETURN_IF_ERROR(CheckFunds(account, message));
  message.nonce = core.Pending().NextNonce(account);
  DAMOCLES_ASSIGN_OR_RETURN(filecoin::Signature signature,
                            core.Keys().Sign(message.from, SigningBytes(message)));
  const SignedMessage signed_message{message, std::move(signature)};
  DAMOCLES_RETURN_IF_ERROR(CheckSize(signed_message));
  if (core.Pending().Of(message.from).size() >= kPendingPerSenderMax) return TooManyPending();
  DAMOCLES_RETURN_IF_ERROR(core.Push(signed_message, uuid));
  return signed_message;
}

absl::StatusOr<Cid> Chain::MpoolPush(const SignedMessage& message) {
  ChainCore& core = *core_;
  const Message& inner = message.message;
  DAMOCLES_RETURN_IF_ERROR(Annotate(CheckMessage(inner, Gas::kStated), "mpool push"));
  DAMOCLES_RETURN_IF_ERROR(CheckSize(message));
  DAMOCLES_RETURN_IF_ERROR(core.Keys().Verify(inner.from, SigningBytes(inner), message.signature));
  const Account* account = core.Tips().Head()->after.FindAccount(inner.from);
  if (account == nullptr) {
    return absl::NotFoundError(
        absl::StrFormat("mpool push: sender %s: actor not found", inner.from.ToString()));
  }
  const Cid cid = CidOf(message);
  const internal::Pool::Queue& queue = core.Pending().Of(inner.from);
  if (const auto found = queue.find(inner.nonce); found != queue.end()) {
    if (found->second.cid == cid) return cid;
    const TokenAmount& old = found->second.message.message.gas_premium;
    const TokenAmount needed = old * kReplaceNum / kReplaceDen + 1;
    if (inner.gas_premium < needed) {
      return absl::FailedPreconditionError(absl::StrFormat(
          "message from %s with nonce %d already in mpool, increase GasPremium to %s from %s to "
          "trigger replace by fee: replace by fee has too low GasPremium",
          inner.from.ToString(), inner.nonce, needed.ToString(), inner.gas_premium.ToString()));
    }
  } else if (queue.size() >= kPendingPerSenderMax) {
    return TooManyPending();
  }
  if (inner.nonce < account->nonce) {
    return absl::FailedPreconditionError(absl::StrFormat(
        "mpool push: minimum expected nonce is %d: message nonce too low", account->nonce));
  }
  if (inner.nonce > core.Pending().NextNonce(*account) + kNonceGapMax) {
    return absl::FailedPreconditionError(
        absl::StrFormat("mpool push: unfulfilled nonce gap: message nonce has too big a gap from "
                        "expected nonce (Nonce: %d, expected %d)",
                        inner.nonce, core.Pending().NextNonce(*account)));
  }
  DAMOCLES_RETURN_IF_ERROR(CheckFunds(*account, inner));
  DAMOCLES_RETURN_IF_ERROR(core.Push(message, {}));
  return cid;
}

absl::StatusOr<std::uint64_t> Chain::MpoolGetNonce(const Address& address) const {
  const Account* account = core_->Tips().Head()->after.FindAccount(address);
  if (account == nullptr) {
    return absl::NotFoundError(
        absl::StrFormat("resolution lookup failed (%s): actor not found", address.ToString()));
  }
  return core_->Pending().NextNonce(*account);
}

std::vector<SignedMessage> Chain::MpoolPending() const {
  return core_->Pending().All();
}

chain::MpoolConfig Chain::MpoolGetConfig() const {
  return {.priority_addrs = {},
          .size_limit_high = 30000,
          .size_limit_low = 20000,
          .replace_by_fee_ratio = static_cast<double>(kReplaceNum) / kReplaceDen,
          .prune_cooldown = absl::Minutes(1),
          .gas_limit_overestimation = static_cast<double>(kOverestimationNum) / kOverestimationDen};
}

// ---------------------------------------------------------------- finding messages

absl::StatusOr<std::optional<chain::MsgLookup>> Chain::StateSearchMsg(const TipSetKey& from,
                                                                      const Cid& message,
                                                                      std::int64_t limit,
                                                                      bool allow_replaced) const {
  const ChainCore& core = *core_;
  DAMOCLES_ASSIGN_OR_RETURN(const NodePtr start, core.Tips().Resolve(from));
  const SignedMessage* known = core.Known(message);
  if (known == nullptr) return std::nullopt;  // as a node that never heard of it
  const Message& wanted = known->message;
  for (const NodePtr& node : core.Tips().WithMessage(wanted.from, wanted.nonce)) {
    // On the branch of `start`, and executed: a tipset above it shows the receipt.
    if (node->Height() >= start->Height()) continue;
    if (core.Tips().AtOrBefore(start, node->Height()) != node) continue;
    const absl::StatusOr<NodePtr> shows =
        core.Tips().AtOrAfter(start, node->Height() + EpochDelta(1));
    if (!shows.ok()) continue;
    if (limit >= 0 && (*shows)->Height() <= start->Height() - EpochDelta(limit)) continue;
    for (std::size_t i = 0; i < node->messages.size(); ++i) {
      const Message& included = node->messages[i].message;
      if (included.from != wanted.from || included.nonce != wanted.nonce) continue;
      if (node->message_cids[i] != message && !(allow_replaced && SameCall(included, wanted))) {
        return absl::UnknownError(absl::StrFormat(
            "found message with equal nonce as the one we are looking for (F:%s n %d, TS: %s n%d)",
            message.ToString(), wanted.nonce, node->message_cids[i].ToString(), included.nonce));
      }
      return chain::MsgLookup{.message = node->message_cids[i],
                              .receipt = ReceiptOf(node->receipts[i]),
                              .tip_set = (*shows)->tip_set.Key(),
                              .height = (*shows)->Height()};
    }
  }
  return std::nullopt;
}

absl::StatusOr<chain::InvocResult> Chain::StateCall(const Message& message, const TipSetKey& key) {
  ChainCore& core = *core_;
  DAMOCLES_RETURN_IF_ERROR(CheckMessage(message, Gas::kToBeEstimated));
  DAMOCLES_ASSIGN_OR_RETURN(const NodePtr node, core.Tips().Resolve(key));
  internal::World world = node->Before();
  const Account* account = world.FindAccount(message.from);
  if (account == nullptr) {
    return absl::NotFoundError(
        absl::StrFormat("call raw get actor: %s: actor not found", message.from.ToString()));
  }
  Message call = message;
  call.from = account->key;
  call.nonce = account->nonce;
  if (call.gas_limit == 0) call.gas_limit = internal::kMessageGasMax;
  call.gas_fee_cap = 0;
  call.gas_premium = 0;
  VerdictSource live;
  internal::ChainHost host = core.HostAt(node, live);
  const Executed executed =
      internal::ExecuteMessage(core.GetRules(), call, node->Height(), 0, host, world);
  return InvocationOf(message, CidOf(message), executed.receipt);
}

absl::StatusOr<chain::InvocResult> Chain::StateReplay(const TipSetKey& key,
                                                      const Cid& message) const {
  const ChainCore& core = *core_;
  DAMOCLES_ASSIGN_OR_RETURN(const NodePtr start, core.Tips().Resolve(key));
  if (const SignedMessage* known = core.Known(message); known != nullptr) {
    const Message& wanted = known->message;
    for (const NodePtr& node : core.Tips().WithMessage(wanted.from, wanted.nonce)) {
      if (node->Height() > start->Height()) continue;
      if (core.Tips().AtOrBefore(start, node->Height()) != node) continue;
      for (std::size_t i = 0; i < node->messages.size(); ++i) {
        if (node->message_cids[i] != message) continue;
        return InvocationOf(node->messages[i].message, message, node->receipts[i]);
      }
    }
  }
  return absl::NotFoundError(
      absl::StrFormat("given message not found in tipset: %s", message.ToString()));
}

}  // namespace damocles::devnet
