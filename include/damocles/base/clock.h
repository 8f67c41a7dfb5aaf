// SPDX-License-Identifier: Apache-2.0 OR MIT

#pragma once

#include "absl/time/time.h"

namespace damocles {

// A source of time.  Library code never reads the system clock: it is handed a Clock, so that a
// simulation can run a 24-hour proving period in milliseconds.
//
// Safe to call from several threads.
class Clock {
 public:
  virtual ~Clock() = default;
  virtual absl::Time Now() const = 0;
};

// The machine's wall clock.  It jumps when somebody sets it.
const Clock& SystemClock();

// The wall clock as it was when this process began, and from then on the time that has passed (also
// while the machine slept): it never jumps.  For whatever waits, lasts or runs out.
const Clock& SteadyClock();

// A clock that moves only when told to.  One thread only.
class SimClock final : public Clock {
 public:
  explicit SimClock(absl::Time start) : now_(start) {}
  absl::Time Now() const override { return now_; }
  void Advance(absl::Duration step) { now_ += step; }
  void Set(absl::Time now) { now_ = now; }

 private:
  absl::Time now_;
};

}  // namespace damocles
