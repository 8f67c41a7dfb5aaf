// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// What tasks of one event loop wait for.  Who asks a thread to stop takes a std::stop_token.

#pragma once

#include <kj/async.h>

#include <optional>

namespace damocles::async {

// Happens again and again.  Who waits hears of the next time only: look first, then wait, and look
// again.
//
// Whoever still waits when it goes gets an exception.
class Event {
 public:
  Event() = default;
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;
  ~Event() noexcept;

  // Comes with the first Fire after this call.
  kj::Promise<void> Next();
  // Wakes all that wait, in the order in which they came; none of them runs before this returns.
  void Fire();

 private:
  struct Round {
    kj::Own<kj::PromiseFulfiller<void>> fulfiller;
    kj::ForkedPromise<void> promise;
  };
  std::optional<Round> round_;  // there while somebody may wait
};

// Happens once and for good.
class Latch {
 public:
  bool IsSet() const { return set_; }
  // Comes at once if it is set.
  kj::Promise<void> WhenSet();
  void Set();

 private:
  bool set_ = false;
  Event event_;
};

}  // namespace damocles::async
