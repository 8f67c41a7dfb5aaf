// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// The life of one job as a pure function: no clock, no store, no randomness.
//
//   (none) --create--> ReadyToRun --allocate (tries+1)--> Running --> Succeeded | Faults
//                         ^  ^                              |
//                         |  +---- retry while tries < max -+--> Failed
//                         +------- reset (any state, tries = 0)

#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "absl/time/time.h"

#include "damocles/base/invariant.h"
#include "damocles/job/record.h"

namespace damocles::job {

// Config [Common.Proving.WorkerProver] and its relatives.
struct Policy {
  std::uint32_t job_max_try = 2;  // automatic retries stop here; 0 and 1: no retry
  absl::Duration heartbeat_timeout = absl::Seconds(15);
  absl::Duration job_lifetime = absl::Hours(25);
  // A heartbeat this old makes a job ready for a spare; below heartbeat_timeout.
  absl::Duration heartbeat_late = absl::Milliseconds(7500);
  // Whether a second worker may get a running job that is at risk.
  bool redundancy = true;
  // How much before the close a proof should be there, to verify and submit it.
  absl::Duration submit_margin = absl::Seconds(30);
  // How long a job waits for another worker after one failed at it, while one is known.
  absl::Duration prefer_another_for = absl::Seconds(30);
};

// Extra attempts for one main attempt; a bound, not a goal.
inline constexpr std::uint32_t kSparesMax = 4;
// Silent attempts that are remembered.
inline constexpr std::size_t kLostMax = 8;

namespace event {
// A worker takes the job; as a spare if it is running already.  `attempt` is above every number
// given before.
struct Allocate {
  std::string worker;
  std::uint64_t attempt = 0;
  std::string instance = {};  // the worker's process
};
struct Heartbeat {
  std::string worker;
  std::uint64_t attempt = 0;
};
// The caller has verified `proof`.
struct Proven {
  std::string worker;
  std::uint64_t attempt = 0;
  Bytes proof;
};
struct FaultsFound {
  std::string worker;
  std::uint64_t attempt = 0;
  std::vector<SectorFault> faults;  // not empty
};
struct AttemptFailed {
  std::string worker;
  std::uint64_t attempt = 0;
  FailureKind kind = FailureKind::kAttempt;  // kAttempt, kMapping or kWrongProof
  std::string reason;
};
// The worker never got the attempt: the answer that carried it was lost.  Burns no try.
struct NeverReceived {
  std::string worker;
  std::uint64_t attempt = 0;
};
// The worker runs as the process `instance`: what another process of it had in work is gone, and
// what it could not reach it may reach now.  Attempts of an unknown process are left to their
// heartbeats; an empty `instance` is a process that certainly has none.
struct WorkerStarted {
  std::string worker;
  std::string instance = {};
};
// `automatic`: nobody asked for it.  Then a worker that fell silent may still come back with the
// work.
struct Reset {
  bool automatic = false;
};
// The chain's close epoch is now expected at another time.
struct CloseTimeChanged {
  absl::Time close_time;
};
// Time passes.
struct Tick {
  // When this process began to receive heartbeats: older silence does not count.
  absl::Time receiving_since = absl::InfinitePast();
};
}  // namespace event

using Event = std::variant<event::Allocate, event::Heartbeat, event::Proven, event::FaultsFound,
                           event::AttemptFailed, event::NeverReceived, event::WorkerStarted,
                           event::Reset, event::CloseTimeChanged, event::Tick>;

namespace action {
// The worker should stop: it hears so with its next heartbeat at the latest.
struct Cancel {
  std::string worker;
  std::uint64_t attempt = 0;
};
// Idle workers should ask.
struct Available {};
// The row can go.
struct Delete {};
}  // namespace action

using Action = std::variant<action::Cancel, action::Available, action::Delete>;

enum class Verdict {
  kAccepted,  // the event counts
  kStale,     // from somebody who no longer has the job, or of no use now: nothing happened
};

struct StepResult {
  JobRecord record;
  Verdict verdict = Verdict::kAccepted;
  bool changed = false;  // `record` must go to disk before anybody hears of it
  std::vector<Action> actions;
};

// A fresh job.
JobRecord NewRecord(JobId id, std::shared_ptr<const JobSpec> spec, absl::Time now);

// One step.  Total: any event is fine in any state; what does not fit is kStale.
//
// A heartbeat alone moves heartbeat_at but is not `changed`: after a restart silence is counted
// from the restart anyway.
StepResult Step(const JobRecord& record, const Event& event, absl::Time now, const Policy& policy);

// Whether the worker was excluded from the job a short time ago.  What it could not reach then may
// be mounted by now, and asking again burns no try.
inline constexpr absl::Duration kExcludedFor = absl::Minutes(5);
bool IsExcluded(const JobRecord& record, std::string_view worker, absl::Time now);

// Whether the main attempt may be given to anybody now: waiting, and not closed.
bool IsReady(const JobRecord& record, absl::Time now);

// How long two workers take for a job; nullopt: nothing was measured.
struct SpareTimes {
  std::optional<absl::Duration> first;  // who has it
  std::optional<absl::Duration> spare;  // who is idle and may help
};

// Whether a second worker should get the running job, while it can still finish.  At once if the
// first is late: with its heartbeat, or by its own measure (a quarter over it), or if it would miss
// the close.  And in any case when the spare's own time before the close has come: a first that
// hangs looks like one that works.  Where nothing was measured, half of the time from start to
// close must have passed.
bool WantsSpare(const JobRecord& record, absl::Time now, const Policy& policy,
                absl::Time receiving_since, const SpareTimes& takes);

// What always holds of a job between two steps.
Violations InvariantsOf(const JobRecord& record);

}  // namespace damocles::job
