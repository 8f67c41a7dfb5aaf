// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "lib/manager/backend.h"

#include <map>
#include <memory>
#include <set>
#include <stop_token>
#include <utility>

#include "absl/strings/str_format.h"

#include "damocles/async/failure.h"
#include "damocles/async/timeout.h"
#include "damocles/base/log.h"
#include "damocles/base/mutex.h"
#include "damocles/base/status.h"
#include "damocles/filecoin/proof_type.h"

namespace damocles::manager {
namespace {

constexpr kj::Duration kProgressInterval = 200 * kj::MILLISECONDS;
// A file system that lives answers in milliseconds.
constexpr kj::Duration kSpacePatience = 3 * kj::SECONDS;
constexpr absl::Duration kLookPatience = absl::Seconds(3);

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
    rpc::BatchSummary out{
        .chain_partitions = batch.partitions,
        .state = std::string(poster::Name(batch.state)),
        .job_id = batch.job_id,
        .message_cid = batch.message.cid ? batch.message.cid->ToString() : "",
        .skipped = {},
        .error = batch.note,
        .proofs = static_cast<std::uint32_t>(batch.proof.size() / filecoin::kProofPartitionBytes)};
    for (const poster::SkippedSector& sector : skipped) {
      for (const filecoin::ChainPartition partition : batch.partitions) {
        if (partition == sector.partition) {
          out.skipped.push_back({.number = sector.number, .reason = sector.reason});
        }
      }
    }
    summary.batches.push_back(std::move(out));
  }
  return summary;
}

rpc::RecoverySummary SummaryOf(const poster::RecoveryRecord& record) {
  rpc::RecoverySummary summary{.miner = record.miner,
                               .deadline_index = record.target.index,
                               .open_epoch = record.target.open.Value(),
                               .state = std::string(poster::Name(record.state)),
                               .note = record.note,
                               .sectors = {}};
  for (const poster::SkippedSector& sector : record.unreadable) {
    summary.sectors.push_back({.partition = sector.partition.Index(),
                               .number = sector.number,
                               .why = sector.reason,
                               .message_cid = ""});
  }
  for (const poster::RecoveryMessage& message : record.messages) {
    const std::string cid = message.message.cid ? message.message.cid->ToString() : "";
    std::string why = "its declaration is pending";
    if (message.phase == delivery::Phase::kConfirmed) {
      why = "it is declared";
    } else if (poster::IsFinal(record.state)) {
      why = absl::StrFormat("its declaration did not get through: %s", record.note);
    } else if (cid.empty()) {
      why = message.note.empty()
                ? "its declaration is about to be sent"
                : absl::StrFormat("its declaration cannot be sent: %s", message.note);
    }
    for (const poster::RecoveredPartition& partition : message.partitions) {
      for (const filecoin::SectorNumber number : partition.sectors) {
        summary.sectors.push_back({.partition = partition.index.Index(),
                                   .number = number,
                                   .why = why,
                                   .message_cid = cid});
      }
    }
  }
  return summary;
}

// Written by the scan's thread, read by the loop.
struct Shared {
  Mutex mutex;
  sector::AttachProgress progress ABSL_GUARDED_BY(mutex);
  std::stop_source stop;
};

absl::StatusOr<const storage::PersistStore*> StoreAt(const storage::StoreRegistry& stores,
                                                     const std::string& path) {
  if (const storage::PersistStore* store = stores.FindByPath(path)) return store;
  return absl::FailedPreconditionError(absl::StrFormat(
      "%s is no persist store of this manager; add it to sector-manager.cfg and restart: "
      "[[Common.PersistStores]] Name = \"...\" Path = \"%s\"",
      path, path));
}

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

ManagerBackend::~ManagerBackend() noexcept = default;

void ManagerBackend::taskFailed(kj::Exception&& exception) {
  LogError("manager", "attach_failed", {{"error", async::Plainly(exception)}});
}

kj::Promise<ManagerBackend::SpaceAnswer> ManagerBackend::SpaceOf(
    const storage::PersistStore& store) {
  Question& question = questions_[store.name];
  if (question.answered == nullptr || *question.answered) {
    question.answered = std::make_shared<bool>(false);
    question.answer = async::Offload<SpaceAnswer>(
                          executor_, [ask = ask_space_, path = store.path] { return ask(path); })
                          .then([answered = question.answered](SpaceAnswer&& answer) {
                            *answered = true;
                            return kj::mv(answer);
                          })
                          .fork();
  }
  return async::Within(
      timer_, kSpacePatience, question.answer.addBranch(),
      absl::UnavailableError(absl::StrFormat("%s: its file system does not answer", store.path)));
}

kj::Promise<ManagerBackend::Survey> ManagerBackend::SurveyAll() {
  return async::Offload<Survey>(executor_, [&index = index_, &stores = stores_, look = look_] {
    return sector::SurveyStores(index, stores, kLookPatience, look);
  });
}

async::Task<absl::StatusOr<std::vector<rpc::StoreInfo>>> ManagerBackend::Stores() {
  kj::Promise<Survey> surveying = SurveyAll().eagerlyEvaluate(nullptr);
  auto asking = kj::heapArrayBuilder<kj::Promise<SpaceAnswer>>(stores_.Stores().size());
  for (const storage::PersistStore& store : stores_.Stores()) asking.add(SpaceOf(store));
  auto all_asked = kj::joinPromises(asking.finish());
  const Survey survey = co_await kj::mv(surveying);
  if (!survey.ok()) co_return survey.status();
  const kj::Array<SpaceAnswer> spaces = co_await kj::mv(all_asked);
  std::map<std::string, const sector::StoreFinding*> findings;
  for (const sector::StoreFinding& finding : *survey) findings[finding.name] = &finding;
  std::vector<rpc::StoreInfo> infos;
  for (std::size_t i = 0; i < spaces.size(); ++i) {
    const storage::PersistStore& store = stores_.Stores()[i];
    rpc::StoreInfo info;
    info.name = store.name;
    info.path = store.path;
    info.read_only = store.read_only;
    const sector::StoreFinding& finding = *findings.at(store.name);
    info.sectors = finding.sectors;
    info.trouble = sector::Describe(finding);
    if (spaces[i].ok()) {
      info.total_bytes = spaces[i]->total_bytes;
      info.free_bytes = spaces[i]->free_bytes;
    } else {
      info.status = spaces[i].status();
    }
    infos.push_back(std::move(info));
  }
  for (const sector::StoreFinding& finding : *survey) {
    if (finding.configured) continue;
    rpc::StoreInfo info;
    info.name = finding.name;
    info.sectors = finding.sectors;
    info.status = absl::NotFoundError("it is not configured");
    info.trouble = sector::Describe(finding);
    infos.push_back(std::move(info));
  }
  co_return infos;
}

async::Task<absl::StatusOr<rpc::FoundSector>> ManagerBackend::FindSector(
    filecoin::SectorId sector) {
  DAMOCLES_CO_ASSIGN_OR_RETURN(const sector::SectorEntry entry, index_.FindAll(sector));
  rpc::FoundSector found;
  if (entry.sealed) found.sealed = PlaceOf(*entry.sealed);
  if (entry.upgraded) found.upgraded = PlaceOf(*entry.upgraded);
  std::set<std::string> named;
  for (const auto& place : {found.sealed, found.upgraded}) {
    if (place) named.insert({place->sealed_store, place->cache_store});
  }
  if (named.empty()) co_return found;
  kj::Promise<Survey> surveying = SurveyAll();
  const Survey survey = co_await kj::mv(surveying);
  if (!survey.ok()) co_return survey.status();
  for (const sector::StoreFinding& finding : *survey) {
    if (!named.contains(finding.name) || !finding.IsMissing()) continue;
    found.troubles.push_back(sector::Describe(finding));
  }
  co_return found;
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

async::Task<absl::StatusOr<std::vector<rpc::RecoverySummary>>> ManagerBackend::Recoveries(
    std::optional<filecoin::ActorId> miner) {
  DAMOCLES_CO_ASSIGN_OR_RETURN(const auto records, co_await recoveries_(miner));
  std::vector<rpc::RecoverySummary> summaries;
  std::set<std::pair<filecoin::ActorId, std::uint64_t>> seen;  // newest first: the latest of each
  for (const poster::RecoveryRecord& record : records) {
    if (seen.insert({record.miner, record.target.index}).second) {
      summaries.push_back(SummaryOf(record));
    }
  }
  co_return summaries;
}

async::Task<absl::StatusOr<rpc::AttachSummary>> ManagerBackend::Attach(
    std::string path, bool replace, std::function<void(std::uint64_t, std::uint64_t)> progress) {
  // An attach that hangs in a dead mount keeps one thread, however often it is asked for.
  if (!attaching_.insert(path).second) {
    co_return absl::AlreadyExistsError(
        absl::StrFormat("%s is being attached already, or its file system does not answer", path));
  }
  const auto shared = std::make_shared<Shared>();
  kj::Promise<void> telling =
      TellProgress(timer_, shared, progress).ToPromise().eagerlyEvaluate([](kj::Exception&&) {
      });  // nobody listens any more
  // When the caller goes away the scan on its thread stops by itself.
  KJ_DEFER(shared->stop.request_stop());
  using Report = absl::StatusOr<std::pair<std::string, sector::AttachReport>>;
  auto done = kj::newPromiseAndFulfiller<Report>();
  scans_.add(
      async::Offload<Report>(
          executor_,
          [&index = index_, &stores = stores_, path, replace, shared]() -> Report {
            DAMOCLES_ASSIGN_OR_RETURN(const storage::PersistStore* store, StoreAt(stores, path));
            sector::AttachOptions options;
            options.other_stores = &stores;
            options.replace = replace;
            options.stop = shared->stop.get_token();
            DAMOCLES_ASSIGN_OR_RETURN(
                auto report, sector::AttachStore(index, *store, options,
                                                 [shared](const sector::AttachProgress& now) {
                                                   const MutexLock lock(shared->mutex);
                                                   shared->progress = now;
                                                 }));
            return std::pair(store->name, std::move(report));
          })
          .then([this, path, fulfiller = kj::mv(done.fulfiller)](Report&& report) mutable {
            attaching_.erase(path);
            fulfiller->fulfill(kj::mv(report));
          }));
  Report report = co_await kj::mv(done.promise);
  if (!report.ok()) co_return report.status();
  const sector::AttachProgress& totals = report->second.totals;
  progress(totals.done, totals.folder_entries);
  rpc::AttachSummary summary{.store = report->first,
                             .added = totals.added + totals.moved,
                             .known = totals.already_known,
                             .problems = {}};
  for (const sector::AttachProblem& problem : report->second.problems) {
    summary.problems.push_back(absl::StrFormat("%s: %s", problem.path, problem.reason));
  }
  co_return summary;
}

}  // namespace damocles::manager
