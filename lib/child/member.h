// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// One child as it is configured, through all its processes.

#pragma once

#include <kj/async-io.h>
#include <kj/async-unix.h>
#include <kj/async.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "lib/child/process.h"
#include "lib/child/run.h"
#include "lib/child/spawner.h"

#include "damocles/child/children.h"
#include "damocles/child/dispatcher.h"
#include "damocles/child/supervision.h"

namespace damocles::child {

class Member final : private Run::Owner, private kj::TaskSet::ErrorHandler {
 public:
  // Called from the event loop, also from within calls to the member.  It may not be destroyed in
  // any of them.
  class Owner {
   public:
    virtual void Up(Member& member) = 0;
    virtual void Down(Member& member) = 0;
    virtual void Answered(Member& member, Response response) = 0;
    // It will not be started again but by Revive.
    virtual void Off(Member& member) = 0;

   protected:
    ~Owner() = default;
  };
  // They outlive it.
  struct World {
    kj::LowLevelAsyncIoProvider& provider;
    kj::UnixEventPort& port;
    Spawner& spawner;
    Stage stage;
  };

  Member(const World& world, Owner& owner, ChildId id, ChildOptions options);
  ~Member() noexcept {}

  // The first time with Tick, which starts it.
  void Feed(const SupervisionEvent& event);
  void Request(TaskId id, const prover::WindowPostTask& task);
  // Nothing where the child does not understand it.
  bool Cancel(TaskId id);
  void Useless(std::string_view line, std::string_view why) { run_->Useless(line, why); }

  ChildId Id() const { return id_; }
  const ChildOptions& Options() const { return options_; }
  const Supervised& State() const { return state_; }
  std::int64_t Pid() const { return run_ == nullptr ? 0 : run_->Pid(); }
  // In weight and slots only.
  void Change(ChildOptions options) { options_ = std::move(options); }
  ChildInfo Info(std::size_t busy) const;

  // For whoever lists it.
  struct Counts {
    std::uint64_t done = 0;
    std::uint64_t failed = 0;
    std::uint64_t lost = 0;
  };
  Counts counts;

 private:
  void Heard(std::string_view line) override;
  void Broke(std::string how) override { Feed(event::Misbehaved{std::move(how)}); }
  void Ended(std::string how) override;
  void taskFailed(kj::Exception&& exception) override;

  void Act(SupervisionAction action);
  void StartProcess();
  void ProcessStarted(absl::StatusOr<std::unique_ptr<Spawned>> spawned);
  void ArmTimer();
  void LogReady();

  const World world_;
  Owner& owner_;
  const ChildId id_;
  ChildOptions options_;
  Supervised state_;
  std::unique_ptr<Run> run_;
  std::uint64_t alarm_ = 0;
  bool extensions_ = false;
  kj::TaskSet tasks_;
};

}  // namespace damocles::child
