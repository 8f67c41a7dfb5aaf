// SPDX-License-Identifier: Apache-2.0 OR MIT

#pragma once

#include <kj/async.h>

namespace damocles::testing_support {

// An event loop for a test fixture: gtest's destructors do not throw, KJ's may.
class Loop {
 public:
  Loop() = default;
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;
  ~Loop() noexcept {}  // NOLINT(modernize-use-equals-default): must not inherit noexcept(false)

  template <typename T>
  T Wait(kj::Promise<T>&& promise) {
    return promise.wait(scope_);
  }
  kj::WaitScope& Scope() { return scope_; }

 private:
  kj::EventLoop loop_;
  kj::WaitScope scope_{loop_};
};

}  // namespace damocles::testing_support
