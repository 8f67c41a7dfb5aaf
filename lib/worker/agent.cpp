// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/worker/agent.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/str_format.h"

#include "damocles/base/log.h"
#include "damocles/base/status.h"
#include "damocles/storage/sector_paths.h"

namespace damocles::worker {
namespace {

// While another manager is being asked, or after an empty answer that came at once.
constexpr absl::Duration kPause = absl::Milliseconds(100);
// With several managers none may be kept waiting for long by a question to another.
constexpr absl::Duration kAllocateWaitShared = absl::Seconds(1);
constexpr absl::Duration kReportRetry = absl::Seconds(1);

std::string Describe(const std::map<std::string, std::string>& stores) {
  std::string names;
  for (const auto& [name, path] : stores) {
    if (!names.empty()) names += ", ";
    names += name;
  }
  return names.empty() ? "none" : names;
}

// The files of a job on this machine, or NOT_FOUND naming the store that is not attached.
absl::StatusOr<prover::WindowPostTask> MapTask(const job::JobSpec& spec,
                                               const AgentOptions& options) {
  prover::WindowPostTask task{.proof_type = spec.proof_type,
                              .miner = spec.miner,
                              .randomness = spec.randomness,
                              .sectors = {}};
  const auto folder_of = [&](const std::string& store) -> absl::StatusOr<std::string> {
    const auto found = options.stores.find(store);
    if (found != options.stores.end()) return found->second;
    return absl::NotFoundError(
        absl::StrFormat("store \"%s\" is not attached at worker \"%s\" (attached: %s)", store,
                        options.capabilities.name, Describe(options.stores)));
  };
  for (const job::JobSector& sector : spec.sectors) {
    DAMOCLES_ASSIGN_OR_RETURN(const std::string sealed_folder, folder_of(sector.sealed_store));
    DAMOCLES_ASSIGN_OR_RETURN(const std::string cache_folder, folder_of(sector.cache_store));
    const storage::Variant variant =
        sector.upgraded ? storage::Variant::kUpgraded : storage::Variant::kSealed;
    const filecoin::SectorId id{.miner = spec.miner, .number = sector.number};
    task.sectors.push_back({.number = sector.number,
                            .comm_r = sector.comm_r,
                            .sealed_path = storage::ReplicaPath(sealed_folder, id, variant),
                            .cache_dir = storage::CachePath(cache_folder, id, variant)});
  }
  return task;
}

}  // namespace

struct Agent::Work {
  RunningJob info;
  std::shared_ptr<std::atomic<bool>> cancelled = std::make_shared<std::atomic<bool>>(false);
};

struct Agent::Link {
  std::unique_ptr<Manager> manager;
  std::shared_ptr<Session> session;  // null while not connected
  std::vector<std::shared_ptr<Work>> works;
  bool undelivered = true;  // there may be results on disk for this manager
  bool allocating = false;  // an Allocate call is under way
  std::string last_error;   // so that the log tells news only
};

Agent::Agent(AgentOptions options, std::shared_ptr<prover::WindowProver> prover,
             ResultStore& results, async::Executor& executor, kj::Timer& timer, const Clock& clock,
             std::vector<std::unique_ptr<Manager>> managers)
    : options_(std::move(options)),
      prover_(std::move(prover)),
      results_(results),
      executor_(executor),
      timer_(timer),
      clock_(clock),
      drain_requested_(nullptr),
      slot_freed_(nullptr),
      jobs_(*this) {
  auto drain = kj::newPromiseAndFulfiller<void>();
  drain_requested_ = drain.promise.fork();
  drain_fulfiller_ = kj::mv(drain.fulfiller);
  auto slot = kj::newPromiseAndFulfiller<void>();
  slot_freed_ = slot.promise.fork();
  slot_fulfiller_ = kj::mv(slot.fulfiller);
  for (auto& manager : managers) {
    links_.push_back(std::make_unique<Link>());
    links_.back()->manager = std::move(manager);
  }
}

Agent::~Agent() noexcept {
  for (const auto& link : links_) {
    for (const auto& work : link->works) work->cancelled->store(true);
  }
}

kj::Promise<void> Agent::Run() {
  auto promises = kj::heapArrayBuilder<kj::Promise<void>>(links_.size());
  for (const auto& link : links_) promises.add(Serve(*link).ToPromise());
  return kj::joinPromises(promises.finish());
}

void Agent::Drain() {
  if (draining_) return;
  draining_ = true;
  drain_fulfiller_->fulfill();
}

std::vector<RunningJob> Agent::Running() const {
  std::vector<RunningJob> running;
  for (const auto& link : links_) {
    for (const auto& work : link->works) running.push_back(work->info);
  }
  return running;
}

kj::Promise<void> Agent::Sleep(absl::Duration duration) {
  return timer_.afterDelay(absl::ToInt64Microseconds(duration) * kj::MICROSECONDS);
}

std::uint32_t Agent::FreeSlots() const {
  std::size_t taken = 0;
  for (const auto& link : links_) taken += link->works.size();
  const std::uint32_t slots = options_.capabilities.slots;
  return taken >= slots ? 0 : slots - static_cast<std::uint32_t>(taken);
}

void Agent::SlotFreed() {
  slot_fulfiller_->fulfill();
  auto slot = kj::newPromiseAndFulfiller<void>();
  slot_freed_ = slot.promise.fork();
  slot_fulfiller_ = kj::mv(slot.fulfiller);
}

void Agent::taskFailed(kj::Exception&& exception) {
  LogError("worker", "job_task_failed",
           {{"error", std::string(exception.getDescription().cStr())}});
}

async::Task<void> Agent::Serve(Link& link) {
  absl::Duration delay = options_.reconnect_min;
  while (!draining_ || !link.works.empty()) {
    auto session = co_await link.manager->Connect(options_.capabilities);
    if (!session.ok()) {
      const std::string error = session.status().ToString();
      if (error != link.last_error) {
        LogWarning("worker", "manager_unreachable",
                   {{"manager", link.manager->Name()}, {"error", error}, {"now", "trying again"}});
        link.last_error = error;
      }
      if (draining_) {
        co_await Sleep(delay);
      } else {
        co_await Sleep(delay).exclusiveJoin(drain_requested_.addBranch());
      }
      delay = std::min(2 * delay, options_.reconnect_max);
      continue;
    }
    LogInfo("worker", "connected", {{"manager", link.manager->Name()}});
    delay = options_.reconnect_min;
    link.last_error.clear();
    link.session = *std::move(session);
    link.undelivered = true;
    co_await ServeSession(link);
    link.session = nullptr;
    link.allocating = false;
    if (!draining_) co_await Sleep(options_.reconnect_min);
  }
}

async::Task<void> Agent::ServeSession(Link& link) {
  // Whichever sees the session fail first ends both.
  co_await Beating(link).ToPromise().exclusiveJoin(Allocating(link).ToPromise());
}

async::Task<void> Agent::Beating(Link& link) {
  const std::shared_ptr<Session> session = link.session;
  co_await DeliverStored(link);
  while (true) {
    // A drain that finds nothing to wait for ends at once.
    if (draining_ && link.works.empty()) co_return;
    if (draining_) {
      co_await Sleep(options_.heartbeat_interval).exclusiveJoin(slot_freed_.addBranch());
    } else {
      co_await Sleep(options_.heartbeat_interval).exclusiveJoin(drain_requested_.addBranch());
    }
    const std::vector<std::shared_ptr<Work>> works = link.works;
    std::vector<AttemptId> attempts;
    attempts.reserve(works.size());
    for (const auto& work : works) attempts.push_back(work->info.attempt);
    // Also with none: it shows both ends that the connection lives.
    auto verdicts = co_await session->Heartbeat(std::move(attempts));
    if (!verdicts.ok() || verdicts->size() != works.size()) {
      LogWarning("worker", "connection_lost",
                 {{"manager", link.manager->Name()}, {"error", verdicts.status()}});
      co_return;
    }
    for (std::size_t i = 0; i < works.size(); ++i) {
      if ((*verdicts)[i] || works[i]->cancelled->load()) continue;
      LogInfo("worker", "job_cancelled_by_manager",
              {{"job", works[i]->info.attempt.job.ToString()}});
      works[i]->cancelled->store(true);
    }
    if (link.undelivered) co_await DeliverStored(link);
  }
}

async::Task<void> Agent::Allocating(Link& link) {
  const std::shared_ptr<Session> session = link.session;
  const bool shared = links_.size() > 1;
  const absl::Duration wait =
      shared ? std::min(kAllocateWaitShared, options_.allocate_wait) : options_.allocate_wait;
  while (true) {
    if (draining_) co_await kj::Promise<void>(kj::NEVER_DONE);
    if (FreeSlots() == 0) {
      co_await slot_freed_.addBranch();
      continue;
    }
    const bool other_asks = std::any_of(links_.begin(), links_.end(), [&](const auto& other) {
      return other.get() != &link && other->allocating;
    });
    if (other_asks) {
      co_await Sleep(kPause);
      continue;
    }
    const absl::Time asked = clock_.Now();
    link.allocating = true;
    // A drain takes the question back: an answer that came after it would be one more job.
    using Answer = absl::StatusOr<std::optional<job::Assignment>>;
    auto drained = drain_requested_.addBranch().then([]() -> Answer { return std::nullopt; });
    auto asking = session->Allocate(wait).ToPromise().exclusiveJoin(kj::mv(drained));
    auto assignment = co_await kj::mv(asking);
    link.allocating = false;
    if (!assignment.ok()) {
      LogWarning("worker", "connection_lost",
                 {{"manager", link.manager->Name()}, {"error", assignment.status()}});
      co_return;
    }
    if (assignment->has_value()) {
      jobs_.add(RunJob(link, *std::move(*assignment)).ToPromise());
    } else if (shared || clock_.Now() - asked < kPause) {
      // Also lets the other managers have their turn.
      co_await Sleep(kPause);
    }
  }
}

async::Task<absl::Status> Agent::Deliver(Link& link, const StoredResult& result_at_call) {
  const StoredResult result = result_at_call;  // the caller's may go while we wait
  const std::shared_ptr<Session> session = link.session;
  if (session == nullptr) {
    link.undelivered = true;
    co_return absl::UnavailableError("not connected");
  }
  auto accepted = co_await session->Finish(result.attempt, result.proof);
  if (!accepted.ok()) {
    link.undelivered = true;
    co_return accepted.status();
  }
  LogInfo("worker", *accepted ? "proof_delivered" : "proof_not_needed",
          {{"job", result.attempt.job.ToString()}, {"manager", result.manager}});
  co_return results_.Remove(result.manager, result.attempt);
}

async::Task<void> Agent::DeliverStored(Link& link) {
  link.undelivered = false;
  auto results = results_.List(link.manager->Name());
  if (!results.ok()) {
    LogError("worker", "stored_results_unreadable", {{"error", results.status()}});
    link.undelivered = true;
    co_return;
  }
  for (const StoredResult& result : *results) {
    absl::Status status;
    if (result.close_time < clock_.Now()) {
      LogWarning("worker", "stored_result_too_late", {{"job", result.attempt.job.ToString()}});
      status = results_.Remove(result.manager, result.attempt);
    } else {
      status = co_await Deliver(link, result);
    }
    if (!status.ok()) {
      LogWarning(
          "worker", "stored_result_kept",
          {{"job", result.attempt.job.ToString()}, {"manager", result.manager}, {"error", status}});
      link.undelivered = true;
    }
  }
}

async::Task<void> Agent::RunJob(Link& link, job::Assignment assignment) {
  const auto work = std::make_shared<Work>();
  work->info = {.manager = link.manager->Name(),
                .attempt = {.job = assignment.id, .attempt = assignment.attempt},
                .started = clock_.Now()};
  const AttemptId attempt = work->info.attempt;
  link.works.push_back(work);
  KJ_DEFER({
    std::erase(link.works, work);
    SlotFreed();
  });
  LogInfo("worker", "job_started",
          {{"job", attempt.job.ToString()},
           {"attempt", attempt.attempt},
           {"miner", assignment.spec->miner},
           {"deadline", assignment.spec->deadline_index},
           {"sectors", assignment.spec->sectors.size()}});

  // Tells the manager, through whatever session there is by then, until it has heard.
  std::optional<job::FailureKind> failure;
  std::string reason;
  std::vector<job::SectorFault> faults;
  const auto task = MapTask(*assignment.spec, options_);
  if (!task.ok()) {
    failure = job::FailureKind::kMapping;
    reason = std::string(task.status().message());
  } else {
    // No lambda inside co_await: g++ 12 destroys its captures twice.
    auto proving = async::Offload<absl::StatusOr<prover::WindowPostOutcome>>(
        executor_, [prover = prover_, task = *task, cancelled = work->cancelled] {
          return prover->Prove(task, *cancelled);
        });
    auto outcome = co_await kj::mv(proving);
    if (work->cancelled->load()) {
      LogInfo("worker", "job_stopped", {{"job", attempt.job.ToString()}});
      co_return;
    }
    if (!outcome.ok()) {
      failure = job::FailureKind::kAttempt;
      reason = outcome.status().ToString();
    } else if (!outcome->faults.empty()) {
      for (const prover::SectorFault& fault : outcome->faults) {
        faults.push_back({.number = fault.number, .reason = fault.reason});
      }
    } else {
      const StoredResult result{.manager = link.manager->Name(),
                                .attempt = attempt,
                                .close_time = assignment.close_time,
                                .proof = outcome->proof};
      LogInfo("worker", "job_proven",
              {{"job", attempt.job.ToString()},
               {"seconds", absl::StrFormat(
                               "%.3f", absl::ToDoubleSeconds(clock_.Now() - work->info.started))}});
      // A disk that refuses must not cost the proof: deliver it all the same.
      if (const absl::Status saved = results_.Save(result); !saved.ok()) {
        LogError("worker", "result_not_on_disk",
                 {{"job", attempt.job.ToString()}, {"error", saved}});
      }
      while (clock_.Now() < result.close_time && !work->cancelled->load()) {
        const absl::Status delivered = co_await Deliver(link, result);
        if (delivered.ok()) co_return;
        LogWarning("worker", "proof_not_delivered",
                   {{"job", attempt.job.ToString()}, {"error", delivered}});
        // On disk it waits for the next session, without holding the slot.
        if (const auto kept = results_.List(link.manager->Name());
            kept.ok() && std::any_of(kept->begin(), kept->end(), [&](const StoredResult& stored) {
              return stored.attempt == attempt;
            })) {
          co_return;
        }
        co_await Sleep(kReportRetry);
      }
      co_return;
    }
  }

  while (clock_.Now() < assignment.close_time && !work->cancelled->load()) {
    absl::Status told = absl::UnavailableError("not connected");
    if (const std::shared_ptr<Session> session = link.session; session != nullptr) {
      if (failure) {
        told = co_await session->Fail(attempt, *failure, reason);
      } else {
        told = co_await session->ReportFaults(attempt, faults);
      }
    }
    if (told.ok()) break;
    co_await Sleep(kReportRetry);
  }
  LogWarning("worker", failure ? "job_failed" : "job_faulty",
             {{"job", attempt.job.ToString()},
              {"reason", failure ? reason : absl::StrFormat("%d faulty sectors", faults.size())}});
}

}  // namespace damocles::worker
