// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// The jobs of one manager: durable, fenced, handed out by urgency.

#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

#include "damocles/base/clock.h"
#include "damocles/base/invariant.h"
#include "damocles/base/observers.h"
#include "damocles/job/record.h"
#include "damocles/job/spec.h"
#include "damocles/job/state_machine.h"
#include "damocles/store/rows.h"
#include "damocles/store/store.h"

namespace damocles::job {

// Which jobs one thread of a worker takes.  An empty list means no limit.
struct JobFilter {
  std::vector<filecoin::ActorId> miners = {};
  std::vector<filecoin::PoStProofType> proof_types = {};
  friend bool operator==(const JobFilter&, const JobFilter&) = default;
};

// What a worker that asks for work can do.
struct WorkerOffer {
  std::string name;
  // A job must pass one of them whole; none: no limit.
  std::vector<JobFilter> filters = {};
  // What it has parameters for, whatever the filters say; nullopt: everything.
  std::optional<std::vector<filecoin::SectorSize>> provable = {};
  // Names of its attached stores; here empty means none.
  std::vector<std::string> stores = {};
  // Reaches every store (the in-process worker of local mode): `stores` is not looked at.
  bool all_stores = false;
  std::string instance = {};  // its process: see Attempt
};

struct Assignment {
  JobId id;
  std::uint64_t attempt = 0;
  std::shared_ptr<const JobSpec> spec;
  // Until the close, as known now; InfiniteDuration if nobody knows.  Not a time: the clocks of two
  // machines differ.
  absl::Duration time_left;
};

enum class HeartbeatReply {
  kContinue,
  kCancel,  // stop: finished by another, removed, reset or closed
};

// Time one worker takes for one partition of a proof: a moving average over its proofs of a type.
struct WorkerSpeed {
  std::string worker;
  filecoin::PoStProofType proof_type{};
  absl::Duration per_proof_partition;
  std::uint64_t samples = 0;
};

// One thread only, as are the callbacks.  Every change is on disk when a method returns, unless the
// disk refuses: then the queue goes on from memory with an alarm in the log, and writes again with
// each change and tick until everything is there.  Attempt numbers are used up on the disk before
// they are given out, so that they never go back, also if the process dies meanwhile.
//
// Method errors: NOT_FOUND no such job.
class Queue {
 public:
  // How often Tick wants to be called.
  static constexpr absl::Duration kTickPeriod = absl::Seconds(1);

  // Reads all jobs.  `store` and `clock` outlive the queue; the clock must not jump (SteadyClock).
  // A row that cannot be read is moved aside to job/damaged/ with an error in the log: the poster
  // makes the job anew, a manager that does not start would cost every other deadline too.
  // FAILED_PRECONDITION: written by a newer program.
  static absl::StatusOr<std::unique_ptr<Queue>> Open(store::Store& store, const Clock& clock,
                                                     Policy policy);

  // The job for this work: the one there is, whatever its state, or a new one.  A changed
  // `close_time` is taken over.  INVALID_ARGUMENT: ValidateSpec.
  absl::StatusOr<JobRecord> Ensure(const JobSpec& spec);

  absl::StatusOr<JobRecord> Get(const JobId& id) const;
  // The close is now expected at another time.
  absl::Status SetCloseTime(const JobId& id, absl::Time close_time);
  // Whether a restart would find the job as it is now (or gone, if it is).
  bool IsOnDisk(const JobId& id) const { return !unsaved_.contains(id); }
  // By close time, then age.
  std::vector<JobRecord> List() const;

  // ReadyToRun with tries 0, from any state; a proof that was there is dropped.  What worked on it
  // is cancelled; who failed at it is still avoided, nobody is excluded any more.  `automatic`: not
  // by a person; a worker that only fell silent may then come back with its work.
  absl::StatusOr<JobRecord> Reset(const JobId& id, bool automatic = false);
  absl::Status Remove(const JobId& id);

  // The most urgent job that this worker can do; nullopt if there is none.
  absl::StatusOr<std::optional<Assignment>> Allocate(const WorkerOffer& offer);

  // Not an error for an unknown or finished job: kCancel.
  absl::StatusOr<HeartbeatReply> Heartbeat(const JobId& id, std::uint64_t attempt,
                                           std::string_view worker);

  // The caller has verified the proof.  Accepted from any attempt in any state, unless the job has
  // a proof already (kStale, as when a worker delivers twice).  INVALID_ARGUMENT: it has not the
  // length that ProofPartitionsOf gives; nothing happened.
  absl::StatusOr<Verdict> FinishProven(const JobId& id, std::uint64_t attempt,
                                       std::string_view worker, Bytes proof);
  // INVALID_ARGUMENT: no faults, or of sectors that are not the job's.
  absl::StatusOr<Verdict> FinishFaults(const JobId& id, std::uint64_t attempt,
                                       std::string_view worker, std::vector<SectorFault> faults);
  // `kind` is kAttempt, kMapping or kWrongProof.
  absl::StatusOr<Verdict> Fail(const JobId& id, std::uint64_t attempt, std::string_view worker,
                               std::string_view reason, FailureKind kind);

  // The worker is now the process `instance` (registered anew): what other processes of that name
  // had in work is gone.
  absl::Status WorkerStarted(std::string_view worker, std::string_view instance = {});
  // An attempt was given out but its worker never got it.  NOT_FOUND is no error here.
  absl::Status NeverReceived(const JobId& id, std::uint64_t attempt, std::string_view worker);
  // What that process of the worker should be at work on.
  std::vector<std::pair<JobId, std::uint64_t>> LiveAttempts(std::string_view worker,
                                                            std::string_view instance) const;
  // A worker said good-bye: nobody waits for it any more.  Its attempts run on until time-out.
  void WorkerLeft(std::string_view worker);

  // Time-outs, retries, clean-up.  To be called every kTickPeriod; a gap longer than
  // HeartbeatTimeout is taken as a stall of this process, in which no heartbeat could arrive.
  absl::Status Tick();

  // Heartbeats can be received from now on: what was missed before does not count against workers.
  // Open does it too.
  void NoteReceiving() { receiving_since_ = clock_.Now(); }

  const Policy& GetPolicy() const { return policy_; }
  // Takes effect from the next call on.
  void SetPolicy(Policy policy) { policy_ = policy; }

  // Measured speeds, by worker and proof type: for plans and forecasts.
  std::vector<WorkerSpeed> Speeds() const;

  // Called after each change of a job, when it was written; a removed or deleted job is announced
  // by OnRemove.  Callbacks run in the order of adding, when the change is complete, and may call
  // the queue; each as long as its subscription is held.
  Subscription OnChange(std::function<void(const JobRecord&)> callback);
  Subscription OnRemove(std::function<void(const JobId&)> callback);
  // Work became available that was not before: idle workers should call Allocate.
  Subscription OnAvailable(std::function<void()> callback);
  // An attempt should stop.
  Subscription OnCancel(std::function<void(const JobId&, const Attempt&)> callback);

 private:
  struct Job {
    JobRecord record;
    std::vector<std::string> stores;  // names its sectors lie in, each once
    bool spec_on_disk = false;
  };
  // A worker that has not been heard of for so long is nobody to wait for.
  static constexpr absl::Duration kWorkerSeenFor = absl::Minutes(2);
  struct KnownWorker {
    WorkerOffer offer;
    absl::Time seen_at;
  };
  struct Candidate {
    const Job* job = nullptr;
    bool hopeless = false;  // this worker would be too late
  };
  using SpeedKey = std::pair<std::string, filecoin::PoStProofType>;

  Queue(store::Store& store, const Clock& clock, Policy policy)
      : store_(store),
        clock_(clock),
        policy_(policy),
        receiving_since_(clock.Now()),
        last_tick_(receiving_since_) {}

  absl::Status Load();
  absl::Status LoadJobs();
  absl::Status LoadSpeeds();
  // Steps the job, writes what changed, then tells.
  absl::StatusOr<Verdict> Apply(const JobId& id, const Event& event);
  std::uint64_t NextAttempt();
  void Save(const JobId& id);
  void Flush();
  void NoteRefusal(const absl::Status& status);
  absl::Status Forget(const JobId& id);
  void Announce(const JobRecord& record, const std::vector<Action>& actions, bool changed);
  void AnnounceRemoval(const JobId& id, const std::vector<Attempt>& cancelled);
  void AnnounceAvailable();
  void AnnounceNews(absl::Time now);
  Violations IndexInvariants() const;
  void CheckIndex() const;

  std::optional<WorkerSpeed> Measure(const JobRecord& record, std::uint64_t attempt,
                                     std::string_view worker) const;
  std::optional<absl::Duration> Expected(std::string_view worker, const JobSpec& spec) const;
  bool CanDo(const WorkerOffer& offer, const Job& job) const;
  bool ShouldLeaveToAnother(const Job& job, std::string_view worker, absl::Time now) const;
  bool SpareWanted(const JobRecord& record, std::string_view spare, absl::Time now) const;
  bool IsMoreUrgent(const Candidate& a, const Candidate& b) const;
  const Job* Choose(const WorkerOffer& offer, absl::Time now) const;

  store::Store& store_;
  std::unique_ptr<store::Rows> rows_;  // never null once it is open
  const Clock& clock_;
  Policy policy_;
  absl::Time receiving_since_;
  absl::Time last_tick_;
  std::uint64_t last_attempt_ = 0;
  std::uint64_t reserved_attempts_ = 0;  // the disk says that these are used up
  // Changed in memory, and not written: rows, or the absence of them.
  std::set<JobId> unsaved_;
  std::set<SpeedKey> unsaved_speeds_;
  absl::Time write_again_at_ = absl::InfinitePast();
  absl::Time alarmed_at_ = absl::InfinitePast();  // never, while the disk takes everything
  // Who could have had which job at the last tick.
  std::set<std::pair<std::string, JobId>> possible_;
  std::map<JobId, Job> jobs_;
  std::map<Bytes32, JobId> by_work_;
  std::map<SpeedKey, WorkerSpeed> speeds_;
  std::map<std::string, KnownWorker, std::less<>> workers_;
  Observers<JobRecord> on_change_;
  Observers<JobId> on_remove_;
  Observers<> on_available_;
  Observers<JobId, Attempt> on_cancel_;
};

}  // namespace damocles::job
