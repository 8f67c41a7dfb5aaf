// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/job/state_machine.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_format.h"

namespace damocles::job {
namespace {

// What a worker says goes to disk and to lists: no more of it than is of use.
constexpr std::size_t kReasonBytesMax = 2000;
constexpr std::size_t kRememberedWorkersMax = 1000;
// A worker is late by its own measure when it takes so many times longer.
constexpr double kOverdue = 1.25;
// What measured times leave out: a tick, an answer, a verification.
constexpr absl::Duration kSpareSlack = absl::Seconds(1);

std::string Shorten(std::string_view text) {
  if (text.size() <= kReasonBytesMax) return std::string(text);
  return absl::StrFormat("%s...", text.substr(0, kReasonBytesMax));
}

// Sorted by how much it says about the job: a mapping error says nothing.
int Gravity(FailureKind kind) {
  switch (kind) {
    case FailureKind::kNone:
      return 0;
    case FailureKind::kMapping:
      return 1;
    default:
      return 2;
  }
}

// When a job whose close nobody knows counts as closed, for the clean-up.
absl::Time EffectiveClose(const JobRecord& record, const Policy& policy) {
  if (record.close_time != absl::InfiniteFuture()) return record.close_time;
  return record.created_at + policy.job_lifetime;
}

bool IsClosed(const JobRecord& record, absl::Time now) {
  return now >= record.close_time;
}

std::vector<Attempt>::iterator Find(std::vector<Attempt>& attempts, std::uint64_t number,
                                    std::string_view worker) {
  return std::find_if(attempts.begin(), attempts.end(), [&](const Attempt& attempt) {
    return attempt.number == number && attempt.worker == worker;
  });
}

// One step at work: `out` is the record as it becomes.
class Stepper {
 public:
  Stepper(const JobRecord& record, absl::Time now, const Policy& policy)
      : result_{.record = record, .actions = {}},
        job_(result_.record),
        now_(now),
        policy_(policy) {}

  StepResult Take() { return std::move(result_); }

  void operator()(const event::Allocate& e) {
    if (IsClosed(job_, now_) || e.attempt <= job_.attempt || IsExcluded(job_, e.worker, now_)) {
      return Stale();
    }
    if (job_.state == JobState::kReadyToRun) {
      ++job_.tries;
      job_.spares = 0;
      job_.failure = FailureKind::kNone;
      job_.started_at = now_;
      Enter(JobState::kRunning);
    } else {
      const bool has_it = std::any_of(job_.live.begin(), job_.live.end(),
                                      [&](const Attempt& a) { return a.worker == e.worker; });
      if (job_.state != JobState::kRunning || job_.live.size() >= kLiveAttemptsMax || has_it ||
          job_.spares >= kSparesMax) {
        return Stale();
      }
      ++job_.spares;
    }
    job_.attempt = e.attempt;
    job_.worker = e.worker;
    job_.heartbeat_at = now_;
    job_.live.push_back({.number = e.attempt,
                         .worker = e.worker,
                         .try_number = job_.tries,
                         .started_at = now_,
                         .heartbeat_at = now_,
                         .instance = e.instance});
    Changed();
  }

  void operator()(const event::Heartbeat& e) {
    if (IsClosed(job_, now_)) return Stale();
    if (const auto at = Find(job_.live, e.attempt, e.worker); at != job_.live.end()) {
      at->heartbeat_at = now_;
      job_.heartbeat_at = now_;
      return;  // accepted, nothing for the disk
    }
    const auto at = Find(job_.lost, e.attempt, e.worker);
    if (at == job_.lost.end() || job_.live.size() >= kLiveAttemptsMax || HasAnswer()) {
      return Stale();
    }
    // The connection was lost, not the work: it goes on as if nothing had been.
    Attempt attempt = std::move(*at);
    job_.lost.erase(at);
    std::erase(job_.avoid, attempt.worker);
    attempt.heartbeat_at = now_;
    attempt.instance.clear();  // a new process may hold the finished proof of an old one
    if (job_.state != JobState::kRunning) {
      Enter(JobState::kRunning);
      job_.started_at = attempt.started_at;
      job_.finished_at = absl::InfinitePast();
      job_.failure = FailureKind::kNone;
      job_.tries = std::max(job_.tries, 1u);  // a reset may have come in between
    } else if (attempt.try_number > 0 && job_.tries > attempt.try_number) {
      // Whoever got the job in between is its spare now, not another try.
      --job_.tries;
    }
    job_.worker = attempt.worker;
    job_.heartbeat_at = now_;
    job_.live.push_back(std::move(attempt));
    Changed();
  }

  void operator()(const event::Proven& e) {
    if (job_.state == JobState::kSucceeded || e.proof.empty()) return Stale();
    CancelLive(e.attempt);
    job_.proof = e.proof;
    job_.faults.clear();
    job_.error.clear();
    job_.failure = FailureKind::kNone;
    job_.worker = e.worker;
    job_.lost.clear();
    Finish(JobState::kSucceeded);
  }

  void operator()(const event::FaultsFound& e) {
    if (!HoldsOrLost(e.attempt, e.worker) || HasAnswer() || e.faults.empty()) return Stale();
    CancelLive(e.attempt);
    job_.faults = e.faults;
    for (SectorFault& fault : job_.faults) fault.reason = Shorten(fault.reason);
    job_.error.clear();
    job_.failure = FailureKind::kNone;
    job_.worker = e.worker;
    job_.lost.clear();
    Avoid(e.worker);  // whoever resets the job wants a second opinion
    Finish(JobState::kFaults);
  }

  void operator()(const event::AttemptFailed& e) {
    const bool was_live = Find(job_.live, e.attempt, e.worker) != job_.live.end();
    if (!HoldsOrLost(e.attempt, e.worker)) return Stale();
    Drop(job_.live, e.attempt);
    Drop(job_.lost, e.attempt);
    if (e.kind == FailureKind::kMapping) {
      Exclude(e.worker, e.reason);
    } else {
      Avoid(e.worker);
    }
    Changed();
    // What a lost attempt costs was settled when it was lost.
    if (!was_live) return;
    NoteFailure(e.kind, absl::StrFormat("%s: %s", e.worker, Shorten(e.reason)));
    if (job_.live.empty()) EndRound();
  }

  void operator()(const event::NeverReceived& e) {
    if (HasAnswer()) return Stale();
    if (Find(job_.live, e.attempt, e.worker) != job_.live.end()) {
      Drop(job_.live, e.attempt);
      if (!job_.live.empty() && job_.spares > 0) --job_.spares;
      Changed();
      if (job_.live.empty()) EndRound();
      return;
    }
    const auto at = Find(job_.lost, e.attempt, e.worker);
    if (at == job_.lost.end()) return Stale();
    // Its lease ran out first: what that cost is given back.
    const bool counted = at->try_number > 0;
    job_.lost.erase(at);
    std::erase(job_.avoid, e.worker);
    if (counted && job_.tries > (job_.state == JobState::kRunning ? 1u : 0u)) --job_.tries;
    Changed();
    if (job_.state == JobState::kFailed && job_.failure == FailureKind::kHeartbeat) Reconsider();
  }

  void operator()(const event::WorkerStarted& e) {
    if (std::erase_if(job_.excluded, [&](const Exclusion& x) { return x.worker == e.worker; }) >
        0) {
      Changed();
      if (IsReady(job_, now_)) Do(action::Available{});
    }
    if (job_.state != JobState::kRunning) return;
    bool lost_any = false;
    for (std::size_t i = job_.live.size(); i-- > 0;) {
      const Attempt& attempt = job_.live[i];
      if (attempt.worker != e.worker) continue;
      const bool may_be_its = attempt.instance.empty() || attempt.instance == e.instance;
      if (!e.instance.empty() && may_be_its) continue;
      Lose(i, absl::StrFormat("%s: was started anew in the middle of the work", e.worker));
      lost_any = true;
    }
    if (lost_any && job_.live.empty()) EndRound();
  }

  void operator()(const event::Reset& e) {
    CancelLive(0);
    job_.tries = 0;
    job_.spares = 0;
    if (e.automatic && job_.failure == FailureKind::kHeartbeat) {
      for (Attempt& attempt : job_.lost) attempt.try_number = 0;
    } else {
      job_.lost.clear();
    }
    job_.worker.clear();
    job_.excluded.clear();
    job_.proof.clear();
    job_.faults.clear();
    job_.failure = FailureKind::kNone;
    job_.error.clear();
    job_.created_at = now_;
    job_.started_at = absl::InfinitePast();
    job_.heartbeat_at = absl::InfinitePast();
    job_.finished_at = absl::InfinitePast();
    Enter(JobState::kReadyToRun);
    Changed();
    if (IsReady(job_, now_)) Do(action::Available{});
  }

  void operator()(const event::CloseTimeChanged& e) {
    if (job_.close_time == e.close_time) return Stale();
    job_.close_time = e.close_time;
    Changed();
    Reconsider();
  }

  void operator()(const event::Tick& e) {
    const absl::Time close = EffectiveClose(job_, policy_);
    const bool old = IsFinished(job_.state)
                         ? now_ >= close && now_ - job_.created_at > policy_.job_lifetime
                         : now_ - close > policy_.job_lifetime;
    if (old) {
      CancelLive(0);
      return Do(action::Delete{});
    }
    if (!IsFinished(job_.state) && IsClosed(job_, now_)) {
      const bool taken = job_.state == JobState::kRunning || job_.tries > 0;
      std::string why = taken ? "the deadline closed before a proof was there"
                              : "the deadline closed before any worker had taken the job";
      if (!job_.error.empty()) why += absl::StrFormat("; before that: %s", job_.error);
      CancelLive(0);
      NoteFailure(FailureKind::kClosed, Shorten(why));
      job_.failure = FailureKind::kClosed;
      Finish(JobState::kFailed);
      return;
    }
    DropSilent(e.receiving_since);
    Reconsider();
  }

 private:
  void Stale() { result_.verdict = Verdict::kStale; }
  void Changed() { result_.changed = true; }
  // Built in place: g++ 12 sees uninitialised strings in a moved variant.
  template <typename A>
  void Do(A action) {
    result_.actions.emplace_back(std::move(action));
  }
  void Enter(JobState state) {
    job_.state = state;
    job_.updated_at = now_;
  }
  void Finish(JobState state) {
    Enter(state);
    job_.finished_at = now_;
    Changed();
  }

  bool HasAnswer() const {
    return job_.state == JobState::kSucceeded || job_.state == JobState::kFaults;
  }
  bool HoldsOrLost(std::uint64_t attempt, std::string_view worker) {
    return Find(job_.live, attempt, worker) != job_.live.end() ||
           Find(job_.lost, attempt, worker) != job_.lost.end();
  }
  static void Drop(std::vector<Attempt>& attempts, std::uint64_t number) {
    std::erase_if(attempts, [&](const Attempt& a) { return a.number == number; });
  }
  // All but the one that brought the answer.
  void CancelLive(std::uint64_t except) {
    for (const Attempt& attempt : job_.live) {
      if (attempt.number != except) Do(action::Cancel{attempt.worker, attempt.number});
    }
    job_.live.clear();
  }
  void Exclude(const std::string& worker, std::string_view reason) {
    std::erase_if(job_.excluded, [&](const Exclusion& x) { return x.worker == worker; });
    if (job_.excluded.size() >= kRememberedWorkersMax) job_.excluded.erase(job_.excluded.begin());
    job_.excluded.push_back({.worker = worker, .reason = Shorten(reason), .at = now_});
  }
  void Avoid(const std::string& worker) {
    std::erase(job_.avoid, worker);
    if (job_.avoid.size() >= kRememberedWorkersMax) job_.avoid.erase(job_.avoid.begin());
    job_.avoid.push_back(worker);
  }
  void NoteFailure(FailureKind kind, std::string text) {
    job_.error = std::move(text);
    if (Gravity(kind) >= Gravity(job_.failure)) job_.failure = kind;
  }

  void Lose(std::size_t index, std::string why) {
    Attempt attempt = std::move(job_.live[index]);
    job_.live.erase(job_.live.begin() + static_cast<std::ptrdiff_t>(index));
    Avoid(attempt.worker);
    NoteFailure(FailureKind::kHeartbeat, std::move(why));
    if (job_.lost.size() >= kLostMax) job_.lost.erase(job_.lost.begin());
    job_.lost.push_back(std::move(attempt));
    Changed();
  }

  void DropSilent(absl::Time receiving_since) {
    if (job_.state != JobState::kRunning) return;
    for (std::size_t i = job_.live.size(); i-- > 0;) {
      const absl::Duration silence = now_ - std::max(job_.live[i].heartbeat_at, receiving_since);
      if (silence <= policy_.heartbeat_timeout) continue;
      Lose(i, absl::StrFormat("%s: heartbeat timeout, silent for %s", job_.live[i].worker,
                              absl::FormatDuration(absl::Trunc(silence, absl::Seconds(1)))));
    }
    if (job_.live.empty()) EndRound();
  }

  // Nobody works on it any more, and there is no answer.
  void EndRound() {
    const bool burns = Gravity(job_.failure) > Gravity(FailureKind::kMapping);
    if (!burns && job_.tries > 0) --job_.tries;
    if (!burns || job_.tries < policy_.job_max_try) {
      Enter(JobState::kReadyToRun);
      Changed();
      if (IsReady(job_, now_)) Do(action::Available{});
    } else {
      Finish(JobState::kFailed);
    }
  }

  // A failed job may go on when the limit or the close time has moved.
  void Reconsider() {
    if (job_.state != JobState::kFailed || IsClosed(job_, now_)) return;
    if (job_.failure == FailureKind::kClosed) {
      job_.tries = std::min(job_.tries, std::max(policy_.job_max_try, 1u) - 1);
    } else if (job_.tries >= std::max(policy_.job_max_try, 1u)) {
      return;
    }
    job_.finished_at = absl::InfinitePast();
    Enter(JobState::kReadyToRun);
    Changed();
    Do(action::Available{});
  }

  StepResult result_;
  JobRecord& job_;
  const absl::Time now_;
  const Policy& policy_;
};

}  // namespace

JobRecord NewRecord(JobId id, std::shared_ptr<const JobSpec> spec, absl::Time now) {
  JobRecord record;
  record.id = std::move(id);
  record.close_time = spec->close_time;
  record.spec = std::move(spec);
  record.created_at = now;
  record.updated_at = now;
  return record;
}

StepResult Step(const JobRecord& record, const Event& event, absl::Time now, const Policy& policy) {
  Stepper stepper(record, now, policy);
  std::visit(stepper, event);
  return stepper.Take();
}

bool IsExcluded(const JobRecord& record, std::string_view worker, absl::Time now) {
  return std::any_of(record.excluded.begin(), record.excluded.end(), [&](const Exclusion& x) {
    return x.worker == worker && now - x.at < kExcludedFor;
  });
}

bool IsReady(const JobRecord& record, absl::Time now) {
  return record.state == JobState::kReadyToRun && !IsClosed(record, now);
}

bool WantsSpare(const JobRecord& record, absl::Time now, const Policy& policy,
                absl::Time receiving_since, const SpareTimes& takes) {
  if (!policy.redundancy || record.state != JobState::kRunning || record.live.size() != 1 ||
      record.spares >= kSparesMax || IsClosed(record, now)) {
    return false;
  }
  const Attempt& attempt = record.live.front();
  if (now - std::max(attempt.heartbeat_at, receiving_since) > policy.heartbeat_late) return true;
  // Late by its own measure: it may hang, and who is idle has nothing better to do.
  const absl::Time began = attempt.started_at;
  if (takes.first.has_value() && now > began + *takes.first * kOverdue + kSpareSlack) return true;
  if (record.close_time == absl::InfiniteFuture()) return false;
  // In a window of seconds (a devnet) the margin must not eat the window.
  const absl::Time wanted_by =
      record.close_time - std::min(policy.submit_margin, (record.close_time - began) / 8);
  if (takes.first.has_value() && began + *takes.first > wanted_by) return true;
  const absl::Duration measured =
      takes.spare.value_or(takes.first.value_or((wanted_by - began) / 2));
  const absl::Time last_call = wanted_by - measured - kSpareSlack;
  // The spare begins at the latest when it can just finish; where it never could, it helps nobody
  // to begin together with the first.
  return now >= last_call && now - began > kSpareSlack;
}

Violations InvariantsOf(const JobRecord& record) {
  Violations found;
  found.Require(record.spec != nullptr, "a job has its specification");
  found.Require(record.live.empty() == (record.state != JobState::kRunning),
                "a job has live attempts if and only if it runs");
  found.Require(record.proof.empty() == (record.state != JobState::kSucceeded),
                "a job has a proof if and only if it succeeded");
  found.Require(record.proof.empty() || record.spec == nullptr ||
                    record.proof.size() == ProofPartitionsOf(*record.spec).ProofBytes(),
                "a proof is as long as its partitions");
  found.Require(record.faults.empty() == (record.state != JobState::kFaults),
                "a job names faults if and only if it ended with them");
  found.Require(record.state != JobState::kFailed || record.failure != FailureKind::kNone,
                "a failed job knows how it failed");
  found.Require(record.live.size() <= kLiveAttemptsMax, "at most two workers are at a job");
  found.Require(record.lost.size() <= kLostMax, "the silent attempts have a limit");
  found.Require(record.spares <= kSparesMax, "the spares of a try have a limit");
  found.Require(record.state != JobState::kRunning || record.tries > 0, "what runs was tried");
  found.Require(!IsFinished(record.state) || record.finished_at != absl::InfinitePast(),
                "what has ended knows when");
  for (std::size_t i = 0; i < record.live.size(); ++i) {
    found.Require(record.live[i].number <= record.attempt,
                  "no attempt is above the highest number given");
    for (std::size_t k = 0; k < i; ++k) {
      found.Require(record.live[i].number != record.live[k].number,
                    "an attempt number is given once");
    }
    for (const Attempt& lost : record.lost) {
      found.Require(lost.number != record.live[i].number, "an attempt is live or lost, not both");
    }
  }
  return found;
}

}  // namespace damocles::job
