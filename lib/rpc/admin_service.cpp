// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "lib/rpc/admin_service.h"

#include <algorithm>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_join.h"
#include "lib/rpc/convert.h"

#include "damocles/async/task.h"
#include "damocles/base/log.h"

namespace damocles::rpc {
namespace {

// Ids in a line of the log.
constexpr std::size_t kToldMax = 100;

// Admin extends Reader: one implementation, served as either.
class AdminServer final : public schema::Admin::Server {
 public:
  AdminServer(const AdminServices& services, std::string peer)
      : services_(services), peer_(std::move(peer)) {}

  kj::Promise<void> jobs(JobsContext context) override {
    const bool all = context.getParams().getAll();
    std::vector<job::JobRecord> records = services_.queue.List();
    std::erase_if(records, [all](const job::JobRecord& record) {
      return !all && record.state == job::JobState::kSucceeded;
    });
    auto out = context.getResults().initJobs(static_cast<unsigned>(records.size()));
    for (unsigned i = 0; i < records.size(); ++i) {
      Write(records[i], services_.queue.GetPolicy().job_max_try, out[i]);
    }
    return kj::READY_NOW;
  }

  kj::Promise<void> workers(WorkersContext context) override {
    if (services_.worker_hub == nullptr) return kj::READY_NOW;
    const auto workers = services_.worker_hub->Workers();
    auto out = context.getResults().initWorkers(static_cast<unsigned>(workers.size()));
    for (unsigned i = 0; i < workers.size(); ++i) Write(workers[i], out[i]);
    return kj::READY_NOW;
  }

  kj::Promise<void> stores(StoresContext context) override {
    return Stores(services_.backend, kj::mv(context)).ToPromise();
  }

  kj::Promise<void> findSector(FindSectorContext context) override {
    return FindSector(services_.backend, kj::mv(context)).ToPromise();
  }

  kj::Promise<void> deadlines(DeadlinesContext context) override {
    return Deadlines(services_.backend, kj::mv(context)).ToPromise();
  }
  kj::Promise<void> recoveries(RecoveriesContext context) override {
    return Recoveries(services_.backend, kj::mv(context)).ToPromise();
  }

  kj::Promise<void> check(CheckContext context) override {
    return Check(services_.backend, kj::mv(context)).ToPromise();
  }

  kj::Promise<void> resetJobs(ResetJobsContext context) override {
    WriteEach("jobs_reset", context.getParams().getIds(), context,
              [this](const job::JobId& id) { return services_.queue.Reset(id).status(); });
    return kj::READY_NOW;
  }

  kj::Promise<void> removeJobs(RemoveJobsContext context) override {
    WriteEach("jobs_removed", context.getParams().getIds(), context,
              [this](const job::JobId& id) { return services_.queue.Remove(id); });
    return kj::READY_NOW;
  }

  kj::Promise<void> removeAllJobs(RemoveAllJobsContext context) override {
    std::vector<std::string> removed;
    absl::Status status;
    std::size_t refused = 0;
    for (const job::JobRecord& record : services_.queue.List()) {
      if (const absl::Status one = services_.queue.Remove(record.id); one.ok()) {
        removed.push_back(record.id.ToString());
      } else {
        status = one;
        ++refused;
      }
    }
    Write(status, context.getResults().initStatus());
    context.getResults().setRemoved(removed.size());
    Tell("all_jobs_removed", removed, refused);
    return kj::READY_NOW;
  }

  kj::Promise<void> attach(AttachContext context) override {
    return Attach(services_.backend, kj::mv(context)).ToPromise();
  }

 private:
  template <typename Context, typename Fn>
  void WriteEach(std::string_view event, capnp::List<capnp::Text>::Reader ids, Context& context,
                 Fn act) {
    auto out = context.getResults().initResults(ids.size());
    std::vector<std::string> done;
    for (unsigned i = 0; i < ids.size(); ++i) {
      const auto id = job::JobId::Parse(ToString(ids[i]));
      const absl::Status status = id.ok() ? act(*id) : id.status();
      if (status.ok()) done.push_back(id->ToString());
      Write(status, out[i]);
    }
    Tell(event, done, ids.size() - done.size());
  }

  // An operator's hand in the queue: who looks for the cause of a missed window must find it.
  void Tell(std::string_view event, std::vector<std::string> done, std::size_t refused) const {
    const std::size_t count = done.size();
    if (count > kToldMax) done.resize(kToldMax);
    LogInfo("job", event,
            {{"count", count},
             {"jobs", absl::StrJoin(done, ",") + (count > kToldMax ? ",..." : "")},
             {"refused", refused},
             {"by", "operator"},
             {"from", peer_}});
  }

  static async::Task<void> Stores(Backend& backend, StoresContext context) {
    auto stores = co_await backend.Stores();
    Write(stores.status(), context.getResults().initStatus());
    if (!stores.ok()) co_return;
    auto out = context.getResults().initStores(static_cast<unsigned>(stores->size()));
    for (unsigned i = 0; i < stores->size(); ++i) Write((*stores)[i], out[i]);
  }

  static async::Task<void> FindSector(Backend& backend, FindSectorContext context) {
    const filecoin::SectorId sector{.miner = context.getParams().getMiner(),
                                    .number = context.getParams().getNumber()};
    const auto found = co_await backend.FindSector(sector);
    Write(found.status(), context.getResults().initStatus());
    if (!found.ok()) co_return;
    Write(found->sealed, context.getResults().initSector());
    Write(found->upgraded, context.getResults().initUpgrade());
    WriteTexts(found->troubles,
               context.getResults().initTroubles(static_cast<unsigned>(found->troubles.size())));
  }

  static async::Task<void> Check(Backend& backend, CheckContext context) {
    const auto report = co_await backend.Check();
    Write(report.status(), context.getResults().initStatus());
    if (report.ok()) Write(*report, context.getResults().initReport());
  }

  static async::Task<void> Deadlines(Backend& backend, DeadlinesContext context) {
    const auto params = context.getParams();
    DeadlineQuery query;
    if (params.getHasMiner()) query.miner = params.getMiner();
    query.from_epoch = params.getFromEpoch();
    query.limit = params.getLimit() == 0
                      ? kDeadlinesDefault
                      : std::min<std::uint32_t>(params.getLimit(), kDeadlinesMax);
    auto summaries = co_await backend.Deadlines(query);
    Write(summaries.status(), context.getResults().initStatus());
    if (!summaries.ok()) co_return;
    auto out = context.getResults().initDeadlines(static_cast<unsigned>(summaries->size()));
    for (unsigned i = 0; i < summaries->size(); ++i) Write((*summaries)[i], out[i]);
  }

  static async::Task<void> Recoveries(Backend& backend, RecoveriesContext context) {
    const auto params = context.getParams();
    std::optional<filecoin::ActorId> miner;
    if (params.getHasMiner()) miner = params.getMiner();
    auto summaries = co_await backend.Recoveries(miner);
    Write(summaries.status(), context.getResults().initStatus());
    if (!summaries.ok()) co_return;
    auto out = context.getResults().initRecoveries(static_cast<unsigned>(summaries->size()));
    for (unsigned i = 0; i < summaries->size(); ++i) Write((*summaries)[i], out[i]);
  }

  static async::Task<void> Attach(Backend& backend, AttachContext context) {
    const auto params = context.getParams();
    // One report at a time: a slow reader gets fewer, not a queue of them.
    struct Teller {
      schema::Progress::Client progress;
      kj::Maybe<kj::Promise<void>> sending;
      bool busy = false;
    };
    const auto teller = std::make_shared<Teller>(Teller{params.getProgress(), nullptr});
    // No lambda inside co_await: g++ 12 destroys its captures twice.
    std::function<void(std::uint64_t, std::uint64_t)> tell = [teller](std::uint64_t done,
                                                                      std::uint64_t total) {
      if (teller->busy) return;
      teller->busy = true;
      auto request = teller->progress.stepRequest();
      request.setDone(done);
      request.setTotal(total);
      request.setWhat("sectors");
      teller->sending = request.send()
                            .ignoreResult()
                            .then([state = teller.get()] { state->busy = false; },
                                  [](kj::Exception&&) {})  // nobody listens any more
                            .eagerlyEvaluate(nullptr);
    };
    auto attaching =
        backend.Attach(ToString(params.getPath()), params.getReplace(), std::move(tell));
    auto report = co_await kj::mv(attaching);
    Write(report.status(), context.getResults().initStatus());
    if (!report.ok()) co_return;
    auto out = context.getResults().initReport();
    out.setStore(report->store.c_str());
    out.setAdded(report->added);
    out.setKnown(report->known);
    auto problems = out.initProblems(static_cast<unsigned>(report->problems.size()));
    for (unsigned i = 0; i < report->problems.size(); ++i) {
      problems.set(i, report->problems[i].c_str());
    }
  }

  const AdminServices& services_;
  const std::string peer_;
};

// Hands the Reader's calls on, and only those: a peer cannot reach the Admin's methods through it
// by casting, because this object does not have them.
class ReaderServer final : public schema::Reader::Server {
 public:
  explicit ReaderServer(schema::Admin::Client admin) : admin_(kj::mv(admin)) {}

  kj::Promise<void> jobs(JobsContext context) override {
    auto request = admin_.jobsRequest();
    request.setAll(context.getParams().getAll());
    return context.tailCall(kj::mv(request));
  }
  kj::Promise<void> workers(WorkersContext context) override {
    return context.tailCall(admin_.workersRequest());
  }
  kj::Promise<void> stores(StoresContext context) override {
    return context.tailCall(admin_.storesRequest());
  }
  kj::Promise<void> findSector(FindSectorContext context) override {
    auto request = admin_.findSectorRequest();
    request.setMiner(context.getParams().getMiner());
    request.setNumber(context.getParams().getNumber());
    return context.tailCall(kj::mv(request));
  }
  kj::Promise<void> check(CheckContext context) override {
    return context.tailCall(admin_.checkRequest());
  }
  kj::Promise<void> deadlines(DeadlinesContext context) override {
    const auto params = context.getParams();
    auto request = admin_.deadlinesRequest();
    request.setHasMiner(params.getHasMiner());
    request.setMiner(params.getMiner());
    request.setFromEpoch(params.getFromEpoch());
    request.setLimit(params.getLimit());
    return context.tailCall(kj::mv(request));
  }
  kj::Promise<void> recoveries(RecoveriesContext context) override {
    const auto params = context.getParams();
    auto request = admin_.recoveriesRequest();
    request.setHasMiner(params.getHasMiner());
    request.setMiner(params.getMiner());
    return context.tailCall(kj::mv(request));
  }

 private:
  schema::Admin::Client admin_;
};

}  // namespace

schema::Reader::Client MakeReader(const AdminServices& services, std::string peer) {
  return kj::heap<ReaderServer>(MakeAdmin(services, std::move(peer)));
}

schema::Admin::Client MakeAdmin(const AdminServices& services, std::string peer) {
  return kj::heap<AdminServer>(services, std::move(peer));
}

}  // namespace damocles::rpc
