// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/filecoin/block.h"

#include <algorithm>

#include "absl/strings/str_format.h"

#include "damocles/base/check.h"
#include "damocles/base/status.h"
#include "damocles/hash/blake2b.h"

namespace damocles::filecoin {
namespace {

// Absent pointers of the network's own types are null.
template <typename T>
void WriteOptional(cbor::Writer& writer, const std::optional<T>& value) {
  if (value.has_value()) {
    value->WriteCbor(writer);
  } else {
    writer.Null();
  }
}

template <typename T>
absl::StatusOr<std::optional<T>> ReadOptional(cbor::Reader& reader) {
  if (reader.TryNull()) return std::optional<T>();
  DAMOCLES_ASSIGN_OR_RETURN(T value, T::ReadCbor(reader));
  return std::optional<T>(std::move(value));
}

// The order of blocks in a tipset.
bool BlockLess(const BlockHeader& a, const BlockHeader& b) {
  const Ticket ticket_a = a.ticket.value_or(Ticket());
  const Ticket ticket_b = b.ticket.value_or(Ticket());
  if (TicketLess(ticket_a, ticket_b)) return true;
  if (TicketLess(ticket_b, ticket_a)) return false;
  return CidOf(a) < CidOf(b);
}

}  // namespace

void Ticket::WriteCbor(cbor::Writer& writer) const {
  writer.Array(1);
  writer.ByteString(vrf_proof);
}

absl::StatusOr<Ticket> Ticket::ReadCbor(cbor::Reader& reader) {
  Ticket ticket;
  DAMOCLES_RETURN_IF_ERROR(reader.ExpectArray(1, "a ticket"));
  DAMOCLES_ASSIGN_OR_RETURN(ticket.vrf_proof, reader.ReadByteString());
  return ticket;
}

bool TicketLess(const Ticket& a, const Ticket& b) {
  return hash::Blake2b256Of(a.vrf_proof) < hash::Blake2b256Of(b.vrf_proof);
}

void ElectionProof::WriteCbor(cbor::Writer& writer) const {
  writer.Array(2);
  writer.Int(win_count);
  writer.ByteString(vrf_proof);
}

absl::StatusOr<ElectionProof> ElectionProof::ReadCbor(cbor::Reader& reader) {
  ElectionProof proof;
  DAMOCLES_RETURN_IF_ERROR(reader.ExpectArray(2, "an election proof"));
  DAMOCLES_ASSIGN_OR_RETURN(proof.win_count, reader.ReadInt());
  DAMOCLES_ASSIGN_OR_RETURN(proof.vrf_proof, reader.ReadByteString());
  return proof;
}

void BeaconEntry::WriteCbor(cbor::Writer& writer) const {
  writer.Array(2);
  writer.Uint(round);
  writer.ByteString(data);
}

absl::StatusOr<BeaconEntry> BeaconEntry::ReadCbor(cbor::Reader& reader) {
  BeaconEntry entry;
  DAMOCLES_RETURN_IF_ERROR(reader.ExpectArray(2, "a beacon entry"));
  DAMOCLES_ASSIGN_OR_RETURN(entry.round, reader.ReadUint());
  DAMOCLES_ASSIGN_OR_RETURN(entry.data, reader.ReadByteString());
  return entry;
}

void BlockHeader::WriteCbor(cbor::Writer& writer) const {
  writer.Array(16);
  miner.WriteCbor(writer);
  WriteOptional(writer, ticket);
  WriteOptional(writer, election_proof);
  cbor::WriteArray(writer, beacon_entries);
  cbor::WriteArray(writer, win_post_proof);
  cbor::WriteArray(writer, parents);
  parent_weight.WriteCbor(writer);
  writer.Int(height.Value());
  parent_state_root.WriteCbor(writer);
  parent_message_receipts.WriteCbor(writer);
  messages.WriteCbor(writer);
  WriteOptional(writer, bls_aggregate);
  writer.Uint(timestamp);
  WriteOptional(writer, block_sig);
  writer.Uint(fork_signaling);
  parent_base_fee.WriteCbor(writer);
}

absl::StatusOr<BlockHeader> BlockHeader::ReadCbor(cbor::Reader& reader) {
  BlockHeader header;
  DAMOCLES_RETURN_IF_ERROR(reader.ExpectArray(16, "a block header"));
  DAMOCLES_ASSIGN_OR_RETURN(header.miner, Address::ReadCbor(reader));
  DAMOCLES_ASSIGN_OR_RETURN(header.ticket, ReadOptional<Ticket>(reader));
  DAMOCLES_ASSIGN_OR_RETURN(header.election_proof, ReadOptional<ElectionProof>(reader));
  DAMOCLES_ASSIGN_OR_RETURN(header.beacon_entries, cbor::ReadArray<BeaconEntry>(reader));
  DAMOCLES_ASSIGN_OR_RETURN(header.win_post_proof, cbor::ReadArray<PoStProof>(reader));
  DAMOCLES_ASSIGN_OR_RETURN(header.parents, cbor::ReadArray<Cid>(reader));
  DAMOCLES_ASSIGN_OR_RETURN(header.parent_weight, BigInt::ReadCbor(reader));
  DAMOCLES_ASSIGN_OR_RETURN(const std::int64_t height, reader.ReadInt());
  header.height = ChainEpoch(height);
  DAMOCLES_ASSIGN_OR_RETURN(header.parent_state_root, Cid::ReadCbor(reader));
  DAMOCLES_ASSIGN_OR_RETURN(header.parent_message_receipts, Cid::ReadCbor(reader));
  DAMOCLES_ASSIGN_OR_RETURN(header.messages, Cid::ReadCbor(reader));
  DAMOCLES_ASSIGN_OR_RETURN(header.bls_aggregate, ReadOptional<Signature>(reader));
  DAMOCLES_ASSIGN_OR_RETURN(header.timestamp, reader.ReadUint());
  DAMOCLES_ASSIGN_OR_RETURN(header.block_sig, ReadOptional<Signature>(reader));
  DAMOCLES_ASSIGN_OR_RETURN(header.fork_signaling, reader.ReadUint());
  DAMOCLES_ASSIGN_OR_RETURN(header.parent_base_fee, BigInt::ReadCbor(reader));
  return header;
}

Cid CidOf(const BlockHeader& header) {
  return Cid::OfDagCbor(cbor::Encode(header));
}

Bytes SigningBytes(const BlockHeader& header) {
  BlockHeader unsigned_header = header;
  unsigned_header.block_sig.reset();
  return cbor::Encode(unsigned_header);
}

void BlockMsg::WriteCbor(cbor::Writer& writer) const {
  writer.Array(3);
  header.WriteCbor(writer);
  cbor::WriteArray(writer, bls_messages);
  cbor::WriteArray(writer, secpk_messages);
}

absl::StatusOr<BlockMsg> BlockMsg::ReadCbor(cbor::Reader& reader) {
  BlockMsg block;
  DAMOCLES_RETURN_IF_ERROR(reader.ExpectArray(3, "a block message"));
  DAMOCLES_ASSIGN_OR_RETURN(block.header, BlockHeader::ReadCbor(reader));
  DAMOCLES_ASSIGN_OR_RETURN(block.bls_messages, cbor::ReadArray<Cid>(reader));
  DAMOCLES_ASSIGN_OR_RETURN(block.secpk_messages, cbor::ReadArray<Cid>(reader));
  return block;
}

absl::StatusOr<TipSetKey> TipSetKey::FromBytes(ByteSpan bytes) {
  // Blocks are named by one kind of CID, so all are as long as one of them.
  const std::size_t cid_bytes = Cid::OfDagCbor({}).ToBytes().size();
  if (bytes.size() % cid_bytes != 0) {
    return absl::InvalidArgumentError(
        absl::StrFormat("tipset key of %d bytes: not a number of block CIDs", bytes.size()));
  }
  std::vector<Cid> cids;
  for (; !bytes.empty(); bytes = bytes.subspan(cid_bytes)) {
    DAMOCLES_ASSIGN_OR_RETURN(Cid cid, Cid::FromBytes(bytes.first(cid_bytes)));
    cids.push_back(std::move(cid));
  }
  return TipSetKey(std::move(cids));
}

Bytes TipSetKey::ToBytes() const {
  Bytes bytes;
  for (const Cid& cid : cids_) Append(bytes, cid.ToBytes());
  return bytes;
}

Cid TipSetKey::ToCid() const {
  cbor::Writer writer;
  writer.ByteString(ToBytes());
  return Cid::OfDagCbor(writer.Written());
}

std::string TipSetKey::ToString() const {
  std::string text = "{";
  for (const Cid& cid : cids_) {
    if (text.size() > 1) text += ',';
    text += cid.ToString();
  }
  return text + "}";
}

absl::StatusOr<TipSet> TipSet::Make(std::vector<BlockHeader> blocks) {
  if (blocks.empty()) return absl::InvalidArgumentError("tipset without blocks");
  for (const BlockHeader& block : blocks) {
    if (block.height != blocks.front().height) {
      return absl::InvalidArgumentError("tipset with blocks of different heights");
    }
    if (block.parents != blocks.front().parents) {
      return absl::InvalidArgumentError("tipset with blocks of different parents");
    }
    if (block.miner.IsUndefined() || block.parent_state_root.IsUndefined() ||
        block.parent_message_receipts.IsUndefined() || block.messages.IsUndefined() ||
        std::any_of(block.parents.begin(), block.parents.end(),
                    [](const Cid& parent) { return parent.IsUndefined(); })) {
      return absl::InvalidArgumentError("tipset with a block that lacks its miner or a CID");
    }
  }
  std::sort(blocks.begin(), blocks.end(), BlockLess);
  TipSet tipset;
  std::vector<Cid> cids;
  cids.reserve(blocks.size());
  for (const BlockHeader& block : blocks) cids.push_back(CidOf(block));
  tipset.key_ = TipSetKey(std::move(cids));
  tipset.blocks_ = std::move(blocks);
  return tipset;
}

std::uint64_t TipSet::MinTimestamp() const {
  DAMOCLES_CHECK(!Empty());
  return std::min_element(
             blocks_.begin(), blocks_.end(),
             [](const BlockHeader& a, const BlockHeader& b) { return a.timestamp < b.timestamp; })
      ->timestamp;
}

const BlockHeader& TipSet::MinTicketBlock() const {
  DAMOCLES_CHECK(!Empty());
  return blocks_.front();  // they are in the order of tickets
}

}  // namespace damocles::filecoin
