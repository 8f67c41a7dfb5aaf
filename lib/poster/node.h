// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// What the poster asks a node, as whole questions: each is several calls at one tipset.

#pragma once

#include <kj/async.h>
#include <kj/timer.h>

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "lib/poster/fees.h"

#include "damocles/async/task.h"
#include "damocles/chain/api.h"
#include "damocles/poster/policy.h"
#include "damocles/poster/recovery.h"
#include "damocles/poster/senders.h"
#include "damocles/poster/state_machine.h"

namespace damocles::poster::internal {

inline kj::Duration ToKj(absl::Duration duration) {
  return absl::ToInt64Nanoseconds(duration) * kj::NANOSECONDS;
}

// `task`, or DEADLINE_EXCEEDED after `limit`.  An exception becomes UNAVAILABLE: whoever asked must
// get an answer, or he never asks again, and a push that threw may have reached the node.
template <typename T>
kj::Promise<absl::StatusOr<T>> WithLimit(kj::Timer& timer, absl::Duration limit,
                                         async::Task<absl::StatusOr<T>> task) {
  kj::Promise<absl::StatusOr<T>> late =
      timer.afterDelay(ToKj(limit)).then([limit]() -> absl::StatusOr<T> {
        return absl::DeadlineExceededError("no answer in " + absl::FormatDuration(limit));
      });
  kj::Promise<absl::StatusOr<T>> answered =
      kj::mv(task).ToPromise().catch_([](kj::Exception&& exception) -> absl::StatusOr<T> {
        return absl::UnavailableError(exception.getDescription().cStr());
      });
  return answered.exclusiveJoin(kj::mv(late));
}

// What StateSearchMsg knows of a message of ours.
struct Searched {
  MessageWhereabouts where = MessageWhereabouts::kNotFound;  // or kOnChain, kDead
  std::optional<filecoin::Cid> cid;                          // of what is on chain
  Receipt receipt;
  std::string dead;      // why
  absl::Status trouble;  // it could not be found out
};

// What became of a message whose fees were to be raised.
struct Raised {
  Bytes signed_message;  // of what was pushed; empty: nothing was
  std::string fee_cap;   // for the log
  std::string limited;   // not empty: the operator's limit is in the way, and how
};

// Borrows the api; every question names the tipset it is asked at.
class Node {
 public:
  template <typename T>
  using Result = async::Task<absl::StatusOr<T>>;

  explicit Node(chain::Api& api) : api_(api) {}

  // What is not a question: the base fee of a head, and a sender that failed.
  void NoteHead(const filecoin::TipSet& head) {
    if (!head.Empty()) base_fees_.Note(head.Height(), head.Blocks().front().parent_base_fee);
  }
  SenderRoom& Senders() { return room_; }

  Result<event::InputsRead> ReadInputs(filecoin::ActorId miner, filecoin::DeadlineInfo deadline,
                                       action::ReadInputs question, filecoin::TipSet head);
  Result<Bytes32> ChallengeRandomness(filecoin::ActorId miner, filecoin::ChainEpoch challenge,
                                      filecoin::TipSetKey key);
  Result<event::Surveyed> Survey(filecoin::ActorId miner, filecoin::ChainEpoch open,
                                 action::Survey question, MinerPolicy policy, filecoin::TipSet head,
                                 absl::Time now);
  Result<event::Sent> Send(filecoin::ActorId miner, action::Send send, FeePolicy fees);
  Result<event::Republished> Republish(action::Republish again);
  Result<event::Replaced> Replace(action::Replace question, FeePolicy fees, filecoin::TipSet head);
  Result<event::Unblocked> Unblock(action::Unblock question, FeePolicy fees, filecoin::TipSet head);
  Result<event::Explained> Explain(action::Explain question);

  Result<recovery::FaultsRead> ReadFaults(filecoin::ActorId miner, std::uint64_t deadline_index,
                                          filecoin::TipSet head);
  Result<recovery::Looked> LookForRecovery(filecoin::ActorId miner, recovery::Look question,
                                           MinerPolicy policy, filecoin::TipSet head,
                                           absl::Time now);
  Result<recovery::Repaired> RepairForRecovery(recovery::Repair question, FeePolicy fees,
                                               filecoin::TipSet head);
  Result<recovery::Declared> Declare(filecoin::ActorId miner, recovery::Declare declare,
                                     FeePolicy fees);

 private:
  Result<MinerAddresses> AddressesOf(filecoin::ActorId miner, filecoin::TipSetKey key);
  // The key address, remembered: it never changes.
  Result<filecoin::Address> KeyOf(filecoin::Address id, filecoin::TipSetKey key);
  // Adds to the miner's robust addresses those that messages of the method are sent to.
  async::Task<void> LearnRecipients(MinerAddresses& addresses, filecoin::MethodNumber method,
                                    const std::vector<filecoin::SignedMessage>& pending,
                                    filecoin::TipSetKey key);
  // On the chain of `key`, at most `limit` epochs back; `signed_message` may be empty.
  async::Task<Searched> Search(filecoin::Cid cid, OwnCall call, Bytes signed_message,
                               MinerAddresses addresses, std::int64_t limit,
                               filecoin::TipSetKey key);
  // `pending` is what the pool shows, if it was to be read and could be.
  async::Task<absl::Status> LookForMessage(MinerAddresses addresses, action::Survey question,
                                           filecoin::TipSet head,
                                           std::vector<filecoin::SignedMessage>& pending,
                                           event::Surveyed& out);
  async::Task<std::optional<bool>> NonceUsed(Bytes signed_message, filecoin::TipSetKey key);
  async::Task<void> ReadSender(SenderFacts& facts,
                               const std::vector<filecoin::SignedMessage>& pending,
                               filecoin::TipSetKey key);
  Result<SenderChoice> ChooseSender(filecoin::ActorId miner, std::vector<filecoin::Address> allowed,
                                    std::vector<filecoin::SignedMessage> pending,
                                    filecoin::TipSet head, absl::Time now);
  async::Task<std::optional<LaneRepair>> BlockBefore(
      const MinerAddresses& addresses, Bytes signed_message,
      const std::vector<filecoin::SignedMessage>& pending, const filecoin::TipSet& head);
  async::Task<void> LearnBaseFees(filecoin::TipSet head);
  Result<Raised> Raise(filecoin::SignedMessage message, FeePolicy fees, filecoin::TipSet head);
  Result<Raised> Repair(LaneRepair repair, FeePolicy fees, filecoin::TipSet head);
  // Encoded as it was pushed.
  Result<Bytes> SignAndPush(filecoin::SignedMessage message);
  Result<std::vector<PlannedSector>> SectorsOf(filecoin::ActorId miner, filecoin::BitField numbers,
                                               filecoin::TipSetKey key);
  // With the proof type of today's network.
  Result<chain::MinerInfo> InfoOf(filecoin::ActorId miner, filecoin::TipSetKey key);
  Result<filecoin::SignedMessage> Push(filecoin::ActorId miner, std::uint64_t method,
                                       filecoin::Address from, Bytes params, std::int64_t gas_limit,
                                       chain::Uuid uuid, FeePolicy fees);

  chain::Api& api_;
  std::map<filecoin::Address, filecoin::Address> keys_;  // of IDs
  // Of addresses that messages were sent to; undefined: no actor has it.
  std::map<filecoin::Address, filecoin::Address> recipients_;
  SenderRoom room_;
  BaseFeeHistory base_fees_;
};

}  // namespace damocles::poster::internal
