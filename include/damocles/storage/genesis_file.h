// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// The genesis file: practice sectors that a devnet shall know (docs/formats/genesis.md).  Written
// by `damocles-prover sector new`, read by `damocles-devnet init`.

#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

#include "damocles/base/bytes.h"

namespace damocles::storage {

struct GenesisSector {
  std::uint64_t miner = 0;  // actor number
  std::uint64_t number = 0;
  Bytes32 comm_r{};
  // Registered number of the window proof: 10 to 14 for 2 KiB, 8 MiB, 512 MiB, 32 GiB, 64 GiB.
  std::uint64_t proof_type = 0;
  // Where the sector is to lie; without, the devnet places it as the chain would.  A partition only
  // together with a deadline.
  std::optional<std::uint64_t> deadline;
  std::optional<std::uint64_t> partition;

  friend bool operator==(const GenesisSector&, const GenesisSector&) = default;
};

// Strict: INVALID_ARGUMENT for an unknown or missing member, a foreign version, a repeated (miner,
// number), or two proof types of one miner.  The order of the text is kept.
absl::StatusOr<std::vector<GenesisSector>> ParseGenesis(std::string_view text);
std::string FormatGenesis(std::span<const GenesisSector> sectors);

// NOT_FOUND if absent; messages name the file.
absl::StatusOr<std::vector<GenesisSector>> ReadGenesisFile(const std::string& path);

// Adds sectors to the file, made if absent, in one atomic step; writers in other processes wait for
// one another (a lock on `path`.lock).  An identical sector that is there already is left as it is;
// ALREADY_EXISTS if (miner, number) is there with other content.
absl::Status AppendToGenesisFile(const std::string& path, std::span<const GenesisSector> sectors);

}  // namespace damocles::storage
