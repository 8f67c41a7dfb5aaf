// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// Who gets which job: the part of Queue that only looks.

#include <algorithm>
#include <tuple>

#include "damocles/job/queue.h"

namespace damocles::job {
namespace {

// Weight of the newest measurement in the moving average.
constexpr double kNewestWeight = 0.3;

template <typename T, typename U>
bool Contains(const std::vector<T>& list, const U& what) {
  return std::find(list.begin(), list.end(), what) != list.end();
}

}  // namespace

std::optional<WorkerSpeed> Queue::Measure(const JobRecord& record, std::uint64_t attempt,
                                          std::string_view worker) const {
  if (record.state == JobState::kSucceeded) return std::nullopt;
  for (const Attempt& live : record.live) {
    if (live.number != attempt || live.worker != worker) continue;
    // Begun before this process could hear of its end: the proof may have waited for us.
    if (live.started_at < receiving_since_) return std::nullopt;
    const absl::Duration took = (clock_.Now() - live.started_at) /
                                static_cast<std::int64_t>(ProofPartitionsOf(*record.spec).Count());
    if (took <= absl::ZeroDuration()) return std::nullopt;
    WorkerSpeed speed{.worker = std::string(worker),
                      .proof_type = record.spec->proof_type,
                      .per_proof_partition = took,
                      .samples = 1};
    if (const auto known = speeds_.find({speed.worker, speed.proof_type}); known != speeds_.end()) {
      speed.per_proof_partition =
          known->second.per_proof_partition * (1 - kNewestWeight) + took * kNewestWeight;
      speed.samples = known->second.samples + 1;
    }
    return speed;
  }
  return std::nullopt;
}

std::vector<WorkerSpeed> Queue::Speeds() const {
  std::vector<WorkerSpeed> speeds;
  for (const auto& [key, speed] : speeds_) speeds.push_back(speed);
  return speeds;
}

// By this worker's own speed, else by the mean of all that were measured.
std::optional<absl::Duration> Queue::Expected(std::string_view worker, const JobSpec& spec) const {
  const auto partitions = static_cast<std::int64_t>(ProofPartitionsOf(spec).Count());
  const auto own = speeds_.find({std::string(worker), spec.proof_type});
  if (own != speeds_.end()) return own->second.per_proof_partition * partitions;
  absl::Duration sum;
  std::int64_t count = 0;
  for (const auto& [key, speed] : speeds_) {
    if (key.second != spec.proof_type) continue;
    sum += speed.per_proof_partition;
    ++count;
  }
  if (count == 0) return std::nullopt;
  return sum / count * partitions;
}

bool Queue::CanDo(const WorkerOffer& offer, const Job& job) const {
  const JobSpec& spec = *job.record.spec;
  const auto passes = [&](const JobFilter& filter) {
    return (filter.miners.empty() || Contains(filter.miners, spec.miner)) &&
           (filter.proof_types.empty() || Contains(filter.proof_types, spec.proof_type));
  };
  if (!offer.filters.empty() && std::ranges::none_of(offer.filters, passes)) return false;
  if (offer.provable.has_value() &&
      !Contains(*offer.provable, filecoin::SectorSizeOf(spec.proof_type))) {
    return false;
  }
  if (IsExcluded(job.record, offer.name, clock_.Now())) return false;
  return offer.all_stores ||
         std::all_of(job.stores.begin(), job.stores.end(),
                     [&](const std::string& name) { return Contains(offer.stores, name); });
}

// Whether a worker that failed at the job should keep away for the moment.
bool Queue::ShouldLeaveToAnother(const Job& job, std::string_view worker, absl::Time now) const {
  const JobRecord& record = job.record;
  if (!Contains(record.avoid, worker)) return false;
  if (now - record.updated_at >= policy_.prefer_another_for) return false;
  if (record.close_time - now < 4 * policy_.prefer_another_for) return false;
  return std::any_of(workers_.begin(), workers_.end(), [&](const auto& known) {
    return known.first != worker && now - known.second.seen_at <= kWorkerSeenFor &&
           !Contains(record.avoid, known.first) && CanDo(known.second.offer, job);
  });
}

bool Queue::SpareWanted(const JobRecord& record, std::string_view spare, absl::Time now) const {
  if (record.live.size() != 1) return false;
  const SpareTimes takes{.first = Expected(record.live.front().worker, *record.spec),
                         .spare = Expected(spare, *record.spec)};
  return WantsSpare(record, now, policy_, receiving_since_, takes);
}

// Earliest close first; what this worker cannot finish in time anyway comes after all it can.
bool Queue::IsMoreUrgent(const Candidate& a, const Candidate& b) const {
  const auto rank = [](const Candidate& c) {
    const JobRecord& record = c.job->record;
    return std::tie(c.hopeless, record.close_time, record.created_at, record.id);
  };
  return rank(a) < rank(b);
}

const Queue::Job* Queue::Choose(const WorkerOffer& offer, absl::Time now) const {
  Candidate ready;
  Candidate spare;
  for (const auto& [id, job] : jobs_) {
    const bool is_ready = IsReady(job.record, now);
    if (!is_ready && !SpareWanted(job.record, offer.name, now)) continue;
    if (!CanDo(offer, job)) continue;
    const auto expected = Expected(offer.name, *job.record.spec);
    const Candidate candidate{
        .job = &job, .hopeless = expected.has_value() && now + *expected > job.record.close_time};
    if (is_ready) {
      if (ShouldLeaveToAnother(job, offer.name, now)) continue;
      if (ready.job == nullptr || IsMoreUrgent(candidate, ready)) ready = candidate;
    } else {
      // A second try by who has it, has failed at it or would be too late helps nobody.
      if (candidate.hopeless || job.record.live.front().worker == offer.name ||
          Contains(job.record.avoid, offer.name)) {
        continue;
      }
      if (spare.job == nullptr || IsMoreUrgent(candidate, spare)) spare = candidate;
    }
  }
  if (ready.job == nullptr) return spare.job;
  if (spare.job == nullptr) return ready.job;
  if (ready.hopeless) return spare.job;
  // A job that nobody works on goes first, unless it can wait until the spare is through.
  const auto ready_takes = Expected(offer.name, *ready.job->record.spec);
  const auto spare_takes = Expected(offer.name, *spare.job->record.spec);
  const bool can_wait =
      ready_takes.has_value() && spare_takes.has_value() &&
      now + *spare_takes + *ready_takes + policy_.submit_margin <= ready.job->record.close_time;
  return can_wait && spare.job->record.close_time < ready.job->record.close_time ? spare.job
                                                                                 : ready.job;
}

}  // namespace damocles::job
