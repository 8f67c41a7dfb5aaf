// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// The child's side: requests come in, proofs go out.

#pragma once

#include <functional>
#include <stop_token>

#include "absl/status/status.h"

#include "damocles/child/protocol.h"

namespace damocles::child {

// One proof; called from several threads, at most kServedAtOnce at a time.  Blocks, and
// returns soon after it is told to stop.
using ProveFn = std::function<Outcome(const prover::WindowPostTask&, const std::stop_token&)>;
inline constexpr unsigned kServedAtOnce = 32;

// Says that it is ready and serves until `input` ends, which is how a parent says that it wants no
// more, or is no more: proofs under way are told to stop and waited for.  A line that is no request
// is answered with an error if it has an id, and logged.  Statuses: RESOURCE_EXHAUSTED if a line is
// too long; UNAVAILABLE if nobody reads `output`.  `extensions`: see kExtensionsVariable.
absl::Status Serve(Stage stage, const ProveFn& prove, int input, int output, bool extensions);

}  // namespace damocles::child
