// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// What a node or the chain means when it refuses a SubmitWindowedPoSt message.

#pragma once

#include <cstdint>
#include <string_view>

#include "absl/status/status.h"

namespace damocles::poster {

enum class MessageTrouble {
  kUnknownFate,    // no answer: it may have been pushed; look before anything else
  kAlreadyProven,  // by an earlier message: read PostSubmissions
  kInvalidPost,    // the proof is wrong for this chain: prove again
  kRandomness,     // commit randomness of another branch: build the message anew
  kWrongDeadline,  // too early or too late
  kOutOfGas,       // raise the limit
  kForbidden,      // the sender is not of this miner: choose again
  kSender,         // the sender has no key or no money: choose again
  kEstimator,      // gas could not be estimated, for reasons that are not the message's
  kPermission,     // our token lacks a right
  kOther,
};

std::string_view Name(MessageTrouble trouble);

// From an error of MpoolPushMessage.
MessageTrouble ClassifySendError(const absl::Status& status);

// From a receipt's exit code (not 0) and the chain's text, which may be empty.
MessageTrouble ClassifyReceipt(std::int64_t exit_code, std::string_view text);

}  // namespace damocles::poster
