// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// The poster: follows the chain, keeps a deadline machine for every window of every miner and does
// what the machines ask for.

#pragma once

#include <kj/async.h>
#include <kj/timer.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

#include "damocles/async/offload.h"
#include "damocles/async/task.h"
#include "damocles/base/clock.h"
#include "damocles/chain/api.h"
#include "damocles/poster/deadline_record.h"
#include "damocles/poster/policy.h"
#include "damocles/poster/proof_jobs.h"
#include "damocles/poster/recovery.h"
#include "damocles/poster/sector_source.h"
#include "damocles/store/store.h"

namespace damocles::poster {

struct RunnerOptions {
  // No head change for this long: subscribe anew (half-open connections).
  absl::Duration notify_silence_max = absl::Seconds(90);
  // ChainHead is asked this often besides the subscription.
  absl::Duration poll_interval = absl::Seconds(15);
  Backoff resubscribe;
  // Of one question to the node, and of one push.
  absl::Duration call_timeout = absl::Seconds(30);
  absl::Duration push_timeout = absl::Seconds(60);
  // Length of an epoch; zero: ask the node.
  absl::Duration epoch_duration = absl::ZeroDuration();
  // Deadline records and recovery records are kept this long after their end.
  absl::Duration history = absl::Hours(24 * 30);
};

struct RecordFilter {
  std::optional<filecoin::ActorId> miner;
  bool unfinished_only = false;
  filecoin::ChainEpoch open_from{};  // inclusive
  std::size_t limit = 0;             // newest first; 0: all
};

// The records of a store, newest first, without their plans.  Reads all keys of the history: not
// for an event loop.  A row that cannot be read is left out, with a line in the log.
absl::StatusOr<std::vector<DeadlineRecord>> ListRecords(const store::Store& store,
                                                        const RecordFilter& filter);

// The same on `executor`; the store outlives the work.
async::Task<absl::StatusOr<std::vector<DeadlineRecord>>> ListRecordsOn(async::Executor& executor,
                                                                       const store::Store& store,
                                                                       RecordFilter filter);

// The recovery records of a store, newest first; as above.
absl::StatusOr<std::vector<RecoveryRecord>> ListRecoveries(const store::Store& store,
                                                           std::optional<filecoin::ActorId> miner);
async::Task<absl::StatusOr<std::vector<RecoveryRecord>>> ListRecoveriesOn(
    async::Executor& executor, const store::Store& store, std::optional<filecoin::ActorId> miner);

// A window of a miner as the runner's own arithmetic sees it.
struct MinerWindow {
  filecoin::ActorId miner{};
  filecoin::DeadlineInfo current;
};

// What the poster is used by and works through; all outlive it.
struct RunnerParts {
  chain::ChainReader& reader;
  chain::MessagePool& pool;
  chain::Wallet& wallet;
  ProofJobs& jobs;
  SectorSource& sectors;
  store::Store& store;
  const Clock& clock;
  kj::Timer& timer;
  // For synced writes.
  async::Executor& executor;
};

// Event-loop thread only.  Dropping it stops everything at once; nothing is lost by that.
class Runner {
 public:
  // Reads the unfinished records.  A row that cannot be read is moved aside below kDamagedPrefix
  // with an error in the log, and its window read from the chain again.  FAILED_PRECONDITION:
  // written by a newer program.
  static absl::StatusOr<std::unique_ptr<Runner>> Open(RunnerParts parts, RunnerOptions options,
                                                      std::vector<MinerPolicy> miners);
  virtual ~Runner() noexcept = default;

  // Starts following the chain; call once.
  virtual void Start() = 0;

  // New configuration.  A window under way goes on with the new policy; the windows of a miner
  // that is no longer enabled are only finished where a message is out, and go on when it is
  // enabled again.
  virtual void SetMiners(std::vector<MinerPolicy> miners) = 0;

  // The chain's head as last seen; nullopt before the first.
  virtual std::optional<Now> Head() const = 0;
  // Miners whose period is known.
  virtual std::vector<MinerWindow> Windows() const = 0;

  // As poster::ListRecords, on the executor, and with what only memory has: windows that wait for
  // their challenge, and what a full disk did not take.
  virtual async::Task<absl::StatusOr<std::vector<DeadlineRecord>>> ListRecords(
      RecordFilter filter) const = 0;
};

}  // namespace damocles::poster
