// SPDX-License-Identifier: Apache-2.0 OR MIT

#pragma once

#include <kj/async.h>
#include <kj/timer.h>

#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace damocles::chain::internal {

// The value of `promise`, or `late` when `limit` passed first.
template <typename T>
kj::Promise<absl::StatusOr<T>> WithDeadline(kj::Timer& timer, kj::Duration limit, absl::Status late,
                                            kj::Promise<absl::StatusOr<T>> promise) {
  return promise.exclusiveJoin(
      timer.afterDelay(limit).then([late = std::move(late)]() { return absl::StatusOr<T>(late); }));
}

}  // namespace damocles::chain::internal
