// SPDX-License-Identifier: Apache-2.0 OR MIT

#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"

#include "damocles/base/bytes.h"
#include "damocles/filecoin/address.h"
#include "damocles/filecoin/cbor.h"
#include "damocles/filecoin/cid.h"
#include "damocles/filecoin/epoch.h"
#include "damocles/filecoin/message.h"
#include "damocles/filecoin/miner_params.h"
#include "damocles/filecoin/token_amount.h"

namespace damocles::filecoin {

struct Ticket {
  Bytes vrf_proof;
  void WriteCbor(cbor::Writer& writer) const;
  static absl::StatusOr<Ticket> ReadCbor(cbor::Reader& reader);
  friend bool operator==(const Ticket&, const Ticket&) = default;
};

// Whether `a` comes before `b`: by the BLAKE2b-256 of their proofs.
bool TicketLess(const Ticket& a, const Ticket& b);

struct ElectionProof {
  std::int64_t win_count = 0;
  Bytes vrf_proof;
  void WriteCbor(cbor::Writer& writer) const;
  static absl::StatusOr<ElectionProof> ReadCbor(cbor::Reader& reader);
  friend bool operator==(const ElectionProof&, const ElectionProof&) = default;
};

struct BeaconEntry {
  std::uint64_t round = 0;
  Bytes data;
  void WriteCbor(cbor::Writer& writer) const;
  static absl::StatusOr<BeaconEntry> ReadCbor(cbor::Reader& reader);
  friend bool operator==(const BeaconEntry&, const BeaconEntry&) = default;
};

struct BlockHeader {
  Address miner;
  std::optional<Ticket> ticket;
  std::optional<ElectionProof> election_proof;
  std::vector<BeaconEntry> beacon_entries;
  std::vector<PoStProof> win_post_proof;
  std::vector<Cid> parents;
  BigInt parent_weight;
  ChainEpoch height;
  Cid parent_state_root;
  Cid parent_message_receipts;
  Cid messages;
  std::optional<Signature> bls_aggregate;
  std::uint64_t timestamp = 0;  // seconds since 1970
  std::optional<Signature> block_sig;
  std::uint64_t fork_signaling = 0;
  TokenAmount parent_base_fee;

  void WriteCbor(cbor::Writer& writer) const;
  static absl::StatusOr<BlockHeader> ReadCbor(cbor::Reader& reader);
  friend bool operator==(const BlockHeader&, const BlockHeader&) = default;
};

Cid CidOf(const BlockHeader& header);
// What the miner's worker signs: the header without its signature.
Bytes SigningBytes(const BlockHeader& header);

// A block with the CIDs of its messages, as it travels.
struct BlockMsg {
  BlockHeader header;
  std::vector<Cid> bls_messages;
  std::vector<Cid> secpk_messages;
  void WriteCbor(cbor::Writer& writer) const;
  static absl::StatusOr<BlockMsg> ReadCbor(cbor::Reader& reader);
  friend bool operator==(const BlockMsg&, const BlockMsg&) = default;
};

// The CIDs of the blocks of a tipset in its order; empty means "the head" in calls.
class TipSetKey {
 public:
  TipSetKey() = default;
  explicit TipSetKey(std::vector<Cid> cids) : cids_(std::move(cids)) {}
  // The binary CIDs one after the other.
  static absl::StatusOr<TipSetKey> FromBytes(ByteSpan bytes);
  Bytes ToBytes() const;
  // The CID under which a node stores the key itself.
  Cid ToCid() const;
  // "{bafy...,bafy...}".
  std::string ToString() const;
  const std::vector<Cid>& Cids() const { return cids_; }
  bool Empty() const { return cids_.empty(); }

  friend auto operator<=>(const TipSetKey&, const TipSetKey&) = default;
  template <typename H>
  friend H AbslHashValue(H h, const TipSetKey& key) {
    return H::combine(std::move(h), key.cids_);
  }

 private:
  std::vector<Cid> cids_;
};

// Blocks of one height with the same parents, by ticket.  Never empty unless made by default.
class TipSet {
 public:
  TipSet() = default;
  // Sorts the blocks.  INVALID_ARGUMENT if there are none or they do not belong together.
  static absl::StatusOr<TipSet> Make(std::vector<BlockHeader> blocks);

  bool Empty() const { return blocks_.empty(); }
  const std::vector<BlockHeader>& Blocks() const { return blocks_; }
  const TipSetKey& Key() const { return key_; }
  // The following are for a tipset that is not empty.
  ChainEpoch Height() const { return blocks_.front().height; }
  TipSetKey Parents() const { return TipSetKey(blocks_.front().parents); }
  const BigInt& ParentWeight() const { return blocks_.front().parent_weight; }
  const Cid& ParentState() const { return blocks_.front().parent_state_root; }
  // Of the block with the least ticket.
  std::uint64_t MinTimestamp() const;
  const BlockHeader& MinTicketBlock() const;

  friend bool operator==(const TipSet& a, const TipSet& b) { return a.key_ == b.key_; }

 private:
  std::vector<BlockHeader> blocks_;
  TipSetKey key_;
};

}  // namespace damocles::filecoin
