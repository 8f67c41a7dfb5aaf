// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// Durations are absl's everywhere; where KJ's timers want theirs they are turned here.

#pragma once

#include <kj/time.h>

#include <algorithm>

#include "absl/time/time.h"

namespace damocles::async {

// Rounded up: a timer that fires before its time finds that there is still something to wait for.
// A timer adds it to the present: what is longer than that can bear is a century.
inline kj::Duration ToKj(absl::Duration duration) {
  constexpr absl::Duration kLongest = absl::Hours(24 * 365 * 100);
  const absl::Duration bounded = std::clamp(duration, absl::ZeroDuration(), kLongest);
  return absl::ToInt64Nanoseconds(absl::Ceil(bounded, absl::Nanoseconds(1))) * kj::NANOSECONDS;
}

}  // namespace damocles::async
