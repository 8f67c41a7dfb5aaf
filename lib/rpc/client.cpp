// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/rpc/client.h"

#include <capnp/rpc-twoparty.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/str_format.h"
#include "lib/rpc/convert.h"
#include "lib/rpc/guarded_stream.h"

#include "damocles/async/duration.h"
#include "damocles/async/failure.h"
#include "damocles/async/timeout.h"
#include "damocles/base/log.h"
#include "damocles/rpc/status.h"

namespace damocles::rpc {
namespace {

constexpr absl::Duration kGateWithin = absl::Seconds(10);

// A connection with its open gate.  Shared by all that use it.
struct Line {
  kj::Own<kj::AsyncIoStream> stream;
  kj::Own<GuardedStream> guarded;
  kj::Own<capnp::TwoPartyVatNetwork> network;
  kj::Own<capnp::RpcSystem<capnp::rpc::twoparty::VatId>> system;
  std::string address;
  Role role = Role::kNone;
  schema::Reader::Client reader = nullptr;
  schema::Admin::Client admin = nullptr;
  schema::WorkerHub::Client hub = nullptr;
  bool has_reader = false;
  bool has_admin = false;
  bool has_hub = false;
  ~Line() noexcept {}  // NOLINT(modernize-use-equals-default): KJ's destructors may throw
};

Role ParseRole(std::string_view text) {
  for (const Role role : {Role::kRead, Role::kWorker, Role::kAdmin}) {
    if (RoleName(role) == text) return role;
  }
  return Role::kNone;
}

// Sends, waits at most `timeout`, turns an exception into a status.
template <typename Request>
auto Call(kj::Timer& timer, absl::Duration timeout, std::string address, Request request)
    -> kj::Promise<absl::StatusOr<decltype(request.send().wait(std::declval<kj::WaitScope&>()))>> {
  using Response = decltype(request.send().wait(std::declval<kj::WaitScope&>()));
  using Outcome = absl::StatusOr<Response>;
  kj::Promise<Outcome> answered = request.send().then(
      [](Response&& response) -> Outcome { return Outcome(kj::mv(response)); },
      [address](kj::Exception&& exception) -> Outcome {
        return Outcome(Annotate(ToStatus(exception), absl::StrFormat("manager %s", address)));
      });
  return async::Within(
      timer, async::ToKj(timeout), kj::mv(answered),
      absl::UnavailableError(absl::StrFormat("manager %s: no answer within %s", address,
                                             absl::FormatDuration(timeout))));
}

async::Task<absl::StatusOr<std::shared_ptr<Line>>> Dial(kj::Network& network, kj::Timer& timer,
                                                        ClientOptions options) {
  using Stream = absl::StatusOr<kj::Own<kj::AsyncIoStream>>;
  const std::string address = options.address;
  const auto failed = [address](kj::Exception&& exception) -> Stream {
    return absl::UnavailableError(absl::StrFormat("cannot connect to the manager at %s: %s",
                                                  address, async::Plainly(exception)));
  };
  kj::Promise<Stream> connecting =
      network.parseAddress(address)
          .then([](kj::Own<kj::NetworkAddress>&& parsed) {
            auto connected = parsed->connect();
            return connected.attach(kj::mv(parsed));
          })
          .then([](kj::Own<kj::AsyncIoStream>&& stream) -> Stream { return kj::mv(stream); },
                failed);
  auto connected = async::Within(timer, async::ToKj(options.connect_timeout), kj::mv(connecting),
                                 absl::UnavailableError(absl::StrFormat(
                                     "cannot connect to the manager at %s: no answer", address)));
  auto stream = co_await kj::mv(connected);
  if (!stream.ok()) co_return stream.status();

  auto line = std::make_shared<Line>();
  line->address = address;
  line->stream = *std::move(stream);
  KeepAlive(*line->stream, options.silence_max);
  line->guarded = kj::heap<GuardedStream>(*line->stream, timer, LimitsOfTheKnown());
  line->network =
      kj::heap<capnp::TwoPartyVatNetwork>(*line->guarded, capnp::rpc::twoparty::Side::CLIENT);
  line->system = kj::heap(capnp::makeRpcClient(*line->network));
  capnp::MallocMessageBuilder message;
  auto vat = message.initRoot<capnp::rpc::twoparty::VatId>();
  vat.setSide(capnp::rpc::twoparty::Side::SERVER);
  auto gate = line->system->bootstrap(vat).castAs<schema::Gate>();
  auto request = gate.openRequest();
  request.setToken(options.token.c_str());
  request.setProtocolVersion(schema::PROTOCOL_VERSION);
  request.setSoftware(options.software.c_str());
  // A manager answers at once; what speaks another protocol may wait for the rest of its own.
  auto response =
      co_await Call(timer, std::min(options.call_timeout, kGateWithin), address, kj::mv(request));
  if (absl::IsUnavailable(response.status())) {
    co_return absl::UnavailableError(
        absl::StrFormat("%s; does a manager listen there, and not another program?",
                        std::string(response.status().message())));
  }
  if (!response.ok()) co_return response.status();
  DAMOCLES_CO_RETURN_IF_ERROR(
      Annotate(Read(response->getStatus()), absl::StrFormat("the manager at %s refused", address)));
  line->role = ParseRole(ToString(response->getRole()));
  line->has_reader = response->hasReader();
  line->has_admin = response->hasAdmin();
  line->has_hub = response->hasWorkerHub();
  if (line->has_reader) line->reader = response->getReader();
  if (line->has_admin) line->admin = response->getAdmin();
  if (line->has_hub) line->hub = response->getWorkerHub();
  co_return line;
}

// Whatever the manager wants: neither a flood nor a silence.
constexpr absl::Duration kHeartbeatMin = absl::Milliseconds(20);
constexpr absl::Duration kHeartbeatMax = absl::Seconds(60);

// Tells how far this machine's clock is from the manager's, once and when it changes.
class ClockCompare {
 public:
  ClockCompare(const Clock& wall, std::string manager)
      : wall_(wall), manager_(std::move(manager)) {}

  absl::Time Now() const { return wall_.Now(); }
  // `theirs` was said between `asked` and now; 0: a manager of an earlier release does not say.
  void Note(absl::Time asked, std::int64_t theirs_unix_ms) {
    if (theirs_unix_ms == 0) return;
    const absl::Time now = wall_.Now();
    const absl::Duration ahead = asked + (now - asked) / 2 - FromUnixMs(theirs_unix_ms);
    if (!watch_.IsNews(ahead)) return;
    const auto seconds = absl::StrFormat("%.1f", absl::ToDoubleSeconds(ahead));
    if (!watch_.Differ()) {
      LogInfo("worker", "clocks_agree_again", {{"manager", manager_}, {"ahead_seconds", seconds}});
      return;
    }
    LogWarning("worker", "clock_skew",
               {{"manager", manager_},
                {"ahead_seconds", seconds},
                {"effect", "none on proofs: jobs carry the time that is left"},
                {"do", "set both clocks, by NTP: times in logs and listings do not fit together"}});
  }

 private:
  const Clock& wall_;
  const std::string manager_;
  SkewWatch watch_;
};

}  // namespace

struct RemoteManager::Clocks {
  ClockCompare compare;
};

namespace {

class RemoteSession final : public worker::Session {
 public:
  RemoteSession(std::shared_ptr<Line> line, schema::WorkerSession::Client session,
                std::uint32_t interval_ms, kj::Timer& timer, absl::Duration call_timeout,
                std::shared_ptr<ClockCompare> clocks)
      : line_(std::move(line)),
        session_(kj::mv(session)),
        clocks_(std::move(clocks)),
        timer_(timer),
        call_timeout_(call_timeout) {
    NoteInterval(interval_ms);
  }
  ~RemoteSession() noexcept override {}  // NOLINT(modernize-use-equals-default)

  async::Task<absl::StatusOr<std::optional<job::Assignment>>> Allocate(
      absl::Duration wait) override {
    auto request = session_.allocateRequest();
    request.setWaitMs(static_cast<std::uint32_t>(absl::ToInt64Milliseconds(wait)));
    auto response = co_await Call(timer_, call_timeout_ + wait, line_->address, kj::mv(request));
    if (!response.ok()) co_return response.status();
    DAMOCLES_CO_RETURN_IF_ERROR(Read(response->getStatus()));
    if (!response->hasAssignment()) co_return std::nullopt;
    DAMOCLES_CO_ASSIGN_OR_RETURN(job::Assignment assignment,
                                 Read(response->getAssignment(), clocks_->Now()));
    co_return std::optional<job::Assignment>(std::move(assignment));
  }

  async::Task<absl::StatusOr<std::vector<bool>>> Heartbeat(std::vector<worker::AttemptId> attempts,
                                                           bool leaving) override {
    auto request = session_.heartbeatRequest();
    request.setLeaving(leaving);
    const absl::Time asked = clocks_->Now();
    request.setUnixMs(ToUnixMs(asked));
    auto beats = request.initBeats(static_cast<unsigned>(attempts.size()));
    for (unsigned i = 0; i < attempts.size(); ++i) {
      beats[i].setId(attempts[i].job.ToString().c_str());
      beats[i].setAttempt(attempts[i].attempt);
    }
    auto response = co_await Call(timer_, call_timeout_, line_->address, kj::mv(request));
    if (!response.ok()) co_return response.status();
    DAMOCLES_CO_RETURN_IF_ERROR(Read(response->getStatus()));
    std::vector<bool> verdicts;
    for (const auto verdict : response->getVerdicts()) {
      verdicts.push_back(verdict == schema::Verdict::CONTINUE);
    }
    NoteInterval(response->getIntervalMs());
    clocks_->Note(asked, response->getUnixMs());
    co_return verdicts;
  }

  absl::Duration HeartbeatInterval() const override { return interval_; }
  void NoteClock(absl::Duration /*ahead*/) override {}  // the manager measures for itself

  async::Task<absl::StatusOr<worker::Receipt>> Finish(worker::AttemptId attempt,
                                                      Bytes proof) override {
    auto request = session_.finishRequest();
    request.setId(attempt.job.ToString().c_str());
    request.setAttempt(attempt.attempt);
    request.setProof(capnp::Data::Reader(proof.data(), proof.size()));
    auto response = co_await Call(timer_, call_timeout_, line_->address, kj::mv(request));
    if (!response.ok()) co_return response.status();
    DAMOCLES_CO_RETURN_IF_ERROR(Read(response->getStatus()));
    co_return worker::Receipt{.accepted = response->getAccepted(),
                              .refusal = ToString(response->getRefusal())};
  }

  async::Task<absl::Status> ReportFaults(worker::AttemptId attempt,
                                         std::vector<job::SectorFault> faults) override {
    auto request = session_.faultsRequest();
    request.setId(attempt.job.ToString().c_str());
    request.setAttempt(attempt.attempt);
    WriteFaults(faults, request.initFaults(static_cast<unsigned>(faults.size())));
    auto response = co_await Call(timer_, call_timeout_, line_->address, kj::mv(request));
    if (!response.ok()) co_return response.status();
    co_return Read(response->getStatus());
  }

  async::Task<absl::Status> Fail(worker::AttemptId attempt, job::FailureKind kind,
                                 std::string reason) override {
    auto request = session_.failRequest();
    request.setId(attempt.job.ToString().c_str());
    request.setAttempt(attempt.attempt);
    request.setKind(kind == job::FailureKind::kMapping ? schema::FailureKind::MAPPING
                                                       : schema::FailureKind::ATTEMPT);
    request.setReason(reason.c_str());
    auto response = co_await Call(timer_, call_timeout_, line_->address, kj::mv(request));
    if (!response.ok()) co_return response.status();
    co_return Read(response->getStatus());
  }

 private:
  void NoteInterval(std::uint32_t ms) {
    interval_ = std::clamp(absl::Milliseconds(ms), kHeartbeatMin, kHeartbeatMax);
  }

  const std::shared_ptr<Line> line_;
  schema::WorkerSession::Client session_;
  const std::shared_ptr<ClockCompare> clocks_;
  kj::Timer& timer_;
  const absl::Duration call_timeout_;
  absl::Duration interval_;
};

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
  auto waiting = request.send().then(
      [](Response&& response) -> Outcome { return Outcome(kj::mv(response)); },
      [address](kj::Exception&& exception) -> Outcome {
        return Outcome(Annotate(ToStatus(exception), absl::StrFormat("manager %s", address)));
      });
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

RemoteManager::RemoteManager(kj::Network& network, kj::Timer& timer, ClientOptions options)
    : network_(network),
      timer_(timer),
      options_(std::move(options)),
      clocks_(new Clocks{ClockCompare(*options_.wall, options_.address)}) {}
RemoteManager::~RemoteManager() noexcept = default;

const std::string& RemoteManager::Name() const {
  return options_.address;
}

async::Task<absl::StatusOr<std::shared_ptr<worker::Session>>> RemoteManager::Connect(
    worker::Capabilities capabilities) {
  kj::Timer& timer = timer_;
  const absl::Duration call_timeout = options_.call_timeout;
  DAMOCLES_CO_ASSIGN_OR_RETURN(std::shared_ptr<Line> line,
                               co_await Dial(network_, timer, options_));
  if (!line->has_hub) {
    co_return absl::PermissionDeniedError(absl::StrFormat(
        "the manager at %s takes no worker from this token (role \"%s\"), or runs without "
        "--worker-prover",
        line->address, RoleName(line->role)));
  }
  auto request = line->hub.registerRequest();
  Write(capabilities, request.initOffer());
  const auto clocks = std::shared_ptr<ClockCompare>(clocks_, &clocks_->compare);
  const absl::Time asked = clocks->Now();
  request.setUnixMs(ToUnixMs(asked));
  auto response = co_await Call(timer, call_timeout, line->address, kj::mv(request));
  if (!response.ok()) co_return response.status();
  DAMOCLES_CO_RETURN_IF_ERROR(Annotate(
      Read(response->getStatus()), absl::StrFormat("the manager at %s refused", line->address)));
  clocks->Note(asked, response->getUnixMs());
  co_return std::shared_ptr<worker::Session>(new RemoteSession(
      line, response->getSession(), response->getIntervalMs(), timer, call_timeout, clocks));
}

}  // namespace damocles::rpc
