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

// Whether the node pushed what it was asked to.  What else it pushed is not ours, whatever it says.
absl::Status CheckPushed(const filecoin::Message& asked, const filecoin::Message& pushed,
                         const Address& sender) {
  std::string differs;
  if (pushed.from != asked.from && pushed.from != sender) {
    differs =
        absl::StrFormat("from %s", pushed.from.IsUndefined() ? "nobody" : pushed.from.ToString());
  } else if (pushed.to != asked.to) {
    differs = absl::StrFormat("to %s", pushed.to.IsUndefined() ? "nobody" : pushed.to.ToString());
  } else if (pushed.method != asked.method) {
    differs = absl::StrFormat("of method %d", pushed.method);
  } else if (pushed.params != asked.params) {
    differs = "with other parameters";
  } else if (pushed.value != asked.value) {
    differs = absl::StrFormat("with a value of %s", filecoin::FormatFil(pushed.value));
  }
  if (differs.empty()) return absl::OkStatus();
  return absl::DataLossError(absl::StrFormat(
      "the node answered the push of a message from %s to %s of method %d with another one, %s; "
      "that is not taken for ours: check what stands between this manager and its node",
      asked.from.ToString(), asked.to.ToString(), asked.method, differs));
}

absl::Status CheckTaken(const filecoin::SignedMessage& message, const filecoin::Cid& answer) {
  if (answer == CidOf(message) || answer == CidOf(message.message)) return absl::OkStatus();
  return absl::DataLossError(
      absl::StrFormat("the node answered the push of message %s with the name of another one, %s",
                      CidOf(message).ToString(), answer.ToString()));
}

}  // namespace

Node::Result<delivery::event::Pushed> Node::Push(filecoin::ActorId miner,
                                                 filecoin::MethodNumber method,
                                                 delivery::action::Push push, FeePolicy fees) {
  filecoin::Message message;
  message.to = Address::FromId(miner);
  message.from = push.from;
  message.method = method;
  message.params = std::move(push.params);
  message.gas_limit = push.gas_limit;
  if (push.gas_limit == 0 && fees.gas_over_estimation > 0) {
    // A limit that is given skips the node's own dry run: this is it.
    const absl::StatusOr<std::int64_t> used =
        co_await pool_.GasEstimateGasLimit(message, TipSetKey());
    if (!used.ok()) co_return NotEstimated(used.status());
    const double wanted = std::ceil(static_cast<double>(*used) * fees.gas_over_estimation);
    message.gas_limit =
        static_cast<std::int64_t>(std::clamp(wanted, 0.0, static_cast<double>(kMessageGasMax)));
  }
  if (fees.gas_over_premium > 0) {
    const absl::StatusOr<TokenAmount> premium = co_await pool_.GasEstimateGasPremium(
        kPremiumBlocks, message.from, message.gas_limit, TipSetKey());
    // Without it the node chooses one by itself when it pushes.
    if (premium.ok()) message.gas_premium = Times(*premium, fees.gas_over_premium);
    if (!fees.gas_fee_cap.IsZero()) {
      message.gas_premium = std::min(message.gas_premium, fees.gas_fee_cap);
    }
  }
  message.gas_fee_cap = fees.gas_fee_cap;
  chain::MessageSendSpec spec;
  spec.msg_uuid = push.uuid;
  // A node that maximizes overrides a cap that is given, and so does its own highest fee where that
  // is less than limit times cap.
  spec.maximize_fee_cap = fees.gas_fee_cap.IsZero();
  spec.max_fee = fees.gas_fee_cap * message.gas_limit;
  const filecoin::Message asked = message;
  DAMOCLES_CO_ASSIGN_OR_RETURN(
      filecoin::SignedMessage pushed,
      co_await pool_.MpoolPushMessage(std::move(message), std::move(spec)));
  Address sender = asked.from;
  if (asked.from.IsId()) {
    const absl::StatusOr<Address> account = co_await KeyOf(asked.from, TipSetKey());
    if (account.ok()) sender = *account;
  }
  DAMOCLES_CO_RETURN_IF_ERROR(CheckPushed(asked, pushed.message, sender));
  delivery::event::Pushed out;
  out.cid = CidOf(pushed);
  out.signed_message = filecoin::cbor::Encode(pushed);
  out.gas_limit = pushed.message.gas_limit;
  co_return out;
}

Node::Result<delivery::event::PushedAgain> Node::PushAgain(delivery::action::PushAgain again) {
  DAMOCLES_CO_RETURN_IF_ERROR((co_await PushSigned(again.signed_message)).status());
  co_return delivery::event::PushedAgain{};
}

Node::Result<filecoin::SignedMessage> Node::Sign(filecoin::Message message) {
  Bytes bytes = SigningBytes(message);
  filecoin::SignedMessage out;
  absl::StatusOr<filecoin::Signature> signature =
      co_await wallet_.WalletSign(message.from, std::move(bytes));
  room_.NoteSigning(message.from, signature.ok());
  DAMOCLES_CO_ASSIGN_OR_RETURN(out.signature, std::move(signature));
  out.message = std::move(message);
  co_return out;
}

Node::Result<Bytes> Node::PushSigned(Bytes signed_message) {
  DAMOCLES_CO_ASSIGN_OR_RETURN(filecoin::SignedMessage message,
                               filecoin::cbor::Decode<filecoin::SignedMessage>(signed_message));
  DAMOCLES_CO_ASSIGN_OR_RETURN(const filecoin::Cid taken, co_await pool_.MpoolPush(message));
  DAMOCLES_CO_RETURN_IF_ERROR(CheckTaken(message, taken));
  co_return signed_message;
}

Node::Result<delivery::event::ReplacementSigned> Node::SignReplacement(
    delivery::action::SignReplacement question, FeePolicy fees, filecoin::TipSet head) {
  DAMOCLES_CO_ASSIGN_OR_RETURN(
      filecoin::SignedMessage message,
      filecoin::cbor::Decode<filecoin::SignedMessage>(question.signed_message));
  delivery::event::ReplacementSigned out;
  // Another delivery may just have raised it, because it stood in its way.
  if (!room_.MayRepair(message.message.from, message.message.nonce, head.Height())) co_return out;
  DAMOCLES_CO_ASSIGN_OR_RETURN(Raised raised, co_await Raise(std::move(message), std::move(fees),
                                                             head, question.passed_over));
  out.signed_message = std::move(raised.signed_message);
  out.fee_cap = std::move(raised.fee_cap);
  out.limited = std::move(raised.limited);
  co_return out;
}

Node::Result<delivery::event::ReplacementPushed> Node::PushReplacement(
    delivery::action::PushReplacement replacement) {
  DAMOCLES_CO_RETURN_IF_ERROR((co_await PushSigned(replacement.signed_message)).status());
  co_return delivery::event::ReplacementPushed{};
}

Node::Result<delivery::event::Unblocked> Node::Unblock(delivery::action::Unblock question,
                                                       FeePolicy fees, filecoin::TipSet head) {
  DAMOCLES_CO_ASSIGN_OR_RETURN(Raised raised,
                               co_await Repair(question.lane, std::move(fees), head));
  delivery::event::Unblocked out;
  out.lane = std::move(question.lane);
  out.pushed = !raised.signed_message.empty();
  out.fee_cap = std::move(raised.fee_cap);
  out.limited = std::move(raised.limited);
  co_return out;
}

}  // namespace damocles::poster::internal
