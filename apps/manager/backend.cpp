// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "apps/manager/backend.h"

#include <map>
#include <memory>
#include <utility>

#include "absl/strings/str_format.h"

#include "damocles/base/mutex.h"
#include "damocles/base/status.h"
#include "damocles/filecoin/proof_type.h"

namespace damocles::manager {
namespace {

constexpr std::size_t kProofBytes = 192;
constexpr kj::Duration kProgressInterval = 200 * kj::MILLISECONDS;

rpc::SectorPlace PlaceOf(const sector::Location& location) {
  return {.sealed_store = location.sealed_store, .cache_store = location.cache_store};
}

rpc::DeadlineSummary SummaryOf(const poster::DeadlineRecord& record) {
  rpc::DeadlineSummary summary{.miner = record.miner,
                               .deadline_index = record.deadline.index,
                               .period_start = record.deadline.period_start.Value(),
                               .open_epoch = record.deadline.open.Value(),
                               .close_epoch = record.deadline.close.Value(),
                               .state = std::string(poster::Name(record.state)),
                               .reason = record.reason,
                               .batches = {}};
  const auto reached = [&record](poster::DeadlineState state) {
    const auto& milestone = record.milestones[static_cast<std::size_t>(state)];
    return milestone.time == absl::InfinitePast() ? -1 : milestone.epoch.Value();
  };
  summary.proven_epoch = reached(poster::DeadlineState::kProven);
  summary.confirmed_epoch = reached(poster::DeadlineState::kConfirmed);
  summary.skipped_sectors = record.skipped_count;
  const std::vector<poster::SkippedSector>& skipped = record.skipped;
  for (const poster::PartitionBatch& batch : record.batches) {
    rpc::BatchSummary out{.partitions = batch.partitions,
                          .state = std::string(poster::Name(batch.state)),
                          .job_id = batch.job_id,
                          .message_cid = batch.message.cid ? batch.message.cid->ToString() : "",
                          .skipped = {},
                          .error = batch.note,
                          .proofs = static_cast<std::uint32_t>(batch.proof.size() / kProofBytes)};
    for (const poster::SkippedSector& sector : skipped) {
      for (const std::uint64_t partition : batch.partitions) {
        if (partition == sector.partition) {
          out.skipped.push_back({.number = sector.number, .reason = sector.reason});
        }
      }
    }
    summary.batches.push_back(std::move(out));
  }
  return summary;
}

// Written by the scan's thread, read by the loop.
struct Shared {
  Mutex mutex;
  sector::AttachProgress progress ABSL_GUARDED_BY(mutex);
  std::atomic<bool> cancelled{false};
};

async::Task<void> TellProgress(kj::Timer& timer, std::shared_ptr<Shared> shared,
                               std::function<void(std::uint64_t, std::uint64_t)> tell) {
  while (true) {
    co_await timer.afterDelay(kProgressInterval);
    sector::AttachProgress progress;
    {
      const MutexLock lock(shared->mutex);
      progress = shared->progress;
    }
    tell(progress.done, progress.folder_entries);
  }
}

}  // namespace

async::Task<absl::StatusOr<std::vector<rpc::StoreInfo>>> ManagerBackend::Stores() {
  std::map<std::string, std::uint64_t> counts;
  DAMOCLES_CO_ASSIGN_OR_RETURN(const auto rows, index_.List(std::nullopt));
  for (const sector::IndexRow& row : rows) ++counts[row.location.sealed_store];
  // A hung network mount must not hang the manager: off the loop, one store at a time.
  // No lambda inside co_await: g++ 12 destroys its captures twice.
  auto looking =
      async::Offload<std::vector<rpc::StoreInfo>>(executor_, [stores = stores_.Stores(), counts]() {
        std::vector<rpc::StoreInfo> infos;
        for (const storage::PersistStore& store : stores) {
          rpc::StoreInfo info;
          info.name = store.name;
          info.path = store.path;
          info.read_only = store.read_only;
          if (const auto found = counts.find(store.name); found != counts.end()) {
            info.sectors = found->second;
          }
          if (const auto space = storage::SpaceAt(store.path); space.ok()) {
            info.total_bytes = space->total_bytes;
            info.free_bytes = space->free_bytes;
          } else {
            info.status = space.status();
          }
          infos.push_back(std::move(info));
        }
        return infos;
      });
  co_return co_await kj::mv(looking);
}

absl::StatusOr<rpc::FoundSector> ManagerBackend::FindSector(filecoin::SectorId sector) {
  DAMOCLES_ASSIGN_OR_RETURN(const sector::SectorEntry entry, index_.FindAll(sector));
  rpc::FoundSector found;
  if (entry.sealed) found.sealed = PlaceOf(*entry.sealed);
  if (entry.upgraded) found.upgraded = PlaceOf(*entry.upgraded);
  return found;
}

async::Task<absl::StatusOr<std::vector<rpc::DeadlineSummary>>> ManagerBackend::Deadlines(
    rpc::DeadlineQuery query) {
  poster::RecordFilter filter;
  filter.miner = query.miner;
  filter.open_from = filecoin::ChainEpoch(query.from_epoch);
  filter.limit = query.limit;
  DAMOCLES_CO_ASSIGN_OR_RETURN(const auto records, co_await records_(filter));
  std::vector<rpc::DeadlineSummary> summaries;
  summaries.reserve(records.size());
  for (const poster::DeadlineRecord& record : records) summaries.push_back(SummaryOf(record));
  co_return summaries;
}

async::Task<absl::StatusOr<rpc::AttachSummary>> ManagerBackend::Attach(
    std::string path, std::function<void(std::uint64_t, std::uint64_t)> progress) {
  const storage::PersistStore* known = stores_.FindByPath(path);
  if (known == nullptr) {
    co_return absl::FailedPreconditionError(absl::StrFormat(
        "%s is no persist store of this manager; add it to sector-manager.cfg and restart: "
        "[[Common.PersistStores]] Name = \"...\" Path = \"%s\"",
        path, path));
  }
  const storage::PersistStore store = *known;
  const auto shared = std::make_shared<Shared>();
  kj::Promise<void> telling =
      TellProgress(timer_, shared, progress).ToPromise().eagerlyEvaluate([](kj::Exception&&) {
      });  // nobody listens any more
  // When the caller goes away the scan on its thread stops by itself.
  KJ_DEFER(shared->cancelled.store(true));
  auto scanning = async::Offload<absl::StatusOr<sector::AttachReport>>(
      executor_, [&index = index_, stores = stores_, store, shared] {
        sector::AttachOptions options;
        options.other_stores = &stores;
        options.cancelled = &shared->cancelled;
        return sector::AttachStore(index, store, options,
                                   [shared](const sector::AttachProgress& now) {
                                     const MutexLock lock(shared->mutex);
                                     shared->progress = now;
                                   });
      });
  auto report = co_await kj::mv(scanning);
  if (!report.ok()) co_return report.status();
  progress(report->totals.done, report->totals.folder_entries);
  rpc::AttachSummary summary{.store = store.name,
                             .added = report->totals.added + report->totals.moved,
                             .known = report->totals.already_known,
                             .problems = {}};
  for (const sector::AttachProblem& problem : report->problems) {
    summary.problems.push_back(absl::StrFormat("%s: %s", problem.path, problem.reason));
  }
  co_return summary;
}

}  // namespace damocles::manager
