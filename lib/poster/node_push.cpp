// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// Gas, fees, and messages on their way to a node.

#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/strings/str_format.h"
#include "lib/poster/node.h"

#include "damocles/filecoin/miner_params.h"

namespace damocles::poster::internal {
namespace {

using filecoin::Address;
using filecoin::TipSetKey;
using filecoin::TokenAmount;

// As the node itself looks ahead when it estimates a premium.
constexpr std::uint64_t kPremiumBlocks = 10;

// An estimate that failed: nothing was pushed, and the caller must be able to tell.
absl::Status NotEstimated(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kPermissionDenied:
    case absl::StatusCode::kUnauthenticated:
    case absl::StatusCode::kUnknown:
    case absl::StatusCode::kFailedPrecondition:
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kNotFound:
      return Annotate(status, "estimating gas");
    default:
      return absl::AbortedError(
          absl::StrFormat("estimating gas, nothing was pushed: %s", std::string(status.message())));
  }
}

TokenAmount Times(const TokenAmount& amount, double factor) {
  constexpr std::int64_t kParts = 1'000'000;
  return amount * static_cast<std::int64_t>(std::llround(factor * kParts)) / kParts;
}

}  // namespace

Node::Result<filecoin::SignedMessage> Node::Push(filecoin::ActorId miner, std::uint64_t method,
                                                 Address from, Bytes params, std::int64_t gas_limit,
                                                 chain::Uuid uuid, FeePolicy fees) {
  filecoin::Message message;
  message.to = Address::FromId(miner);
  message.from = std::move(from);
  message.method = method;
  message.params = std::move(params);
  message.gas_limit = gas_limit;
  if (gas_limit == 0 && fees.gas_over_estimation > 0) {
    // A limit that is given skips the node's own dry run (chain.md 2.3): this is it.
    const absl::StatusOr<std::int64_t> used =
        co_await api_.GasEstimateGasLimit(message, TipSetKey());
    if (!used.ok()) co_return NotEstimated(used.status());
    const double wanted = std::ceil(static_cast<double>(*used) * fees.gas_over_estimation);
    message.gas_limit =
        static_cast<std::int64_t>(std::clamp(wanted, 0.0, static_cast<double>(kMessageGasMax)));
  }
  if (fees.gas_over_premium > 0) {
    const absl::StatusOr<TokenAmount> premium = co_await api_.GasEstimateGasPremium(
        kPremiumBlocks, message.from, message.gas_limit, TipSetKey());
    // Without it the node chooses one by itself when it pushes.
    if (premium.ok()) message.gas_premium = Times(*premium, fees.gas_over_premium);
    if (!fees.gas_fee_cap.IsZero()) {
      message.gas_premium = std::min(message.gas_premium, fees.gas_fee_cap);
    }
  }
  message.gas_fee_cap = fees.gas_fee_cap;
  chain::MessageSendSpec spec;
  spec.msg_uuid = uuid;
  // A node that maximizes overrides a cap that is given, and so does its own highest fee where that
  // is less than limit times cap.
  spec.maximize_fee_cap = fees.gas_fee_cap.IsZero();
  spec.max_fee = fees.gas_fee_cap * message.gas_limit;
  co_return co_await api_.MpoolPushMessage(std::move(message), std::move(spec));
}

Node::Result<event::Sent> Node::Send(filecoin::ActorId miner, action::Send send, FeePolicy fees) {
  DAMOCLES_CO_ASSIGN_OR_RETURN(const filecoin::SignedMessage pushed,
                               co_await Push(miner, filecoin::kMethodSubmitWindowedPoSt, send.from,
                                             send.params, send.gas_limit, send.uuid, fees));
  event::Sent out;
  out.ref = send.ref;
  out.cid = CidOf(pushed);
  out.signed_message = filecoin::cbor::Encode(pushed);
  out.gas_limit = pushed.message.gas_limit;
  co_return out;
}

Node::Result<event::Republished> Node::Republish(action::Republish again) {
  DAMOCLES_CO_ASSIGN_OR_RETURN(
      filecoin::SignedMessage message,
      filecoin::cbor::Decode<filecoin::SignedMessage>(again.signed_message));
  DAMOCLES_CO_RETURN_IF_ERROR((co_await api_.MpoolPush(std::move(message))).status());
  co_return event::Republished{again.ref};
}

Node::Result<event::Replaced> Node::Replace(action::Replace question, FeePolicy fees,
                                            filecoin::TipSet head) {
  DAMOCLES_CO_ASSIGN_OR_RETURN(
      filecoin::SignedMessage message,
      filecoin::cbor::Decode<filecoin::SignedMessage>(question.signed_message));
  filecoin::Message& inner = message.message;
  const TokenAmount& base_fee = head.Blocks().front().parent_base_fee;
  event::Replaced out;
  out.ref = question.ref;
  if (message.signature.type == filecoin::SignatureType::kDelegated) {
    co_return absl::UnimplementedError(
        "the message waits, and of a delegated (f4) sender only the node's own tools can replace "
        "it");
  }
  // It would be taken as it is: a miner just has not done so yet.
  if (inner.gas_fee_cap >= base_fee + inner.gas_premium) co_return out;
  // Nodes want 1.25 times the premium by default (chain.md 2.4).
  inner.gas_premium = inner.gas_premium * 5 / 4 + 1;
  // A base fee rises by an eighth an epoch at most: twice is enough for five epochs.
  TokenAmount wanted =
      std::min(std::max(base_fee * 2 + inner.gas_premium, inner.gas_fee_cap), fees.max_gas_fee_cap);
  if (wanted <= inner.gas_fee_cap || wanted < base_fee || wanted < inner.gas_premium) {
    co_return absl::FailedPreconditionError(
        absl::StrFormat("the message waits for its fee: base fee %s, fee cap %s, and "
                        "PoSt.MaxGasFeeCap is %s: raise that",
                        filecoin::FormatFil(base_fee), filecoin::FormatFil(inner.gas_fee_cap),
                        filecoin::FormatFil(fees.max_gas_fee_cap)));
  }
  // Nodes refuse a cap that the sender could not pay.  Where the balance is not known, they judge.
  const absl::StatusOr<TokenAmount> balance = co_await api_.WalletBalance(inner.from);
  if (balance.ok() && inner.gas_limit > 0) {
    const TokenAmount payable = *balance / TokenAmount(inner.gas_limit);
    if (payable >= base_fee + inner.gas_premium) wanted = std::min(wanted, payable);
  }
  inner.gas_fee_cap = wanted;
  DAMOCLES_CO_ASSIGN_OR_RETURN(message.signature,
                               co_await api_.WalletSign(inner.from, SigningBytes(inner)));
  DAMOCLES_CO_RETURN_IF_ERROR((co_await api_.MpoolPush(message)).status());
  out.signed_message = filecoin::cbor::Encode(message);
  out.fee_cap = filecoin::FormatFil(wanted);
  co_return out;
}

Node::Result<recovery::Declared> Node::Declare(filecoin::ActorId miner, recovery::Declare declare,
                                               FeePolicy fees) {
  DAMOCLES_CO_ASSIGN_OR_RETURN(const filecoin::SignedMessage pushed,
                               co_await Push(miner, filecoin::kMethodDeclareFaultsRecovered,
                                             declare.from, declare.params, 0, declare.uuid, fees));
  co_return recovery::Declared{declare.message, declare.attempt, CidOf(pushed)};
}

}  // namespace damocles::poster::internal
