// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// Practice sectors: nothing is sealed in them, but they are proven like any other
// (as `fauxrep` of rust-fil-proofs makes them).  For tests, drills and devnets.

#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

#include "damocles/base/bytes.h"
#include "damocles/base/random.h"
#include "damocles/base/thread_pool.h"
#include "damocles/filecoin/proof_type.h"
#include "damocles/filecoin/sector.h"
#include "damocles/merkle/p_aux.h"
#include "damocles/merkle/shape.h"
#include "damocles/storage/genesis_file.h"

namespace damocles::practice {

// What fills a practice sector.
struct PracticeContent {
  // Node i of sector n is SHA-256(salt "/node" le64(n) le64(i)), comm_c is SHA-256(salt "/comm_c"
  // le64(n)), each with the two top bits of byte 31 cleared.  Absent: a random salt for each
  // sector.
  std::optional<std::string> salt;
  // Zeros instead, in a file that takes no space, at once for any size; comm_c as above.
  bool zeros = false;
};

struct PracticeSector {
  filecoin::SectorId id;
  merkle::PAux p_aux;
  Bytes32 comm_r{};
};

struct PracticeOrder {
  filecoin::SectorSize size = filecoin::SectorSize::k2KiB;
  filecoin::ActorId miner = 0;
  std::vector<filecoin::SectorNumber> numbers;
  // A sector that is complete already stands as it is, instead of being an error: made again after
  // the run that made it did not come to its end.  DATA_LOSS if it is not one of this size and
  // content (as far as p_aux tells; random content is any).
  bool keep_existing = false;
  // Root of the Lotus layout: sealed/s-t0<miner>-<n> and cache/s-t0<miner>-<n>/ are made in it.
  std::string store_path;
  PracticeContent content;
  // Called from one thread at a time with leaves hashed and leaves in all, over all sectors.
  std::function<void(std::uint64_t done, std::uint64_t total)> progress;
};

// Makes the sectors, several at once, with trees and p_aux, in the order of `numbers`; all are on
// disk when it returns (their file system is synced, not each file).  A sector is
// complete or its p_aux is absent; ALREADY_EXISTS, before anything is made, if there is a sealed
// file or a p_aux of one of them (but see keep_existing): nothing is ever written over.  `random`
// is asked on the calling thread only.
absl::StatusOr<std::vector<PracticeSector>> MakePracticeSectors(ThreadPool& pool, Random& random,
                                                                const PracticeOrder& order);

// The value comm_c has by the rule of `salt`.
merkle::Fr PracticeCommC(std::string_view salt, filecoin::SectorNumber number);

// Entries for a genesis file; FAILED_PRECONDITION for a size without registered proof, which no
// chain knows.
absl::StatusOr<std::vector<storage::GenesisSector>> GenesisSectorsOf(
    filecoin::SectorSize size, std::span<const PracticeSector> sectors);

}  // namespace damocles::practice
