// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// What a node or the chain means when it refuses a message.

#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "absl/status/status.h"

namespace damocles::delivery {

enum class MessageTrouble {
  kUnknownFate,    // no answer: it may have been pushed; look before anything else
  kAlreadyProven,  // by an earlier message: read PostSubmissions
  kInvalidPost,    // the proof is wrong for this chain: prove again
  kRandomness,     // commit randomness of another branch: build the message anew
  kWrongDeadline,  // too early or too late
  kOutOfGas,       // raise the limit
  kForbidden,      // the sender is not of this miner: choose again
  kNoFunds,        // the sender cannot pay
  kNoKey,          // the node's wallet has no key of the sender
  kCannotSign,     // it has, and does not sign: locked, or its device does not answer
  kUnknownSender,  // the chain does not know the sender
  kNonce,          // its nonce is taken, or too far ahead
  kPoolFull,       // the node takes no more messages of the sender
  kFee,            // fee cap or premium are too low for this node
  kEstimator,      // gas could not be estimated, for reasons that are not the message's
  kPermission,     // our token lacks a right
  kRefused,        // for a reason that is not known here; the text has it
};

// The reason lies with the address that sends: another one may do.
bool IsOfSender(MessageTrouble trouble);

// The number of the exit code that a node's text names: "exit=[ErrForbidden(18)]", "RetCode=18".
std::optional<std::int64_t> ExitCodeIn(std::string_view text);

std::string_view Name(MessageTrouble trouble);

// From an error of MpoolPushMessage.
MessageTrouble ClassifySendError(const absl::Status& status);

// What an error of StateSearchMsg says.
enum class SearchTrouble {
  kRetry,         // trouble with the node
  kNeverHeard,    // this node does not know the message
  kNonceTaken,    // another message was executed under its nonce
  kCannotSearch,  // this node will never answer that question
};
SearchTrouble ClassifySearchError(const absl::Status& status);

// From a receipt's exit code (not 0) and the chain's text, which may be empty.
MessageTrouble ClassifyReceipt(std::int64_t exit_code, std::string_view text);

}  // namespace damocles::delivery
