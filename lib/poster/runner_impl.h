// SPDX-License-Identifier: Apache-2.0 OR MIT

#pragma once

#include <kj/async.h>

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "lib/poster/chain_clock.h"
#include "lib/poster/node.h"

#include "damocles/async/failure.h"
#include "damocles/async/task.h"
#include "damocles/base/clock_skew.h"
#include "damocles/poster/runner.h"
#include "damocles/poster/state_machine.h"
#include "damocles/store/rows.h"

namespace damocles::poster::internal {

// How much longer than its budget a sector check may take.
inline constexpr absl::Duration kCheckGrace = absl::Seconds(30);

// "f01000 open 2880".
std::string Describe(const RecordKey& key);
void WriteLog(const RecordKey& key, std::uint64_t deadline, const action::LogLine& line);

// Records that the store does not take.
struct Unwritten {
  absl::Time told = absl::InfinitePast();
  std::uint64_t refused = 0;
};

class RunnerImpl final : public Runner, private kj::TaskSet::ErrorHandler {
 public:
  RunnerImpl(RunnerParts parts, RunnerOptions options, std::vector<MinerPolicy> miners);
  ~RunnerImpl() noexcept override;

  absl::Status Load();

  void Start() override;
  void SetMiners(std::vector<MinerPolicy> miners) override;
  std::optional<Now> Head() const override;
  std::vector<MinerWindow> Windows() const override;
  async::Task<absl::StatusOr<std::vector<DeadlineRecord>>> ListRecords(
      RecordFilter filter) const override;

 private:
  // A machine with the events that wait for it.  Steps of one machine never overlap: a step begins
  // when the record of the one before is on disk.
  struct DeadlineEntry {
    Machine machine;
    std::deque<Event> events;
    bool pumping = false;
    // Not on disk as they are in memory.
    bool record_dirty = false;
    bool plan_dirty = false;
    bool write_failed = false;  // the latest one
    std::uint64_t wake = 0;     // the latest timer; older ones do nothing
  };
  struct RecoveryEntry {
    recovery::Machine machine;
    std::deque<recovery::Event> events;
    bool pumping = false;
    bool dirty = false;
    bool write_failed = false;
    std::uint64_t wake = 0;
  };
  struct Period {
    filecoin::PeriodShape shape;
    filecoin::ChainEpoch offset{};
    filecoin::ChainEpoch read_in{};  // opening of the window in which it was read last
    // Opening of the latest window that was looked after; none before the first.
    std::optional<filecoin::ChainEpoch> tended;
  };
  using Done = async::Task<void>;

  // ---- the head (runner_head.cpp)
  Done Follow();
  Done Poll();
  Done LearnEpochDuration();
  void TakeChanges(const std::vector<chain::HeadChange>& changes);
  void TakeHead(const filecoin::TipSet& head, bool reorg, filecoin::ChainEpoch lowest);
  void OpenWindows(const MinerPolicy& miner);
  Done ReadPeriod(filecoin::ActorId miner);
  void Prune(filecoin::ActorId miner);

  // ---- deadlines (runner.cpp) and recoveries (runner_recovery.cpp)
  void Post(const RecordKey& key, Event event);
  Done Pump(RecordKey key);
  Done Perform(RecordKey key, Action action);
  async::Task<Event> Answer(RecordKey key, Action action);
  // What a delivery asks for, but its looks (runner_carry.cpp).
  async::Task<delivery::Event> Carry(filecoin::ActorId miner, filecoin::MethodNumber method,
                                     FeePolicy fees, absl::Duration push_takes,
                                     delivery::Action action);
  // Whether the message in a lane is that of a delivery which raises its fee by itself, with its
  // record first.
  bool IsSeenTo(const LaneRepair& lane) const;
  void PostRecovery(const RecordKey& key, recovery::Event event);
  Done PumpRecovery(RecordKey key);
  Done PerformRecovery(RecordKey key, recovery::Action action);
  Done WakeAt(RecordKey key, absl::Time at, std::uint64_t wake, bool is_recovery);
  void PostToAll(const Event& event);
  void TellOfReorg(filecoin::ChainEpoch lowest);

  // ---- the store (runner_store.cpp)
  // Writes what is dirty, to the history if it is over; false if it is not on disk.
  async::Task<bool> Save(RecordKey key, bool over);
  async::Task<bool> SaveRecovery(RecordKey key);
  async::Task<absl::Status> Write(std::shared_ptr<store::Batch> batch, std::string what, int tries);
  void NoteWrite(const std::string& what, const absl::Status& status);

  // ---- windows that nobody looked after (runner_gap.cpp)
  Done JudgeGap(filecoin::ActorId miner, filecoin::PeriodShape shape, filecoin::ChainEpoch offset,
                filecoin::ChainEpoch until);
  async::Task<absl::StatusOr<DeadlineRecord>> Judge(filecoin::ActorId miner,
                                                    filecoin::DeadlineInfo window);

  // Not enabled where there is none.
  MinerPolicy PolicyOf(filecoin::ActorId miner) const;
  Now CurrentTime() const;
  absl::Duration PatienceIn(const filecoin::DeadlineInfo& deadline, absl::Duration usual) const;
  void taskFailed(kj::Exception&& exception) override;

  RunnerParts parts_;
  std::shared_ptr<store::Rows> rows_;  // shared with writes under way; never null once it is open
  RunnerOptions options_;
  std::map<filecoin::ActorId, MinerPolicy> miners_;
  std::map<filecoin::ActorId, Period> periods_;
  std::set<filecoin::ActorId> reading_period_;
  std::map<RecordKey, DeadlineEntry> deadlines_;
  std::map<RecordKey, RecoveryEntry> recoveries_;
  std::set<RecordKey> ended_;  // in this life; also what the store cannot be asked about
  std::set<filecoin::ActorId> judging_;
  std::optional<Unwritten> unwritten_;  // since a write was refused, until one is taken
  absl::Duration epoch_duration_;
  std::optional<filecoin::TipSet> head_;
  absl::Time head_seen_ = absl::InfinitePast();  // when head_ became the head
  ChainClock chain_clock_;
  SkewWatch chain_skew_;
  absl::Time last_head_seen_ = absl::InfinitePast();  // when any head was heard of
  Node node_;
  kj::TaskSet tasks_;  // last: its tasks use everything above
};

}  // namespace damocles::poster::internal
