// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// What the poster asks a node, as whole questions: each is several calls at one tipset.

#pragma once

#include <kj/async.h>
#include <kj/timer.h>

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "lib/poster/fees.h"

#include "damocles/async/duration.h"
#include "damocles/async/failure.h"
#include "damocles/async/task.h"
#include "damocles/chain/api.h"
#include "damocles/filecoin/bitfield.h"
#include "damocles/poster/policy.h"
#include "damocles/poster/recovery.h"
#include "damocles/poster/senders.h"
#include "damocles/poster/state_machine.h"

namespace damocles::poster::internal {

using async::ToKj;

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
        return absl::UnavailableError(async::Plainly(exception));
      });
  return answered.exclusiveJoin(kj::mv(late));
}

// Whether the node, or the way to it, failed: nothing is known about what was asked.
inline bool NotAnswered(const absl::Status& status) {
  return absl::IsUnavailable(status) || absl::IsDeadlineExceeded(status) || absl::IsAborted(status);
}

// The answer of `first`, or that of `other` if `first` gets none.
template <typename T>
kj::Promise<absl::StatusOr<T>> AnswerOf(kj::ForkedPromise<absl::StatusOr<T>>& first,
                                        kj::ForkedPromise<absl::StatusOr<T>>& other) {
  return first.addBranch().then([instead = other.addBranch()](absl::StatusOr<T>&& answer) mutable
                                -> kj::Promise<absl::StatusOr<T>> {
    if (NotAnswered(answer.status())) return kj::mv(instead);
    return kj::mv(answer);
  });
}

// Asks once more where the first time failed, or next to it where it is not answered in `patience`:
// whichever answer comes first.  Only for what changes nothing.
template <typename T>
async::Task<absl::StatusOr<T>> AskTwice(kj::Timer& timer, absl::Duration patience,
                                        std::function<kj::Promise<absl::StatusOr<T>>()> ask) {
  kj::ForkedPromise<absl::StatusOr<T>> first = ask().fork();
  kj::Promise<absl::StatusOr<T>> silence =
      timer.afterDelay(ToKj(patience)).then([]() -> absl::StatusOr<T> {
        return absl::DeadlineExceededError("no answer yet");
      });
  absl::StatusOr<T> answer = co_await first.addBranch().exclusiveJoin(kj::mv(silence));
  if (!NotAnswered(answer.status())) co_return answer;
  kj::ForkedPromise<absl::StatusOr<T>> second = ask().fork();
  kj::Promise<absl::StatusOr<T>> either =
      AnswerOf(first, second).exclusiveJoin(AnswerOf(second, first));
  answer = co_await kj::mv(either);
  co_return answer;
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
  Bytes signed_message;  // with the higher fees; empty: they stay as they are
  std::string fee_cap;   // for the log
  std::string limited;   // not empty: the operator's limit is in the way, and how
};

// Borrows the roles of a node; every question names the tipset it is asked at.
//
// A look is made of parts, each of a call or two that are asked twice where that may help.  A part
// that could not be learnt is said to be unknown; the others are told all the same.
class Node {
 public:
  template <typename T>
  using Result = async::Task<absl::StatusOr<T>>;

  // A look as a whole is given up by whoever asked, after `look_takes`.
  Node(chain::ChainReader& reader, chain::MessagePool& pool, chain::Wallet& wallet,
       kj::Timer& timer, absl::Duration look_takes)
      : reader_(reader),
        pool_(pool),
        wallet_(wallet),
        timer_(timer),
        patience_(look_takes / 6),
        part_takes_(look_takes / 3) {}

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
  // ---- what a delivery asks for
  Result<delivery::event::Pushed> Push(filecoin::ActorId miner, filecoin::MethodNumber method,
                                       delivery::action::Push push, FeePolicy fees);
  Result<delivery::event::PushedAgain> PushAgain(delivery::action::PushAgain again);
  // With a higher fee; nothing is pushed.
  Result<delivery::event::ReplacementSigned> SignReplacement(
      delivery::action::SignReplacement question, FeePolicy fees, filecoin::TipSet head);
  Result<delivery::event::ReplacementPushed> PushReplacement(
      delivery::action::PushReplacement replacement);
  Result<delivery::event::Unblocked> Unblock(delivery::action::Unblock question, FeePolicy fees,
                                             filecoin::TipSet head);
  Result<delivery::event::Explained> Explain(delivery::action::Explain question);

  // Which partitions of a deadline the chain has a proof of, as far as `head` can tell.  `wanted`
  // are the sectors that were to be proven: after the close they tell what no list does.
  Result<filecoin::BitField> PostedIn(filecoin::ActorId miner, std::uint64_t deadline_index,
                                      filecoin::ChainEpoch open, filecoin::ChainEpoch close,
                                      filecoin::BitField wanted, filecoin::TipSet head);

  Result<recovery::FaultsRead> ReadFaults(filecoin::ActorId miner, std::uint64_t deadline_index,
                                          filecoin::TipSet head);
  Result<recovery::Looked> LookForRecovery(filecoin::ActorId miner, recovery::Look question,
                                           MinerPolicy policy, filecoin::TipSet head,
                                           absl::Time now);

 private:
  // A call of a look, with AskTwice.
  template <typename Role, typename T, typename... P>
  Result<T> Read(Result<T> (Role::*call)(P...), std::type_identity_t<P>... args) {
    Role& role = std::get<Role&>(std::tie(reader_, pool_, wallet_));
    std::function<kj::Promise<absl::StatusOr<T>>()> ask = [&role, call, args...]() {
      kj::Promise<absl::StatusOr<T>> asked = (role.*call)(args...).ToPromise();
      return asked.catch_([](kj::Exception&& exception) -> absl::StatusOr<T> {
        return absl::UnavailableError(async::Plainly(exception));
      });
    };
    return AskTwice<T>(timer_, patience_, std::move(ask));
  }
  // One that the look can do without: its silence must not use up the time of the whole.
  template <typename Role, typename T, typename... P>
  kj::Promise<absl::StatusOr<T>> ReadAside(Result<T> (Role::*call)(P...),
                                           std::type_identity_t<P>... args) {
    return WithLimit(timer_, part_takes_, Read(call, std::move(args)...));
  }
  async::Task<MinerAddresses> AddressesOf(filecoin::ActorId miner, chain::MinerInfo info,
                                          filecoin::TipSetKey key);
  // The key address, remembered: it never changes.
  Result<filecoin::Address> KeyOf(filecoin::Address id, filecoin::TipSetKey key);
  // Adds to the miner's robust addresses those that messages of the method are sent to.
  async::Task<void> LearnRecipients(MinerAddresses& addresses, filecoin::MethodNumber method,
                                    const std::vector<filecoin::SignedMessage>& pending,
                                    filecoin::TipSetKey key);
  // On the chain of `key`, at most `limit` epochs back; `signed_message` may be empty.
  async::Task<Searched> Search(filecoin::Cid cid, OwnCall call, Bytes signed_message,
                               filecoin::ActorId miner, std::int64_t limit,
                               filecoin::TipSetKey key);
  // What a mempool shows, and to whom it may be ours.
  struct Pool {
    std::vector<filecoin::SignedMessage> pending;
    MinerAddresses addresses;
  };
  // The parts that every look has.  On the chain, at most `limit` epochs back...
  async::Task<void> SearchFor(filecoin::ActorId miner, delivery::action::Look question,
                              OwnCall call, std::int64_t limit, filecoin::TipSetKey key,
                              delivery::event::Looked& out);
  // ... and what was not found there, in the pool; and who sends, unless all is done.
  async::Task<void> LookFurther(filecoin::ActorId miner, delivery::action::Look question,
                                OwnCall call, std::vector<filecoin::Address> senders, bool all_done,
                                filecoin::TipSet head, absl::Time now, Pool& pool,
                                delivery::event::Looked& out);
  // An error: whether the message is there is not known.
  async::Task<absl::Status> LookIntoPool(filecoin::ActorId miner, delivery::action::Look question,
                                         OwnCall call, absl::StatusOr<chain::MinerInfo> info,
                                         filecoin::TipSet head, Pool& pool,
                                         delivery::event::Looked& out);
  Result<std::vector<RecoveredPartition>> Undeclared(filecoin::ActorId miner,
                                                     std::uint64_t deadline_index,
                                                     filecoin::TipSetKey key);
  async::Task<std::optional<bool>> NonceUsed(Bytes signed_message, filecoin::TipSetKey key);
  class AsksAboutSenders;
  Result<SenderChoice> ChooseSender(filecoin::ActorId miner, chain::MinerInfo info,
                                    std::vector<filecoin::Address> allowed,
                                    std::vector<filecoin::SignedMessage> pending,
                                    filecoin::TipSet head, absl::Time now);
  async::Task<std::optional<LaneRepair>> BlockBefore(
      const MinerAddresses& addresses, Bytes signed_message,
      const std::vector<filecoin::SignedMessage>& pending, const filecoin::TipSet& head);
  async::Task<void> LearnBaseFees(filecoin::TipSet head);
  Result<filecoin::SignedMessage> Sign(filecoin::Message message);
  // With a higher fee, signed and not pushed.
  Result<Raised> Raise(filecoin::SignedMessage message, FeePolicy fees, filecoin::TipSet head,
                       bool passed_over);
  Result<Raised> Repair(LaneRepair repair, FeePolicy fees, filecoin::TipSet head);
  // Encoded as it was pushed.
  Result<Bytes> PushSigned(Bytes signed_message);
  Result<std::vector<PlannedSector>> SectorsOf(filecoin::ActorId miner, filecoin::BitField numbers,
                                               filecoin::TipSetKey key);
  // With the proof type of today's network.
  Result<chain::MinerInfo> InfoOf(filecoin::ActorId miner, filecoin::TipSetKey key);
  chain::ChainReader& reader_;
  chain::MessagePool& pool_;
  chain::Wallet& wallet_;
  kj::Timer& timer_;
  absl::Duration patience_;
  absl::Duration part_takes_;
  std::map<filecoin::Address, filecoin::Address> keys_;  // of IDs
  // Of addresses that messages were sent to; undefined: no actor has it.
  std::map<filecoin::Address, filecoin::Address> recipients_;
  SenderRoom room_;
  BaseFeeHistory base_fees_;
};

}  // namespace damocles::poster::internal
