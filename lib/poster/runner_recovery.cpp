// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// The runner's recovery machines.

#include <utility>

#include "lib/poster/carried.h"
#include "lib/poster/runner_impl.h"

#include "damocles/filecoin/miner_params.h"

namespace damocles::poster::internal {

void RunnerImpl::PostRecovery(const RecordKey& key, recovery::Event event) {
  const auto found = recoveries_.find(key);
  if (found == recoveries_.end()) return;
  found->second.events.push_back(std::move(event));
  if (found->second.pumping) return;
  found->second.pumping = true;
  tasks_.add(PumpRecovery(key));
}

RunnerImpl::Done RunnerImpl::PumpRecovery(RecordKey key) {
  co_await kj::evalLater([]() {});
  while (true) {
    const auto found = recoveries_.find(key);
    if (found == recoveries_.end()) co_return;
    RecoveryEntry& entry = found->second;  // stays where it is; nobody else removes it
    if (entry.events.empty() || !head_) {
      entry.pumping = false;
      co_return;
    }
    const recovery::Event event = std::move(entry.events.front());
    entry.events.pop_front();
    const MinerPolicy policy = PolicyOf(key.miner);
    recovery::StepResult result;
    // An answer is taken in also then: a reorg may open the record again.
    if (IsFinal(entry.machine.record.state) && std::holds_alternative<recovery::Tick>(event)) {
      result.machine = std::move(entry.machine);
    } else {
      result = recovery::Advance(std::move(entry.machine), event, CurrentTime(), policy);
    }
    entry.machine = std::move(result.machine);
    entry.dirty = entry.dirty || result.changed;
    const std::uint64_t wake = ++entry.wake;
    // A write that failed is tried again with the next event: every head brings one.
    if (entry.dirty) {
      co_await SaveRecovery(key);
    }
    const RecoveryRecord& record = entry.machine.record;
    for (recovery::Action& action : result.actions) {
      if (const auto* line = std::get_if<action::LogLine>(&action)) {
        WriteLog(key, record.target.index, *line);
      } else {
        tasks_.add(PerformRecovery(key, std::move(action)));
      }
    }
    // Until then a reorg may take the declarations back.
    if (IsFinal(record.state) && !entry.dirty && head_->Height() >= record.target.fault_cutoff) {
      recoveries_.erase(key);
      co_return;
    }
    if (result.wake_at) tasks_.add(WakeAt(key, *result.wake_at, wake, true));
  }
}

RunnerImpl::Done RunnerImpl::PerformRecovery(RecordKey key, recovery::Action action) {
  MinerPolicy policy = PolicyOf(key.miner);
  const filecoin::TipSet head = *head_;
  kj::Timer& timer = parts_.timer;
  recovery::Event answer = recovery::Tick{};
  if (auto* read = std::get_if<recovery::ReadFaults>(&action)) {
    auto got = co_await WithLimit(timer, options_.call_timeout,
                                  node_.ReadFaults(key.miner, read->deadline_index, head));
    if (got.ok()) {
      answer = *std::move(got);
    } else {
      answer = recovery::Failed{recovery::Step::kRead, got.status()};
    }
  } else if (auto* check = std::get_if<recovery::CheckFaulty>(&action)) {
    auto got = co_await WithLimit(timer, check->budget + kCheckGrace,
                                  parts_.sectors.Check(key.miner, check->proof_type,
                                                       std::move(check->sectors), check->budget));
    if (got.ok()) {
      answer = recovery::FaultyChecked{*std::move(got)};
    } else {
      answer = recovery::Failed{recovery::Step::kCheck, got.status()};
    }
  } else if (auto* look = std::get_if<recovery::Look>(&action)) {
    const recovery::MessageRef ref = look->ref;
    auto got = co_await WithLimit(
        timer, options_.call_timeout,
        node_.LookForRecovery(key.miner, *look, policy, head, parts_.clock.Now()));
    if (got.ok()) {
      answer = *std::move(got);
    } else {
      answer = recovery::DeliveryFailed{{delivery::Work::kLook, got.status()}, ref};
    }
  } else if (auto* aside = std::get_if<action::SetAside>(&action)) {
    node_.Senders().SetAside(aside->sender, aside->why, aside->until);
    co_return;
  } else if (std::optional<delivery::Action> carried = CarriedIn(action)) {
    const recovery::MessageRef ref = RefIn<recovery::MessageRef>(action);
    delivery::Event event =
        co_await Carry(key.miner, filecoin::kMethodDeclareFaultsRecovered, policy.recovery_fees,
                       options_.push_timeout, *std::move(carried));
    if (auto* failed = std::get_if<delivery::event::Failed>(&event)) {
      answer = recovery::DeliveryFailed{std::move(*failed), ref};
    } else {
      answer = WithRef<recovery::Event>(ref, std::move(event));
    }
  }
  PostRecovery(key, std::move(answer));
}

}  // namespace damocles::poster::internal
