// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/child/children.h"

#include <kj/async.h>
#include <unistd.h>

#include <algorithm>
#include <optional>
#include <set>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_format.h"
#include "lib/child/process.h"
#include "lib/child/run.h"

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

std::vector<std::string> EnvironmentOf(const ChildOptions& options) {
  std::map<std::string, std::string> variables;
  if (options.inherit_environment) {
    for (char** at = environ; *at != nullptr; ++at) {
      const std::string_view entry = *at;
      const std::size_t equals = entry.find('=');
      if (equals == std::string_view::npos) continue;
      variables[std::string(entry.substr(0, equals))] = entry.substr(equals + 1);
    }
  }
  variables[kExtensionsVariable] = "1";
  for (const auto& [name, value] : options.environment) variables[name] = value;
  std::vector<std::string> environment;
  environment.reserve(variables.size());
  for (const auto& [name, value] : variables) environment.push_back(name + "=" + value);
  return environment;
}

// Whether another process is needed to go from one to the other.
bool SameProcess(ChildOptions a, ChildOptions b) {
  a.weight = b.weight = 1;
  a.slots = b.slots = 1;
  return a == b;
}

class ChildrenImpl final : public Children, private kj::TaskSet::ErrorHandler {
 public:
  ChildrenImpl(kj::LowLevelAsyncIoProvider& provider, kj::UnixEventPort& port, Stage stage)
      : provider_(provider), port_(port), timer_(port.getTimer()), stage_(stage), tasks_(*this) {}

  ~ChildrenImpl() noexcept override {}
  void Add(ChildOptions options);
  async::Task<Answer> Prove(prover::WindowPostTask task, absl::Duration limit) override;
  void AnsweredWrongly(const std::string& child) override;
  void Reconfigure(std::vector<ChildOptions> children) override;
  std::vector<ChildInfo> List() const override;
  async::Task<void> Stop() override;

 private:
  // One child as it is configured, through all its processes.
  struct Member final : public Run::Owner {
    Member(ChildrenImpl& owner, ChildId number, ChildOptions as_configured)
        : all(owner), id(number), options(std::move(as_configured)) {}
    void Heard(std::string_view line) override { all.Heard(*this, line); }
    void Broke(std::string how) override { all.Feed(*this, event::Misbehaved{std::move(how)}); }
    void Ended(std::string how) override { all.Ended(*this, std::move(how)); }

    ChildrenImpl& all;
    const ChildId id;
    ChildOptions options;
    Supervised state;
    std::unique_ptr<Run> run;
    std::uint64_t alarm = 0;
    bool extensions = false;
    bool retired = false;                     // ends with its last task
    std::optional<ChildOptions> replacement;  // and this comes then
    std::uint64_t done = 0;
    std::uint64_t failed = 0;
    std::uint64_t lost = 0;
  };
  struct Work {
    prover::WindowPostTask task;
    absl::Time limit;
    int ended_with_it = 0;
    // Nothing: nobody waits any more, and a child still has it.
    kj::Maybe<kj::Own<kj::PromiseFulfiller<Answer>>> asker;
  };

  void taskFailed(kj::Exception&& exception) override {
    LogError("child", "internal_error", {{"why", async::Plainly(exception)}});
  }
  static absl::Time Now() { return SteadyClock().Now(); }

  void Retire(Member& member, std::optional<ChildOptions> replacement);
  void StopIfIdle(Member& member);
  void Feed(Member& member, const SupervisionEvent& event);
  void Act(Member& member, SupervisionAction action);
  void StartProcess(Member& member);
  void ArmTimer(Member& member);
  void Ended(Member& member, std::string how);
  void Heard(Member& member, std::string_view line);
  void Answered(Member& member, Response response);
  void Up(Member& member);
  void Down(Member& member);

  void Assign();
  void Reply(TaskId id, Answer answer);
  // The task is no more.
  void Forget(TaskId id);
  void TakeBack(TaskId id, absl::Duration patience);
  void LimitPassed(TaskId id);
  Member* HolderOf(TaskId id);
  void Check() const;

  template <typename Fn>
  void After(absl::Duration delay, Fn fn) {
    tasks_.add(
        timer_.afterDelay(async::ToKj(std::max(delay, absl::ZeroDuration()))).then(kj::mv(fn)));
  }

  kj::LowLevelAsyncIoProvider& provider_;
  kj::UnixEventPort& port_;
  kj::Timer& timer_;
  const Stage stage_;
  bool stopping_ = false;
  ChildId last_child_ = 0;
  TaskId last_task_ = 0;
  std::map<ChildId, std::unique_ptr<Member>> members_;
  std::map<TaskId, Work> work_;
  Dispatcher dispatcher_;
  kj::Maybe<kj::Own<kj::PromiseFulfiller<void>>> all_ended_;
  kj::TaskSet tasks_;
};

// ---- members

void ChildrenImpl::Add(ChildOptions options) {
  const ChildId id = ++last_child_;
  dispatcher_.SetChild(id, options.weight, options.slots);
  Member& member =
      *members_.emplace(id, std::make_unique<Member>(*this, id, std::move(options))).first->second;
  member.state.since = Now();
  Feed(member, event::Tick{});
}

void ChildrenImpl::Reconfigure(std::vector<ChildOptions> children) {
  if (stopping_) return;
  std::map<std::string, ChildOptions> wanted;
  for (ChildOptions& options : children) wanted.emplace(options.name, std::move(options));
  std::vector<Member*> members;
  for (const auto& [id, member] : members_) members.push_back(member.get());
  for (Member* member : members) {
    const auto at = wanted.find(member->options.name);
    if (at == wanted.end()) {
      Retire(*member, std::nullopt);
    } else if (member->retired || !SameProcess(member->options, at->second)) {
      Retire(*member, std::move(at->second));
      wanted.erase(at);
    } else {
      member->options = std::move(at->second);
      dispatcher_.SetChild(member->id, member->options.weight, member->options.slots);
      wanted.erase(at);
    }
  }
  for (auto& [name, options] : wanted) Add(std::move(options));
  Assign();
}

void ChildrenImpl::Retire(Member& member, std::optional<ChildOptions> replacement) {
  member.replacement = std::move(replacement);
  if (member.retired) return;
  member.retired = true;
  LogInfo("child", "retired",
          {{"child", member.options.name},
           {"tasks_to_finish", dispatcher_.Busy(member.id)},
           {"replaced", member.replacement ? "yes" : "no"}});
  dispatcher_.RemoveChild(member.id);
  StopIfIdle(member);
}

void ChildrenImpl::StopIfIdle(Member& member) {
  if (member.retired && dispatcher_.Busy(member.id) == 0) Feed(member, event::Stop{});
}

// ---- one process

void ChildrenImpl::Feed(Member& member, const SupervisionEvent& event) {
  SupervisionStep step = Step(member.options.rules, std::move(member.state), event, Now());
  const Phase phase = step.state.phase;
  member.state = std::move(step.state);
  ArmTimer(member);
  const ChildId id = member.id;
  for (const SupervisionAction action : step.actions) Act(member, action);
  if (phase != Phase::kOff) return;
  if (!stopping_ && !member.retired) {
    LogError("child", "not_started_again",
             {{"child", member.options.name}, {"last_end", member.state.last_end}});
    return;
  }
  // Later: this may have been called by the member's own process.
  tasks_.add(kj::evalLater([this, id] {
    const auto at = members_.find(id);
    if (at == members_.end() || at->second->state.phase != Phase::kOff) return;
    std::optional<ChildOptions> replacement = std::move(at->second->replacement);
    members_.erase(at);
    if (replacement && !stopping_) Add(*std::move(replacement));
    KJ_IF_MAYBE (waiting, all_ended_) {
      if (stopping_ && members_.empty()) (*waiting)->fulfill();
    }
  }));
}

void ChildrenImpl::Act(Member& member, SupervisionAction action) {
  switch (action) {
    case SupervisionAction::kStart:
      return StartProcess(member);
    case SupervisionAction::kTellToEnd:
      if (member.run != nullptr) member.run->TellToEnd();
      return;
    case SupervisionAction::kKill:
      if (member.run != nullptr) member.run->Kill();
      return;
    case SupervisionAction::kUp:
      return Up(member);
    case SupervisionAction::kDown:
      return Down(member);
  }
}

void ChildrenImpl::StartProcess(Member& member) {
  auto process = Process::Start(provider_, port_,
                                {.program = member.options.program,
                                 .args = member.options.args,
                                 .environment = EnvironmentOf(member.options)});
  if (!process.ok()) {
    LogError("child", "not_started", {{"child", member.options.name}, {"error", process.status()}});
    return Feed(member, event::NotStarted{std::string(process.status().message())});
  }
  member.extensions = false;
  member.run = std::make_unique<Run>(*std::move(process), timer_, member.options.name, member);
  LogInfo("child", "started",
          {{"child", member.options.name},
           {"stage", NameOf(stage_)},
           {"pid", member.run->Pid()},
           {"ppid", getpid()},
           {"proc", member.options.program}});
  Feed(member, event::Started{});
}

void ChildrenImpl::ArmTimer(Member& member) {
  const std::uint64_t alarm = ++member.alarm;  // those before are void
  const absl::Time at = WakeAt(member.state);
  if (at == absl::InfiniteFuture() || at == absl::InfinitePast()) return;
  After(at - Now(), [this, id = member.id, alarm] {
    const auto of = members_.find(id);
    if (of == members_.end() || of->second->alarm != alarm) return;
    // The loop's time is that of its last turn: it may ring a little early.
    if (Now() < WakeAt(of->second->state)) return ArmTimer(*of->second);
    Feed(*of->second, event::Tick{});
  });
}

void ChildrenImpl::Ended(Member& member, std::string how) {
  const auto severity = member.state.phase == Phase::kEnding ? Severity::kInfo : Severity::kWarning;
  Log(severity, "child", "ended",
      {{"child", member.options.name},
       {"pid", member.run->Pid()},
       {"how", how},
       {"tasks_under_way", dispatcher_.Busy(member.id)}});
  Feed(member, event::Ended{std::move(how)});
  // Not in its own call.
  tasks_.add(kj::evalLater([run = kj::mv(member.run)] {}));
}

void ChildrenImpl::Up(Member& member) {
  for (const char* loop : {"request", "response"}) {
    LogInfo("child", "loop_start",
            {{"child", member.options.name},
             {"pid", member.run->Pid()},
             {"ppid", getpid()},
             {"loop", loop}});
  }
  LogInfo("child", "ready",
          {{"child", member.options.name},
           {"pid", member.run->Pid()},
           {"ppid", getpid()},
           {"proc", NameOf(stage_)}});
  dispatcher_.Up(member.id);
  Assign();
}

void ChildrenImpl::Down(Member& member) {
  for (const TaskId id : dispatcher_.Down(member.id)) {
    ++member.lost;
    Work& work = work_.at(id);
    ++work.ended_with_it;
    if (work.asker == nullptr) {
      Forget(id);
    } else if (work.ended_with_it >= kTriesMax) {
      Reply(id, {absl::UnavailableError(absl::StrFormat(
                     "%d children have ended while they proved this; the last, %s: %s",
                     work.ended_with_it, member.options.name, member.state.last_end)),
                 member.options.name});
    }
  }
  StopIfIdle(member);
  Assign();
}

void ChildrenImpl::Heard(Member& member, std::string_view line) {
  if (member.state.phase == Phase::kStarting) {
    if (IsReadyLine(stage_, line)) return Feed(member, event::SaidReady{});
    return member.run->Useless(line, "before the line that says it is ready");
  }
  if (member.state.phase != Phase::kReady) return;
  if (IsExtensionsLine(line)) {
    member.extensions = true;
    return;
  }
  auto response = DecodeResponse(line);
  if (!response.ok()) return member.run->Useless(line, response.status().ToString());
  Answered(member, *std::move(response));
}

// ---- tasks

async::Task<Children::Answer> ChildrenImpl::Prove(prover::WindowPostTask task,
                                                  absl::Duration limit) {
  if (stopping_) co_return Answer{absl::UnavailableError("the children are being stopped"), ""};
  const TaskId id = ++last_task_;
  auto pair = kj::newPromiseAndFulfiller<Answer>();
  const absl::Time close = Now() + limit;
  work_.emplace(id, Work{std::move(task), close, 0, kj::mv(pair.fulfiller)});
  dispatcher_.Submit(id, close);
  After(limit, [this, id] { LimitPassed(id); });
  // Without effect once it is answered.
  const absl::Cleanup dropped = [this, id] { TakeBack(id, absl::InfiniteDuration()); };
  Assign();
  co_return co_await kj::mv(pair.promise);
}

void ChildrenImpl::Assign() {
  for (const Dispatcher::Assignment& begun : dispatcher_.Assign()) {
    Member& member = *members_.at(begun.child);
    member.run->Send(EncodeRequest(begun.task, work_.at(begun.task).task, member.extensions));
  }
  Check();
}

void ChildrenImpl::Answered(Member& member, Response response) {
  if (HolderOf(response.id) != &member) {
    return member.run->Useless(absl::StrFormat("id %d", response.id),
                               "an answer to what it was not asked, or has answered");
  }
  const Work& work = work_.at(response.id);
  if (response.outcome.ok()) {
    for (const prover::UnprovableSector& fault : response.outcome->faults) {
      const bool known = std::any_of(
          work.task.sectors.begin(), work.task.sectors.end(),
          [&](const prover::SectorToProve& sector) { return sector.number == fault.number; });
      if (known) continue;
      response.outcome =
          absl::InternalError(absl::StrFormat("%s calls sector %d faulty, which is not of the task",
                                              member.options.name, fault.number));
      break;
    }
  }
  ++(response.outcome.ok() ? member.done : member.failed);
  Reply(response.id, {std::move(response.outcome), member.options.name});
  StopIfIdle(member);
  Assign();
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

ChildrenImpl::Member* ChildrenImpl::HolderOf(TaskId id) {
  const std::optional<ChildId> holder = dispatcher_.Holder(id);
  if (!holder) return nullptr;
  const auto at = members_.find(*holder);
  return at == members_.end() ? nullptr : at->second.get();
}

// Nobody waits for it any more.  A child that has it keeps its slot until it answers, for it is
// still at work; after `patience` it is killed.
void ChildrenImpl::TakeBack(TaskId id, absl::Duration patience) {
  const auto at = work_.find(id);
  if (at == work_.end()) return;
  Member* holder = HolderOf(id);
  if (holder == nullptr) return Forget(id);
  at->second.asker = nullptr;
  if (holder->extensions) {
    holder->run->Send(EncodeCancel(id));
    patience = std::min(patience, kCancelledWithin);
  }
  if (patience == absl::InfiniteDuration()) return;
  After(patience, [this, id, child = holder->id] {
    Member* still = HolderOf(id);
    if (still == nullptr || still->id != child) return;
    Feed(*still, event::Misbehaved{"it holds a task that should have ended"});
  });
}

void ChildrenImpl::LimitPassed(TaskId id) {
  const auto at = work_.find(id);
  if (at == work_.end()) return;
  Member* holder = HolderOf(id);
  Answer answer{
      absl::DeadlineExceededError(
          holder == nullptr ? "no child was free in time"
                            : absl::StrFormat("%s has not answered in time", holder->options.name)),
      holder == nullptr ? "" : holder->options.name};
  auto asker = kj::mv(at->second.asker);
  TakeBack(id, kStuckAfter);
  KJ_IF_MAYBE (fulfiller, asker) (*fulfiller)->fulfill(std::move(answer));
}

void ChildrenImpl::AnsweredWrongly(const std::string& child) {
  for (const auto& [id, member] : members_) {
    if (member->options.name != child) continue;
    LogError("child", "answered_wrongly", {{"child", child}});
    Feed(*member, event::Misbehaved{"it answered with a proof that proves nothing"});
    return;
  }
}

void ChildrenImpl::Check() const {
  CheckInvariants("child", NameOf(stage_), dispatcher_.Broken(), [this] {
    return absl::StrFormat("%d children, %d tasks, %d waiting", members_.size(), work_.size(),
                           dispatcher_.Waiting());
  });
}

// ---- all

std::vector<ChildInfo> ChildrenImpl::List() const {
  std::vector<ChildInfo> list;
  for (const auto& [id, member] : members_) {
    const Supervised& state = member->state;
    list.push_back({.name = member->options.name,
                    .phase = state.phase,
                    .pid = member->run == nullptr ? 0 : member->run->Pid(),
                    .since = state.since,
                    .next_start = state.phase == Phase::kDown ? state.next : absl::InfinitePast(),
                    .slots = member->options.slots,
                    .weight = member->options.weight,
                    .busy = dispatcher_.Busy(id),
                    .done = member->done,
                    .failed = member->failed,
                    .lost = member->lost,
                    .starts = state.starts,
                    .last_end = state.last_end});
  }
  return list;
}

async::Task<void> ChildrenImpl::Stop() {
  stopping_ = true;
  std::vector<TaskId> tasks;
  for (const auto& [id, work] : work_) tasks.push_back(id);
  for (const TaskId id : tasks) {
    auto asker = kj::mv(work_.at(id).asker);
    KJ_IF_MAYBE (fulfiller, asker) {
      (*fulfiller)->fulfill(Answer{absl::UnavailableError("the children are being stopped"), ""});
    }
  }
  std::vector<Member*> members;
  for (const auto& [id, member] : members_) members.push_back(member.get());
  auto pair = kj::newPromiseAndFulfiller<void>();
  all_ended_ = kj::mv(pair.fulfiller);
  for (Member* member : members) Feed(*member, event::Stop{});
  if (members.empty()) co_return;
  co_await kj::mv(pair.promise);
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
