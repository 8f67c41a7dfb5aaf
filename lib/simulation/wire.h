// SPDX-License-Identifier: Apache-2.0 OR MIT

#pragma once

#include <kj/async.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "damocles/worker/session.h"

namespace damocles::simulation {

// The connections of one worker.  Cut drops them with all calls under way; what was asked is lost.
struct Wire {
  bool up = true;
  bool cut_at_next_assignment = false;  // between manager and worker
  std::uint64_t generation = 0;
  // Whether the manager lives; answers of one that does not are lost.
  std::function<bool()> alive = {};
  kj::Canceler calls;

  void Cut() {
    ++generation;
    calls.cancel("the connection was cut");
  }
};

class WiredSession final : public worker::Session {
 public:
  WiredSession(std::shared_ptr<worker::Session> session, std::shared_ptr<Wire> wire)
      : session_(std::move(session)), wire_(std::move(wire)), generation_(wire_->generation) {}

  async::Task<absl::StatusOr<std::optional<job::Assignment>>> Allocate(
      absl::Duration wait) override {
    if (!Alive()) co_return Down();
    auto answer = co_await Carry(session_->Allocate(wait));
    if (answer.ok() && answer->has_value() && wire_->cut_at_next_assignment) {
      wire_->cut_at_next_assignment = false;
      wire_->Cut();
      session_ = nullptr;
      co_return Down();
    }
    co_return answer;
  }
  async::Task<absl::StatusOr<std::vector<bool>>> Heartbeat(std::vector<worker::AttemptId> attempts,
                                                           bool leaving) override {
    if (!Alive()) co_return Down();
    co_return co_await Carry(session_->Heartbeat(std::move(attempts), leaving));
  }
  void NoteClock(absl::Duration ahead) override {
    if (Alive()) session_->NoteClock(ahead);
  }
  absl::Duration HeartbeatInterval() const override {
    return Alive() ? session_->HeartbeatInterval() : absl::Seconds(1);
  }
  async::Task<absl::StatusOr<worker::Receipt>> Finish(worker::AttemptId attempt,
                                                      Bytes proof) override {
    if (!Alive()) co_return Down();
    co_return co_await Carry(session_->Finish(std::move(attempt), std::move(proof)));
  }
  async::Task<absl::Status> ReportFaults(worker::AttemptId attempt,
                                         std::vector<job::SectorFault> faults) override {
    if (!Alive()) co_return Down();
    const absl::Status told =
        co_await session_->ReportFaults(std::move(attempt), std::move(faults));
    co_return Alive() ? told : Down();
  }
  async::Task<absl::Status> Fail(worker::AttemptId attempt, job::FailureKind kind,
                                 std::string reason) override {
    if (!Alive()) co_return Down();
    const absl::Status told = co_await session_->Fail(std::move(attempt), kind, std::move(reason));
    co_return Alive() ? told : Down();
  }

  static absl::Status Down() { return absl::UnavailableError("the manager is away"); }

 private:
  bool Alive() const {
    return wire_->up && wire_->generation == generation_ && (!wire_->alive || wire_->alive());
  }

  template <typename T>
  kj::Promise<absl::StatusOr<T>> Carry(async::Task<absl::StatusOr<T>> task) {
    using Answer = absl::StatusOr<T>;
    return wire_->calls.wrap(std::move(task).ToPromise())
        .then(
            [wire = wire_](Answer&& answer) -> Answer {
              if (wire->alive && !wire->alive()) return Down();
              return std::move(answer);
            },
            [](kj::Exception&&) -> Answer { return Down(); });
  }

  std::shared_ptr<worker::Session> session_;
  const std::shared_ptr<Wire> wire_;
  const std::uint64_t generation_;
};

}  // namespace damocles::simulation
