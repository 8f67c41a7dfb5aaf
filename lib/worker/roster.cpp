// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "lib/worker/roster.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_format.h"

#include "damocles/base/check.h"
#include "damocles/base/log.h"
#include "damocles/base/status.h"

namespace damocles::worker {
namespace {

// A heartbeat may have left before the answer to Allocate arrived, and worker and manager talk one
// heartbeat after the other: what the second one does not name never arrived.
constexpr int kMissesMax = 2;
constexpr std::size_t kShellBytes = 1024;

std::size_t BytesOf(const Capabilities& offer) {
  constexpr std::size_t kAround = 64;  // of what keeps a name
  std::size_t bytes = 1024 + offer.name.size() + offer.software.size() + offer.instance.size();
  for (const std::string& store : offer.stores) bytes += store.size() + kAround;
  for (const auto& [type, digest] : offer.verifying_keys) bytes += digest.size() + kAround;
  for (const job::JobFilter& filter : offer.threads) {
    bytes += (filter.miners.size() + filter.proof_types.size()) * sizeof(std::uint64_t) + kAround;
  }
  return bytes;
}

}  // namespace

Roster::Worker* Roster::Find(const std::string& name) {
  const auto found = workers_.find(name);
  return found == workers_.end() ? nullptr : &found->second;
}

Roster::Worker& Roster::At(const std::string& name) {
  DAMOCLES_DCHECK(workers_.contains(name));
  return workers_[name];
}

Roster::Worker& Roster::Enter(const Capabilities& capabilities) {
  Worker& worker = workers_[capabilities.name];
  worker.bytes = BytesOf(capabilities);
  worker.info.capabilities = capabilities;
  return worker;
}

// Of the workers, and of what each session keeps of them.
std::size_t Roster::OffersBytes() const {
  std::size_t bytes = 0;
  for (const auto& [name, worker] : workers_) {
    bytes += worker.bytes * (1 + worker.open.size()) + worker.shells * kShellBytes;
  }
  return bytes;
}

absl::Status Roster::MakeRoomFor(const Capabilities& capabilities) {
  const std::string& name = capabilities.name;
  const std::size_t bytes = BytesOf(capabilities);
  while ((workers_.size() >= kWorkersMax && !workers_.contains(name)) ||
         OffersBytes() + 2 * bytes > kOffersBytesMax) {
    auto oldest = workers_.end();
    for (auto at = workers_.begin(); at != workers_.end(); ++at) {
      const Worker& other = at->second;
      if (at->first == name || !other.open.empty() || other.shells > 0) continue;
      if (!other.pending.empty()) continue;
      if (oldest == workers_.end() || other.info.last_seen < oldest->second.info.last_seen) {
        oldest = at;
      }
    }
    if (oldest == workers_.end()) {
      return absl::ResourceExhaustedError(absl::StrFormat(
          "no room for worker \"%s\": %d are registered, with %d MiB of what they "
          "say of themselves; at most %d and %d MiB are taken",
          name, workers_.size(), OffersBytes() >> 20, kWorkersMax, kOffersBytesMax >> 20));
    }
    workers_.erase(oldest);
  }
  return absl::OkStatus();
}

void Roster::NoteGiven(Worker& worker, const job::Assignment& assignment) {
  worker.given = ++given_;
  worker.pending[assignment.attempt] = {.job = assignment.id};
}

absl::Status Roster::GiveBackLost(job::Queue& queue, Worker& worker,
                                  const std::vector<AttemptId>& listed) {
  for (const AttemptId& attempt : listed) worker.pending.erase(attempt.attempt);
  for (auto at = worker.pending.begin(); at != worker.pending.end();) {
    if (!worker.leaving && ++at->second.misses < kMissesMax) {
      ++at;
      continue;
    }
    const std::string& name = worker.info.capabilities.name;
    LogWarning("worker", "assignment_lost",
               {{"worker", name}, {"job", at->second.job.ToString()}, {"now", "given back"}});
    DAMOCLES_RETURN_IF_ERROR(queue.NeverReceived(at->second.job, at->first, name));
    at = worker.pending.erase(at);
  }
  return absl::OkStatus();
}

kj::Promise<void> Roster::News(const std::string& worker) {
  std::erase_if(waiters_, [](Waiter& waiter) { return !waiter.news->isWaiting(); });
  auto pair = kj::newPromiseAndFulfiller<void>();
  waiters_.push_back({worker, kj::mv(pair.fulfiller)});
  return kj::mv(pair.promise);
}

void Roster::WakeAll() {
  std::vector<Waiter> woken = std::exchange(waiters_, {});
  std::stable_sort(woken.begin(), woken.end(), [this](const Waiter& a, const Waiter& b) {
    return workers_[a.worker].given < workers_[b.worker].given;
  });
  for (Waiter& waiter : woken) waiter.news->fulfill();
}

Violations Roster::Invariants() const {
  Violations found;
  for (const auto& [name, worker] : workers_) {
    found.Require(worker.open.size() <= kSessionsOfOneMax, "nobody has too many sessions");
    found.Require(worker.info.capabilities.name == name, "a worker lies under its name");
    found.Require(!worker.info.connected || !worker.open.empty(), "who is connected has a session");
    found.Require(worker.given <= given_, "no assignment is above the latest");
  }
  for (const Waiter& waiter : waiters_) {
    found.Require(workers_.contains(waiter.worker), "who waits has registered");
  }
  return found;
}

void Roster::Check() const {
  if (!InvariantsAreStrict()) return;
  CheckInvariants("hub", "", Invariants(), [this] {
    return absl::StrFormat("%d workers, %d wait", workers_.size(), waiters_.size());
  });
}

}  // namespace damocles::worker
