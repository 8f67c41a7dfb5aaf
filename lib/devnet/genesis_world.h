// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// Miners and their sectors as a genesis has them.

#pragma once

#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "lib/devnet/wallet.h"
#include "lib/devnet/world.h"

#include "damocles/devnet/genesis.h"

namespace damocles::devnet::internal {

// The miners without their sectors, and the accounts of their keys, which `wallet` gets.  The
// miners of `genesis` stand in the order of their numbers.
absl::StatusOr<World> WorldOf(const ChainConfig& config, const Genesis& genesis, Wallet& wallet);

// Those with a stated place first, in the order of places; the rest by the actor's rule.
absl::Status PlaceSectors(const ActorPolicy& policy, MinerState& miner, filecoin::ChainEpoch epoch,
                          const std::vector<GenesisSector>& sectors);

// Windows that open before the chain counts them are as if they had been posted.
void ExcuseEarlyDeadlines(const ActorPolicy& policy, MinerState& miner, filecoin::ChainEpoch epoch,
                          filecoin::ChainEpoch first_open);

}  // namespace damocles::devnet::internal
