// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// Long work is told to stop with a std::stop_token: one that was never given a source never stops.

#pragma once

#include <stop_token>

#include "absl/status/status.h"

namespace damocles {

// CANCELLED once somebody wants the work to stop: asked between two of its parts.
inline absl::Status CheckGoOn(const std::stop_token& stop) {
  return stop.stop_requested() ? absl::CancelledError("was told to stop") : absl::OkStatus();
}

}  // namespace damocles
