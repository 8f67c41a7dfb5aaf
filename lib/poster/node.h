// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// What the poster asks a node, as whole questions: each is several calls at one tipset.

#pragma once

#include <kj/async.h>
#include <kj/timer.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

#include "damocles/async/task.h"
#include "damocles/chain/api.h"
#include "damocles/poster/policy.h"
#include "damocles/poster/recovery.h"
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

struct SenderChoice {
  std::optional<filecoin::Address> address;
  std::string trouble;  // why there is none
};

// Borrows the api; every question names the tipset it is asked at.
class Node {
 public:
  template <typename T>
  using Result = async::Task<absl::StatusOr<T>>;

  explicit Node(chain::Api& api) : api_(api) {}

  Result<event::InputsRead> ReadInputs(filecoin::ActorId miner, filecoin::DeadlineInfo deadline,
                                       action::ReadInputs question, filecoin::TipSet head);
  Result<Bytes32> ChallengeRandomness(filecoin::ActorId miner, filecoin::ChainEpoch challenge,
                                      filecoin::TipSetKey key);
  Result<event::Surveyed> Survey(filecoin::ActorId miner, filecoin::ChainEpoch open,
                                 action::Survey question, MinerPolicy policy,
                                 filecoin::TipSet head);
  Result<event::Sent> Send(filecoin::ActorId miner, action::Send send, FeePolicy fees);
  Result<event::Republished> Republish(action::Republish again);
  Result<event::Replaced> Replace(action::Replace question, FeePolicy fees, filecoin::TipSet head);
  Result<event::Explained> Explain(action::Explain question);

  Result<recovery::FaultsRead> ReadFaults(filecoin::ActorId miner, std::uint64_t deadline_index,
                                          filecoin::TipSet head);
  Result<recovery::Looked> LookForRecovery(filecoin::ActorId miner, recovery::Look question,
                                           MinerPolicy policy, filecoin::TipSet head);
  Result<recovery::Declared> Declare(filecoin::ActorId miner, recovery::Declare declare,
                                     FeePolicy fees);

 private:
  // The one with the highest balance among those that may send and whose key the node holds.
  Result<SenderChoice> ChooseSender(filecoin::ActorId miner, std::vector<filecoin::Address> allowed,
                                    filecoin::TipSetKey key);
  Result<std::vector<PlannedSector>> SectorsOf(filecoin::ActorId miner, filecoin::BitField numbers,
                                               filecoin::TipSetKey key);
  // With the proof type of today's network.
  Result<chain::MinerInfo> InfoOf(filecoin::ActorId miner, filecoin::TipSetKey key);
  Result<filecoin::SignedMessage> Push(filecoin::ActorId miner, std::uint64_t method,
                                       filecoin::Address from, Bytes params, std::int64_t gas_limit,
                                       chain::Uuid uuid, FeePolicy fees);

  chain::Api& api_;
};

}  // namespace damocles::poster::internal
