// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// Parameters of the miner actor's methods.
//
// Two ways to read them:
//  - DecodeParams<T>: as the actor does: sets in canonical RLE+ only, integers also over-long,
//    nothing after the end.  INVALID_ARGUMENT is exit code 21 there.
//  - DecodeParamsLeniently<T>: as a node does: shortest integers only, sets as they came
//    (LazyBitField), bytes after the end left alone.

#pragma once

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"

#include "damocles/base/bytes.h"
#include "damocles/filecoin/bitfield.h"
#include "damocles/filecoin/cbor.h"
#include "damocles/filecoin/epoch.h"
#include "damocles/filecoin/message.h"
#include "damocles/filecoin/proof_type.h"

namespace damocles::filecoin {

inline constexpr MethodNumber kMethodSubmitWindowedPoSt = 5;
inline constexpr MethodNumber kMethodTerminateSectors = 9;
inline constexpr MethodNumber kMethodDeclareFaults = 10;
inline constexpr MethodNumber kMethodDeclareFaultsRecovered = 11;
inline constexpr MethodNumber kMethodDisputeWindowedPoSt = 24;

struct PoStProof {
  // Any number when decoded: see IsRegistered.
  PoStProofType type = PoStProofType::kWinning2KiBV1;
  Bytes bytes;
  void WriteCbor(cbor::Writer& writer) const;
  static absl::StatusOr<PoStProof> ReadCbor(cbor::Reader& reader);
  friend bool operator==(const PoStProof&, const PoStProof&) = default;
};

// In what follows Bits is BitField or LazyBitField; the names without Basic have the former.
template <typename Bits>
struct BasicPostPartition {
  std::uint64_t index = 0;
  Bits skipped;
  void WriteCbor(cbor::Writer& writer) const;
  static absl::StatusOr<BasicPostPartition> ReadCbor(cbor::Reader& reader);
  friend bool operator==(const BasicPostPartition&, const BasicPostPartition&) = default;
};

// Method 5.
template <typename Bits>
struct BasicSubmitWindowedPoStParams {
  std::uint64_t deadline = 0;
  std::vector<BasicPostPartition<Bits>> partitions;
  std::vector<PoStProof> proofs;
  ChainEpoch chain_commit_epoch;
  Bytes chain_commit_rand;
  void WriteCbor(cbor::Writer& writer) const;
  static absl::StatusOr<BasicSubmitWindowedPoStParams> ReadCbor(cbor::Reader& reader);
  friend bool operator==(const BasicSubmitWindowedPoStParams&,
                         const BasicSubmitWindowedPoStParams&) = default;
};

// Sectors of one partition: an entry of methods 9, 10 and 11.
template <typename Bits>
struct BasicPartitionSectors {
  std::uint64_t deadline = 0;
  std::uint64_t partition = 0;
  Bits sectors;
  void WriteCbor(cbor::Writer& writer) const;
  static absl::StatusOr<BasicPartitionSectors> ReadCbor(cbor::Reader& reader);
  friend bool operator==(const BasicPartitionSectors&, const BasicPartitionSectors&) = default;
};

// Methods 9 (terminations), 10 (faults) and 11 (recoveries): one layout.
template <typename Bits>
struct BasicPartitionSectorsParams {
  std::vector<BasicPartitionSectors<Bits>> entries;
  void WriteCbor(cbor::Writer& writer) const;
  static absl::StatusOr<BasicPartitionSectorsParams> ReadCbor(cbor::Reader& reader);
  friend bool operator==(const BasicPartitionSectorsParams&,
                         const BasicPartitionSectorsParams&) = default;
};

using PostPartition = BasicPostPartition<BitField>;
using SubmitWindowedPoStParams = BasicSubmitWindowedPoStParams<BitField>;
using PartitionSectors = BasicPartitionSectors<BitField>;
using TerminateSectorsParams = BasicPartitionSectorsParams<BitField>;
using DeclareFaultsParams = BasicPartitionSectorsParams<BitField>;
using DeclareFaultsRecoveredParams = BasicPartitionSectorsParams<BitField>;

using LazySubmitWindowedPoStParams = BasicSubmitWindowedPoStParams<LazyBitField>;
using LazyPartitionSectorsParams = BasicPartitionSectorsParams<LazyBitField>;

// Method 24: disputes the proof `post_index` among those stored unverified in the last window.
struct DisputeWindowedPoStParams {
  std::uint64_t deadline = 0;
  std::uint64_t post_index = 0;
  void WriteCbor(cbor::Writer& writer) const;
  static absl::StatusOr<DisputeWindowedPoStParams> ReadCbor(cbor::Reader& reader);
  friend bool operator==(const DisputeWindowedPoStParams&,
                         const DisputeWindowedPoStParams&) = default;
};

// How an actor reads parameters.
inline constexpr cbor::ReaderOptions kActorReading{.overlong_integers = true};

template <typename T>
absl::StatusOr<T> DecodeParams(ByteSpan params) {
  return cbor::Decode<T>(params, kActorReading);
}

// `T` is one of the Lazy types or DisputeWindowedPoStParams.
template <typename T>
absl::StatusOr<T> DecodeParamsLeniently(ByteSpan params) {
  cbor::Reader reader(params);
  return T::ReadCbor(reader);
}

}  // namespace damocles::filecoin
