// SPDX-License-Identifier: Apache-2.0 OR MIT

#pragma once

#include <string_view>

#include "absl/time/time.h"

#include "damocles/base/clock_skew.h"

namespace damocles::worker {

// Logs that the wall clocks of a worker and a manager differ, or agree again, if that is news.
// `ahead`: the worker's before the manager's; `side` ("manager", "worker") is whose name it is.
void LogClocks(SkewWatch& watch, absl::Duration ahead, std::string_view side,
               std::string_view name);

}  // namespace damocles::worker
