// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "lib/chain/json_shapes.h"

namespace damocles::chain {

DAMOCLES_JSON_TYPE(MinerInfo)
DAMOCLES_JSON_TYPE(filecoin::DeadlineInfo)
DAMOCLES_JSON_TYPE(DeadlineState)
DAMOCLES_JSON_TYPE(std::vector<DeadlineState>)
DAMOCLES_JSON_TYPE(Partition)
DAMOCLES_JSON_TYPE(std::vector<Partition>)
DAMOCLES_JSON_TYPE(SectorOnChainInfo)
DAMOCLES_JSON_TYPE(std::optional<SectorOnChainInfo>)
DAMOCLES_JSON_TYPE(std::vector<SectorOnChainInfo>)
DAMOCLES_JSON_TYPE(SectorLocation)
DAMOCLES_JSON_TYPE(MinerPower)
DAMOCLES_JSON_TYPE(MinerSectorCounts)

}  // namespace damocles::chain
