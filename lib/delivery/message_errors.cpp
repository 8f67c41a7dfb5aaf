// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/delivery/message_errors.h"

#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"

namespace damocles::delivery {
namespace {

constexpr std::int64_t kExitOutOfGas = 7;
constexpr std::int64_t kExitSenderInvalid = 1;
constexpr std::int64_t kExitSenderState = 2;
constexpr std::int64_t kExitInsufficientFunds = 6;
constexpr std::int64_t kExitForbidden = 18;
constexpr std::int64_t kExitActorFunds = 19;

// The words of the miner actor (builtin-actors, actors/miner) and of nodes.
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
      {"not enough funds", MessageTrouble::kNoFunds},
      {"insufficient funds", MessageTrouble::kNoFunds},
      {"insufficientfunds", MessageTrouble::kNoFunds},
      {"insufficient balance", MessageTrouble::kNoFunds},
      {"balance too low", MessageTrouble::kNoFunds},
      {"key not found", MessageTrouble::kNoKey},
      {"key info not found", MessageTrouble::kNoKey},
      {"keyinfo not found", MessageTrouble::kNoKey},
      {"not in the wallet", MessageTrouble::kNoKey},
      {"no such key", MessageTrouble::kNoKey},
      {"key does not exist", MessageTrouble::kNoKey},
      {"failed to find key", MessageTrouble::kNoKey},
      {"wallet is locked", MessageTrouble::kCannotSign},
      {"wallet locked", MessageTrouble::kCannotSign},
      {"is locked", MessageTrouble::kCannotSign},
      {"failed to sign", MessageTrouble::kCannotSign},
      {"signing message", MessageTrouble::kCannotSign},
      {"cannot sign", MessageTrouble::kCannotSign},
      {"ledger", MessageTrouble::kCannotSign},
      {"password", MessageTrouble::kCannotSign},
      {"minimum expected nonce", MessageTrouble::kNonce},
      {"nonce too low", MessageTrouble::kNonce},
      {"nonce gap", MessageTrouble::kNonce},
      {"too big a gap", MessageTrouble::kNonce},
      {"already in mpool", MessageTrouble::kNonce},
      {"too many pending", MessageTrouble::kPoolFull},
      {"replace by fee", MessageTrouble::kFee},
      {"gasfeecap", MessageTrouble::kFee},
      {"gaspremium", MessageTrouble::kFee},
      {"fee cap", MessageTrouble::kFee},
      {"resolve address", MessageTrouble::kUnknownSender},
      {"getting key address", MessageTrouble::kUnknownSender},
      {"actor not found", MessageTrouble::kUnknownSender},
  };
  for (const Phrase& phrase : kPhrases) {
    if (absl::StrContains(text, phrase.words)) return phrase.trouble;
  }
  return MessageTrouble::kRefused;
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
    case MessageTrouble::kNoFunds:
      return "no-funds";
    case MessageTrouble::kNoKey:
      return "no-key";
    case MessageTrouble::kCannotSign:
      return "cannot-sign";
    case MessageTrouble::kUnknownSender:
      return "unknown-sender";
    case MessageTrouble::kNonce:
      return "nonce";
    case MessageTrouble::kPoolFull:
      return "pool-full";
    case MessageTrouble::kFee:
      return "fee";
    case MessageTrouble::kEstimator:
      return "estimator";
    case MessageTrouble::kPermission:
      return "permission";
    case MessageTrouble::kRefused:
      return "refused";
  }
  return "refused";
}

bool IsOfSender(MessageTrouble trouble) {
  switch (trouble) {
    case MessageTrouble::kForbidden:
    case MessageTrouble::kNoFunds:
    case MessageTrouble::kNoKey:
    case MessageTrouble::kCannotSign:
    case MessageTrouble::kUnknownSender:
    case MessageTrouble::kNonce:
    case MessageTrouble::kPoolFull:
      return true;
    default:
      return false;
  }
}

std::optional<std::int64_t> ExitCodeIn(std::string_view text) {
  const std::string lower = absl::AsciiStrToLower(std::string(text));
  for (const std::string_view mark : {"retcode=", "exit=[", "exit code ", "exit "}) {
    std::size_t at = lower.find(mark);
    if (at == std::string::npos) continue;
    at += mark.size();
    // The number itself, or a name with the number in parentheses.
    const std::size_t open = lower.find('(', at);
    const std::size_t close = open == std::string::npos ? open : lower.find(')', open);
    std::int64_t code = 0;
    std::size_t end = at;
    while (end < lower.size() && absl::ascii_isdigit(static_cast<unsigned char>(lower[end]))) ++end;
    if (end > at && absl::SimpleAtoi(lower.substr(at, end - at), &code)) return code;
    if (close != std::string::npos && open - at < 40 &&
        absl::SimpleAtoi(lower.substr(open + 1, close - open - 1), &code)) {
      return code;
    }
  }
  return std::nullopt;
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
    case absl::StatusCode::kResourceExhausted:  // of the pool; or an answer that was too large
      return absl::StrContains(status.message(), "too many pending") ? MessageTrouble::kPoolFull
                                                                     : MessageTrouble::kUnknownFate;
    default:
      return MessageTrouble::kUnknownFate;
  }
  const std::string text = absl::AsciiStrToLower(std::string(status.message()));
  const MessageTrouble trouble = FromText(text);
  if (trouble != MessageTrouble::kRefused) return trouble;
  // The dry run did not judge the message, the estimator itself failed.
  if (status.code() != absl::StatusCode::kFailedPrecondition &&
      (absl::StrContains(text, "estimat") || absl::StrContains(text, "gas"))) {
    return MessageTrouble::kEstimator;
  }
  return MessageTrouble::kRefused;
}

SearchTrouble ClassifySearchError(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kUnimplemented:
    case absl::StatusCode::kPermissionDenied:
    case absl::StatusCode::kUnauthenticated:
      return SearchTrouble::kCannotSearch;
    case absl::StatusCode::kUnavailable:
    case absl::StatusCode::kDeadlineExceeded:
    case absl::StatusCode::kDataLoss:
      return SearchTrouble::kRetry;
    default:
      break;
  }
  // Lotus and Venus: "found message with equal nonce as the one we are looking for", with and
  // without "that is NOT a valid replacement message"; Forest adds "and call params but different
  // CID", or says nothing and finds nothing.
  const std::string text = absl::AsciiStrToLower(std::string(status.message()));
  for (const char* words : {"equal nonce", "same nonce", "not a valid replacement"}) {
    if (absl::StrContains(text, words)) return SearchTrouble::kNonceTaken;
  }
  return absl::IsNotFound(status) ? SearchTrouble::kNeverHeard : SearchTrouble::kRetry;
}

MessageTrouble ClassifyReceipt(std::int64_t exit_code, std::string_view text) {
  const MessageTrouble trouble = FromText(absl::AsciiStrToLower(std::string(text)));
  if (trouble != MessageTrouble::kRefused) return trouble;
  switch (exit_code) {
    case kExitOutOfGas:
      return MessageTrouble::kOutOfGas;
    case kExitForbidden:
      return MessageTrouble::kForbidden;
    case kExitSenderInvalid:
      return MessageTrouble::kUnknownSender;
    case kExitSenderState:
      return MessageTrouble::kNonce;
    case kExitInsufficientFunds:
    case kExitActorFunds:
      return MessageTrouble::kNoFunds;
    default:
      return MessageTrouble::kRefused;
  }
}

}  // namespace damocles::delivery
