// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/base/clock.h"

#include "absl/time/clock.h"

namespace damocles {
namespace {

class MachineClock final : public Clock {
 public:
  absl::Time Now() const override { return absl::Now(); }
};

}  // namespace

const Clock& SystemClock() {
  static const MachineClock clock;
  return clock;
}

}  // namespace damocles
