// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "lib/rpc/worker_service.h"

#include <algorithm>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/strings/str_format.h"
#include "lib/rpc/convert.h"

#include "damocles/async/task.h"
#include "damocles/base/text.h"

namespace damocles::rpc {
namespace {

// A worker that asks for more waits no longer than this and asks again: a bound on how long a dead
// connection keeps a call.
constexpr absl::Duration kAllocateWaitMax = absl::Minutes(1);

std::uint32_t IntervalMs(const worker::Session& session) {
  return static_cast<std::uint32_t>(absl::ToInt64Milliseconds(session.HeartbeatInterval()));
}

// 0: a worker of an earlier release does not say.
void NoteClock(worker::Session& session, const Clock& wall, std::int64_t unix_ms) {
  if (unix_ms != 0) session.NoteClock(FromUnixMs(unix_ms) - wall.Now());
}

// Of texts that a worker hands over, which go into records, listings and the log.
constexpr std::size_t kReasonBytesMax = 1000;
constexpr std::size_t kNameBytesMax = 256;
constexpr std::size_t kNamesMax = 10'000;

absl::Status CheckOffer(const worker::Capabilities& offer) {
  std::vector<std::string_view> names = {offer.name, offer.software, offer.instance};
  names.insert(names.end(), offer.stores.begin(), offer.stores.end());
  for (const auto& [type, digest] : offer.verifying_keys) names.emplace_back(digest);
  if (names.size() + offer.threads.size() > kNamesMax) {
    return absl::InvalidArgumentError(
        absl::StrFormat("a worker with %d stores and %d threads, at most %d are taken",
                        offer.stores.size(), offer.threads.size(), kNamesMax));
  }
  for (const std::string_view name : names) {
    if (name.size() > kNameBytesMax) {
      return absl::InvalidArgumentError(
          absl::StrFormat("a name of %d bytes, at most %d are taken: \"%s\"", name.size(),
                          kNameBytesMax, Printable(name, 40)));
    }
  }
  return absl::OkStatus();
}

class SessionServer final : public schema::WorkerSession::Server {
 public:
  SessionServer(std::shared_ptr<worker::Session> session, const Clock& wall)
      : session_(std::move(session)), wall_(wall) {}

  kj::Promise<void> allocate(AllocateContext context) override {
    // A worker that goes away must not take a job with it.
    context.allowCancellation();
    return Allocate(session_, wall_, kj::mv(context)).ToPromise();
  }
  kj::Promise<void> heartbeat(HeartbeatContext context) override {
    NoteClock(*session_, wall_, context.getParams().getUnixMs());
    return Heartbeat(session_, wall_, kj::mv(context)).ToPromise();
  }
  kj::Promise<void> finish(FinishContext context) override {
    return Finish(session_, kj::mv(context)).ToPromise();
  }
  kj::Promise<void> faults(FaultsContext context) override {
    return Faults(session_, kj::mv(context)).ToPromise();
  }
  kj::Promise<void> fail(FailContext context) override {
    return Fail(session_, kj::mv(context)).ToPromise();
  }

 private:
  static absl::StatusOr<worker::AttemptId> ReadAttempt(capnp::Text::Reader id,
                                                       std::uint64_t attempt) {
    DAMOCLES_ASSIGN_OR_RETURN(job::JobId job, job::JobId::Parse(ToString(id)));
    return worker::AttemptId{.job = std::move(job), .attempt = attempt};
  }

  static async::Task<void> Allocate(std::shared_ptr<worker::Session> session, const Clock& wall,
                                    AllocateContext context) {
    const absl::Duration wait =
        std::min(kAllocateWaitMax, absl::Milliseconds(context.getParams().getWaitMs()));
    auto assignment = co_await session->Allocate(wait);
    Write(assignment.status(), context.getResults().initStatus());
    if (assignment.ok() && assignment->has_value()) {
      Write(**assignment, wall.Now(), context.getResults().initAssignment());
    }
  }

  static async::Task<void> Heartbeat(std::shared_ptr<worker::Session> session, const Clock& wall,
                                     HeartbeatContext context) {
    std::vector<worker::AttemptId> attempts;
    for (const auto beat : context.getParams().getBeats()) {
      auto attempt = ReadAttempt(beat.getId(), beat.getAttempt());
      if (!attempt.ok()) {
        Write(attempt.status(), context.getResults().initStatus());
        co_return;
      }
      attempts.push_back(*std::move(attempt));
    }
    auto verdicts =
        co_await session->Heartbeat(std::move(attempts), context.getParams().getLeaving());
    Write(verdicts.status(), context.getResults().initStatus());
    if (!verdicts.ok()) co_return;
    context.getResults().setIntervalMs(IntervalMs(*session));
    context.getResults().setUnixMs(ToUnixMs(wall.Now()));
    auto out = context.getResults().initVerdicts(static_cast<unsigned>(verdicts->size()));
    for (unsigned i = 0; i < verdicts->size(); ++i) {
      out.set(i, (*verdicts)[i] ? schema::Verdict::CONTINUE : schema::Verdict::CANCEL);
    }
  }

  static async::Task<void> Finish(std::shared_ptr<worker::Session> session, FinishContext context) {
    auto attempt = ReadAttempt(context.getParams().getId(), context.getParams().getAttempt());
    if (!attempt.ok()) {
      Write(attempt.status(), context.getResults().initStatus());
      co_return;
    }
    const auto proof = context.getParams().getProof();
    const auto receipt =
        co_await session->Finish(*std::move(attempt), Bytes(proof.begin(), proof.end()));
    Write(receipt.status(), context.getResults().initStatus());
    if (!receipt.ok()) co_return;
    context.getResults().setAccepted(receipt->accepted);
    context.getResults().setRefusal(receipt->refusal.c_str());
  }

  static async::Task<void> Faults(std::shared_ptr<worker::Session> session, FaultsContext context) {
    auto attempt = ReadAttempt(context.getParams().getId(), context.getParams().getAttempt());
    absl::Status status = attempt.status();
    if (status.ok()) {
      std::vector<job::SectorFault> faults = ReadFaults(context.getParams().getFaults());
      for (job::SectorFault& fault : faults) {
        fault.reason = Printable(fault.reason, kReasonBytesMax);
      }
      status = co_await session->ReportFaults(*std::move(attempt), std::move(faults));
    }
    Write(status, context.getResults().initStatus());
  }

  static async::Task<void> Fail(std::shared_ptr<worker::Session> session, FailContext context) {
    auto attempt = ReadAttempt(context.getParams().getId(), context.getParams().getAttempt());
    absl::Status status = attempt.status();
    if (status.ok()) {
      const auto kind = context.getParams().getKind() == schema::FailureKind::MAPPING
                            ? job::FailureKind::kMapping
                            : job::FailureKind::kAttempt;
      std::string reason = Printable(ToString(context.getParams().getReason()), kReasonBytesMax);
      status = co_await session->Fail(*std::move(attempt), kind, std::move(reason));
    }
    Write(status, context.getResults().initStatus());
  }

  const std::shared_ptr<worker::Session> session_;
  const Clock& wall_;
};

class HubServer final : public schema::WorkerHub::Server {
 public:
  HubServer(worker::Hub& hub, const Clock& wall, std::string peer)
      : hub_(hub), wall_(wall), peer_(std::move(peer)) {}

  kj::Promise<void> register_(RegisterContext context) override {
    auto capabilities = Read(context.getParams().getOffer());
    if (capabilities.ok()) {
      if (absl::Status fits = CheckOffer(*capabilities); !fits.ok()) capabilities = std::move(fits);
    }
    absl::StatusOr<std::shared_ptr<worker::Session>> session =
        capabilities.ok() ? hub_.Register(*std::move(capabilities), peer_)
                          : absl::StatusOr<std::shared_ptr<worker::Session>>(capabilities.status());
    Write(session.status(), context.getResults().initStatus());
    if (session.ok()) {
      context.getResults().setIntervalMs(IntervalMs(**session));
      context.getResults().setUnixMs(ToUnixMs(wall_.Now()));
      NoteClock(**session, wall_, context.getParams().getUnixMs());
      context.getResults().setSession(kj::heap<SessionServer>(*std::move(session), wall_));
    }
    return kj::READY_NOW;
  }

 private:
  worker::Hub& hub_;
  const Clock& wall_;
  const std::string peer_;
};

}  // namespace

schema::WorkerHub::Client MakeWorkerHub(worker::Hub& hub, const Clock& wall, std::string peer) {
  return kj::heap<HubServer>(hub, wall, std::move(peer));
}

}  // namespace damocles::rpc
