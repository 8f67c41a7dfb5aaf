// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/filecoin/miner_params.h"

#include "damocles/base/status.h"

namespace damocles::filecoin {

void PoStProof::WriteCbor(cbor::Writer& writer) const {
  writer.Array(2);
  writer.Int(ToNumber(type));
  writer.ByteString(bytes);
}

absl::StatusOr<PoStProof> PoStProof::ReadCbor(cbor::Reader& reader) {
  PoStProof proof;
  DAMOCLES_RETURN_IF_ERROR(reader.ExpectArray(2, "a PoSt proof"));
  DAMOCLES_ASSIGN_OR_RETURN(const std::int64_t type, reader.ReadInt());
  proof.type = static_cast<PoStProofType>(type);
  DAMOCLES_ASSIGN_OR_RETURN(proof.bytes, reader.ReadByteString());
  return proof;
}

template <typename Bits>
void BasicPostPartition<Bits>::WriteCbor(cbor::Writer& writer) const {
  writer.Array(2);
  writer.Uint(index);
  skipped.WriteCbor(writer);
}

template <typename Bits>
absl::StatusOr<BasicPostPartition<Bits>> BasicPostPartition<Bits>::ReadCbor(cbor::Reader& reader) {
  BasicPostPartition partition;
  DAMOCLES_RETURN_IF_ERROR(reader.ExpectArray(2, "a posted partition"));
  DAMOCLES_ASSIGN_OR_RETURN(partition.index, reader.ReadUint());
  DAMOCLES_ASSIGN_OR_RETURN(partition.skipped, Bits::ReadCbor(reader));
  return partition;
}

template <typename Bits>
void BasicSubmitWindowedPoStParams<Bits>::WriteCbor(cbor::Writer& writer) const {
  writer.Array(5);
  writer.Uint(deadline);
  cbor::WriteArray(writer, partitions);
  cbor::WriteArray(writer, proofs);
  writer.Int(chain_commit_epoch.Value());
  writer.ByteString(chain_commit_rand);
}

template <typename Bits>
absl::StatusOr<BasicSubmitWindowedPoStParams<Bits>> BasicSubmitWindowedPoStParams<Bits>::ReadCbor(
    cbor::Reader& reader) {
  BasicSubmitWindowedPoStParams params;
  DAMOCLES_RETURN_IF_ERROR(reader.ExpectArray(5, "SubmitWindowedPoSt"));
  DAMOCLES_ASSIGN_OR_RETURN(params.deadline, reader.ReadUint());
  DAMOCLES_ASSIGN_OR_RETURN(params.partitions, cbor::ReadArray<BasicPostPartition<Bits>>(reader));
  DAMOCLES_ASSIGN_OR_RETURN(params.proofs, cbor::ReadArray<PoStProof>(reader));
  DAMOCLES_ASSIGN_OR_RETURN(const std::int64_t epoch, reader.ReadInt());
  params.chain_commit_epoch = ChainEpoch(epoch);
  DAMOCLES_ASSIGN_OR_RETURN(params.chain_commit_rand, reader.ReadByteString());
  return params;
}

template <typename Bits>
void BasicPartitionSectors<Bits>::WriteCbor(cbor::Writer& writer) const {
  writer.Array(3);
  writer.Uint(deadline);
  writer.Uint(partition);
  sectors.WriteCbor(writer);
}

template <typename Bits>
absl::StatusOr<BasicPartitionSectors<Bits>> BasicPartitionSectors<Bits>::ReadCbor(
    cbor::Reader& reader) {
  BasicPartitionSectors entry;
  DAMOCLES_RETURN_IF_ERROR(reader.ExpectArray(3, "sectors of a partition"));
  DAMOCLES_ASSIGN_OR_RETURN(entry.deadline, reader.ReadUint());
  DAMOCLES_ASSIGN_OR_RETURN(entry.partition, reader.ReadUint());
  DAMOCLES_ASSIGN_OR_RETURN(entry.sectors, Bits::ReadCbor(reader));
  return entry;
}

template <typename Bits>
void BasicPartitionSectorsParams<Bits>::WriteCbor(cbor::Writer& writer) const {
  writer.Array(1);
  cbor::WriteArray(writer, entries);
}

template <typename Bits>
absl::StatusOr<BasicPartitionSectorsParams<Bits>> BasicPartitionSectorsParams<Bits>::ReadCbor(
    cbor::Reader& reader) {
  BasicPartitionSectorsParams params;
  DAMOCLES_RETURN_IF_ERROR(reader.ExpectArray(1, "a declaration of sectors"));
  DAMOCLES_ASSIGN_OR_RETURN(params.entries, cbor::ReadArray<BasicPartitionSectors<Bits>>(reader));
  return params;
}

template struct BasicPostPartition<BitField>;
template struct BasicPostPartition<LazyBitField>;
template struct BasicSubmitWindowedPoStParams<BitField>;
template struct BasicSubmitWindowedPoStParams<LazyBitField>;
template struct BasicPartitionSectors<BitField>;
template struct BasicPartitionSectors<LazyBitField>;
template struct BasicPartitionSectorsParams<BitField>;
template struct BasicPartitionSectorsParams<LazyBitField>;

void DisputeWindowedPoStParams::WriteCbor(cbor::Writer& writer) const {
  writer.Array(2);
  writer.Uint(deadline);
  writer.Uint(post_index);
}

absl::StatusOr<DisputeWindowedPoStParams> DisputeWindowedPoStParams::ReadCbor(
    cbor::Reader& reader) {
  DisputeWindowedPoStParams params;
  DAMOCLES_RETURN_IF_ERROR(reader.ExpectArray(2, "DisputeWindowedPoSt"));
  DAMOCLES_ASSIGN_OR_RETURN(params.deadline, reader.ReadUint());
  DAMOCLES_ASSIGN_OR_RETURN(params.post_index, reader.ReadUint());
  return params;
}

}  // namespace damocles::filecoin
