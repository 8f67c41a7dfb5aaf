// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// Windows that passed while nobody looked after them: the manager was down, or saw no head.  They
// get a record as well, by what the chain knows, so that a night without a manager is seen.

#include <algorithm>
#include <set>
#include <span>
#include <utility>

#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "lib/poster/codec.h"
#include "lib/poster/rows.h"
#include "lib/poster/runner_impl.h"

#include "damocles/base/log.h"
#include "damocles/filecoin/bitfield.h"

namespace damocles::poster::internal {
namespace {

using filecoin::BitField;
using filecoin::ChainEpoch;

// The node is asked so often about one window, after these pauses; the next windows have time.
constexpr int kJudgeTries = 3;
constexpr absl::Duration kJudgePause = absl::Seconds(20);
constexpr char kUntended[] =
    "while the window was open this manager was not running, saw no head, or had the miner "
    "disabled";

// Openings of a miner's windows that have a record.
absl::StatusOr<std::set<ChainEpoch>> RecordedWindows(const store::Store& store,
                                                     filecoin::ActorId miner) {
  std::set<ChainEpoch> out;
  for (const std::string_view prefix : {kRecordPrefix, kHistoryPrefix}) {
    const std::string of_miner = absl::StrFormat("%s%016x/", std::string(prefix), miner);
    DAMOCLES_RETURN_IF_ERROR(store.Scan(of_miner, [&](std::string_view name, std::string_view) {
      if (const auto key = ParseRowKey(prefix, name)) out.insert(key->open);
      return absl::OkStatus();
    }));
  }
  return out;
}

}  // namespace

// What was to be proven, as the chain knew it in the last epoch of the window, and what was.
async::Task<absl::StatusOr<DeadlineRecord>> RunnerImpl::Judge(filecoin::ActorId miner,
                                                              filecoin::DeadlineInfo window) {
  const filecoin::Address address = filecoin::Address::FromId(miner);
  DAMOCLES_CO_ASSIGN_OR_RETURN(
      const filecoin::TipSet at,
      co_await WithLimit(parts_.timer, options_.call_timeout,
                         parts_.reader.ChainGetTipSetByHeight(window.Last(), head_->Key())));
  DAMOCLES_CO_ASSIGN_OR_RETURN(
      const std::vector<chain::Partition> partitions,
      co_await WithLimit(parts_.timer, options_.call_timeout,
                         parts_.reader.StateMinerPartitions(address, window.index, at.Key())));
  std::vector<BitField> wanted;
  wanted.reserve(partitions.size());
  for (const chain::Partition& partition : partitions) {
    wanted.push_back(Union(Difference(partition.live_sectors, partition.faulty_sectors),
                           partition.recovering_sectors));
  }
  DAMOCLES_CO_ASSIGN_OR_RETURN(
      const BitField posted,
      co_await WithLimit(parts_.timer, options_.call_timeout,
                         node_.PostedIn(miner, window.index, window.open, window.close,
                                        Union(std::span<const BitField>(wanted)), *head_)));
  std::vector<std::uint64_t> missed;
  std::size_t proven = 0;
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    if (posted.Contains(i)) {
      ++proven;
    } else if (!wanted[i].Empty()) {
      missed.push_back(i);
    }
  }
  DeadlineRecord record;
  record.state = missed.empty() ? DeadlineState::kConfirmed : DeadlineState::kMissed;
  if (!missed.empty()) {
    record.reason =
        absl::StrFormat("partition %s was not proven: %s", absl::StrJoin(missed, ","), kUntended);
  } else if (proven > 0) {
    record.reason = absl::StrFormat("proven, by somebody: %s", kUntended);
  } else {
    record.reason = "nothing to prove";
  }
  co_return record;
}

// One window after the other, oldest first: what is open now must not wait for it.  A manager that
// is stopped in between goes on at the next start, by the records that are there.
RunnerImpl::Done RunnerImpl::JudgeGap(filecoin::ActorId miner, filecoin::PeriodShape shape,
                                      ChainEpoch offset, ChainEpoch until) {
  KJ_DEFER(judging_.erase(miner));
  absl::AnyInvocable<absl::StatusOr<std::set<ChainEpoch>>()&&> work =
      [miner, &store = parts_.store]() { return RecordedWindows(store, miner); };
  auto reading =
      async::Offload<absl::StatusOr<std::set<ChainEpoch>>>(parts_.executor, std::move(work));
  const absl::StatusOr<std::set<ChainEpoch>> recorded = co_await kj::mv(reading);
  if (!recorded.ok()) {
    LogWarning("poster", "gap_not_read",
               {{"miner", absl::StrFormat("f0%d", miner)}, {"error", recorded.status()}});
    co_return;
  }
  if (recorded->empty()) co_return;  // a new miner, or a new home: nothing was promised
  // A period back, each deadline once; further back the node may know nothing any more.
  const ChainEpoch first = std::max(until - shape.proving_period, *recorded->begin());
  for (filecoin::DeadlineInfo window = DeadlineAt(shape, offset, first); window.open < until;
       window = filecoin::Next(window)) {
    const RecordKey key{miner, window.open};
    if (window.open < first || recorded->contains(window.open) || deadlines_.contains(key) ||
        ended_.contains(key)) {
      continue;
    }
    absl::StatusOr<DeadlineRecord> judged = co_await Judge(miner, window);
    for (int attempt = 1; !judged.ok() && attempt < kJudgeTries; ++attempt) {
      co_await parts_.timer.afterDelay(ToKj(kJudgePause));
      judged = co_await Judge(miner, window);
    }
    DeadlineRecord record;
    if (judged.ok()) {
      record = *std::move(judged);
    } else {
      record.state = DeadlineState::kMissed;
      record.reason = absl::StrFormat("it is not known what became of it, the node says: %s; %s",
                                      std::string(judged.status().message()), kUntended);
    }
    record.miner = miner;
    record.deadline = window;
    const Now now = CurrentTime();
    record.milestones[static_cast<std::size_t>(record.state)] = {now.epoch, now.time};
    auto batch = std::make_shared<store::Batch>();
    const std::string row_key = HistoryRowKey(key);
    batch->Put(row_key, RecordRow(row_key, record));
    const absl::Status written = co_await Write(std::move(batch), Describe(key), 1);
    if (!written.ok()) co_return;
    ended_.insert(key);
    const bool missed = record.state == DeadlineState::kMissed;
    WriteLog(key, window.index,
             {missed ? Severity::kError : Severity::kInfo,
              "window_untended",
              {{"state", std::string(Name(record.state))}, {"reason", record.reason}}});
  }
}

}  // namespace damocles::poster::internal
