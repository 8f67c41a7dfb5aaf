// SPDX-License-Identifier: Apache-2.0 OR MIT

#pragma once

#include <kj/async.h>
#include <kj/exception.h>
#include <kj/timer.h>

#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_format.h"

namespace damocles::chain::internal {

// What went wrong on a connection, as a status.  Only the first line of the text: the rest is for
// people who debug KJ.
inline absl::Status StatusFromKj(const kj::Exception& error, std::string_view doing) {
  std::string_view text(error.getDescription().begin(), error.getDescription().size());
  text = text.substr(0, text.find('\n'));
  const std::string message = absl::StrFormat("%s: %s", doing, text);
  // KJ has no kind of its own for "too large".
  if (text.find("too large") != std::string_view::npos ||
      text.find("Reached limit") != std::string_view::npos) {
    return absl::ResourceExhaustedError(message);
  }
  return absl::UnavailableError(message);
}

// The value of `promise`, or `late` when `limit` passed first.
template <typename T>
kj::Promise<absl::StatusOr<T>> WithDeadline(kj::Timer& timer, kj::Duration limit, absl::Status late,
                                            kj::Promise<absl::StatusOr<T>> promise) {
  return promise.exclusiveJoin(
      timer.afterDelay(limit).then([late = std::move(late)]() { return absl::StatusOr<T>(late); }));
}

}  // namespace damocles::chain::internal
