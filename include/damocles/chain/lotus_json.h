// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// The JSON of the node's API (Lotus's v1 `FullNode`), both ways, for every type that a client or
// the devnet puts on the wire.  Writing gives the node's own text, byte for byte, its HTML escapes
// included.  Reading is as liberal as the node's: member names in any case, unknown members
// ignored, absent members zero, null where the node reads null; integers are exact up to 64 bits.
//
// T is one of: bool, std::int64_t, std::uint64_t, std::uint32_t, double, std::string, Bytes,
// Bytes32, Uuid, the values of filecoin/ (Address, Cid, TokenAmount, BitField, ChainEpoch,
// PoStProofType, Signature, Message, SignedMessage, BlockHeader, BeaconEntry, PoStProof, TipSet,
// TipSetKey, DeadlineInfo), every struct of chain/types.h, and std::optional (null) or std::vector
// (null or list) of what the API has so.

#pragma once

#include <string>
#include <string_view>

#include "absl/status/statusor.h"

#include "damocles/chain/types.h"

namespace damocles::chain {

inline constexpr int kJsonDepthMax = 64;

// INVALID_ARGUMENT, naming the member, for text that is no JSON, is nested deeper than
// kJsonDepthMax, or does not fit T.
template <typename T>
absl::StatusOr<T> FromLotusJson(std::string_view text);

template <typename T>
std::string ToLotusJson(const T& value);

}  // namespace damocles::chain
