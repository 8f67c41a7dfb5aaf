// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/base/clock.h"

#include <ctime>

#include "absl/time/clock.h"

namespace damocles {
namespace {

class MachineClock final : public Clock {
 public:
  absl::Time Now() const override { return absl::Now(); }
};

class UnsteppedClock final : public Clock {
 public:
  absl::Time Now() const override { return start_ + (SinceBoot() - since_boot_); }

 private:
  static absl::Duration SinceBoot() {
    timespec now{};
    clock_gettime(CLOCK_BOOTTIME, &now);
    return absl::DurationFromTimespec(now);
  }
  const absl::Time start_ = absl::Now();
  const absl::Duration since_boot_ = SinceBoot();
};

}  // namespace

const Clock& SystemClock() {
  static const MachineClock clock;
  return clock;
}

const Clock& SteadyClock() {
  static const UnsteppedClock clock;
  return clock;
}

}  // namespace damocles
