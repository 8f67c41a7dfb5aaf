// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// What a simulated chain starts from.

#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"

#include "damocles/base/bytes.h"
#include "damocles/devnet/actor.h"
#include "damocles/devnet/base_fee.h"
#include "damocles/filecoin/epoch.h"
#include "damocles/filecoin/proof_type.h"
#include "damocles/filecoin/sector.h"
#include "damocles/filecoin/token_amount.h"

namespace damocles::devnet {

// Lengths and rules of one chain.  All of them are values of its state; nothing is compiled in.
struct ChainConfig {
  std::string network_name = "damocles-devnet";
  std::uint32_t network_version = 27;
  std::uint64_t seed = 0;               // of keys, beacon and tickets
  std::uint64_t genesis_timestamp = 0;  // Unix seconds of epoch 0
  std::uint64_t block_delay_secs = 30;
  ActorPolicy policy;
  filecoin::EpochDelta finality{900};
  std::uint64_t confirmation_depth = 5;  // what a poster should wait for on this network

  // Empty blocks that the chain has from the start: enough for every look-back.
  filecoin::EpochDelta genesis_blocks{100};
  // The first window of a miner without a shift opens here.  Windows that open earlier are excused:
  // nobody could be there in time.
  filecoin::EpochDelta first_open{240};

  std::uint64_t null_rounds_percent = 0;  // share of epochs without a block, chosen by the seed
  std::uint64_t inclusion_delay = 0;      // blocks a message waits before it is included
  filecoin::TokenAmount base_fee = 100;   // of the first block to come
  // Whether the base fee follows premiums (base_fee.h); constant in chains of earlier versions.
  bool base_fee_follows = true;
  Traffic traffic = Traffic::kQuiet;  // begins with the first block after those of the genesis
};

// All the money that there will ever be, in FIL: no amount on the chain is larger.
inline constexpr std::int64_t kTotalFil = 2'000'000'000;

// INVALID_ARGUMENT naming the value that does not fit the others.
absl::Status Validate(const ChainConfig& config);

struct GenesisSector {
  filecoin::SectorNumber number = 0;
  Bytes32 comm_r{};
  // Placed by the actor's rule (AssignSectors) unless stated; a partition only with a deadline.
  std::optional<std::uint64_t> deadline;
  std::optional<std::uint64_t> partition;
};

struct GenesisMiner {
  filecoin::ActorId id = 0;
  filecoin::PoStProofType window_post_proof_type = filecoin::PoStProofType::kWindow2KiBV1_1;
  // Sectors a partition holds; that of the sector size if not stated.
  std::optional<std::uint64_t> partition_sectors;
  // Epochs by which its periods start later than first_open; if not stated, each miner half a
  // window after the one before it.
  std::optional<filecoin::EpochDelta> period_shift;
  std::uint64_t control_addresses = 1;
  // Its owner, worker and control addresses are those of this miner, which has a smaller id; then
  // control_addresses is of no account.
  std::optional<filecoin::ActorId> addresses_of;
  std::vector<GenesisSector> sectors;
};

struct Genesis {
  std::vector<GenesisMiner> miners;  // by id, each once
};

}  // namespace damocles::devnet
