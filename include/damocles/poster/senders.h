// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// The addresses of a miner: whose a message of the pool or of the chain is, and who sends next.
// A pool shows what anybody pushed, with free fields: nothing of it is believed without its sender.
//
// Pure: what the node shows comes in as SenderFacts, time as an argument.

#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

#include "damocles/base/bytes.h"
#include "damocles/chain/types.h"
#include "damocles/delivery/message.h"
#include "damocles/filecoin/address.h"
#include "damocles/filecoin/epoch.h"
#include "damocles/filecoin/message.h"
#include "damocles/filecoin/sector.h"
#include "damocles/filecoin/token_amount.h"

namespace damocles::poster {

using delivery::LaneRepair;
using delivery::SenderWarning;

// Who may send in the name of a miner; the network's actor takes messages from nobody else.
enum class SenderRole : std::uint8_t { kControl, kWorker, kOwner };
std::string_view Name(SenderRole role);

// A miner with the addresses of its own, each in every form that is known.
struct MinerAddresses {
  filecoin::ActorId miner{};
  std::set<filecoin::Address> robust;             // other addresses of the miner than its ID
  std::map<filecoin::Address, SenderRole> owned;  // owner, worker, control: IDs and keys
  // Why the key of one of them could not be found out; OK: all are complete.
  absl::Status doubt;

  bool IsRecipientOf(const filecoin::Message& message) const;
  // Of the sender; none: a stranger.
  std::optional<SenderRole> RoleOf(const filecoin::Address& sender) const;
};

// A message of which it is asked whether it is ours.
struct OwnCall {
  filecoin::MethodNumber method = 0;
  Bytes params;
};

// Whether `message` says exactly what `call` says, to the miner, from an address of its own.
bool IsOurs(const filecoin::Message& message, const MinerAddresses& addresses, const OwnCall& call);

// Whether one of the two replaces the other: same sender, nonce, recipient and call.
bool IsReplacement(const filecoin::Message& a, const filecoin::Message& b);

// ---------------------------------------------------------------- who sends

// An address that may send for a miner, as its node shows it at one head.
struct SenderFacts {
  std::optional<SenderRole> role;  // none: configured, but not of this miner
  filecoin::Address id;            // as the miner's info or the configuration names it
  filecoin::Address key;           // undefined: not known
  bool configured = false;         // named by the operator
  std::string unusable;            // why it cannot send at all; empty: it can
  absl::Status doubtful;           // the node could not tell about its key
  std::optional<filecoin::TokenAmount> balance;
  // The nonce that the pool would give next: of the first gap behind what is on chain.
  std::optional<std::uint64_t> next_nonce;
  std::vector<filecoin::SignedMessage> lane;  // its pending messages, ascending by nonce
  // Why key, balance, lane or next nonce could not be read; OK also where nobody asked.
  absl::Status key_read;
  absl::Status balance_read;
  absl::Status lane_read;
};

// The addresses of a miner that its actor takes messages from: control addresses first, each once.
std::vector<SenderFacts> SendersOf(const chain::MinerInfo& info);

// What of its balance is left for a new message: the values of those that are pending go out before
// it.  Below zero if they give away more than there is; none where the balance is not known.
std::optional<filecoin::TokenAmount> SpendableOf(const SenderFacts& facts);

// Marks the one that the operator named, whose ID is `id` as far as the node can say.  One that is
// none of the miner's is added and cannot send.
void NameSender(std::vector<SenderFacts>& facts, filecoin::ActorId miner,
                const filecoin::Address& named, const absl::StatusOr<filecoin::Address>& id);

// What keeps the messages of a lane from being executed.
struct LaneBlock {
  enum class Kind {
    kNone,
    kGap,     // nothing has the nonce
    kLowFee,  // the message with it asks for less than the base fee, or is passed over for long
    kFull,    // the pool takes no more of this sender
  };
  Kind kind = Kind::kNone;
  std::uint64_t nonce = 0;
  std::optional<filecoin::SignedMessage> message;  // kLowFee
};

// In front of the nonce `before`; without it, in front of the next message to be pushed (which
// fills a gap by itself).
LaneBlock BlockBeforeNonce(const SenderFacts& facts, const filecoin::TokenAmount& base_fee,
                           std::optional<std::uint64_t> before);

// What keeps `ours`, which is in the lane, from being executed.  Beside that a message in front of
// it that pays the base fee and offers less than ours: in full blocks ours waits with it.
LaneBlock BlockBeforeMessage(const SenderFacts& facts, const filecoin::TokenAmount& base_fee,
                             const filecoin::Message& ours);

// What keeps any message of the lane from being executed.
LaneBlock BlockIn(const SenderFacts& facts, const filecoin::TokenAmount& base_fee);

struct SenderChoice {
  std::optional<filecoin::Address> address;  // key
  std::string role;
  std::string trouble;                  // why there is none: each address with its reason
  std::vector<SenderWarning> warnings;  // that were not said before
  std::vector<LaneRepair> repairs;      // that of the chosen one first
};

// Remembers what went wrong with whom, for all miners: an address may belong to several.
class SenderRoom {
 public:
  // Somebody else is to send until then, if anybody can.
  void SetAside(const filecoin::Address& key, std::string why, absl::Time until);

  // Among those that can send: not set aside, with a free lane, with money; of several the richest.
  // If all have some trouble, the one with the least.
  SenderChoice Choose(const std::vector<SenderFacts>& facts, const filecoin::TokenAmount& base_fee,
                      filecoin::ChainEpoch epoch, absl::Time now);

  // True once for an address, nonce and epoch: two windows must not both raise one message.  While
  // the address cannot sign, always: each of them must hear that.
  bool MayRepair(const filecoin::Address& key, std::uint64_t nonce, filecoin::ChainEpoch epoch);
  void NoteSigning(const filecoin::Address& key, bool could);

 private:
  struct Failure {
    std::uint32_t times = 0;
    absl::Time until = absl::InfinitePast();
    absl::Time latest = absl::InfinitePast();
    std::string why;
  };
  struct Front {
    Bytes message;
    filecoin::ChainEpoch since{};
  };
  // BlockBeforeNonce, and a front message that is passed over for too long.
  LaneBlock Watch(const SenderFacts& facts, const filecoin::TokenAmount& base_fee,
                  filecoin::ChainEpoch epoch);
  void Say(const SenderFacts& facts, std::string what, const LaneBlock& block, SenderChoice& out);

  std::map<filecoin::Address, Failure> failures_;
  std::map<filecoin::Address, Front> fronts_;
  std::map<filecoin::Address, filecoin::ChainEpoch> repaired_at_;
  std::map<filecoin::Address, std::uint64_t> repaired_nonce_;
  std::set<filecoin::Address> cannot_sign_;
  std::map<std::string, SenderWarning> said_;  // the latest of each address
};

}  // namespace damocles::poster
