// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// What a node answers, judged before anything is done with it.
//
// FromLotusJson reads as liberally as a node does: what is absent is zero.  An answer in which
// something is absent must not be taken to say zero.  A partition without its live sectors would
// not be proven, a receipt without its exit code would be a success, and a message without its
// sender has no CID.

#pragma once

#include <string_view>

#include "absl/status/statusor.h"

#include "damocles/chain/types.h"

namespace damocles::chain {

// T is what a method of chain/api.h answers, or std::vector<HeadChange>. INVALID_ARGUMENT, naming
// the member, for what FromLotusJson refuses, for null where the node has no null, for an absent
// member that decisions rest on, and for values that cannot be: undefined addresses and CIDs,
// unknown proof types, negative or monstrous amounts and epochs, sets of sectors that contradict
// one another, tipsets that are not those that their CIDs name.
template <typename T>
absl::StatusOr<T> ReadAnswer(std::string_view text);

}  // namespace damocles::chain
