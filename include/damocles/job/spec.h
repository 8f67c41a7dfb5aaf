// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// What a proof job asks for: one WindowPoSt over some chain partitions of one deadline.

#pragma once

#include <compare>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

#include "damocles/base/bytes.h"
#include "damocles/filecoin/epoch.h"
#include "damocles/filecoin/partition.h"
#include "damocles/filecoin/proof_type.h"
#include "damocles/filecoin/sector.h"

namespace damocles::job {

struct JobSector {
  filecoin::SectorNumber number{};
  Bytes32 comm_r{};          // as on chain, little-endian field element
  bool upgraded = false;     // files in update/ and update-cache/
  std::string sealed_store;  // stores by name: each worker maps names to its own paths
  std::string cache_store;
  friend bool operator==(const JobSector&, const JobSector&) = default;
};

struct JobSpec {
  filecoin::ActorId miner{};
  filecoin::PoStProofType proof_type{};
  std::uint64_t deadline_index = 0;
  std::vector<filecoin::ChainPartition> chain_partitions;  // ascending
  filecoin::ChainEpoch open{};
  filecoin::ChainEpoch close{};
  // When the chain will reach `close`, by the wall clock: an estimate that may be corrected later.
  absl::Time close_time = absl::InfiniteFuture();
  Bytes32 randomness{};            // as drawn from the chain, not yet masked
  std::vector<JobSector> sectors;  // ascending numbers, each once
};

// Limits of one job, far above what the chain allows (3 partitions of 2349 sectors at 32 GiB).
inline constexpr std::size_t kChainPartitionsMax = 3000;
inline constexpr std::size_t kSectorsMax = 100'000;
inline constexpr std::size_t kStoreNameBytesMax = 4096;

// INVALID_ARGUMENT: nothing to prove, an order broken, or a limit exceeded.
absl::Status ValidateSpec(const JobSpec& spec);

// How many partitions the proof of a valid spec has: its size and the work go by them, whatever the
// number of chain partitions.
filecoin::ProofPartitions ProofPartitionsOf(const JobSpec& spec);

// The name of a job: 11 base58 characters, the same for the same work.
class JobId {
 public:
  static constexpr std::size_t kLength = 11;

  JobId() = default;
  // INVALID_ARGUMENT: not 11 base58 characters.
  static absl::StatusOr<JobId> Parse(std::string_view text);
  // The 64-bit number behind the characters: any number has an id.
  static JobId FromNumber(std::uint64_t number);

  const std::string& ToString() const { return text_; }
  friend auto operator<=>(const JobId&, const JobId&) = default;

 private:
  explicit JobId(std::string text) : text_(std::move(text)) {}
  std::string text_;
};

// SHA-256 over what makes the work what it is: miner, proof type, deadline open epoch, partitions,
// randomness and the sector set (numbers, CommR, upgraded or not).  Neither the stores nor the
// close time: moving a sector's files does not make it another job.
Bytes32 WorkDigest(const JobSpec& spec);

// The id of that work.  `collision` counts on from 0 when another job already has the id.
JobId MakeJobId(const Bytes32& work_digest, std::uint32_t collision);

}  // namespace damocles::job
