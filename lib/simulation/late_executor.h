// SPDX-License-Identifier: Apache-2.0 OR MIT

#pragma once

#include <kj/async.h>
#include <kj/exception.h>
#include <kj/timer.h>

#include <utility>

#include "absl/functional/any_invocable.h"

#include "damocles/async/offload.h"

namespace damocles::simulation {

// Work that takes (virtual) time: what does not wait for it is ahead of it.
class LateExecutor final : public async::Executor, private kj::TaskSet::ErrorHandler {
 public:
  LateExecutor(kj::Timer& timer, kj::Duration takes) : timer_(timer), takes_(takes) {}
  ~LateExecutor() noexcept override = default;
  void Run(absl::AnyInvocable<void() &&> job) override {
    jobs_.add(
        timer_.afterDelay(takes_).then([job = std::move(job)]() mutable { std::move(job)(); }));
  }

 private:
  void taskFailed(kj::Exception&& exception) override {
    kj::throwFatalException(kj::mv(exception));
  }

  kj::Timer& timer_;
  const kj::Duration takes_;
  kj::TaskSet jobs_{*this};
};

}  // namespace damocles::simulation
