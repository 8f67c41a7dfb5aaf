// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// The runner's errands for deliveries, whoever owns them.

#include <utility>

#include "lib/poster/runner_impl.h"

#include "damocles/filecoin/cbor.h"
#include "damocles/filecoin/message.h"

namespace damocles::poster::internal {
namespace {

template <typename T>
delivery::Event CarriedOrFailed(absl::StatusOr<T> answer) {
  if (!answer.ok()) return delivery::event::Failed{T::kWork, std::move(answer).status()};
  return *std::move(answer);
}

}  // namespace

async::Task<delivery::Event> RunnerImpl::Carry(filecoin::ActorId miner,
                                               filecoin::MethodNumber method, FeePolicy fees,
                                               absl::Duration push_takes, delivery::Action action) {
  const filecoin::TipSet head = *head_;
  kj::Timer& timer = parts_.timer;
  if (auto* a = std::get_if<delivery::action::Push>(&action)) {
    co_return CarriedOrFailed(
        co_await WithLimit(timer, push_takes, node_.Push(miner, method, *a, fees)));
  }
  if (auto* a = std::get_if<delivery::action::PushAgain>(&action)) {
    co_return CarriedOrFailed(co_await WithLimit(timer, push_takes, node_.PushAgain(*a)));
  }
  if (auto* a = std::get_if<delivery::action::SignReplacement>(&action)) {
    co_return CarriedOrFailed(
        co_await WithLimit(timer, push_takes, node_.SignReplacement(*a, fees, head)));
  }
  if (auto* a = std::get_if<delivery::action::PushReplacement>(&action)) {
    co_return CarriedOrFailed(co_await WithLimit(timer, push_takes, node_.PushReplacement(*a)));
  }
  if (auto* a = std::get_if<delivery::action::Unblock>(&action)) {
    if (IsSeenTo(a->lane)) {
      delivery::event::Unblocked left_alone;
      left_alone.lane = std::move(a->lane);
      co_return left_alone;
    }
    co_return CarriedOrFailed(co_await WithLimit(timer, push_takes, node_.Unblock(*a, fees, head)));
  }
  if (auto* a = std::get_if<delivery::action::Explain>(&action)) {
    co_return CarriedOrFailed(co_await WithLimit(timer, options_.call_timeout, node_.Explain(*a)));
  }
  co_return delivery::event::Tick{};
}

// A delivery raises its own message by itself, and its record must have the bytes first.  But not
// beyond its miner's limits, and with patience while its own window has time: what it has not
// raised just now may be in the way of another miner's.
bool RunnerImpl::IsSeenTo(const LaneRepair& lane) const {
  const filecoin::ChainEpoch now = CurrentTime().epoch;
  const filecoin::ChainEpoch next = now + filecoin::EpochDelta(1);
  const auto raises = [&](const delivery::Message& message) {
    if (!message.cid || now > message.sent_at + filecoin::EpochDelta(1)) return false;
    const auto waiting = filecoin::cbor::Decode<filecoin::SignedMessage>(message.signed_message);
    return waiting.ok() && waiting->message.from == lane.sender &&
           waiting->message.nonce == lane.nonce;
  };
  for (const auto& [key, entry] : deadlines_) {
    const DeadlineRecord& record = entry.machine.record;
    if (next >= record.deadline.close) continue;
    for (const PartitionBatch& batch : record.batches) {
      if (batch.state == DeadlineState::kSubmitting && raises(batch.message)) return true;
    }
  }
  for (const auto& [key, entry] : recoveries_) {
    const RecoveryRecord& record = entry.machine.record;
    if (IsFinal(record.state) || next >= record.target.fault_cutoff) continue;
    for (const RecoveryMessage& message : record.messages) {
      if (message.phase == delivery::Phase::kPushed && raises(message.message)) return true;
    }
  }
  return false;
}

}  // namespace damocles::poster::internal
