// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/rpc/remote_manager.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/str_format.h"
#include "lib/rpc/convert.h"
#include "lib/rpc/line.h"
#include "lib/worker/clock_news.h"

#include "damocles/base/clock_skew.h"
#include "damocles/base/log.h"

namespace damocles::rpc {
namespace {

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
    worker::LogClocks(watch_, ahead, "manager", manager_);
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

}  // namespace

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
