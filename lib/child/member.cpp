// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "lib/child/member.h"

#include <unistd.h>

#include <algorithm>
#include <map>
#include <utility>
#include <vector>

#include "damocles/async/duration.h"
#include "damocles/async/failure.h"
#include "damocles/async/offload.h"
#include "damocles/base/clock.h"
#include "damocles/base/log.h"

namespace damocles::child {
namespace {

// Kills in vain before somebody is told.
constexpr absl::Duration kDoesNotDie = absl::Seconds(20);

absl::Time Now() {
  return SteadyClock().Now();
}

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

}  // namespace

Member::Member(const World& world, Owner& owner, ChildId id, ChildOptions options)
    : world_(world), owner_(owner), id_(id), options_(std::move(options)), tasks_(*this) {
  state_.since = Now();
}

void Member::taskFailed(kj::Exception&& exception) {
  LogError("child", "internal_error",
           {{"child", options_.name}, {"why", async::Plainly(exception)}});
}

void Member::Feed(const SupervisionEvent& event) {
  SupervisionStep step = Step(options_.rules, std::move(state_), event, Now());
  const bool is_off = step.state.phase == Phase::kOff;
  state_ = std::move(step.state);
  ArmTimer();
  for (const SupervisionAction action : step.actions) Act(action);
  if (is_off) owner_.Off(*this);
}

void Member::Act(SupervisionAction action) {
  switch (action) {
    case SupervisionAction::kStart:
      return StartProcess();
    case SupervisionAction::kTellToEnd:
      if (run_ != nullptr) run_->TellToEnd();
      return;
    case SupervisionAction::kKill:
      if (run_ != nullptr) run_->Kill();
      if (state_.phase == Phase::kEnding && Now() - state_.since > kDoesNotDie) {
        LogError("child", "does_not_die",
                 {{"child", options_.name},
                  {"pid", Pid()},
                  {"what", "it hangs in the kernel, in a device or a mount; killed again"}});
      }
      return;
    case SupervisionAction::kUp:
      LogReady();
      return owner_.Up(*this);
    case SupervisionAction::kDown:
      return owner_.Down(*this);
  }
}

void Member::StartProcess() {
  Command command{
      .program = options_.program, .args = options_.args, .environment = EnvironmentOf(options_)};
  using Spawning = absl::StatusOr<std::unique_ptr<Spawned>>;
  kj::Promise<Spawning> spawning = async::Offload<Spawning>(
      world_.spawner, [command = std::move(command)] { return Spawned::Start(command); });
  tasks_.add(spawning.then([this](Spawning spawned) { ProcessStarted(std::move(spawned)); }));
}

void Member::ProcessStarted(absl::StatusOr<std::unique_ptr<Spawned>> spawned) {
  if (spawned.ok()) {
    try {
      auto process = std::make_unique<Process>(world_.provider, world_.port, *std::move(spawned));
      run_.reset(new Run(std::move(process), world_.port.getTimer(), options_.name, *this));
    } catch (const kj::Exception& exception) {
      spawned = async::FailureStatus(exception, "listening to it");
    }
  }
  if (run_ == nullptr) {
    LogError("child", "not_started", {{"child", options_.name}, {"error", spawned.status()}});
    return Feed(event::NotStarted{std::string(spawned.status().message())});
  }
  extensions_ = false;
  LogInfo("child", "started",
          {{"child", options_.name},
           {"stage", NameOf(world_.stage)},
           {"pid", Pid()},
           {"ppid", getpid()},
           {"proc", options_.program}});
  Feed(event::Started{});
}

void Member::ArmTimer() {
  const std::uint64_t alarm = ++alarm_;  // those before are void
  const absl::Time at = WakeAt(state_);
  if (at == absl::InfiniteFuture() || at == absl::InfinitePast()) return;
  const absl::Duration delay = std::max(at - Now(), absl::ZeroDuration());
  tasks_.add(world_.port.getTimer().afterDelay(async::ToKj(delay)).then([this, alarm] {
    if (alarm_ != alarm) return;
    // The loop's time is that of its last turn: it may ring a little early.
    if (Now() < WakeAt(state_)) return ArmTimer();
    Feed(event::Tick{});
  }));
}

void Member::Ended(std::string how) {
  const auto severity = state_.phase == Phase::kEnding ? Severity::kInfo : Severity::kWarning;
  Log(severity, "child", "ended", {{"child", options_.name}, {"pid", Pid()}, {"how", how}});
  Feed(event::Ended{std::move(how)});
  // Not in its own call.
  tasks_.add(kj::evalLater([run = kj::mv(run_)] {}));
}

// In the words of the existing system, which people look for.
void Member::LogReady() {
  for (const auto& [line, loop] :
       {std::pair{"request loop start", "req"}, std::pair{"response loop start", "resp"}}) {
    LogInfo("child", line,
            {{"child", options_.name}, {"pid", Pid()}, {"ppid", getpid()}, {"loop", loop}});
  }
  LogInfo("child", "ready",
          {{"child", options_.name},
           {"pid", Pid()},
           {"ppid", getpid()},
           {"proc", NameOf(world_.stage)}});
}

void Member::Heard(std::string_view line) {
  if (IsExtensionsLine(line)) {
    extensions_ = true;
    return;
  }
  if (state_.phase == Phase::kStarting) {
    if (IsReadyLine(world_.stage, line)) return Feed(event::SaidReady{});
    return Useless(line, "before the line that says it is ready");
  }
  if (state_.phase != Phase::kReady) return;
  auto response = DecodeResponse(line);
  if (!response.ok()) return Useless(line, response.status().ToString());
  owner_.Answered(*this, *std::move(response));
}

void Member::Request(TaskId id, const prover::WindowPostTask& task) {
  run_->Send(EncodeRequest(id, task, extensions_));
}

bool Member::Cancel(TaskId id) {
  if (extensions_) run_->Send(EncodeCancel(id));
  return extensions_;
}

ChildInfo Member::Info(std::size_t busy) const {
  return {.name = options_.name,
          .phase = state_.phase,
          .pid = Pid(),
          .since = state_.since,
          .next_start = state_.phase == Phase::kDown ? state_.next : absl::InfinitePast(),
          .slots = options_.slots,
          .weight = options_.weight,
          .busy = busy,
          .done = counts.done,
          .failed = counts.failed,
          .lost = counts.lost,
          .starts = state_.starts,
          .last_end = state_.last_end};
}

}  // namespace damocles::child
