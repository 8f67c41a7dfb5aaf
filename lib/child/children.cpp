// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/child/children.h"

#include <kj/async.h>

#include <algorithm>
#include <optional>
#include <set>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_format.h"
#include "lib/child/member.h"
#include "lib/child/spawner.h"

#include "damocles/async/duration.h"
#include "damocles/async/failure.h"
#include "damocles/base/clock.h"
#include "damocles/base/invariant.h"
#include "damocles/base/log.h"
#include "damocles/base/status.h"
#include "damocles/child/dispatcher.h"

namespace damocles::child {
namespace {

// A child that cannot take back a task may be a little late with it; one that holds it longer
// hangs.
constexpr absl::Duration kStuckAfter = absl::Minutes(2);
constexpr absl::Duration kCancelledWithin = absl::Seconds(20);

// Whether another process is needed to go from one to the other.
bool SameProcess(ChildOptions a, ChildOptions b) {
  a.weight = b.weight = 1;
  a.slots = b.slots = 1;
  return a == b;
}

class ChildrenImpl final : public Children,
                           private Member::Owner,
                           private kj::TaskSet::ErrorHandler {
 public:
  ChildrenImpl(kj::LowLevelAsyncIoProvider& provider, kj::UnixEventPort& port, Stage stage)
      : world_{.provider = provider, .port = port, .spawner = spawner_, .stage = stage},
        timer_(port.getTimer()),
        all_ended_(nullptr),
        tasks_(*this) {}

  ~ChildrenImpl() noexcept override {}
  void Add(ChildOptions options);
  async::Task<Answer> Prove(prover::WindowPostTask task, Limits limits) override;
  void AnsweredWrongly(const Answer& answer) override;
  void Reconfigure(std::vector<ChildOptions> children) override;
  std::vector<ChildInfo> List() const override;
  async::Task<void> Stop(absl::Duration limit) override;

 private:
  struct Work {
    prover::WindowPostTask task;
    absl::Duration run_limit;
    int failures = 0;
    std::uint64_t given = 0;  // how often, so that a time limit knows its own
    // Nothing: nobody waits any more, and a child still has it.
    kj::Maybe<kj::Own<kj::PromiseFulfiller<Answer>>> asker;
  };

  void taskFailed(kj::Exception&& exception) override {
    LogError("child", "internal_error", {{"why", async::Plainly(exception)}});
  }
  static absl::Time Now() { return SteadyClock().Now(); }

  void Retire(Member& member, std::optional<ChildOptions> replacement);
  void StopIfIdle(Member& member);
  void Up(Member& member) override;
  void Down(Member& member) override;
  void Answered(Member& member, Response response) override;
  void Off(Member& member) override;

  void Assign();
  void Reply(TaskId id, Answer answer);
  // The task is no more.
  void Forget(TaskId id);
  void TakeBack(TaskId id, absl::Duration patience);
  void ReplaceIfItStillHas(ChildId child, TaskId id);
  void LimitPassed(TaskId id);
  void RunLimitPassed(TaskId id, std::uint64_t given);
  // A child has failed it: another one gets it, or `answer` is the answer.
  void GoOnOrReply(TaskId id, Answer answer);
  void ReplyIfNoneWillCome();
  Member* HolderOf(TaskId id);
  void Check() const;

  template <typename Fn>
  void After(absl::Duration delay, Fn fn) {
    tasks_.add(
        timer_.afterDelay(async::ToKj(std::max(delay, absl::ZeroDuration()))).then(kj::mv(fn)));
  }

  Spawner spawner_;
  const Member::World world_;
  kj::Timer& timer_;
  bool stopping_ = false;
  ChildId last_child_ = 0;
  TaskId last_task_ = 0;
  std::map<ChildId, std::unique_ptr<Member>> members_;
  // Those that end with their last task, and what comes in their places.
  std::map<ChildId, std::optional<ChildOptions>> retired_;
  std::map<TaskId, Work> work_;
  Dispatcher dispatcher_;
  kj::Maybe<kj::Own<kj::PromiseFulfiller<void>>> tell_all_ended_;
  kj::ForkedPromise<void> all_ended_;
  kj::TaskSet tasks_;
};

// ---- members

void ChildrenImpl::Add(ChildOptions options) {
  options.weight = std::max(options.weight, 1U);
  options.slots = std::max(options.slots, 1U);
  for (const auto& [known, other] : members_) {
    if (other->Options().name != options.name || retired_.contains(known)) continue;
    LogError("child", "named_twice", {{"child", options.name}, {"what", "the later is left out"}});
    return;
  }
  const ChildId id = ++last_child_;
  dispatcher_.SetChild(id, options.weight, options.slots);
  Member& member =
      *members_
           .emplace(id, std::unique_ptr<Member>(new Member(world_, *this, id, std::move(options))))
           .first->second;
  member.Feed(event::Tick{});
}

void ChildrenImpl::Reconfigure(std::vector<ChildOptions> children) {
  if (stopping_) return;
  std::map<std::string, ChildOptions> wanted;
  for (ChildOptions& options : children) {
    options.weight = std::max(options.weight, 1U);
    options.slots = std::max(options.slots, 1U);
    wanted.emplace(options.name, std::move(options));
  }
  std::vector<Member*> members;
  for (const auto& [id, member] : members_) members.push_back(member.get());
  for (Member* member : members) {
    const auto at = wanted.find(member->Options().name);
    if (at == wanted.end()) {
      Retire(*member, std::nullopt);
    } else if (retired_.contains(member->Id()) || !SameProcess(member->Options(), at->second)) {
      Retire(*member, std::move(at->second));
      wanted.erase(at);
    } else {
      dispatcher_.SetChild(member->Id(), at->second.weight, at->second.slots);
      member->Change(std::move(at->second));
      wanted.erase(at);
      member->Feed(event::Revive{});
    }
  }
  for (auto& [name, options] : wanted) Add(std::move(options));
  Assign();
}

void ChildrenImpl::Retire(Member& member, std::optional<ChildOptions> replacement) {
  const auto [at, is_new] = retired_.try_emplace(member.Id());
  at->second = std::move(replacement);
  if (!is_new) return;
  LogInfo("child", "retired",
          {{"child", member.Options().name},
           {"tasks_to_finish", dispatcher_.Busy(member.Id())},
           {"replaced", at->second ? "yes" : "no"}});
  dispatcher_.RemoveChild(member.Id());
  StopIfIdle(member);
}

void ChildrenImpl::StopIfIdle(Member& member) {
  if (retired_.contains(member.Id()) && dispatcher_.Busy(member.Id()) == 0)
    member.Feed(event::Stop{});
}

// ---- one process

void ChildrenImpl::Off(Member& member) {
  if (!stopping_ && !retired_.contains(member.Id())) {
    LogError("child", "not_started_again",
             {{"child", member.Options().name}, {"last_end", member.State().last_end}});
    return ReplyIfNoneWillCome();
  }
  // Later: this may have been called by the member's own process.
  tasks_.add(kj::evalLater([this, id = member.Id()] {
    const auto at = members_.find(id);
    if (at == members_.end() || at->second->State().phase != Phase::kOff) return;
    members_.erase(at);
    const auto retired = retired_.extract(id);
    if (!retired.empty() && retired.mapped() && !stopping_) Add(*std::move(retired.mapped()));
    KJ_IF_MAYBE (waiting, tell_all_ended_) {
      if (members_.empty()) (*waiting)->fulfill();
    }
  }));
}

void ChildrenImpl::Up(Member& member) {
  dispatcher_.Up(member.Id());
  Assign();
}

void ChildrenImpl::Down(Member& member) {
  // One that we ended, for whatever it did to one task, has not failed the others.
  const bool of_itself = member.State().phase != Phase::kEnding;
  const std::int64_t process = member.Pid();
  for (const TaskId id : dispatcher_.Down(member.Id())) {
    ++member.counts.lost;
    Work& work = work_.at(id);
    if (work.asker == nullptr) {
      Forget(id);
      continue;
    }
    if (of_itself) ++work.failures;
    if (work.failures >= kTriesMax) {
      Reply(id, {.outcome = absl::UnavailableError(absl::StrFormat(
                     "%d children have failed while they proved this; the last, %s: %s",
                     work.failures, member.Options().name, member.State().last_end)),
                 .child = member.Options().name,
                 .process = process});
    }
  }
  StopIfIdle(member);
  Assign();
}

// ---- tasks

async::Task<Children::Answer> ChildrenImpl::Prove(prover::WindowPostTask task, Limits limits) {
  if (stopping_) {
    co_return Answer{.outcome = absl::UnavailableError("the children are being stopped"),
                     .child = "",
                     .process = 0};
  }
  const TaskId id = ++last_task_;
  auto pair = kj::newPromiseAndFulfiller<Answer>();
  work_.emplace(id, Work{.task = std::move(task),
                         .run_limit = limits.run,
                         .failures = 0,
                         .given = 0,
                         .asker = kj::mv(pair.fulfiller)});
  dispatcher_.Submit(id, Now() + limits.close);
  if (limits.close < absl::InfiniteDuration()) After(limits.close, [this, id] { LimitPassed(id); });
  // Without effect once it is answered.
  const absl::Cleanup dropped = [this, id] { TakeBack(id, absl::InfiniteDuration()); };
  Assign();
  ReplyIfNoneWillCome();
  co_return co_await kj::mv(pair.promise);
}

void ChildrenImpl::Assign() {
  if (stopping_) return;
  for (const Dispatcher::Assignment& begun : dispatcher_.Assign()) {
    Member& member = *members_.at(begun.child);
    Work& work = work_.at(begun.task);
    const std::uint64_t given = ++work.given;
    if (work.run_limit < absl::InfiniteDuration()) {
      After(work.run_limit, [this, id = begun.task, given] { RunLimitPassed(id, given); });
    }
    member.Request(begun.task, work.task);
  }
  Check();
}

void ChildrenImpl::ReplyIfNoneWillCome() {
  for (const auto& [id, member] : members_) {
    if (member->State().phase != Phase::kOff || retired_.contains(id)) return;
  }
  std::vector<TaskId> tasks;
  for (const auto& [id, work] : work_) tasks.push_back(id);
  for (const TaskId id : tasks) {
    Reply(id, {.outcome = absl::UnavailableError("no child runs, and none is started again"),
               .child = "",
               .process = 0});
  }
}

// The first of the faults that is not of the task, if there is one.
std::optional<filecoin::SectorNumber> ForeignFault(const prover::WindowPostTask& task,
                                                   const prover::WindowPostOutcome& outcome) {
  std::set<filecoin::SectorNumber> known;
  for (const prover::SectorToProve& sector : task.sectors) known.insert(sector.number);
  for (const prover::UnprovableSector& fault : outcome.faults) {
    if (!known.contains(fault.number)) return fault.number;
  }
  return std::nullopt;
}

void ChildrenImpl::Answered(Member& member, Response response) {
  if (HolderOf(response.id) != &member) {
    return member.Useless(absl::StrFormat("id %d", response.id),
                          "an answer to what it was not asked, or has answered");
  }
  if (response.outcome.ok()) {
    const auto foreign = ForeignFault(work_.at(response.id).task, *response.outcome);
    if (foreign) {
      response.outcome = absl::InternalError(absl::StrFormat(
          "%s calls sector %d faulty, which is not of the task", member.Options().name, *foreign));
    }
  }
  ++(response.outcome.ok() ? member.counts.done : member.counts.failed);
  if (response.outcome.ok()) member.Feed(event::WasUseful{});
  GoOnOrReply(response.id, {.outcome = std::move(response.outcome),
                            .child = member.Options().name,
                            .process = member.Pid()});
  StopIfIdle(member);
  Assign();
}

void ChildrenImpl::GoOnOrReply(TaskId id, Answer answer) {
  Work& work = work_.at(id);
  if (work.asker == nullptr) return Forget(id);
  // A task that is wrong is wrong for all of them.
  const absl::Status status = answer.outcome.status();
  if (status.ok() || absl::IsInvalidArgument(status) || ++work.failures >= kTriesMax) {
    return Reply(id, std::move(answer));
  }
  dispatcher_.Failed(id);
  if (!dispatcher_.HasAnother(id)) return Reply(id, std::move(answer));
  LogWarning("child", "task_goes_on",
             {{"failed_by", answer.child}, {"error", status}, {"failures", work.failures}});
}

void ChildrenImpl::Reply(TaskId id, Answer answer) {
  auto asker = kj::mv(work_.at(id).asker);
  Forget(id);
  KJ_IF_MAYBE (fulfiller, asker) (*fulfiller)->fulfill(std::move(answer));
}

void ChildrenImpl::Forget(TaskId id) {
  dispatcher_.End(id);
  work_.erase(id);
}

Member* ChildrenImpl::HolderOf(TaskId id) {
  const std::optional<ChildId> holder = dispatcher_.Holder(id);
  if (!holder) return nullptr;
  const auto at = members_.find(*holder);
  return at == members_.end() ? nullptr : at->second.get();
}

// Nobody waits for it any more.  A child that has it keeps its slot until it answers, for it is
// still at work; after `patience` it is replaced, as soon as that costs no other task.
void ChildrenImpl::TakeBack(TaskId id, absl::Duration patience) {
  const auto at = work_.find(id);
  if (at == work_.end()) return;
  Member* holder = HolderOf(id);
  if (holder == nullptr) return Forget(id);
  at->second.asker = nullptr;
  if (holder->Cancel(id)) patience = std::min(patience, kCancelledWithin);
  if (patience == absl::InfiniteDuration()) return;
  After(patience, [this, id, child = holder->Id()] { ReplaceIfItStillHas(child, id); });
}

void ChildrenImpl::ReplaceIfItStillHas(ChildId child, TaskId id) {
  Member* holder = HolderOf(id);
  if (holder == nullptr || holder->Id() != child) return;
  if (dispatcher_.Busy(child) > 1) {
    return After(kCancelledWithin, [this, id, child] { ReplaceIfItStillHas(child, id); });
  }
  holder->Feed(event::Misbehaved{"it holds a task that should have ended"});
}

void ChildrenImpl::LimitPassed(TaskId id) {
  const auto at = work_.find(id);
  if (at == work_.end()) return;
  Member* holder = HolderOf(id);
  Answer answer{.outcome = absl::DeadlineExceededError(
                    holder == nullptr
                        ? "no child was free in time"
                        : absl::StrFormat("%s has not answered in time", holder->Options().name)),
                .child = holder == nullptr ? "" : holder->Options().name,
                .process = holder == nullptr ? 0 : holder->Pid()};
  auto asker = kj::mv(at->second.asker);
  TakeBack(id, kStuckAfter);
  KJ_IF_MAYBE (fulfiller, asker) (*fulfiller)->fulfill(std::move(answer));
}

// What hangs with one task hangs with the others that it has: they all go to another child.
void ChildrenImpl::RunLimitPassed(TaskId id, std::uint64_t given) {
  const auto at = work_.find(id);
  if (at == work_.end() || at->second.given != given) return;
  Member* holder = HolderOf(id);
  if (holder == nullptr) return;
  ++at->second.failures;
  LogError("child", "hangs",
           {{"child", holder->Options().name},
            {"limit_s", absl::ToInt64Seconds(at->second.run_limit)},
            {"tasks_under_way", dispatcher_.Busy(holder->Id())}});
  holder->Feed(event::Misbehaved{
      absl::StrFormat("it had not answered after %s", absl::FormatDuration(at->second.run_limit))});
}

void ChildrenImpl::AnsweredWrongly(const Answer& answer) {
  for (const auto& [id, member] : members_) {
    if (member->Options().name != answer.child || member->Pid() != answer.process) continue;
    LogError("child", "answered_wrongly", {{"child", answer.child}, {"pid", answer.process}});
    member->Feed(event::Misbehaved{"it answered with a proof that proves nothing"});
    return;
  }
}

void ChildrenImpl::Check() const {
  CheckInvariants("child", NameOf(world_.stage), dispatcher_.Broken(), [this] {
    return absl::StrFormat("%d children, %d tasks, %d waiting", members_.size(), work_.size(),
                           dispatcher_.Waiting());
  });
}

// ---- all

std::vector<ChildInfo> ChildrenImpl::List() const {
  std::vector<ChildInfo> list;
  for (const auto& [id, member] : members_) {
    list.push_back(member->Info(dispatcher_.Busy(id)));
  }
  return list;
}

async::Task<void> ChildrenImpl::Stop(absl::Duration limit) {
  if (!std::exchange(stopping_, true)) {
    auto pair = kj::newPromiseAndFulfiller<void>();
    tell_all_ended_ = kj::mv(pair.fulfiller);
    all_ended_ = pair.promise.fork();
    std::vector<TaskId> tasks;
    for (const auto& [id, work] : work_) tasks.push_back(id);
    for (const TaskId id : tasks) {
      auto asker = kj::mv(work_.at(id).asker);
      work_.at(id).asker = nullptr;
      KJ_IF_MAYBE (fulfiller, asker) {
        (*fulfiller)
            ->fulfill(Answer{.outcome = absl::UnavailableError("the children are being stopped"),
                             .child = "",
                             .process = 0});
      }
    }
    std::vector<Member*> members;
    for (const auto& [id, member] : members_) members.push_back(member.get());
    for (Member* member : members) member->Feed(event::Stop{});
    if (members.empty()) {
      KJ_IF_MAYBE (waiting, tell_all_ended_) (*waiting)->fulfill();
    }
  }
  kj::Promise<void> ended = all_ended_.addBranch();
  kj::Promise<void> patience = timer_.afterDelay(async::ToKj(limit));
  co_await ended.exclusiveJoin(kj::mv(patience));
}

}  // namespace

std::unique_ptr<Children> Children::Start(kj::LowLevelAsyncIoProvider& provider,
                                          kj::UnixEventPort& port, Stage stage,
                                          std::vector<ChildOptions> children) {
  auto all = std::make_unique<ChildrenImpl>(provider, port, stage);
  for (ChildOptions& options : children) all->Add(std::move(options));
  return all;
}

}  // namespace damocles::child
