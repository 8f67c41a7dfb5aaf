// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "lib/worker/hub_session.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_format.h"
#include "lib/worker/clock_news.h"

#include "damocles/async/duration.h"
#include "damocles/base/log.h"
#include "damocles/base/status.h"

namespace damocles::worker {
namespace {

// A heartbeat may be lost or late: so many fit into the time-out.
constexpr int kHeartbeatsInTimeout = 5;
// Also with a long time-out a dead connection should be seen soon.
constexpr absl::Duration kHeartbeatIntervalMax = absl::Seconds(3);
// After its start a manager may not know of a job again yet whose row the disk did not take: a
// proof of it is to be kept for so long.
constexpr absl::Duration kUnknownFor = absl::Minutes(10);
constexpr std::size_t kRemovedMax = 10'000;
// As many as the manager has threads for it.
constexpr std::size_t kVerificationsTogether = 2;

prover::WindowPostStatement StatementOf(const job::JobSpec& spec) {
  prover::WindowPostStatement statement{.proof_type = spec.proof_type,
                                        .miner = spec.miner,
                                        .randomness = spec.randomness,
                                        .sectors = {}};
  for (const job::JobSector& sector : spec.sectors) {
    statement.sectors.push_back({.number = sector.number, .comm_r = sector.comm_r});
  }
  return statement;
}

// Of a job that was removed nobody needs to hear.
absl::Status ForgetUnknown(const absl::Status& status) {
  return absl::IsNotFound(status) ? absl::OkStatus() : status;
}

// A result that cannot be right, however often it is brought: the attempt ends with it.
absl::Status Refuse(HubState& state, const std::string& worker, const AttemptId& attempt,
                    std::string_view event, const std::string& why, job::FailureKind kind) {
  LogError("worker", event,
           {{"worker", worker},
            {"job", attempt.job.ToString()},
            {"attempt", attempt.attempt},
            {"reason", why},
            {"do",
             "run the same release of damocles on manager and worker; check the worker's "
             "memory and parameters (damocles-prover params check)"}});
  return ForgetUnknown(state.queue.Fail(attempt.job, attempt.attempt, worker, why, kind).status());
}

// What becomes of a proof that was looked at.
absl::StatusOr<Receipt> Conclude(HubState& state, const std::string& worker,
                                 const AttemptId& attempt, Bytes proof,
                                 const absl::StatusOr<bool>& valid) {
  std::string why;
  if (valid.ok() && *valid) {
    const auto verdict =
        state.queue.FinishProven(attempt.job, attempt.attempt, worker, std::move(proof));
    if (verdict.ok()) {
      DAMOCLES_RETURN_IF_ERROR(state.OnDisk(attempt.job));
      return Receipt{.accepted = *verdict == job::Verdict::kAccepted};
    }
    if (!IsRefusal(verdict.status())) return verdict.status();
    if (absl::IsNotFound(verdict.status())) return Receipt{};  // removed while we verified
    why = std::string(verdict.status().message());
  } else if (valid.ok()) {
    why = "the proof does not verify";
  } else if (absl::IsInvalidArgument(valid.status())) {
    why = absl::StrFormat("the proof is malformed: %s", std::string(valid.status().message()));
  } else {
    // Not the proof's fault (no verifying key here, say): the worker keeps it.
    LogError("worker", "cannot_verify",
             {{"job", attempt.job.ToString()}, {"error", valid.status()}});
    return valid.status();
  }
  DAMOCLES_RETURN_IF_ERROR(
      Refuse(state, worker, attempt, "wrong_proof_refused", why, job::FailureKind::kWrongProof));
  return Receipt{.refusal = why};
}

}  // namespace

// ---------------------------------------------------------------- what is shared

HubState::HubState(job::Queue& its_queue, std::shared_ptr<prover::WindowVerifier> its_verifier,
                   async::Executor& its_executor, kj::Timer& its_timer, const Clock& its_clock,
                   std::map<filecoin::PoStProofType, std::string> its_keys)
    : queue(its_queue),
      verifier(std::move(its_verifier)),
      executor(its_executor),
      timer(its_timer),
      clock(its_clock),
      own_keys(std::move(its_keys)),
      turns(its_timer, kVerificationsTogether),
      started_(its_clock.Now()),
      available_(queue.OnAvailable([this] { roster.WakeAll(); })),
      gone_(queue.OnRemove([this](const job::JobId& id) {
        if (removed_.size() >= kRemovedMax) removed_.erase(removed_.begin());
        removed_.insert(id);
      })) {}

absl::StatusOr<std::optional<job::JobRecord>> HubState::WantsProof(const job::JobId& id) const {
  absl::StatusOr<job::JobRecord> record = queue.Get(id);
  if (absl::IsNotFound(record.status())) {
    if (removed_.contains(id) || clock.Now() - started_ > kUnknownFor) return std::nullopt;
    return absl::UnavailableError(absl::StrFormat(
        "job %s is not known yet: this manager was started %s ago; keep the proof", id.ToString(),
        absl::FormatDuration(absl::Trunc(clock.Now() - started_, absl::Seconds(1)))));
  }
  if (!record.ok()) return record.status();
  if (record->state == job::JobState::kSucceeded) {
    DAMOCLES_RETURN_IF_ERROR(OnDisk(id));
    return std::nullopt;
  }
  return *std::move(record);
}

absl::Status HubState::OnDisk(const job::JobId& id) const {
  if (queue.IsOnDisk(id)) return absl::OkStatus();
  return absl::UnavailableError(absl::StrFormat(
      "job %s: the manager has the proof in memory, its disk does not take it; keep the proof",
      id.ToString()));
}

// ---------------------------------------------------------------- the session

HubSession::HubSession(std::shared_ptr<HubState> state, const Capabilities& capabilities,
                       bool local)
    : state_(std::move(state)),
      name_(capabilities.name),
      offer_{.name = capabilities.name,
             .filters = capabilities.threads,
             .stores = capabilities.stores,
             .all_stores = local,
             .instance = capabilities.instance} {
  if (!local) {
    offer_.provable.emplace();
    for (const auto& [type, digest] : capabilities.verifying_keys) {
      offer_.provable->push_back(filecoin::SectorSizeOf(type));
    }
  }
  Self().open.push_back(this);
}

HubSession::~HubSession() {
  Roster::Worker& worker = Self();
  if (ended_) {
    --worker.shells;
    return;
  }
  std::erase(worker.open, this);
  if (!worker.open.empty()) return;
  worker.info.connected = false;
  LogInfo("worker", "worker_disconnected", {{"worker", name_}});
}

void HubSession::End() {
  Roster::Worker& worker = Self();
  std::erase(worker.open, this);
  ++worker.shells;
  ended_ = true;
  offer_ = {};
}

async::Task<absl::StatusOr<std::optional<job::Assignment>>> HubSession::Allocate(
    absl::Duration wait) {
  DAMOCLES_CO_RETURN_IF_ERROR(Seen());
  const absl::Time until = state_->clock.Now() + wait;
  while (true) {
    // Taken before the look at the queue, so that nothing falls between look and wait.
    kj::Promise<void> news = state_->roster.News(name_);
    auto assignment = state_->queue.Allocate(offer_);
    if (!assignment.ok()) co_return assignment;
    if (assignment->has_value()) {
      state_->roster.NoteGiven(Self(), **assignment);
      co_return assignment;
    }
    const absl::Duration left = until - state_->clock.Now();
    if (left <= absl::ZeroDuration()) co_return std::nullopt;
    co_await news.exclusiveJoin(state_->timer.afterDelay(async::ToKj(left)));
    DAMOCLES_CO_RETURN_IF_ERROR(CheckPresent());
  }
}

async::Task<absl::StatusOr<std::vector<bool>>> HubSession::Heartbeat(
    std::vector<AttemptId> attempts, bool leaving) {
  DAMOCLES_CO_RETURN_IF_ERROR(Seen());
  Roster::Worker& worker = Self();
  worker.info.running = attempts;
  std::vector<bool> go_on;
  for (const AttemptId& attempt : attempts) {
    DAMOCLES_CO_ASSIGN_OR_RETURN(const job::HeartbeatReply reply,
                                 state_->queue.Heartbeat(attempt.job, attempt.attempt, name_));
    go_on.push_back(reply == job::HeartbeatReply::kContinue);
  }
  if (leaving && !worker.leaving) state_->queue.WorkerLeft(name_);
  worker.leaving = leaving;
  DAMOCLES_CO_RETURN_IF_ERROR(Roster::GiveBackLost(state_->queue, worker, attempts));
  state_->roster.Check();
  co_return go_on;
}

void HubSession::NoteClock(absl::Duration ahead) {
  if (!CheckPresent().ok()) return;
  Roster::Worker& worker = Self();
  worker.info.clock_ahead = ahead;
  LogClocks(worker.clock, ahead, "worker", name_);
}

absl::Duration HubSession::HeartbeatInterval() const {
  return std::min(state_->queue.GetPolicy().heartbeat_timeout / kHeartbeatsInTimeout,
                  kHeartbeatIntervalMax);
}

async::Task<absl::StatusOr<Receipt>> HubSession::Finish(AttemptId attempt, Bytes proof) {
  Reported(attempt);
  const std::shared_ptr<HubState> state = state_;  // this session may end while we verify
  const std::string name = name_;
  DAMOCLES_CO_ASSIGN_OR_RETURN(std::optional<job::JobRecord> job, state->WantsProof(attempt.job));
  if (!job) co_return Receipt{};
  const bool expected =
      std::ranges::any_of(job->live, [&](const job::Attempt& live) { return live.worker == name; });
  auto taking = state->turns.Take(name, expected);
  DAMOCLES_CO_ASSIGN_OR_RETURN(VerifyTurns::Turn turn, co_await kj::mv(taking));
  // Others may have brought it meanwhile.
  DAMOCLES_CO_ASSIGN_OR_RETURN(job, state->WantsProof(attempt.job));
  if (!job) co_return Receipt{};
  // No lambda inside co_await: g++ 12 destroys its captures twice.
  auto verifying = async::Offload<absl::StatusOr<bool>>(
      state->executor, [verifier = state->verifier, statement = StatementOf(*job->spec), proof] {
        return verifier->Verify(statement, proof);
      });
  const absl::StatusOr<bool> valid = co_await kj::mv(verifying);
  turn = nullptr;
  state->turns.Note(name, expected, valid.ok() && *valid);
  co_return Conclude(*state, name, attempt, std::move(proof), valid);
}

async::Task<absl::Status> HubSession::ReportFaults(AttemptId attempt,
                                                   std::vector<job::SectorFault> faults) {
  Reported(attempt);
  const absl::Status status =
      state_->queue.FinishFaults(attempt.job, attempt.attempt, name_, std::move(faults)).status();
  if (absl::IsNotFound(status) || !IsRefusal(status)) co_return ForgetUnknown(status);
  DAMOCLES_CO_RETURN_IF_ERROR(Refuse(*state_, name_, attempt, "wrong_report_refused",
                                     std::string(status.message()), job::FailureKind::kAttempt));
  co_return status;
}

async::Task<absl::Status> HubSession::Fail(AttemptId attempt, job::FailureKind kind,
                                           std::string reason) {
  Reported(attempt);
  if (kind == job::FailureKind::kMapping) {
    LogWarning("worker", "store_not_reachable",
               {{"worker", name_}, {"job", attempt.job.ToString()}, {"reason", reason}});
  }
  co_return ForgetUnknown(
      state_->queue.Fail(attempt.job, attempt.attempt, name_, reason, kind).status());
}

absl::Status HubSession::CheckPresent() {
  if (ended_) {
    return absl::UnavailableError(absl::StrFormat(
        "worker \"%s\" has opened %d newer sessions, so this one was ended: connect again", name_,
        kSessionsOfOneMax));
  }
  if (Self().info.capabilities.instance == offer_.instance) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrFormat(
      "another process registered as worker \"%s\", from %s", name_, Self().info.address));
}

absl::Status HubSession::Seen() {
  DAMOCLES_RETURN_IF_ERROR(CheckPresent());
  Self().info.last_seen = state_->clock.Now();
  return absl::OkStatus();
}

void HubSession::Reported(const AttemptId& attempt) {
  // A report of an older process says nothing about the present one.
  if (Seen().ok()) Self().pending.erase(attempt.attempt);
}

}  // namespace damocles::worker
