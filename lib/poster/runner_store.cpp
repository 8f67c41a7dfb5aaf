// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// What the runner keeps in the store: reading it at the start, writing it, listing it.

#include <algorithm>
#include <queue>
#include <utility>

#include "absl/strings/str_format.h"
#include "lib/poster/codec.h"
#include "lib/poster/rows.h"
#include "lib/poster/runner_impl.h"

#include "damocles/base/log.h"

namespace damocles::poster {
namespace internal {
namespace {

// A record that cannot be written is tried again so often before the window counts for more; one
// that failed before only once, so that a full disk does not slow every step.
constexpr int kWriteTries = 3;
constexpr absl::Duration kWritePause = absl::Milliseconds(200);
// Between two lines in the log that records are not written.
constexpr absl::Duration kTellUnwritten = absl::Minutes(10);

}  // namespace

absl::Status RunnerImpl::Load() {
  DAMOCLES_ASSIGN_OR_RETURN(rows_, store::Rows::Open(parts_.store, "poster", kRowFormat));
  DAMOCLES_ASSIGN_OR_RETURN(LoadedRows loaded, LoadRows(parts_.store, *rows_));
  for (LoadedRecord& row : loaded.records) {
    DeadlineEntry& entry = deadlines_[row.record.Key()];
    entry.record_dirty = entry.plan_dirty = row.plan_lost;
    entry.machine = LoadedMachine(std::move(row.record));
    // What the chain did meanwhile nobody saw.
    if (IsFinal(entry.machine.record.state)) entry.events.emplace_back(event::Reorg{});
  }
  for (RecoveryRecord& record : loaded.recoveries) {
    const RecordKey key = record.Key();
    recoveries_[key].machine.record = std::move(record);
  }
  return absl::OkStatus();
}

// The record with its plan whenever either is not on disk, in one batch: a record never meets the
// plan of another write.
async::Task<bool> RunnerImpl::Save(RecordKey key, bool over) {
  DeadlineEntry& entry = deadlines_.at(key);  // only Pump removes it, and it waits for this
  DeadlineRecord& record = entry.machine.record;
  auto batch = std::make_shared<store::Batch>();
  if (entry.plan_dirty) {
    const std::string plan = record.plan != nullptr ? EncodePlan(*record.plan) : std::string();
    NotePlan(record, plan);
    if (record.plan != nullptr && !over) {
      const std::string plan_key = PlanRowKey(key);
      batch->Put(plan_key, PlanRow(plan_key, plan));
    } else {
      batch->Delete(PlanRowKey(key));
    }
  }
  if (over) {
    const std::string history_key = HistoryRowKey(key);
    batch->Put(history_key, RecordRow(history_key, record));
    batch->Delete(RecordRowKey(key));
    batch->Delete(PlanRowKey(key));  // large, and what matters of it is in the record
  } else {
    const std::string record_key = RecordRowKey(key);
    batch->Put(record_key, RecordRow(record_key, record));
  }
  const absl::Status status =
      co_await Write(std::move(batch), Describe(key), entry.write_failed ? 1 : kWriteTries);
  entry.write_failed = !status.ok();
  if (status.ok()) entry.record_dirty = entry.plan_dirty = false;
  co_return status.ok();
}

async::Task<bool> RunnerImpl::SaveRecovery(RecordKey key) {
  RecoveryEntry& entry = recoveries_.at(key);
  auto batch = std::make_shared<store::Batch>();
  const std::string row_key = RecoveryRowKey(key);
  batch->Put(row_key, RecoveryRow(row_key, entry.machine.record));
  const absl::Status status = co_await Write(std::move(batch), "recovery of " + Describe(key),
                                             entry.write_failed ? 1 : kWriteTries);
  entry.write_failed = !status.ok();
  if (status.ok()) entry.dirty = false;
  co_return status.ok();
}

async::Task<absl::Status> RunnerImpl::Write(std::shared_ptr<store::Batch> batch, std::string what,
                                            int tries) {
  for (int attempt = 1;; ++attempt) {
    absl::AnyInvocable<absl::Status()&&> work = [batch, rows = rows_]() {
      return rows->Write(*batch);
    };
    kj::Promise<absl::Status> writing =
        async::Offload<absl::Status>(parts_.executor, std::move(work))
            .catch_([](kj::Exception&& exception) -> absl::Status {
              return absl::InternalError(async::Plainly(exception));
            });
    absl::Status status = co_await kj::mv(writing);
    NoteWrite(what, status);
    if (status.ok() || attempt >= tries) co_return status;
    co_await parts_.timer.afterDelay(ToKj(kWritePause));
  }
}

// A full disk refuses each record with each head: that is one line, not thousands.
void RunnerImpl::NoteWrite(const std::string& what, const absl::Status& status) {
  const absl::Time now = parts_.clock.Now();
  if (status.ok()) {
    if (!unwritten_) return;
    LogInfo("poster", "records_written_again", {{"refused", unwritten_->refused}});
    unwritten_.reset();
    return;
  }
  if (!unwritten_) unwritten_.emplace();
  ++unwritten_->refused;
  if (now >= unwritten_->told && now - unwritten_->told < kTellUnwritten) return;
  unwritten_->told = now;
  LogError("poster", "record_not_written",
           {{"record", what},
            {"error", status},
            {"refused", unwritten_->refused},
            {"now", "the poster goes on from memory and tries again with every head"},
            {"then", "make room on the disk of the home, and do not restart before"}});
}

// ---------------------------------------------------------------- listings

async::Task<absl::StatusOr<std::vector<DeadlineRecord>>> RunnerImpl::ListRecords(
    RecordFilter filter) const {
  DAMOCLES_CO_ASSIGN_OR_RETURN(std::vector<DeadlineRecord> out,
                               co_await ListRecordsOn(parts_.executor, parts_.store, filter));
  // What is tended is as it is in memory: what waits for its challenge, and what a full disk has
  // not taken, is nowhere else.
  std::erase_if(out,
                [this](const DeadlineRecord& record) { return deadlines_.contains(record.Key()); });
  for (const auto& [key, entry] : deadlines_) {
    const DeadlineRecord& record = entry.machine.record;
    if (record.deadline.open < filter.open_from || (filter.miner && key.miner != *filter.miner) ||
        (filter.unfinished_only && IsFinal(record.state))) {
      continue;
    }
    out.push_back(record);
  }
  std::stable_sort(out.begin(), out.end(), [](const DeadlineRecord& a, const DeadlineRecord& b) {
    return a.deadline.open > b.deadline.open;
  });
  if (filter.limit > 0 && out.size() > filter.limit) out.resize(filter.limit);
  co_return out;
}

}  // namespace internal

absl::StatusOr<std::vector<DeadlineRecord>> ListRecords(const store::Store& store,
                                                        const RecordFilter& filter) {
  // By the keys alone which rows are wanted; with a limit never more of them in memory than that.
  struct Row {
    RecordKey key;
    std::string name;
    std::string value;
  };
  const auto is_newer = [](const Row& a, const Row& b) {
    return std::pair(a.key.open, a.key.miner) > std::pair(b.key.open, b.key.miner);
  };
  std::priority_queue<Row, std::vector<Row>, decltype(is_newer)> newest(is_newer);
  const auto scan = [&](std::string_view prefix) {
    std::string part(prefix);
    if (filter.miner) part += absl::StrFormat("%016x/", *filter.miner);
    return store.Scan(part, [&](std::string_view name, std::string_view value) -> absl::Status {
      const std::optional<RecordKey> key = internal::ParseRowKey(prefix, name);
      if (!key || key->open < filter.open_from) return absl::OkStatus();
      if (filter.limit > 0 && newest.size() == filter.limit) {
        if (key->open <= newest.top().key.open) return absl::OkStatus();
        newest.pop();
      }
      newest.push({*key, std::string(name), std::string(value)});
      return absl::OkStatus();
    });
  };
  DAMOCLES_RETURN_IF_ERROR(scan(kRecordPrefix));
  if (!filter.unfinished_only) DAMOCLES_RETURN_IF_ERROR(scan(kHistoryPrefix));
  std::vector<DeadlineRecord> out;
  for (; !newest.empty(); newest.pop()) {
    absl::StatusOr<DeadlineRecord> record =
        internal::ReadRecord(newest.top().name, newest.top().value);
    if (record.ok() && filter.unfinished_only && IsFinal(record->state)) continue;
    if (record.ok()) {
      out.push_back(*std::move(record));
    } else {
      LogWarning("poster", "row_unreadable",
                 {{"row", newest.top().name}, {"reason", record.status()}});
    }
  }
  std::reverse(out.begin(), out.end());
  return out;
}

async::Task<absl::StatusOr<std::vector<DeadlineRecord>>> ListRecordsOn(async::Executor& executor,
                                                                       const store::Store& store,
                                                                       RecordFilter filter) {
  absl::AnyInvocable<absl::StatusOr<std::vector<DeadlineRecord>>()&&> work = [filter, &store]() {
    return ListRecords(store, filter);
  };
  auto scanning =
      async::Offload<absl::StatusOr<std::vector<DeadlineRecord>>>(executor, std::move(work));
  co_return co_await kj::mv(scanning);
}

absl::StatusOr<std::vector<RecoveryRecord>> ListRecoveries(const store::Store& store,
                                                           std::optional<filecoin::ActorId> miner) {
  DAMOCLES_ASSIGN_OR_RETURN(const std::vector<store::Entry> rows,
                            store::List(store, kRecoveryPrefix));
  std::vector<RecoveryRecord> out;
  for (const store::Entry& row : rows) {
    absl::StatusOr<RecoveryRecord> record = internal::ReadRecovery(row.key, row.value);
    if (!record.ok()) {
      LogError("poster", "row_not_listed", {{"row", row.key}, {"error", record.status()}});
    } else if (!miner || record->miner == *miner) {
      out.push_back(*std::move(record));
    }
  }
  std::stable_sort(out.begin(), out.end(), [](const RecoveryRecord& a, const RecoveryRecord& b) {
    return a.target.open > b.target.open;
  });
  return out;
}

async::Task<absl::StatusOr<std::vector<RecoveryRecord>>> ListRecoveriesOn(
    async::Executor& executor, const store::Store& store, std::optional<filecoin::ActorId> miner) {
  absl::AnyInvocable<absl::StatusOr<std::vector<RecoveryRecord>>()&&> work = [miner, &store]() {
    return ListRecoveries(store, miner);
  };
  auto scanning =
      async::Offload<absl::StatusOr<std::vector<RecoveryRecord>>>(executor, std::move(work));
  co_return co_await kj::mv(scanning);
}

}  // namespace damocles::poster
