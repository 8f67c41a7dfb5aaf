// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// The file `p_aux` in a sector's cache folder: comm_c and comm_r_last, 32 bytes each.

#pragma once

#include <string>

#include "absl/status/statusor.h"

#include "damocles/base/bytes.h"
#include "damocles/bls12_381/fr.h"

namespace damocles::merkle {

using bls12_381::Fr;

inline constexpr char kPAuxName[] = "p_aux";

struct PAux {
  Fr comm_c{};
  Fr comm_r_last{};

  // The sector's commitment on chain.
  Fr CommR() const;
  friend bool operator==(const PAux&, const PAux&) = default;
};

// What is in the file.
Bytes EncodePAux(const PAux& p_aux);

// NOT_FOUND if absent, DATA_LOSS if it is not 64 bytes of two canonical elements.
absl::StatusOr<PAux> ReadPAux(const std::string& cache_folder);

// Replaces the file in one step.
absl::Status WritePAux(const std::string& cache_folder, const PAux& p_aux);

}  // namespace damocles::merkle
