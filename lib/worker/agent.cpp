// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/worker/agent.h"

#include <algorithm>
#include <optional>
#include <set>
#include <stop_token>
#include <utility>

#include "absl/strings/str_format.h"
#include "lib/worker/courier.h"
#include "lib/worker/job_files.h"

#include "damocles/async/duration.h"
#include "damocles/async/failure.h"
#include "damocles/base/log.h"

namespace damocles::worker {
namespace {

// After an empty answer: one that came at once must not turn into a loop without a pause, and other
// managers have their turn.
constexpr absl::Duration kPause = absl::Milliseconds(100);
// With several managers none may be kept waiting for long by a question to another.
constexpr absl::Duration kAllocateWaitShared = absl::Seconds(1);
// A sector whose files have not answered in a quarter of the time that is left is given up: the
// rest must still be proven.  Not before a busy disk could have answered.
constexpr absl::Duration kReadLimitMin = absl::Seconds(10);
constexpr absl::Duration kReadLimitMax = absl::Minutes(20);
// Jobs of which it is remembered that a store of theirs was not seen.
constexpr std::size_t kUnseenJobsMax = 1000;

// Intervals between reconnections stay below the time-out, of which the heartbeat is a fifth.
constexpr int kIntervalsBetweenConnections = 2;

}  // namespace

bool IsRefusal(const absl::Status& status) {
  return absl::IsInvalidArgument(status) || absl::IsNotFound(status) ||
         absl::IsOutOfRange(status) || absl::IsUnimplemented(status);
}

Agent::Agent(AgentOptions options, std::shared_ptr<prover::WindowProver> prover,
             ResultStore& results, async::Executor& executor, kj::Timer& timer, const Clock& clock,
             std::vector<std::unique_ptr<Manager>> managers)
    : options_(std::move(options)),
      prover_(std::move(prover)),
      courier_(std::make_unique<Courier>(results, timer, clock)),
      executor_(executor),
      timer_(timer),
      clock_(clock),
      jobs_(*this) {
  for (auto& manager : managers) {
    links_.push_back(std::make_unique<ManagerLink>());
    links_.back()->manager = std::move(manager);
    links_.back()->reconnect_max = options_.reconnect_max;
  }
}

Agent::~Agent() noexcept {
  for (const auto& link : links_) {
    for (const auto& work : link->works) work->stop.request_stop();
  }
}

kj::Promise<void> Agent::Run() {
  auto promises = kj::heapArrayBuilder<kj::Promise<void>>(links_.size());
  for (const auto& link : links_) promises.add(Serve(*link).ToPromise());
  kj::Promise<void> serving = kj::joinPromises(promises.finish());
  if (!options_.refresh) return serving;
  return serving.exclusiveJoin(Refreshing().ToPromise());
}

void Agent::Drain() {
  draining_.Set();
}

std::vector<RunningJob> Agent::Running() const {
  std::vector<RunningJob> running;
  for (const auto& link : links_) {
    for (const auto& work : link->works) running.push_back(work->info);
  }
  return running;
}

kj::Promise<void> Agent::Sleep(absl::Duration duration) {
  return timer_.afterDelay(async::ToKj(duration));
}

kj::Promise<void> Agent::SleepUnlessDrained(absl::Duration duration) {
  return Sleep(duration).exclusiveJoin(draining_.WhenSet());
}

std::uint32_t Agent::FreeSlots() const {
  std::size_t taken = 0;
  for (const auto& link : links_) taken += link->works.size();
  const std::uint32_t slots = options_.capabilities.slots;
  return taken >= slots ? 0 : slots - static_cast<std::uint32_t>(taken);
}

void Agent::EndAsking(ManagerLink& link) {
  if (std::exchange(link.allocating, false)) asked_.Fire();
}

async::Task<void> Agent::Refreshing() {
  while (true) {
    co_await Sleep(options_.refresh_interval);
    auto looking =
        async::Offload<Capabilities>(executor_, [look = options_.refresh] { return look(); });
    Capabilities capabilities = co_await kj::mv(looking);
    if (capabilities == options_.capabilities) continue;
    LogInfo("worker", "capabilities_changed",
            {{"proof_types", capabilities.verifying_keys.size()},
             {"stores", capabilities.stores.size()}});
    options_.capabilities = std::move(capabilities);
    capabilities_changed_.Fire();
  }
}

void Agent::taskFailed(kj::Exception&& exception) {
  LogError("worker", "job_task_failed", {{"error", async::Plainly(exception)}});
}

async::Task<void> Agent::Serve(ManagerLink& link) {
  courier_->List(link);
  absl::Duration delay = options_.reconnect_min;
  while (!draining_.IsSet() || !link.works.empty()) {
    // What changes from here on the manager does not know.
    kj::Promise<void> changed = capabilities_changed_.Next();
    auto session = co_await link.manager->Connect(options_.capabilities);
    if (!session.ok()) {
      const std::string error = session.status().ToString();
      if (error != link.last_error) {
        LogWarning("worker", "manager_unreachable",
                   {{"manager", link.manager->Name()}, {"error", error}, {"now", "trying again"}});
        link.last_error = error;
      }
      if (draining_.IsSet()) {
        co_await Sleep(delay);
      } else {
        co_await SleepUnlessDrained(delay);
      }
      delay = std::min(2 * delay, link.reconnect_max);
      continue;
    }
    LogInfo("worker", "connected", {{"manager", link.manager->Name()}});
    link.last_error.clear();
    link.session = *std::move(session);
    link.told.clear();
    link.reconnect_max = std::min(options_.reconnect_max,
                                  kIntervalsBetweenConnections * link.session->HeartbeatInterval());
    delay = std::min(options_.reconnect_min, link.reconnect_max);
    auto serving = ServeSession(link).ToPromise().exclusiveJoin(kj::mv(changed));
    co_await kj::mv(serving);
    link.session = nullptr;
    EndAsking(link);
    if (!draining_.IsSet()) {
      co_await Sleep(delay);
    }
  }
}

async::Task<void> Agent::ServeSession(ManagerLink& link) {
  // What goes on here comes first: the manager may have been restarted, and leases run.
  if (!co_await Beat(link)) co_return;
  // Whichever sees the session fail first ends all.
  kj::Promise<void> serving = Beating(link).ToPromise();
  serving = serving.exclusiveJoin(Allocating(link).ToPromise());
  serving = serving.exclusiveJoin(Delivering(link).ToPromise());
  co_await kj::mv(serving);
}

// False: the session is of no use any more.
async::Task<bool> Agent::Beat(ManagerLink& link) {
  const std::shared_ptr<Session> session = link.session;
  // Nothing that was asked for may arrive behind a heartbeat that says "leaving".
  while (draining_.IsSet() && link.allocating) {
    co_await asked_.Next();
  }
  const std::vector<std::shared_ptr<Work>> works = link.works;
  std::vector<AttemptId> attempts;
  attempts.reserve(works.size() + link.stored.size());
  for (const auto& work : works) attempts.push_back(work->info.attempt);
  for (const AttemptId& stored : link.stored) {
    if (std::ranges::find(attempts, stored) == attempts.end()) attempts.push_back(stored);
  }
  const std::size_t count = attempts.size();
  // Also with none: it shows both ends that the connection lives.
  auto verdicts = co_await session->Heartbeat(std::move(attempts), draining_.IsSet());
  if (!verdicts.ok() || verdicts->size() != count) {
    LogWarning("worker", "connection_lost",
               {{"manager", link.manager->Name()}, {"error", verdicts.status()}});
    co_return false;
  }
  for (std::size_t i = 0; i < works.size(); ++i) {
    if ((*verdicts)[i] || works[i]->stop.stop_requested()) continue;
    LogInfo("worker", "job_cancelled_by_manager", {{"job", works[i]->info.attempt.job.ToString()}});
    works[i]->stop.request_stop();
  }
  co_return true;
}

async::Task<void> Agent::Beating(ManagerLink& link) {
  const std::shared_ptr<Session> session = link.session;
  while (true) {
    if (!draining_.IsSet()) {
      co_await SleepUnlessDrained(session->HeartbeatInterval());
    } else if (!link.works.empty()) {
      co_await Sleep(session->HeartbeatInterval()).exclusiveJoin(slot_freed_.Next());
    }
    // A drain that finds nothing to wait for ends here, after its good-bye.
    const bool last = draining_.IsSet() && link.works.empty();
    const bool alive = co_await Beat(link);
    if (last || !alive) co_return;
  }
}

async::Task<void> Agent::Allocating(ManagerLink& link) {
  const std::shared_ptr<Session> session = link.session;
  const bool shared = links_.size() > 1;
  const absl::Duration wait =
      shared ? std::min(kAllocateWaitShared, options_.allocate_wait) : options_.allocate_wait;
  while (true) {
    if (draining_.IsSet()) {
      co_await kj::Promise<void>(kj::NEVER_DONE);
    }
    if (FreeSlots() == 0) {
      co_await slot_freed_.Next();
      continue;
    }
    const bool other_asks = std::any_of(links_.begin(), links_.end(), [&](const auto& other) {
      return other.get() != &link && other->allocating;
    });
    if (other_asks) {
      co_await asked_.Next();
      continue;
    }
    if (const absl::Duration early = last_start_ + options_.staggered - clock_.Now();
        early > absl::ZeroDuration()) {
      co_await SleepUnlessDrained(early);
      continue;
    }
    const absl::Time asked = clock_.Now();
    link.allocating = true;
    // A drain takes the question back: an answer that came after it would be one more job.
    using Answer = absl::StatusOr<std::optional<job::Assignment>>;
    auto drained = draining_.WhenSet().then([]() -> Answer { return std::nullopt; });
    auto asking = session->Allocate(wait).ToPromise().exclusiveJoin(kj::mv(drained));
    auto assignment = co_await kj::mv(asking);
    EndAsking(link);
    if (!assignment.ok()) {
      LogWarning("worker", "connection_lost",
                 {{"manager", link.manager->Name()}, {"error", assignment.status()}});
      co_return;
    }
    if (assignment->has_value()) {
      last_start_ = clock_.Now();
      jobs_.add(RunJob(link, *std::move(*assignment)).ToPromise());
    } else if (shared || clock_.Now() - asked < kPause) {
      // Also lets the other managers have their turn.
      co_await Sleep(std::min(kPause, wait));
    }
  }
}

// In a task of its own: a manager that takes long over a proof must still hear the heartbeats.
async::Task<void> Agent::Delivering(ManagerLink& link) {
  const std::shared_ptr<Session> session = link.session;
  while (true) {
    if (!link.stored.empty() || !link.listed) {
      co_await courier_->DeliverStored(link);
    }
    co_await Sleep(session->HeartbeatInterval());
  }
}

async::Task<void> Agent::RunJob(ManagerLink& link, job::Assignment assignment) {
  const auto work = std::make_shared<Work>();
  work->info = {.manager = link.manager->Name(),
                .attempt = {.job = assignment.id, .attempt = assignment.attempt},
                .started = clock_.Now()};
  const AttemptId attempt = work->info.attempt;
  const absl::Time close_time = clock_.Now() + assignment.time_left;
  link.works.push_back(work);
  KJ_DEFER({
    std::erase(link.works, work);
    slot_freed_.Fire();
  });
  LogInfo("worker", "job_started",
          {{"job", attempt.job.ToString()},
           {"attempt", attempt.attempt},
           {"miner", assignment.spec->miner},
           {"deadline", assignment.spec->deadline_index},
           {"sectors", assignment.spec->sectors.size()}});

  auto task = MapTask(*assignment.spec, options_.stores, options_.capabilities.name);
  if (!task.ok()) {
    Finding finding{.failure = job::FailureKind::kMapping,
                    .reason = std::string(task.status().message()),
                    .faults = {}};
    co_await courier_->Report(link, work, close_time, std::move(finding));
    co_return;
  }
  task->read_limit = std::clamp(assignment.time_left / 4, kReadLimitMin, kReadLimitMax);
  auto proving = Prove(*std::move(task), assignment.spec, work->stop.get_token());
  ProofOutcome made = co_await kj::mv(proving);
  const bool proven = made.proof.ok() && made.proof->faults.empty();
  if (work->stop.stop_requested() && !proven) {
    LogInfo("worker", "job_stopped", {{"job", attempt.job.ToString()}});
    co_return;
  }
  // A finished proof is offered even if the manager said stop: it may have been wrong about the
  // time, and a right proof is always welcome.
  if (proven) {
    LogInfo("worker", "job_proven",
            {{"job", attempt.job.ToString()},
             {"seconds",
              absl::StrFormat("%.3f", absl::ToDoubleSeconds(clock_.Now() - work->info.started))}});
    // Named: g++ 12 destroys temporaries inside co_await twice.
    StoredResult result{.manager = link.manager->Name(),
                        .attempt = attempt,
                        .close_time = close_time,
                        .proof = std::move(made.proof->proof)};
    co_await courier_->Hand(link, work, std::move(result));
    co_return;
  }
  Finding finding = FindingOf(attempt.job, std::move(made));
  co_await courier_->Report(link, work, close_time, std::move(finding));
}

// On another thread.
kj::Promise<Agent::ProofOutcome> Agent::Prove(prover::WindowPostTask task,
                                              std::shared_ptr<const job::JobSpec> spec,
                                              std::stop_token stop) {
  return async::Offload<ProofOutcome>(
      executor_, [prover = prover_, task = std::move(task), spec = std::move(spec),
                  stores = options_.stores, stop = std::move(stop)] {
        ProofOutcome made{.proof = prover->Prove(task, stop), .unseen_store = ""};
        if (made.proof.ok()) made.unseen_store = UnseenStore(*spec, stores, made.proof->faults);
        return made;
      });
}

Finding Agent::FindingOf(const job::JobId& job, ProofOutcome made) {
  Finding finding;
  if (!made.proof.ok()) {
    // Parameters that are not here, or a machine that makes wrong proofs: the job is not to blame,
    // and others can do it.
    finding.failure = absl::IsFailedPrecondition(made.proof.status()) ? job::FailureKind::kMapping
                                                                      : job::FailureKind::kAttempt;
    finding.reason = made.proof.status().ToString();
  } else if (!made.unseen_store.empty() && unseen_jobs_.insert(job).second) {
    // Somebody else may see the store.  Who is asked again has nobody before it: then the manager
    // hears which sectors these are, so that the rest can be proven.
    if (unseen_jobs_.size() > kUnseenJobsMax) unseen_jobs_ = {job};
    finding.failure = job::FailureKind::kMapping;
    finding.reason = std::move(made.unseen_store);
  } else {
    for (const prover::UnprovableSector& fault : made.proof->faults) {
      finding.faults.push_back({.number = fault.number, .reason = fault.reason});
    }
  }
  return finding;
}

}  // namespace damocles::worker
