// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// Workers: a short model of one at the queue, and the lives and deaths of all kinds.

#include <algorithm>
#include <string>
#include <utility>

#include "absl/strings/str_format.h"
#include "lib/simulation/world_parts.h"

#include "damocles/base/check.h"

namespace damocles::simulation {

void World::KillWorker(std::size_t worker, absl::Duration back_after) {
  if (crew_ != nullptr && options_.hands == WorldOptions::Hands::kLocal) return KillManager();
  if (crew_ != nullptr) crew_->KillWorker(worker);
  workers_[worker] = Revive(worker, back_after).ToPromise().eagerlyEvaluate(nullptr);
}

void World::DrainWorker(std::size_t worker, absl::Duration back_after) {
  DAMOCLES_CHECK(crew_ != nullptr);
  crew_->Drain(worker);
  workers_[worker] = ReviveOnceEnded(worker, back_after).ToPromise().eagerlyEvaluate(nullptr);
}

async::Task<void> World::ReviveOnceEnded(std::size_t worker, absl::Duration after) {
  while (crew_->Runs(worker)) co_await timer_.afterDelay(1 * kj::SECONDS);
  co_await timer_.afterDelay(ToKj(after));
  crew_->StartWorker(worker);
}

async::Task<void> World::Revive(std::size_t worker, absl::Duration after) {
  co_await timer_.afterDelay(ToKj(after));
  if (crew_ != nullptr) {
    crew_->StartWorker(worker);
    co_return;
  }
  if (manager_ != nullptr && !dead_) {
    (void)manager_->queue->WorkerStarted(absl::StrFormat("worker-%d", worker));
  }
  co_await Work(worker);
}

// A worker polls, computes in virtual time with heartbeats, and keeps its result until it is taken.
async::Task<void> World::Work(std::size_t worker) {
  job::WorkerOffer offer;
  offer.name = absl::StrFormat("worker-%d", worker);
  offer.all_stores = true;
  const auto queue = [this]() -> job::Queue* {
    return manager_ != nullptr && !dead_ ? manager_->queue.get() : nullptr;
  };
  while (true) {
    co_await timer_.afterDelay(1 * kj::SECONDS);
    if (queue() == nullptr) continue;
    absl::StatusOr<std::optional<job::Assignment>> assigned = queue()->Allocate(offer);
    if (queue() == nullptr) continue;  // it died over the answer
    if (!assigned.ok() || !assigned->has_value()) continue;
    const job::Assignment job = **assigned;
    const bool blind = blind_workers.contains(worker);
    const absl::Time end = clock_.Now() + (blind ? absl::Seconds(1) : prover_.Takes(*job.spec));
    bool cancelled = false;
    const bool hangs = hung_workers.contains(worker);
    while ((hangs || clock_.Now() < end) && !cancelled) {
      co_await timer_.afterDelay(
          ToKj(hangs ? absl::Seconds(5) : std::min(absl::Seconds(5), end - clock_.Now())));
      if (queue() == nullptr) continue;
      const absl::StatusOr<job::HeartbeatReply> reply =
          queue()->Heartbeat(job.id, job.attempt, offer.name);
      cancelled = reply.ok() && *reply == job::HeartbeatReply::kCancel;
    }
    if (cancelled) continue;
    absl::StatusOr<Proved> proved = Proved{};
    if (blind) {
      for (const job::JobSector& sector : job.spec->sectors) {
        proved->faults.push_back({sector.number, "no such file"});
      }
    } else {
      proved = prover_.Prove(*job.spec);
    }
    while (true) {
      if (queue() != nullptr) {
        absl::Status status;
        if (!proved.ok()) {
          status = queue()
                       ->Fail(job.id, job.attempt, offer.name,
                              std::string(proved.status().message()), job::FailureKind::kAttempt)
                       .status();
        } else if (!proved->faults.empty()) {
          status = queue()->FinishFaults(job.id, job.attempt, offer.name, proved->faults).status();
        } else {
          status = queue()->FinishProven(job.id, job.attempt, offer.name, proved->proof).status();
        }
        if (queue() != nullptr && (status.ok() || absl::IsNotFound(status))) break;
      }
      co_await timer_.afterDelay(1 * kj::SECONDS);
    }
  }
}

}  // namespace damocles::simulation
