// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// How the runner follows the chain, and which windows it opens.

#include <algorithm>
#include <utility>

#include "absl/strings/str_format.h"
#include "lib/poster/codec.h"
#include "lib/poster/rows.h"
#include "lib/poster/runner_impl.h"

#include "damocles/base/log.h"

namespace damocles::poster::internal {

using filecoin::ChainEpoch;
using filecoin::EpochDelta;

// Subscribes, and subscribes again after an error, a close or a silence, for ever.
RunnerImpl::Done RunnerImpl::Follow() {
  std::uint32_t failures = 0;
  while (true) {
    absl::StatusOr<std::unique_ptr<chain::HeadSubscription>> subscription =
        co_await WithLimit(parts_.timer, options_.call_timeout, parts_.reader.ChainNotify());
    absl::Status ended = subscription.status();
    while (ended.ok()) {
      absl::StatusOr<std::vector<chain::HeadChange>> changes =
          co_await WithLimit(parts_.timer, options_.notify_silence_max, (*subscription)->Next());
      ended = changes.status();
      if (!ended.ok()) break;
      failures = 0;
      TakeChanges(*changes);
    }
    ++failures;
    LogWarning("poster", "head_subscription_ended", {{"error", ended}, {"failures", failures}});
    co_await parts_.timer.afterDelay(ToKj(options_.resubscribe.After(failures)));
  }
}

// Besides the subscription: a node that says nothing may still answer.
RunnerImpl::Done RunnerImpl::Poll() {
  while (true) {
    co_await parts_.timer.afterDelay(ToKj(options_.poll_interval));
    if (parts_.clock.Now() - last_head_seen_ < options_.poll_interval) continue;
    absl::StatusOr<filecoin::TipSet> head =
        co_await WithLimit(parts_.timer, options_.call_timeout, parts_.reader.ChainHead());
    if (!head.ok()) {
      LogWarning("poster", "head_not_read", {{"error", head.status()}});
      continue;
    }
    if (head->Empty()) continue;
    const bool child = head_ && head->Parents() == head_->Key();
    TakeHead(*head, !child, ChainEpoch(0));
  }
}

RunnerImpl::Done RunnerImpl::LearnEpochDuration() {
  std::uint32_t failures = 0;
  while (true) {
    absl::StatusOr<chain::NodeVersion> version =
        co_await WithLimit(parts_.timer, options_.call_timeout, parts_.reader.Version());
    if (version.ok() && version->block_delay_secs > 0) {
      epoch_duration_ = absl::Seconds(static_cast<std::int64_t>(version->block_delay_secs));
      co_return;
    }
    co_await parts_.timer.afterDelay(ToKj(options_.resubscribe.After(++failures)));
  }
}

void RunnerImpl::TakeChanges(const std::vector<chain::HeadChange>& changes) {
  const filecoin::TipSet* newest = nullptr;
  const filecoin::TipSet* lowest = nullptr;
  bool unsure = false;
  for (const chain::HeadChange& change : changes) {
    if (change.tip_set.Empty()) continue;
    if (change.kind != chain::HeadChangeKind::kRevert) node_.NoteHead(change.tip_set);
    switch (change.kind) {
      case chain::HeadChangeKind::kCurrent:
        newest = &change.tip_set;
        unsure = true;
        break;
      case chain::HeadChangeKind::kApply:
        newest = &change.tip_set;
        break;
      case chain::HeadChangeKind::kRevert:
        lowest = &change.tip_set;
        break;
    }
  }
  if (newest == nullptr) {
    // Reverts only: the new head is not named, the next poll or change will.
    if (lowest != nullptr) TellOfReorg(lowest->Height());
    last_head_seen_ = absl::InfinitePast();
    return;
  }
  // A block upon the head that is known tells of no reorg.
  const bool child = head_ && newest->Parents() == head_->Key();
  TakeHead(*newest, (unsure && !child) || lowest != nullptr,
           lowest != nullptr ? lowest->Height() : ChainEpoch(0));
}

void RunnerImpl::TakeHead(const filecoin::TipSet& head, bool reorg, ChainEpoch lowest) {
  last_head_seen_ = parts_.clock.Now();
  if (head_ && head_->Key() == head.Key()) return;
  const bool first = !head_;
  head_ = head;
  head_seen_ = last_head_seen_;
  node_.NoteHead(head);
  chain_clock_.Note(head_seen_,
                    absl::FromUnixSeconds(static_cast<std::int64_t>(head.MinTimestamp())));
  if (const absl::Duration ahead = chain_clock_.Ahead(epoch_duration_); chain_skew_.IsNews(ahead)) {
    LogWarning("poster", chain_skew_.Differ() ? "clock_skew" : "clocks_agree_again",
               {{"ahead_of_chain_seconds", absl::StrFormat("%.0f", absl::ToDoubleSeconds(ahead))},
                {"now", "windows are timed by the blocks that arrive"},
                {"do", "set this machine's clock, by NTP"}});
  }
  if (reorg && !first) TellOfReorg(lowest);
  for (const auto& [id, miner] : miners_) OpenWindows(miner);
  PostToAll(event::Tick{});
  for (auto& [key, entry] : recoveries_) PostRecovery(key, recovery::Tick{});
}

void RunnerImpl::TellOfReorg(ChainEpoch lowest) {
  PostToAll(event::Reorg{lowest});
  for (auto& [key, entry] : recoveries_) PostRecovery(key, recovery::Reorg{lowest});
}

std::optional<Now> RunnerImpl::Head() const {
  if (!head_) return std::nullopt;
  return CurrentTime();
}

std::vector<MinerWindow> RunnerImpl::Windows() const {
  std::vector<MinerWindow> out;
  if (!head_) return out;
  for (const auto& [id, period] : periods_) {
    out.push_back({id, DeadlineAt(period.shape, period.offset, head_->Height())});
  }
  return out;
}

// The node's own answer about the current window may be stale after null rounds: it
// only gives the offset and the lengths, the rest is arithmetic.
RunnerImpl::Done RunnerImpl::ReadPeriod(filecoin::ActorId miner) {
  absl::StatusOr<filecoin::DeadlineInfo> info = co_await WithLimit(
      parts_.timer, options_.call_timeout,
      parts_.reader.StateMinerProvingDeadline(filecoin::Address::FromId(miner), head_->Key()));
  reading_period_.erase(miner);
  absl::Status status = info.status();
  if (status.ok()) status = filecoin::Validate(info->shape);
  if (!status.ok()) {
    LogWarning("poster", "period_not_read",
               {{"miner", absl::StrFormat("f0%d", miner)}, {"error", status}});
    co_return;  // asked again at the next head
  }
  if (!info->PeriodStarted()) co_return;
  Period& period = periods_[miner];
  period.shape = info->shape;
  period.offset = info->period_start;
  period.read_in = DeadlineAt(period.shape, period.offset, head_->Height()).open;
  OpenWindows(PolicyOf(miner));
}

// In one piece: which windows are near, and what each of them needs, by the same few epochs.
void RunnerImpl::OpenWindows(const MinerPolicy& miner) {
  if (!miner.enabled || !head_) return;
  const auto period = periods_.find(miner.miner);
  const auto read = [&]() {
    if (reading_period_.insert(miner.miner).second) tasks_.add(ReadPeriod(miner.miner));
  };
  if (period == periods_.end()) {
    read();
    return;
  }
  const filecoin::DeadlineInfo current =
      DeadlineAt(period->second.shape, period->second.offset, head_->Height());
  if (period->second.read_in != current.open) {
    period->second.read_in = current.open;
    read();  // once a window: the lengths may change with an upgrade of the network
    Prune(miner.miner);
  }
  std::optional<ChainEpoch>& tended = period->second.tended;
  const bool gap = !tended || *tended + current.shape.challenge_window < current.open;
  if (gap && judging_.insert(miner.miner).second) {
    tasks_.add(JudgeGap(miner.miner, period->second.shape, period->second.offset, current.open));
  }
  tended = std::max(current.open, tended.value_or(current.open));
  filecoin::DeadlineInfo window = current;
  // The current one, the next one, and whatever has its challenge already.
  for (int ahead = 0; ahead < 2 || window.challenge <= head_->Height(); ++ahead) {
    const RecordKey key{miner.miner, window.open};
    if (!deadlines_.contains(key) && !ended_.contains(key)) {
      const absl::StatusOr<std::optional<std::string>> finished =
          parts_.store.Get(HistoryRowKey(key));
      if (!finished.ok()) {
        LogError("poster", "history_not_read",
                 {{"record", Describe(key)}, {"error", finished.status()}});
      }
      // A store that cannot be read must not cost the window: the chain knows what is posted.
      if (!finished.ok() || !finished->has_value()) {
        deadlines_[key].machine = NewMachine(miner.miner, window, CurrentTime());
        Post(key, event::Tick{});
      }
    }
    window = filecoin::Next(window);
  }
  if (!miner.recovery.enabled) return;
  const filecoin::DeadlineInfo target = RecoveryTarget(current);
  const RecordKey key{miner.miner, target.open};
  if (recoveries_.contains(key)) return;
  const absl::StatusOr<std::optional<std::string>> finished = parts_.store.Get(RecoveryRowKey(key));
  if (!finished.ok()) return;
  RecoveryRecord record;
  record.miner = miner.miner;
  record.target = target;
  recovery::Event news = recovery::Tick{};
  if (finished->has_value()) {
    // Of an earlier life: what the chain did meanwhile nobody saw.
    absl::StatusOr<RecoveryRecord> known = ReadRecovery(RecoveryRowKey(key), **finished);
    if (head_->Height() >= target.fault_cutoff) return;
    // A damaged one that the disk did not let be set aside says nothing.
    if (known.ok()) {
      record = *std::move(known);
      news = recovery::Reorg{};
    }
  }
  recoveries_[key].machine.record = std::move(record);
  PostRecovery(key, std::move(news));
}

// Forgets what ended longer ago than the history is kept.
void RunnerImpl::Prune(filecoin::ActorId miner) {
  const EpochDelta kept(static_cast<std::int64_t>(options_.history / epoch_duration_));
  const ChainEpoch oldest = head_->Height() - kept;
  if (oldest <= ChainEpoch(0)) return;
  std::erase_if(ended_, [&](const RecordKey& key) { return key.open < oldest; });
  auto batch = std::make_shared<store::Batch>();
  for (const std::string_view prefix : {kHistoryPrefix, kPlanPrefix, kRecoveryPrefix}) {
    const std::string first = RowKey(prefix, {miner, ChainEpoch(0)});
    const std::string end = RowKey(prefix, {miner, oldest});
    const std::string of_miner = first.substr(0, first.rfind('/') + 1);
    const absl::Status status =
        parts_.store.Scan(of_miner, [&](std::string_view key, std::string_view) -> absl::Status {
          if (key >= end) return absl::CancelledError();
          batch->Delete(key);
          return absl::OkStatus();
        });
    if (!status.ok() && !absl::IsCancelled(status)) {
      LogWarning("poster", "history_not_read", {{"error", status}});
      return;
    }
  }
  if (batch->Empty()) return;
  tasks_.add(Write(std::move(batch), "old history", 1).ToPromise().ignoreResult());
}

}  // namespace damocles::poster::internal
