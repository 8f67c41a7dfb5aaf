// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// The one way to wait for something no longer than so long.

#pragma once

#include <kj/async.h>
#include <kj/timer.h>

#include <type_traits>
#include <utility>

#include "damocles/async/task.h"

namespace damocles::async {

// What `promise` gives; if that has not come within `limit` it is dropped, and the outcome is
// `late`: a value of T, or a function that makes one or a promise of one (so that it can throw).
template <typename T, typename Late>
kj::Promise<T> Within(kj::Timer& timer, kj::Duration limit, kj::Promise<T> promise, Late late) {
  kj::Promise<T> passed =
      timer.afterDelay(limit).then([late = std::move(late)]() mutable -> kj::Promise<T> {
        if constexpr (std::is_invocable_v<Late&>) {
          return late();
        } else {
          return T(std::move(late));
        }
      });
  return promise.exclusiveJoin(kj::mv(passed));
}

template <typename T, typename Late>
kj::Promise<T> Within(kj::Timer& timer, kj::Duration limit, Task<T> task, Late late) {
  return Within(timer, limit, kj::mv(task).ToPromise(), std::move(late));
}

}  // namespace damocles::async
