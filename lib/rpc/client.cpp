// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/rpc/client.h"

#include <optional>
#include <utility>

#include "absl/strings/str_format.h"
#include "lib/rpc/convert.h"
#include "lib/rpc/line.h"

namespace damocles::rpc {
namespace {

class ProgressServer final : public schema::Progress::Server {
 public:
  ProgressServer(std::function<void(std::uint64_t, std::uint64_t)> tell,
                 std::shared_ptr<std::uint64_t> heard)
      : tell_(std::move(tell)), heard_(std::move(heard)) {}
  kj::Promise<void> step(StepContext context) override {
    ++*heard_;
    if (tell_) tell_(context.getParams().getDone(), context.getParams().getTotal());
    return kj::READY_NOW;
  }

 private:
  const std::function<void(std::uint64_t, std::uint64_t)> tell_;
  const std::shared_ptr<std::uint64_t> heard_;
};

}  // namespace

struct ManagerClient::State {
  std::shared_ptr<Line> line;
  kj::Timer& timer;
  absl::Duration call_timeout;

  absl::Status Need(bool there, const char* role) const {
    if (there) return absl::OkStatus();
    return absl::PermissionDeniedError(absl::StrFormat(
        "the manager at %s gave the role \"%s\", this needs \"%s\": use such a token",
        line->address, RoleName(line->role), role));
  }
  template <typename Request>
  auto Ask(Request request) {
    return Call(timer, call_timeout, line->address, kj::mv(request));
  }
};

ManagerClient::ManagerClient(std::unique_ptr<State> state) : state_(std::move(state)) {}
ManagerClient::~ManagerClient() noexcept = default;

async::Task<absl::StatusOr<std::unique_ptr<ManagerClient>>> ManagerClient::Connect(
    kj::Network& network, kj::Timer& timer, ClientOptions options) {
  const absl::Duration call_timeout = options.call_timeout;
  DAMOCLES_CO_ASSIGN_OR_RETURN(std::shared_ptr<Line> line,
                               co_await Dial(network, timer, std::move(options)));
  co_return std::unique_ptr<ManagerClient>(new ManagerClient(std::unique_ptr<State>(
      new State{.line = std::move(line), .timer = timer, .call_timeout = call_timeout})));
}

Role ManagerClient::GetRole() const {
  return state_->line->role;
}

async::Task<absl::StatusOr<std::vector<JobInfo>>> ManagerClient::Jobs(bool all) {
  DAMOCLES_CO_RETURN_IF_ERROR(state_->Need(state_->line->has_reader, "read"));
  auto request = state_->line->reader.jobsRequest();
  request.setAll(all);
  auto response = co_await state_->Ask(kj::mv(request));
  if (!response.ok()) co_return response.status();
  DAMOCLES_CO_RETURN_IF_ERROR(Read(response->getStatus()));
  std::vector<JobInfo> jobs;
  for (const auto job : response->getJobs()) {
    DAMOCLES_CO_ASSIGN_OR_RETURN(JobInfo info, Read(job));
    jobs.push_back(std::move(info));
  }
  co_return jobs;
}

async::Task<absl::StatusOr<std::vector<worker::Hub::WorkerInfo>>> ManagerClient::Workers() {
  DAMOCLES_CO_RETURN_IF_ERROR(state_->Need(state_->line->has_reader, "read"));
  auto response = co_await state_->Ask(state_->line->reader.workersRequest());
  if (!response.ok()) co_return response.status();
  DAMOCLES_CO_RETURN_IF_ERROR(Read(response->getStatus()));
  std::vector<worker::Hub::WorkerInfo> workers;
  for (const auto worker : response->getWorkers()) {
    DAMOCLES_CO_ASSIGN_OR_RETURN(worker::Hub::WorkerInfo info, Read(worker));
    workers.push_back(std::move(info));
  }
  co_return workers;
}

async::Task<absl::StatusOr<std::vector<StoreInfo>>> ManagerClient::Stores() {
  DAMOCLES_CO_RETURN_IF_ERROR(state_->Need(state_->line->has_reader, "read"));
  auto response = co_await state_->Ask(state_->line->reader.storesRequest());
  if (!response.ok()) co_return response.status();
  DAMOCLES_CO_RETURN_IF_ERROR(Read(response->getStatus()));
  std::vector<StoreInfo> stores;
  for (const auto store : response->getStores()) stores.push_back(Read(store));
  co_return stores;
}

async::Task<absl::StatusOr<FoundSector>> ManagerClient::FindSector(filecoin::SectorId sector) {
  DAMOCLES_CO_RETURN_IF_ERROR(state_->Need(state_->line->has_reader, "read"));
  auto request = state_->line->reader.findSectorRequest();
  request.setMiner(sector.miner);
  request.setNumber(sector.number);
  auto response = co_await state_->Ask(kj::mv(request));
  if (!response.ok()) co_return response.status();
  DAMOCLES_CO_RETURN_IF_ERROR(Read(response->getStatus()));
  co_return FoundSector{.sealed = Read(response->getSector()),
                        .upgraded = Read(response->getUpgrade()),
                        .troubles = ReadTexts(response->getTroubles())};
}

async::Task<absl::StatusOr<CheckReport>> ManagerClient::Check() {
  DAMOCLES_CO_RETURN_IF_ERROR(state_->Need(state_->line->has_reader, "read"));
  auto response = co_await Call(state_->timer, kCheckWithin, state_->line->address,
                                state_->line->reader.checkRequest());
  if (absl::IsUnimplemented(response.status())) {
    co_return absl::UnimplementedError(absl::StrFormat(
        "the manager at %s is of an older release that has no self check: use the same release",
        state_->line->address));
  }
  if (!response.ok()) co_return response.status();
  DAMOCLES_CO_RETURN_IF_ERROR(Read(response->getStatus()));
  co_return Read(response->getReport());
}

async::Task<absl::StatusOr<std::vector<DeadlineSummary>>> ManagerClient::Deadlines(
    DeadlineQuery query) {
  DAMOCLES_CO_RETURN_IF_ERROR(state_->Need(state_->line->has_reader, "read"));
  auto request = state_->line->reader.deadlinesRequest();
  request.setHasMiner(query.miner.has_value());
  request.setMiner(query.miner.value_or(0));
  request.setFromEpoch(query.from_epoch);
  request.setLimit(query.limit);
  auto response = co_await state_->Ask(kj::mv(request));
  if (!response.ok()) co_return response.status();
  DAMOCLES_CO_RETURN_IF_ERROR(Read(response->getStatus()));
  std::vector<DeadlineSummary> summaries;
  for (const auto deadline : response->getDeadlines()) summaries.push_back(Read(deadline));
  co_return summaries;
}

async::Task<absl::StatusOr<std::vector<RecoverySummary>>> ManagerClient::Recoveries(
    std::optional<filecoin::ActorId> miner) {
  DAMOCLES_CO_RETURN_IF_ERROR(state_->Need(state_->line->has_reader, "read"));
  auto request = state_->line->reader.recoveriesRequest();
  request.setHasMiner(miner.has_value());
  request.setMiner(miner.value_or(0));
  auto response = co_await state_->Ask(kj::mv(request));
  if (!response.ok()) co_return response.status();
  DAMOCLES_CO_RETURN_IF_ERROR(Read(response->getStatus()));
  std::vector<RecoverySummary> summaries;
  for (const auto recovery : response->getRecoveries()) summaries.push_back(Read(recovery));
  co_return summaries;
}

namespace {

template <typename Request>
void SetIds(Request& request, const std::vector<std::string>& ids) {
  auto out = request.initIds(static_cast<unsigned>(ids.size()));
  for (unsigned i = 0; i < ids.size(); ++i) out.set(i, ids[i].c_str());
}

template <typename List>
std::vector<absl::Status> ReadStatuses(List list) {
  std::vector<absl::Status> statuses;
  for (const auto status : list) statuses.push_back(Read(status));
  return statuses;
}

}  // namespace

async::Task<absl::StatusOr<std::vector<absl::Status>>> ManagerClient::ResetJobs(
    std::vector<std::string> ids) {
  DAMOCLES_CO_RETURN_IF_ERROR(state_->Need(state_->line->has_admin, "admin"));
  auto request = state_->line->admin.resetJobsRequest();
  SetIds(request, ids);
  auto response = co_await state_->Ask(kj::mv(request));
  if (!response.ok()) co_return response.status();
  DAMOCLES_CO_RETURN_IF_ERROR(Read(response->getStatus()));
  co_return ReadStatuses(response->getResults());
}

async::Task<absl::StatusOr<std::vector<absl::Status>>> ManagerClient::RemoveJobs(
    std::vector<std::string> ids) {
  DAMOCLES_CO_RETURN_IF_ERROR(state_->Need(state_->line->has_admin, "admin"));
  auto request = state_->line->admin.removeJobsRequest();
  SetIds(request, ids);
  auto response = co_await state_->Ask(kj::mv(request));
  if (!response.ok()) co_return response.status();
  DAMOCLES_CO_RETURN_IF_ERROR(Read(response->getStatus()));
  co_return ReadStatuses(response->getResults());
}

async::Task<absl::StatusOr<std::uint64_t>> ManagerClient::RemoveAllJobs() {
  DAMOCLES_CO_RETURN_IF_ERROR(state_->Need(state_->line->has_admin, "admin"));
  auto response = co_await state_->Ask(state_->line->admin.removeAllJobsRequest());
  if (!response.ok()) co_return response.status();
  DAMOCLES_CO_RETURN_IF_ERROR(Read(response->getStatus()));
  co_return response->getRemoved();
}

namespace {

async::Task<void> WatchProgress(kj::Timer& timer, kj::Duration patience,
                                std::shared_ptr<std::uint64_t> heard) {
  std::uint64_t before = 0;
  do {
    before = *heard;
    co_await timer.afterDelay(patience);
  } while (*heard != before);
}

}  // namespace

async::Task<absl::StatusOr<AttachSummary>> ManagerClient::Attach(
    std::string path, bool replace, std::function<void(std::uint64_t, std::uint64_t)> progress) {
  DAMOCLES_CO_RETURN_IF_ERROR(state_->Need(state_->line->has_admin, "admin"));
  const auto heard = std::make_shared<std::uint64_t>(0);
  auto request = state_->line->admin.attachRequest();
  request.setPath(path.c_str());
  request.setReplace(replace);
  request.setProgress(kj::heap<ProgressServer>(std::move(progress), heard));
  using Response = capnp::Response<schema::Admin::AttachResults>;
  using Outcome = absl::StatusOr<Response>;
  const std::string address = state_->line->address;
  auto waiting = Answered<Response>(request.send(), address);
  // Ends when a whole time-out has passed without a word.
  auto silent =
      WatchProgress(state_->timer, async::ToKj(state_->call_timeout), heard)
          .ToPromise()
          .then([address, timeout = state_->call_timeout]() -> Outcome {
            return Outcome(absl::UnavailableError(absl::StrFormat(
                "manager %s: no progress within %s", address, absl::FormatDuration(timeout))));
          });
  auto response = co_await waiting.exclusiveJoin(kj::mv(silent));
  if (!response.ok()) co_return response.status();
  DAMOCLES_CO_RETURN_IF_ERROR(Read(response->getStatus()));
  const auto report = response->getReport();
  AttachSummary summary{.store = ToString(report.getStore()),
                        .added = report.getAdded(),
                        .known = report.getKnown(),
                        .problems = {}};
  for (const auto problem : report.getProblems()) summary.problems.push_back(ToString(problem));
  co_return summary;
}

}  // namespace damocles::rpc
