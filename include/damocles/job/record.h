// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// What is known of a job, and its bytes on disk (docs/formats/job.md).

#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

#include "damocles/base/bytes.h"
#include "damocles/job/spec.h"

namespace damocles::job {

// NOTE: the numbers are on disk; do not change them.
enum class JobState : std::uint8_t {
  kReadyToRun = 0,
  kRunning = 1,
  kSucceeded = 2,  // `proof` holds a verified proof
  kFaults = 3,     // `faults` names the sectors that could not be proven
  kFailed = 4,     // `error` says why
};

// "ReadyToRun", "Running", "Succeed", "Faults", "Failed": the words operators know.
std::string_view StateName(JobState state);

// Why an attempt ended without an answer.  NOTE: the numbers are on disk; do not change them.
enum class FailureKind : std::uint8_t {
  kNone = 0,
  kAttempt = 1,     // the worker tried and failed: burns a try
  kMapping = 2,     // the worker cannot reach the files: burns no try, excludes the worker
  kWrongProof = 3,  // its proof did not verify: burns a try, another worker is preferred
  kHeartbeat = 4,   // the worker fell silent: burns a try unless it comes back with the work
  kClosed = 5,      // the deadline closed
};

// One worker at work on the job.  Attempt numbers are never given twice in one store, whatever the
// job: they fence off whoever held the job before.
struct Attempt {
  std::uint64_t number = 0;
  std::string worker;
  // The job's `tries` when it was given; 0: no try counts for it any more (a reset came after it).
  std::uint32_t try_number = 0;
  absl::Time started_at = absl::InfinitePast();
  absl::Time heartbeat_at = absl::InfinitePast();
  // The process of the worker that got it; empty in rows of format 1: unknown.
  std::string instance = {};
  friend bool operator==(const Attempt&, const Attempt&) = default;
};

struct Exclusion {
  std::string worker;
  std::string reason;
  absl::Time at = absl::InfinitePast();
  friend bool operator==(const Exclusion&, const Exclusion&) = default;
};

struct SectorFault {
  filecoin::SectorNumber number{};
  std::string reason;
  friend bool operator==(const SectorFault&, const SectorFault&) = default;
};

// A main attempt and a spare that was started because the first may be too late.
inline constexpr std::size_t kLiveAttemptsMax = 2;

// Times that have not happened are absl::InfinitePast().
struct JobRecord {
  JobId id;
  std::shared_ptr<const JobSpec> spec;  // never null
  JobState state = JobState::kReadyToRun;
  std::uint64_t attempt = 0;  // the highest attempt number given; survives a reset
  std::uint32_t tries = 0;
  std::uint32_t spares = 0;         // extra attempts since the last main one
  std::vector<Attempt> live;        // at most kLiveAttemptsMax; empty unless running
  std::vector<Attempt> lost;        // fell silent; may come back
  std::string worker;               // who has or last had it; of two, the later one
  std::vector<Exclusion> excluded;  // workers that cannot do it, until reset
  std::vector<std::string> avoid;   // workers that failed at it: another is preferred
  Bytes proof;                      // ProofPartitionsOf(*spec) long, verified; only if succeeded
  std::vector<SectorFault> faults;  // only if kFaults
  FailureKind failure = FailureKind::kNone;  // gravest of the present try
  std::string error;  // the last failure; kept while the job waits for its next try
  absl::Time created_at = absl::InfinitePast();  // or last reset
  absl::Time started_at = absl::InfinitePast();  // of the main attempt
  absl::Time heartbeat_at = absl::InfinitePast();
  absl::Time finished_at = absl::InfinitePast();
  absl::Time updated_at = absl::InfinitePast();  // last change of state
  // Of the spec, apart from it because it may be corrected: see Queue::Ensure.
  absl::Time close_time = absl::InfiniteFuture();
};

inline bool IsFinished(JobState state) {
  return state == JobState::kSucceeded || state == JobState::kFaults || state == JobState::kFailed;
}

// "Succeed", "Faults(3)", ...: StateName with the number of faults.
std::string DescribeState(const JobRecord& record);

// The bodies of the two rows of a job: what never changes, and what does.  Decoding judges every
// byte: DATA_LOSS for what no Encode writes.
inline constexpr std::uint8_t kSpecFormat = 1;
inline constexpr std::uint8_t kRecordFormat = 2;
Bytes EncodeSpec(const JobSpec& spec);
absl::StatusOr<JobSpec> DecodeSpec(ByteSpan bytes);
Bytes EncodeRecord(const JobRecord& record);  // all but id and spec
absl::StatusOr<JobRecord> DecodeRecord(const JobId& id, std::shared_ptr<const JobSpec> spec,
                                       ByteSpan bytes);

}  // namespace damocles::job
