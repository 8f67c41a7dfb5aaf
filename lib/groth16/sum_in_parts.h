// SPDX-License-Identifier: Apache-2.0 OR MIT

#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "damocles/base/status.h"
#include "damocles/bls12_381/fr.h"

namespace damocles::groth16 {

inline absl::Status CheckGoOn(const std::atomic<bool>& cancelled) {
  return cancelled ? absl::CancelledError("proving was cancelled") : absl::OkStatus();
}

// A multi-exponentiation that can be cancelled between its parts of `part` scalars;
// `multiply(first, scalars)` gives the sum of one.  CANCELLED, or what `multiply` returns.
template <typename Group, typename Multiply>
absl::StatusOr<Group> SumInParts(std::span<const bls12_381::Fr> scalars, std::size_t part,
                                 const std::atomic<bool>& cancelled, Multiply multiply) {
  Group sum = Group::Infinity();
  for (std::size_t done = 0; done < scalars.size(); done += part) {
    DAMOCLES_RETURN_IF_ERROR(CheckGoOn(cancelled));
    DAMOCLES_ASSIGN_OR_RETURN(
        const Group next, multiply(std::uint64_t{done},
                                   scalars.subspan(done, std::min(part, scalars.size() - done))));
    sum += next;
  }
  DAMOCLES_RETURN_IF_ERROR(CheckGoOn(cancelled));
  return sum;
}

}  // namespace damocles::groth16
