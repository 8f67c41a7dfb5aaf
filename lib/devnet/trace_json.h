// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// The state of a miner as actor traces write it (golden/chain/actor-traces, README).

#pragma once

#include <nlohmann/json.hpp>

#include "absl/status/statusor.h"

#include "damocles/devnet/actor.h"

namespace damocles::devnet::internal {

using Json = nlohmann::ordered_json;

// Members of an object, with errors that name them.
absl::StatusOr<std::int64_t> IntMember(const Json& object, const char* name);
absl::StatusOr<std::uint64_t> UintMember(const Json& object, const char* name);
absl::StatusOr<std::string> TextMember(const Json& object, const char* name);

// A list of numbers, or {"ranges": [[first, last], ...}} with both ends in it.
absl::StatusOr<filecoin::BitField> SetFromJson(const Json& json);
Json SetToJson(const filecoin::BitField& set);

Json DeadlineToJson(const DeadlineRecord& deadline);
absl::StatusOr<DeadlineRecord> DeadlineFromJson(const Json& json);

// The members `miner` and `initial` of a trace.
absl::StatusOr<MinerState> MinerFromJson(const ActorPolicy& policy, const Json& miner,
                                         const Json& initial);
SectorRecord TraceSector(std::uint64_t number, filecoin::ChainEpoch expiration);

// `after` as a difference.
Json DifferenceToJson(const MinerState& before, const MinerState& after);

}  // namespace damocles::devnet::internal
