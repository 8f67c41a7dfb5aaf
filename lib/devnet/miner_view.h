// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// A miner as the node's methods show it (chain/types.h).

#pragma once

#include <optional>
#include <vector>

#include "absl/status/statusor.h"
#include "lib/devnet/tipsets.h"
#include "lib/devnet/world.h"

#include "damocles/chain/types.h"
#include "damocles/devnet/actor.h"

namespace damocles::devnet::internal {

// By ID or robust address; NOT_FOUND in the words of a node.
absl::StatusOr<const MinerState*> MinerAt(const World& world, const filecoin::Address& miner);

chain::MinerInfo InfoOf(const MinerState& miner);
std::vector<chain::DeadlineState> DeadlinesOf(const ActorPolicy& policy, const MinerState& miner);
// INVALID_ARGUMENT: it has no such deadline.
absl::StatusOr<std::vector<chain::Partition>> PartitionsOf(const MinerState& miner,
                                                           std::uint64_t deadline);

chain::SectorOnChainInfo InfoOf(const SectorRecord& sector);
// Without `sectors`: all of them.
std::vector<chain::SectorOnChainInfo> SectorsOf(const MinerState& miner,
                                                const std::optional<filecoin::BitField>& sectors);
absl::StatusOr<chain::SectorLocation> LocationOf(const MinerState& miner,
                                                 filecoin::SectorNumber sector);
filecoin::BitField ActiveOf(const MinerState& miner);
filecoin::BitField FaultsOf(const MinerState& miner);
filecoin::BitField RecoveriesOf(const MinerState& miner);
chain::MinerSectorCounts CountsOf(const MinerState& miner);

filecoin::TokenAmount PowerOf(const MinerState& miner);
filecoin::TokenAmount PowerOf(const World& world);

// What it takes to mine at `round` on top of `base`; nothing for a miner without sectors.  State of
// `finality` epochs before says which sectors and how much power.
absl::StatusOr<std::optional<chain::MiningBaseInfo>> MiningBaseOf(const ChainConfig& config,
                                                                  const Tipsets& tipsets,
                                                                  const NodePtr& base,
                                                                  const filecoin::Address& miner,
                                                                  filecoin::ChainEpoch round);

}  // namespace damocles::devnet::internal
