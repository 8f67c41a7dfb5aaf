// SPDX-License-Identifier: Apache-2.0 OR MIT

#pragma once

#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace damocles::devnet {

// Does the steps of an actor trace on this chain's miner actor and returns the trace with
// everything computed: exit, error, placed, randomness, verify, after.  Of each step only what is
// to be done is read.  INVALID_ARGUMENT names what in the trace cannot be read.
absl::StatusOr<std::string> ReplayTrace(std::string_view trace_json);

}  // namespace damocles::devnet
