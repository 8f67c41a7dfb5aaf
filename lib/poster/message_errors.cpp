// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/poster/message_errors.h"

#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"

namespace damocles::poster {
namespace {

constexpr std::int64_t kExitOutOfGas = 7;
constexpr std::int64_t kExitSenderInvalid = 1;
constexpr std::int64_t kExitSenderState = 2;
constexpr std::int64_t kExitInsufficientFunds = 6;
constexpr std::int64_t kExitForbidden = 18;
constexpr std::int64_t kExitActorFunds = 19;

// The words of the miner actor (chain.md 1.4) and of nodes.
MessageTrouble FromText(const std::string& text) {
  struct Phrase {
    const char* words;
    MessageTrouble trouble;
  };
  static constexpr Phrase kPhrases[] = {
      {"partition already proven", MessageTrouble::kAlreadyProven},
      {"invalid post was submitted", MessageTrouble::kInvalidPost},
      {"commit randomness mismatched", MessageTrouble::kRandomness},
      {"expected chain commit epoch", MessageTrouble::kWrongDeadline},
      {"chain commit epoch", MessageTrouble::kWrongDeadline},
      {"invalid deadline", MessageTrouble::kWrongDeadline},
      {"out of gas", MessageTrouble::kOutOfGas},
      {"outofgas", MessageTrouble::kOutOfGas},
      {"caller address forbidden", MessageTrouble::kForbidden},
      {"errforbidden", MessageTrouble::kForbidden},
      {"missing permission", MessageTrouble::kPermission},
      {"not enough funds", MessageTrouble::kSender},
      {"insufficient funds", MessageTrouble::kSender},
      {"insufficientfunds", MessageTrouble::kSender},
      {"key not found", MessageTrouble::kSender},
      {"key info not found", MessageTrouble::kSender},
  };
  for (const Phrase& phrase : kPhrases) {
    if (absl::StrContains(text, phrase.words)) return phrase.trouble;
  }
  return MessageTrouble::kOther;
}

}  // namespace

std::string_view Name(MessageTrouble trouble) {
  switch (trouble) {
    case MessageTrouble::kUnknownFate:
      return "unknown-fate";
    case MessageTrouble::kAlreadyProven:
      return "already-proven";
    case MessageTrouble::kInvalidPost:
      return "invalid-post";
    case MessageTrouble::kRandomness:
      return "randomness";
    case MessageTrouble::kWrongDeadline:
      return "wrong-deadline";
    case MessageTrouble::kOutOfGas:
      return "out-of-gas";
    case MessageTrouble::kForbidden:
      return "forbidden";
    case MessageTrouble::kSender:
      return "sender";
    case MessageTrouble::kEstimator:
      return "estimator";
    case MessageTrouble::kPermission:
      return "permission";
    case MessageTrouble::kOther:
      return "other";
  }
  return "other";
}

MessageTrouble ClassifySendError(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kPermissionDenied:
    case absl::StatusCode::kUnauthenticated:
    case absl::StatusCode::kUnimplemented:
      return MessageTrouble::kPermission;
    case absl::StatusCode::kAborted:  // says the poster's own code: it did not come to a push
      return MessageTrouble::kEstimator;
    case absl::StatusCode::kUnknown:
    case absl::StatusCode::kFailedPrecondition:
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kNotFound:
      break;
    default:
      return MessageTrouble::kUnknownFate;
  }
  const std::string text = absl::AsciiStrToLower(std::string(status.message()));
  const MessageTrouble trouble = FromText(text);
  if (trouble != MessageTrouble::kOther) return trouble;
  // The dry run did not judge the message, the estimator itself failed.
  if (status.code() != absl::StatusCode::kFailedPrecondition &&
      (absl::StrContains(text, "estimat") || absl::StrContains(text, "gas"))) {
    return MessageTrouble::kEstimator;
  }
  return MessageTrouble::kOther;
}

MessageTrouble ClassifyReceipt(std::int64_t exit_code, std::string_view text) {
  const MessageTrouble trouble = FromText(absl::AsciiStrToLower(std::string(text)));
  if (trouble != MessageTrouble::kOther) return trouble;
  switch (exit_code) {
    case kExitOutOfGas:
      return MessageTrouble::kOutOfGas;
    case kExitForbidden:
      return MessageTrouble::kForbidden;
    case kExitSenderInvalid:
    case kExitSenderState:
    case kExitInsufficientFunds:
    case kExitActorFunds:
      return MessageTrouble::kSender;
    default:
      return MessageTrouble::kOther;
  }
}

}  // namespace damocles::poster
