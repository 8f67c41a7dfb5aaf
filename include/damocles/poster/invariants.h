// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// What must always hold of a deadline's record and of each of its batches, after every step.

#pragma once

#include "damocles/base/invariant.h"
#include "damocles/poster/deadline_record.h"

namespace damocles::poster {

Violations InvariantsOf(const PartitionBatch& batch);
// Those of its batches included.
Violations InvariantsOf(const DeadlineRecord& record);

}  // namespace damocles::poster
