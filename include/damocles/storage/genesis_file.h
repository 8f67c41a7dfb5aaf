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
#include <utility>
#include <vector>

#include "absl/status/statusor.h"

#include "damocles/base/bytes.h"
#include "damocles/base/file.h"

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

// A genesis file under its lock (`path`.lock): other writers wait until the object goes.
class GenesisEdit {
 public:
  // Reads the file, if there is one.  PERMISSION_DENIED or UNAVAILABLE if it could not be written.
  static absl::StatusOr<GenesisEdit> Open(const std::string& path);

  // What is in the file.
  const std::vector<GenesisSector>& Sectors() const { return sectors_; }

  // Adds what is not there yet, in one atomic step.  ALREADY_EXISTS if (miner, number) is there
  // with other content; INVALID_ARGUMENT if the sectors do not fit those that are there.
  absl::Status Add(std::span<const GenesisSector> sectors);
  // What Add would return, without writing.
  absl::Status CheckAdd(std::span<const GenesisSector> sectors) const;

 private:
  GenesisEdit(std::string path, File lock, std::vector<GenesisSector> sectors)
      : path_(std::move(path)), lock_(std::move(lock)), sectors_(std::move(sectors)) {}
  absl::StatusOr<std::vector<GenesisSector>> With(std::span<const GenesisSector> sectors) const;

  std::string path_;
  File lock_;
  std::vector<GenesisSector> sectors_;
};

// Open and Add.
absl::Status AppendToGenesisFile(const std::string& path, std::span<const GenesisSector> sectors);

}  // namespace damocles::storage
