// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// What is known of one message on its way, and of the addresses that send it.

#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "damocles/base/bytes.h"
#include "damocles/filecoin/address.h"
#include "damocles/filecoin/cid.h"
#include "damocles/filecoin/epoch.h"
#include "damocles/filecoin/message.h"
#include "damocles/filecoin/token_amount.h"

namespace damocles::delivery {

using Uuid = std::array<std::uint8_t, 16>;

struct Receipt {
  std::int64_t exit_code = 0;
  filecoin::ChainEpoch height{};  // of the tipset that shows it
  std::int64_t gas_used = 0;
  friend bool operator==(const Receipt&, const Receipt&) = default;
};

// The latest message of a delivery.
struct Message {
  std::uint32_t attempt = 0;  // 0: none yet
  Uuid uuid{};
  std::optional<filecoin::Address> from;
  Bytes params;  // CBOR
  // What of the chain the parameters were made of, if anything: on a branch that has another the
  // message would be refused.
  Bytes32 basis{};
  std::int64_t gas_limit = 0;         // asked for; 0: the node estimates
  filecoin::ChainEpoch sent_at{};     // head when it was recorded
  std::optional<filecoin::Cid> cid;   // once the node has answered
  std::int64_t signed_gas_limit = 0;  // in the signed message
  // CBOR, to push the same bytes again.  A replacement is here before it is pushed: until the node
  // has taken it, `cid` is of the one before it, which has the same sender, nonce and call.
  Bytes signed_message;
  std::optional<Receipt> receipt;
  friend bool operator==(const Message&, const Message&) = default;
};

// What must survive of a delivery; a part of its owner's record.
struct Record {
  Message message;
  // Senders whose message waits in the mempool and cannot be raised any more: that one is not taken
  // up again while somebody else can send.
  std::vector<filecoin::Address> given_up;
  // Done on chain although no receipt of ours says so (an earlier life, another manager).
  bool posted_by_other = false;
  filecoin::ChainEpoch posted_seen_at{};
  std::uint32_t failed_messages = 0;  // refused by the node's dry run, or with a bad receipt
  std::string note;                   // latest trouble; of what was missed, the reason
  friend bool operator==(const Record&, const Record&) = default;
};

// The numbers are on disk, in the rows of recoveries.
enum class Phase : std::uint8_t {
  kIdle = 0,       // there is nothing to say yet
  kWanted = 1,     // a message is to be made
  kPushed = 2,     // one was, or is about to be, pushed
  kOnChain = 3,    // a receipt with exit code 0, not yet deep enough; or another's
  kConfirmed = 4,  // done
  kMissed = 5,     // the end came first
};
inline constexpr std::size_t kPhases = 6;

// kConfirmed and kMissed.
inline bool IsFinal(Phase phase) {
  return phase >= Phase::kConfirmed;
}

enum class MessageWhereabouts {
  kNotFound,  // of what was looked through
  kPending,
  kOnChain,
  kDead,  // another message was executed under its nonce: it never will be
};

// A lane of ours that is to be made free: by replacing the message in the way, or by an empty one
// where there is none.
struct LaneRepair {
  filecoin::Address sender;  // key
  std::string role;
  std::uint64_t nonce = 0;
  Bytes signed_message;  // in the way; empty: a gap
  friend bool operator==(const LaneRepair&, const LaneRepair&) = default;
};

// Something about a sender that an operator should know.
struct SenderWarning {
  std::string sender;
  std::string role;
  std::string what;
  std::optional<std::uint64_t> nonce;
  std::string message;  // CID of the one in the way
  friend bool operator==(const SenderWarning&, const SenderWarning&) = default;
};

// Whether a block made now would not take it, whatever room there is.
bool IsBelowBaseFee(const filecoin::Message& message, const filecoin::TokenAmount& base_fee);

}  // namespace damocles::delivery
