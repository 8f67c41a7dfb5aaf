// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// Codecs of numbers, texts and the values of filecoin/.

#pragma once

#include <cstdint>
#include <string>

#include "absl/time/time.h"
#include "lib/chain/json_codec.h"

#include "damocles/base/bytes.h"

namespace damocles::chain::internal {

#define DAMOCLES_DECLARE_CODEC(...)                               \
  template <>                                                     \
  struct Codec<__VA_ARGS__> {                                     \
    static Json Write(const __VA_ARGS__& value);                  \
    static absl::Status Read(const Json& json, __VA_ARGS__& out); \
  }

DAMOCLES_DECLARE_CODEC(bool);
DAMOCLES_DECLARE_CODEC(std::int64_t);
DAMOCLES_DECLARE_CODEC(std::uint64_t);
DAMOCLES_DECLARE_CODEC(std::uint32_t);
DAMOCLES_DECLARE_CODEC(double);
DAMOCLES_DECLARE_CODEC(std::string);
// Standard base64, or a list of numbers on input.  Empty is null, as Go writes a nil slice.
DAMOCLES_DECLARE_CODEC(Bytes);
DAMOCLES_DECLARE_CODEC(Bytes32);
DAMOCLES_DECLARE_CODEC(Uuid);
DAMOCLES_DECLARE_CODEC(absl::Time);      // RFC 3339, UTC
DAMOCLES_DECLARE_CODEC(absl::Duration);  // nanoseconds
DAMOCLES_DECLARE_CODEC(filecoin::ChainEpoch);
DAMOCLES_DECLARE_CODEC(filecoin::EpochDelta);
DAMOCLES_DECLARE_CODEC(filecoin::PoStProofType);
DAMOCLES_DECLARE_CODEC(filecoin::SealProofType);
DAMOCLES_DECLARE_CODEC(filecoin::SignatureType);
DAMOCLES_DECLARE_CODEC(filecoin::Address);
DAMOCLES_DECLARE_CODEC(filecoin::Cid);
DAMOCLES_DECLARE_CODEC(filecoin::BigInt);
DAMOCLES_DECLARE_CODEC(filecoin::BitField);
DAMOCLES_DECLARE_CODEC(filecoin::TipSetKey);

#undef DAMOCLES_DECLARE_CODEC

}  // namespace damocles::chain::internal
