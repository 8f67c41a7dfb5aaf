// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/poster/runner.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_format.h"
#include "lib/poster/carried.h"
#include "lib/poster/runner_impl.h"

#include "damocles/base/log.h"
#include "damocles/filecoin/miner_params.h"

namespace damocles::poster {
namespace internal {
namespace {

// A record that is not on disk is written again after so long, if nothing happens before.
constexpr absl::Duration kRewritePause = absl::Seconds(5);

template <typename T>
Event OrFailed(absl::StatusOr<T> answer, const ActionKey& key, const BatchRef& ref) {
  if (!answer.ok()) return event::Failed{key, ref, std::move(answer).status()};
  return Event(*std::move(answer));
}

}  // namespace

std::string Describe(const RecordKey& key) {
  return absl::StrFormat("f0%d open %d", key.miner, key.open.Value());
}

void WriteLog(const RecordKey& key, std::uint64_t deadline, const action::LogLine& line) {
  std::vector<LogField> fields = {{"miner", absl::StrFormat("f0%d", key.miner)},
                                  {"deadline", deadline},
                                  {"open", key.open.Value()}};
  for (const auto& [name, value] : line.fields) {
    if (!value.empty()) fields.emplace_back(name, value);
  }
  LogFields(line.severity, "poster", line.event, fields);
}

RunnerImpl::RunnerImpl(RunnerParts parts, RunnerOptions options, std::vector<MinerPolicy> miners)
    : parts_(parts),
      options_(options),
      epoch_duration_(options.epoch_duration > absl::ZeroDuration() ? options.epoch_duration
                                                                    : absl::Seconds(30)),
      node_(parts.reader, parts.pool, parts.wallet, parts.timer, options.call_timeout),
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
  for (auto& [key, entry] : recoveries_) PostRecovery(key, recovery::Tick{});
}

MinerPolicy RunnerImpl::PolicyOf(filecoin::ActorId miner) const {
  const auto found = miners_.find(miner);
  if (found != miners_.end()) return found->second;
  MinerPolicy gone;
  gone.miner = miner;
  gone.enabled = false;
  return gone;
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
    const absl::Time began = stamped + chain_clock_.Ahead(epoch_duration_);
    const absl::Duration far = std::max(absl::Minutes(5), 20 * epoch_duration_);
    now.epoch_start = absl::AbsDuration(began - now.time) <= far ? began : head_seen_;
  }
  return now;
}

void RunnerImpl::taskFailed(kj::Exception&& exception) {
  LogError("poster", "task_failed", {{"error", async::Plainly(exception)}});
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

// Every answer is taken in, also of a miner that is not enabled (any more): a question that never
// gets its answer is never asked again.
RunnerImpl::Done RunnerImpl::Pump(RecordKey key) {
  // Not inside the caller: it may be the job queue in the middle of a change.
  co_await kj::evalLater([]() {});
  while (true) {
    const auto found = deadlines_.find(key);
    if (found == deadlines_.end()) co_return;
    DeadlineEntry& entry = found->second;  // stays where it is; nobody else removes it
    if (entry.events.empty() || !head_) {
      entry.pumping = false;
      co_return;
    }
    const Event event = std::move(entry.events.front());
    entry.events.pop_front();
    const MinerPolicy miner = PolicyOf(key.miner);
    if (!miner.enabled && entry.machine.record.state == DeadlineState::kWaiting) {
      deadlines_.erase(found);  // nothing has begun; enabling the miner opens it again
      co_return;
    }

    const Now now = CurrentTime();
    StepResult result = Step(std::move(entry.machine), event, now, miner.poster,
                             miner.enabled ? Effort::kAll : Effort::kFinishOnly);
    entry.machine = std::move(result.machine);
    const bool over = IsOver(entry.machine.record, now, miner.poster);
    entry.record_dirty = entry.record_dirty || result.changed || result.plan_changed || over;
    entry.plan_dirty = entry.plan_dirty || result.plan_changed;
    const std::uint64_t wake = ++entry.wake;
    std::optional<absl::Time> wake_at = result.wake_at;
    if (entry.record_dirty) {
      // Record before act: nothing that this step asks for begins before this has returned.
      if (!co_await Save(key, over)) {
        const absl::Time again = parts_.clock.Now() + kRewritePause;
        wake_at = wake_at ? std::min(*wake_at, again) : again;
      }
    }
    const std::uint64_t deadline = entry.machine.record.deadline.index;
    for (Action& action : result.actions) {
      if (const auto* line = std::get_if<action::LogLine>(&action)) {
        WriteLog(key, deadline, *line);
      } else {
        tasks_.add(Perform(key, std::move(action)));
      }
    }
    if (over && !entry.record_dirty) {
      ended_.insert(key);
      deadlines_.erase(key);
      co_return;
    }
    if (wake_at) tasks_.add(WakeAt(key, *wake_at, wake, false));
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

RunnerImpl::Done RunnerImpl::Perform(RecordKey key, Action action) {
  const std::optional<ActionKey> asked = KeyOf(action);
  const BatchRef ref = RefIn<BatchRef>(action);
  Event answer = event::Tick{};
  absl::Status thrown;
  try {
    answer = co_await Answer(key, std::move(action));
  } catch (const kj::Exception& exception) {
    // UNAVAILABLE: a push may have reached the node all the same.
    thrown = absl::UnavailableError(async::Plainly(exception));
  }
  if (!thrown.ok() && asked) {
    answer = event::Failed{*asked, ref, thrown};
  } else if (!thrown.ok()) {
    LogError("poster", "action_failed", {{"record", Describe(key)}, {"error", thrown}});
  }
  Post(key, std::move(answer));
}

// One call that is not answered must not take what is left of the window: there has to be time for
// another.
absl::Duration RunnerImpl::PatienceIn(const filecoin::DeadlineInfo& deadline,
                                      absl::Duration usual) const {
  constexpr absl::Duration kShortest = absl::Seconds(5);
  const absl::Duration left = CurrentTime().TimeOf(deadline.close) - parts_.clock.Now();
  return std::min(usual, std::max(left / 4, kShortest));
}

// In one piece: an action, a call; a list.
async::Task<Event> RunnerImpl::Answer(RecordKey key, Action action) {
  const auto found = deadlines_.find(key);
  const std::optional<ActionKey> action_key = KeyOf(action);
  if (found == deadlines_.end() || !head_) co_return event::Tick{};
  const ActionKey asked = action_key.value_or(ActionKey{});
  const BatchRef ref = RefIn<BatchRef>(action);
  MinerPolicy policy = PolicyOf(key.miner);
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
    absl::StatusOr<JobView> job = parts_.jobs.Get(a->job_id, CurrentTime().TimeOf(deadline.close));
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
    co_return OrFailed(co_await WithLimit(timer, PatienceIn(deadline, options_.call_timeout),
                                          node_.Survey(key.miner, deadline.open, *a, policy, head,
                                                       parts_.clock.Now())),
                       asked, ref);
  }
  if (auto* a = std::get_if<action::SetAside>(&action)) {
    node_.Senders().SetAside(a->sender, a->why, a->until);
  }
  if (std::optional<delivery::Action> carried = CarriedIn(action)) {
    delivery::Event event =
        co_await Carry(key.miner, filecoin::kMethodSubmitWindowedPoSt, policy.post_fees,
                       PatienceIn(deadline, options_.push_timeout), *std::move(carried));
    if (auto* failed = std::get_if<delivery::event::Failed>(&event)) {
      co_return event::Failed{asked, ref, std::move(failed->status)};
    }
    co_return WithRef<Event>(ref, std::move(event));
  }
  if (auto* a = std::get_if<action::DropJob>(&action)) parts_.jobs.Drop(a->job_id);
  co_return event::Tick{};
}

}  // namespace internal

absl::StatusOr<std::unique_ptr<Runner>> Runner::Open(RunnerParts parts, RunnerOptions options,
                                                     std::vector<MinerPolicy> miners) {
  auto runner = std::make_unique<internal::RunnerImpl>(parts, options, std::move(miners));
  DAMOCLES_RETURN_IF_ERROR(runner->Load());
  return runner;
}

}  // namespace damocles::poster
