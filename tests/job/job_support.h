// SPDX-License-Identifier: Apache-2.0 OR MIT

#pragma once

#include <string>

#include "absl/time/time.h"

#include "damocles/job/queue.h"
#include "damocles/job/spec.h"

namespace damocles::job {

inline const absl::Time kStart = absl::FromUnixSeconds(1'800'000'000);

// A job that differs from others by `number`, and closes `closes_in` after kStart.
inline JobSpec MakeSpec(std::uint64_t number, absl::Duration closes_in = absl::Minutes(30)) {
  JobSpec spec;
  spec.miner = 1000 + number % 3;
  spec.proof_type = filecoin::PoStProofType::kWindow32GiBV1_1;
  spec.deadline_index = number % 48;
  // Two of the chain, one of the proof.
  spec.chain_partitions = {filecoin::ChainPartition(0), filecoin::ChainPartition(1)};
  spec.open = filecoin::ChainEpoch(static_cast<std::int64_t>(5000 + 60 * number));
  spec.close = spec.open + filecoin::EpochDelta(60);
  spec.close_time = kStart + closes_in;
  spec.randomness.fill(static_cast<std::uint8_t>(number));
  for (std::uint64_t i = 0; i < 3; ++i) {
    JobSector sector;
    sector.number = 10 * i + 7;
    sector.comm_r.fill(static_cast<std::uint8_t>(i + 1));
    sector.upgraded = i == 1;
    sector.sealed_store = "store-a";
    sector.cache_store = i == 2 ? "store-b" : "store-a";
    spec.sectors.push_back(sector);
  }
  return spec;
}

// As long as a proof of MakeSpec's sectors; the content is up to the test.
inline Bytes MakeProof(std::uint8_t content) {
  return Bytes(ProofPartitionsOf(MakeSpec(0)).ProofBytes(), content);
}

inline WorkerOffer MakeOffer(std::string name) {
  return {.name = std::move(name), .stores = {"store-a", "store-b"}};
}

}  // namespace damocles::job
