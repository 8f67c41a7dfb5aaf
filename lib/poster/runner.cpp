// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/poster/runner.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_format.h"
#include "lib/poster/codec.h"
#include "lib/poster/runner_impl.h"

#include "damocles/base/log.h"

namespace damocles::poster {
namespace internal {
namespace {

// A record that cannot be written is tried again so often; after that the window counts for more.
constexpr int kWriteTries = 3;
constexpr absl::Duration kWritePause = absl::Milliseconds(200);
// How much longer than its budget a sector check may take.
constexpr absl::Duration kCheckGrace = absl::Seconds(30);

std::string Describe(const RecordKey& key) {
  return absl::StrFormat("f0%d open %d", key.miner, key.open.Value());
}

void WriteLog(const RecordKey& key, std::uint64_t deadline, const action::LogLine& line) {
  std::string detail;
  for (const auto& [name, value] : line.fields) {
    if (value.empty()) continue;
    if (!detail.empty()) detail += ' ';
    detail += absl::StrFormat("%s=%s", name, value);
  }
  Log(line.severity, "poster", line.event,
      {{"miner", absl::StrFormat("f0%d", key.miner)},
       {"deadline", deadline},
       {"open", key.open.Value()},
       {"what", detail}});
}

template <typename T>
Event OrFailed(absl::StatusOr<T> answer, const ActionKey& key, const BatchRef& ref) {
  if (!answer.ok()) return event::Failed{key, ref, std::move(answer).status()};
  return Event(*std::move(answer));
}

BatchRef RefIn(const Action& action) {
  return std::visit(
      [](const auto& a) -> BatchRef {
        if constexpr (requires { a.ref; }) {
          return a.ref;
        } else {
          return {};
        }
      },
      action);
}

}  // namespace

RunnerImpl::RunnerImpl(RunnerParts parts, RunnerOptions options, std::vector<MinerPolicy> miners)
    : parts_(parts),
      options_(options),
      epoch_duration_(options.epoch_duration > absl::ZeroDuration() ? options.epoch_duration
                                                                    : absl::Seconds(30)),
      node_(parts.api),
      tasks_(*this) {
  for (MinerPolicy& miner : miners) miners_[miner.miner] = std::move(miner);
  parts_.jobs.Listen(
      [this](const JobView& job) {
        PostToAll(event::JobChanged{std::nullopt, job});
      },
      [this](const std::string& id) {
        PostToAll(event::JobMissing{std::nullopt, id});
      });
}

RunnerImpl::~RunnerImpl() noexcept {
  parts_.jobs.Listen({}, {});
}

absl::Status RunnerImpl::Load() {
  DAMOCLES_ASSIGN_OR_RETURN(const std::vector<store::Entry> rows,
                            List(parts_.store, kRecordPrefix));
  for (const store::Entry& row : rows) {
    absl::StatusOr<DeadlineRecord> record = DecodeRecord(row.value);
    if (!record.ok()) {
      return absl::DataLossError(
          absl::StrFormat("row %s: %s", row.key, std::string(record.status().message())));
    }
    const RecordKey key = record->Key();
    if (record->randomness) {
      DAMOCLES_ASSIGN_OR_RETURN(const std::optional<std::string> bytes,
                                parts_.store.Get(PlanRowKey(key)));
      absl::StatusOr<DeadlinePlan> plan =
          bytes ? DecodePlan(*bytes) : absl::NotFoundError("it has no plan row");
      if (!plan.ok()) {
        return absl::DataLossError(
            absl::StrFormat("row %s: %s", row.key, std::string(plan.status().message())));
      }
      record->plan = std::make_shared<DeadlinePlan>(*std::move(plan));
    }
    deadlines_[key].machine = LoadedMachine(*std::move(record));
  }
  DAMOCLES_ASSIGN_OR_RETURN(const std::vector<store::Entry> recoveries,
                            List(parts_.store, kRecoveryPrefix));
  for (const store::Entry& row : recoveries) {
    absl::StatusOr<RecoveryRecord> record = DecodeRecovery(row.value);
    if (!record.ok()) {
      return absl::DataLossError(
          absl::StrFormat("row %s: %s", row.key, std::string(record.status().message())));
    }
    if (record->state == RecoveryState::kDone || record->state == RecoveryState::kTooLate) continue;
    recoveries_[record->Key()].machine.record = *std::move(record);
  }
  return absl::OkStatus();
}

void RunnerImpl::Start() {
  if (options_.epoch_duration <= absl::ZeroDuration()) tasks_.add(LearnEpochDuration());
  tasks_.add(Follow());
  tasks_.add(Poll());
}

void RunnerImpl::SetMiners(std::vector<MinerPolicy> miners) {
  miners_.clear();
  for (MinerPolicy& miner : miners) miners_[miner.miner] = std::move(miner);
  if (head_) {
    for (const auto& [id, miner] : miners_) OpenWindows(miner);
  }
  PostToAll(event::Tick{});
}

const MinerPolicy* RunnerImpl::PolicyOf(filecoin::ActorId miner) const {
  const auto found = miners_.find(miner);
  return found == miners_.end() ? nullptr : &found->second;
}

Now RunnerImpl::CurrentTime() const {
  Now now;
  now.time = parts_.clock.Now();
  now.epoch_duration = epoch_duration_;
  now.epoch_start = now.time;
  if (head_) {
    now.epoch = head_->Height();
    // The block's own time, unless the clocks of chain and machine have nothing in common.
    const absl::Time stamped =
        absl::FromUnixSeconds(static_cast<std::int64_t>(head_->MinTimestamp()));
    const absl::Duration far = std::max(absl::Minutes(5), 20 * epoch_duration_);
    now.epoch_start = absl::AbsDuration(stamped - now.time) <= far ? stamped : head_seen_;
  }
  return now;
}

void RunnerImpl::taskFailed(kj::Exception&& exception) {
  LogError("poster", "task_failed", {{"error", exception.getDescription().cStr()}});
}

// ---------------------------------------------------------------- deadline machines

void RunnerImpl::PostToAll(const Event& event) {
  for (auto& [key, entry] : deadlines_) Post(key, event);
}

void RunnerImpl::Post(const RecordKey& key, Event event) {
  const auto found = deadlines_.find(key);
  if (found == deadlines_.end()) return;
  found->second.events.push_back(std::move(event));
  if (found->second.pumping) return;
  found->second.pumping = true;
  tasks_.add(Pump(key));
}

RunnerImpl::Done RunnerImpl::Pump(RecordKey key) {
  // Not inside the caller: it may be the job queue in the middle of a change.
  co_await kj::evalLater([]() {});
  while (true) {
    auto found = deadlines_.find(key);
    if (found == deadlines_.end()) co_return;
    if (found->second.events.empty() || !head_) break;
    Event event = std::move(found->second.events.front());
    found->second.events.pop_front();
    const MinerPolicy* miner = PolicyOf(key.miner);
    const DeadlineState state = found->second.machine.record.state;
    const bool enabled = miner != nullptr && miner->enabled;
    // Of a miner that is not ours any more only what is on its way is brought to its end.
    if (!enabled && state < DeadlineState::kSubmitting) continue;
    const PosterPolicy policy = miner != nullptr ? miner->poster : PosterPolicy{};

    StepResult result = Step(std::move(found->second.machine), event, CurrentTime(), policy);
    found->second.machine = std::move(result.machine);
    const std::uint64_t wake = ++found->second.wake;
    const bool over = IsFinal(found->second.machine.record.state);
    if (result.changed || result.plan_changed) {
      const DeadlineRecord& record = found->second.machine.record;
      auto batch = std::make_shared<store::Batch>();
      batch->Put(over ? HistoryRowKey(key) : RecordRowKey(key), EncodeRecord(record));
      if (over) batch->Delete(RecordRowKey(key));
      if (result.plan_changed && record.plan != nullptr) {
        batch->Put(PlanRowKey(key), EncodePlan(*record.plan));
      }
      // Record before act: nothing that this step asks for begins before this has returned.
      co_await Write(std::move(batch), Describe(key));
      found = deadlines_.find(key);
      if (found == deadlines_.end()) co_return;
      if (on_record_) on_record_(found->second.machine.record);
    }
    const std::uint64_t deadline = found->second.machine.record.deadline.index;
    for (Action& action : result.actions) {
      if (const auto* line = std::get_if<action::LogLine>(&action)) {
        WriteLog(key, deadline, *line);
      } else {
        tasks_.add(Perform(key, std::move(action)));
      }
    }
    if (over) {
      deadlines_.erase(key);
      co_return;
    }
    if (result.wake_at) tasks_.add(WakeAt(key, *result.wake_at, wake, false));
  }
  if (const auto found = deadlines_.find(key); found != deadlines_.end()) {
    found->second.pumping = false;
  }
}

RunnerImpl::Done RunnerImpl::WakeAt(RecordKey key, absl::Time at, std::uint64_t wake,
                                    bool is_recovery) {
  const absl::Duration pause = std::max(at - parts_.clock.Now(), absl::Milliseconds(1));
  co_await parts_.timer.afterDelay(ToKj(pause));
  if (is_recovery) {
    const auto found = recoveries_.find(key);
    if (found != recoveries_.end() && found->second.wake == wake) {
      PostRecovery(key, recovery::Tick{});
    }
  } else {
    const auto found = deadlines_.find(key);
    if (found != deadlines_.end() && found->second.wake == wake) Post(key, event::Tick{});
  }
}

RunnerImpl::Done RunnerImpl::Write(std::shared_ptr<store::Batch> batch, std::string what) {
  for (int attempt = 1;; ++attempt) {
    absl::AnyInvocable<absl::Status()&&> work = [batch, &store = parts_.store]() {
      return store.Write(*batch);
    };
    const absl::Status status =
        co_await async::Offload<absl::Status>(parts_.executor, std::move(work));
    if (status.ok()) co_return;
    LogError("poster", "record_not_written",
             {{"record", what}, {"attempt", attempt}, {"error", status}});
    // A full disk must not cost the window: go on from memory, the uuid still guards the messages.
    if (attempt == kWriteTries) co_return;
    co_await parts_.timer.afterDelay(ToKj(kWritePause));
  }
}

RunnerImpl::Done RunnerImpl::Perform(RecordKey key, Action action) {
  Event answer = co_await Answer(key, std::move(action));
  Post(key, std::move(answer));
}

async::Task<Event> RunnerImpl::Answer(RecordKey key, Action action) {
  const auto found = deadlines_.find(key);
  const std::optional<ActionKey> action_key = KeyOf(action);
  if (found == deadlines_.end() || !head_) co_return event::Tick{};
  const ActionKey asked = action_key.value_or(ActionKey{});
  const BatchRef ref = RefIn(action);
  const MinerPolicy* configured = PolicyOf(key.miner);
  MinerPolicy policy = configured != nullptr ? *configured : MinerPolicy{};
  const filecoin::DeadlineInfo deadline = found->second.machine.record.deadline;
  const filecoin::TipSet head = *head_;
  kj::Timer& timer = parts_.timer;

  if (auto* a = std::get_if<action::ReadInputs>(&action)) {
    co_return OrFailed(co_await WithLimit(timer, options_.call_timeout,
                                          node_.ReadInputs(key.miner, deadline, *a, head)),
                       asked, ref);
  }
  if (auto* a = std::get_if<action::ReadRandomness>(&action)) {
    absl::StatusOr<Bytes32> randomness =
        co_await WithLimit(timer, options_.call_timeout,
                           node_.ChallengeRandomness(key.miner, a->challenge, head.Key()));
    if (!randomness.ok()) co_return event::Failed{asked, ref, randomness.status()};
    co_return event::RandomnessRead{*randomness};
  }
  if (auto* a = std::get_if<action::CheckSectors>(&action)) {
    absl::StatusOr<std::vector<SectorVerdict>> verdicts = co_await WithLimit(
        timer, a->budget + kCheckGrace,
        parts_.sectors.Check(key.miner, a->proof_type, std::move(a->sectors), a->budget));
    if (!verdicts.ok()) co_return event::Failed{asked, ref, verdicts.status()};
    co_return event::SectorsChecked{*std::move(verdicts)};
  }
  if (auto* a = std::get_if<action::JudgeFaults>(&action)) {
    absl::StatusOr<std::vector<SectorVerdict>> verdicts = co_await WithLimit(
        timer, a->budget + kCheckGrace,
        parts_.sectors.Check(key.miner, a->proof_type, std::move(a->sectors), a->budget));
    if (!verdicts.ok()) co_return event::Failed{asked, ref, verdicts.status()};
    co_return event::FaultsJudged{ref, *std::move(verdicts)};
  }
  if (auto* a = std::get_if<action::EnsureJob>(&action)) {
    absl::StatusOr<JobView> job = parts_.jobs.Ensure(a->spec);
    if (!job.ok()) co_return event::Failed{asked, ref, job.status()};
    co_return event::JobChanged{ref, *std::move(job)};
  }
  if (auto* a = std::get_if<action::GetJob>(&action)) {
    absl::StatusOr<JobView> job = parts_.jobs.Get(a->job_id);
    if (absl::IsNotFound(job.status())) co_return event::JobMissing{ref, a->job_id};
    if (!job.ok()) co_return event::Failed{asked, ref, job.status()};
    co_return event::JobChanged{ref, *std::move(job)};
  }
  if (auto* a = std::get_if<action::ResetJob>(&action)) {
    const absl::Status status = parts_.jobs.Reset(a->job_id);
    if (!status.ok()) co_return event::Failed{asked, ref, status};
    co_return event::JobReset{ref};
  }
  if (auto* a = std::get_if<action::Survey>(&action)) {
    co_return OrFailed(co_await WithLimit(timer, options_.call_timeout,
                                          node_.Survey(key.miner, deadline.open, *a, policy, head)),
                       asked, ref);
  }
  if (auto* a = std::get_if<action::Send>(&action)) {
    co_return OrFailed(co_await WithLimit(timer, options_.push_timeout,
                                          node_.Send(key.miner, *a, policy.post_fees)),
                       asked, ref);
  }
  if (auto* a = std::get_if<action::Republish>(&action)) {
    co_return OrFailed(co_await WithLimit(timer, options_.push_timeout, node_.Republish(*a)), asked,
                       ref);
  }
  if (auto* a = std::get_if<action::Replace>(&action)) {
    co_return OrFailed(
        co_await WithLimit(timer, options_.push_timeout, node_.Replace(*a, policy.post_fees, head)),
        asked, ref);
  }
  if (auto* a = std::get_if<action::Explain>(&action)) {
    co_return OrFailed(co_await WithLimit(timer, options_.call_timeout, node_.Explain(*a)), asked,
                       ref);
  }
  if (auto* a = std::get_if<action::DropJob>(&action)) parts_.jobs.Drop(a->job_id);
  co_return event::Tick{};
}

// ---------------------------------------------------------------- recovery machines

void RunnerImpl::PostRecovery(const RecordKey& key, recovery::Event event) {
  const auto found = recoveries_.find(key);
  if (found == recoveries_.end()) return;
  found->second.events.push_back(std::move(event));
  if (found->second.pumping) return;
  found->second.pumping = true;
  tasks_.add(PumpRecovery(key));
}

RunnerImpl::Done RunnerImpl::PumpRecovery(RecordKey key) {
  co_await kj::evalLater([]() {});
  while (true) {
    auto found = recoveries_.find(key);
    if (found == recoveries_.end()) co_return;
    if (found->second.events.empty() || !head_) break;
    recovery::Event event = std::move(found->second.events.front());
    found->second.events.pop_front();
    const MinerPolicy* miner = PolicyOf(key.miner);
    if (miner == nullptr || !miner->enabled || !miner->recovery.enabled) {
      recoveries_.erase(key);
      co_return;
    }
    const MinerPolicy policy = *miner;
    recovery::StepResult result =
        recovery::Advance(std::move(found->second.machine), event, CurrentTime(), policy);
    found->second.machine = std::move(result.machine);
    const std::uint64_t wake = ++found->second.wake;
    if (result.changed) {
      auto batch = std::make_shared<store::Batch>();
      batch->Put(RecoveryRowKey(key), EncodeRecovery(found->second.machine.record));
      co_await Write(std::move(batch), "recovery of " + Describe(key));
      found = recoveries_.find(key);
      if (found == recoveries_.end()) co_return;
    }
    const RecoveryRecord& record = found->second.machine.record;
    for (recovery::Action& action : result.actions) {
      if (const auto* line = std::get_if<action::LogLine>(&action)) {
        WriteLog(key, record.target.index, *line);
      } else {
        tasks_.add(PerformRecovery(key, std::move(action)));
      }
    }
    if (record.state == RecoveryState::kDone || record.state == RecoveryState::kTooLate) {
      recoveries_.erase(key);
      co_return;
    }
    if (result.wake_at) tasks_.add(WakeAt(key, *result.wake_at, wake, true));
  }
  if (const auto found = recoveries_.find(key); found != recoveries_.end()) {
    found->second.pumping = false;
  }
}

RunnerImpl::Done RunnerImpl::PerformRecovery(RecordKey key, recovery::Action action) {
  const recovery::Key asked = recovery::KeyOf(action).value_or(recovery::Key{});
  const MinerPolicy* configured = PolicyOf(key.miner);
  if (configured == nullptr || !head_) co_return;
  MinerPolicy policy = *configured;
  const filecoin::TipSet head = *head_;
  kj::Timer& timer = parts_.timer;
  recovery::Event answer = recovery::Tick{};
  if (auto* read = std::get_if<recovery::ReadFaults>(&action)) {
    auto got = co_await WithLimit(timer, options_.call_timeout,
                                  node_.ReadFaults(key.miner, read->deadline_index, head));
    if (got.ok()) {
      answer = *std::move(got);
    } else {
      answer = recovery::Failed{asked, 0, got.status()};
    }
  } else if (auto* check = std::get_if<recovery::CheckFaulty>(&action)) {
    auto got = co_await WithLimit(timer, check->budget + kCheckGrace,
                                  parts_.sectors.Check(key.miner, check->proof_type,
                                                       std::move(check->sectors), check->budget));
    if (got.ok()) {
      answer = recovery::FaultyChecked{*std::move(got)};
    } else {
      answer = recovery::Failed{asked, 0, got.status()};
    }
  } else if (auto* look = std::get_if<recovery::Look>(&action)) {
    const std::uint32_t attempt = look->attempt;
    auto got = co_await WithLimit(timer, options_.call_timeout,
                                  node_.LookForRecovery(key.miner, *look, policy, head));
    if (got.ok()) {
      answer = *std::move(got);
    } else {
      answer = recovery::Failed{asked, attempt, got.status()};
    }
  } else if (auto* declare = std::get_if<recovery::Declare>(&action)) {
    const std::uint32_t attempt = declare->attempt;
    auto got = co_await WithLimit(timer, options_.push_timeout,
                                  node_.Declare(key.miner, *declare, policy.recovery_fees));
    if (got.ok()) {
      answer = *std::move(got);
    } else {
      answer = recovery::Failed{asked, attempt, got.status()};
    }
  }
  PostRecovery(key, std::move(answer));
}

// ---------------------------------------------------------------- listings

absl::StatusOr<std::vector<DeadlineRecord>> RunnerImpl::ListRecords(
    const RecordFilter& filter) const {
  RecordFilter all = filter;
  all.limit = 0;
  DAMOCLES_ASSIGN_OR_RETURN(std::vector<DeadlineRecord> out,
                            poster::ListRecords(parts_.store, all));
  // What still waits for its challenge is not on disk yet.
  for (const auto& [key, entry] : deadlines_) {
    const DeadlineRecord& record = entry.machine.record;
    if (record.state == DeadlineState::kWaiting && record.deadline.open >= filter.open_from &&
        (!filter.miner || key.miner == *filter.miner)) {
      out.push_back(record);
    }
  }
  std::stable_sort(out.begin(), out.end(), [](const DeadlineRecord& a, const DeadlineRecord& b) {
    return a.deadline.open > b.deadline.open;
  });
  if (filter.limit > 0 && out.size() > filter.limit) out.resize(filter.limit);
  return out;
}

absl::StatusOr<std::vector<RecoveryRecord>> RunnerImpl::ListRecoveries(
    std::optional<filecoin::ActorId> miner) const {
  DAMOCLES_ASSIGN_OR_RETURN(const std::vector<store::Entry> rows,
                            List(parts_.store, kRecoveryPrefix));
  std::vector<RecoveryRecord> out;
  for (const store::Entry& row : rows) {
    DAMOCLES_ASSIGN_OR_RETURN(RecoveryRecord record, DecodeRecovery(row.value));
    if (!miner || record.miner == *miner) out.push_back(std::move(record));
  }
  std::stable_sort(out.begin(), out.end(), [](const RecoveryRecord& a, const RecoveryRecord& b) {
    return a.target.open > b.target.open;
  });
  return out;
}

}  // namespace internal

absl::StatusOr<std::unique_ptr<Runner>> Runner::Open(RunnerParts parts, RunnerOptions options,
                                                     std::vector<MinerPolicy> miners) {
  auto runner = std::make_unique<internal::RunnerImpl>(parts, options, std::move(miners));
  DAMOCLES_RETURN_IF_ERROR(runner->Load());
  return runner;
}

absl::StatusOr<std::vector<DeadlineRecord>> ListRecords(const store::Store& store,
                                                        const RecordFilter& filter) {
  std::vector<DeadlineRecord> out;
  const auto take = [&](std::string_view key, std::string_view value) -> absl::Status {
    absl::StatusOr<DeadlineRecord> record = DecodeRecord(value);
    if (!record.ok()) return Annotate(record.status(), key);
    if (filter.miner && record->miner != *filter.miner) return absl::OkStatus();
    if (record->deadline.open < filter.open_from) return absl::OkStatus();
    out.push_back(*std::move(record));
    return absl::OkStatus();
  };
  DAMOCLES_RETURN_IF_ERROR(store.Scan(kRecordPrefix, take));
  if (!filter.unfinished_only) DAMOCLES_RETURN_IF_ERROR(store.Scan(kHistoryPrefix, take));
  std::stable_sort(out.begin(), out.end(), [](const DeadlineRecord& a, const DeadlineRecord& b) {
    return a.deadline.open > b.deadline.open;
  });
  if (filter.limit > 0 && out.size() > filter.limit) out.resize(filter.limit);
  for (DeadlineRecord& record : out) {
    DAMOCLES_ASSIGN_OR_RETURN(const std::optional<std::string> plan,
                              store.Get(PlanRowKey(record.Key())));
    if (!plan) continue;
    DAMOCLES_ASSIGN_OR_RETURN(DeadlinePlan decoded, DecodePlan(*plan));
    record.plan = std::make_shared<DeadlinePlan>(std::move(decoded));
  }
  return out;
}

}  // namespace damocles::poster
