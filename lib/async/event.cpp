// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/async/event.h"

#include <utility>

namespace damocles::async {

// KJ's destructors may throw.
Event::~Event() noexcept {}  // NOLINT(modernize-use-equals-default)

kj::Promise<void> Event::Next() {
  if (!round_) {
    auto pair = kj::newPromiseAndFulfiller<void>();
    round_.emplace(Round{kj::mv(pair.fulfiller), pair.promise.fork()});
  }
  return round_->promise.addBranch();
}

void Event::Fire() {
  if (!round_) return;
  // Whoever asks from now on waits for the next time.
  std::optional<Round> round = std::exchange(round_, std::nullopt);
  round->fulfiller->fulfill();
}

kj::Promise<void> Latch::WhenSet() {
  if (set_) return kj::READY_NOW;
  return event_.Next();
}

void Latch::Set() {
  set_ = true;
  event_.Fire();
}

}  // namespace damocles::async
