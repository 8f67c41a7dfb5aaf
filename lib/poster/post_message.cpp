// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// From a batch to its job and to its message.

#include <algorithm>
#include <set>
#include <utility>

#include "absl/strings/str_format.h"
#include "lib/poster/step.h"

#include "damocles/base/check.h"
#include "damocles/filecoin/bitfield.h"
#include "damocles/filecoin/cbor.h"
#include "damocles/filecoin/miner_params.h"
#include "damocles/hash/blake2b.h"
#include "damocles/poster/state_machine.h"

namespace damocles::poster {

job::JobSpec SpecOf(const DeadlineRecord& record, const PartitionBatch& batch, const Now& now) {
  // Zeros, or a partition less, would be a proof of something else.
  DAMOCLES_DCHECK(record.randomness.has_value());
  job::JobSpec spec;
  spec.miner = record.miner;
  spec.proof_type = record.proof_type;
  spec.deadline_index = record.deadline.index;
  spec.chain_partitions = batch.partitions;
  spec.open = record.deadline.open;
  spec.close = record.deadline.close;
  spec.close_time = now.TimeOf(record.deadline.close);
  spec.randomness = record.randomness.value_or(Bytes32{});
  for (const filecoin::ChainPartition index : batch.partitions) {
    const PlannedPartition* partition = internal::FindPartition(record, index);
    DAMOCLES_DCHECK(partition != nullptr);
    if (partition == nullptr) continue;
    for (const PlannedSector& sector : partition->sectors) {
      if (sector.Skipped()) continue;
      job::JobSector out;
      out.number = sector.number;
      out.comm_r = sector.comm_r;
      out.upgraded = sector.upgraded;
      out.sealed_store = sector.sealed_store;
      out.cache_store = sector.cache_store;
      spec.sectors.push_back(std::move(out));
    }
  }
  // One message proves the union of its partitions' sectors, ascending: numbers of
  // different partitions may interleave.
  std::sort(spec.sectors.begin(), spec.sectors.end(),
            [](const job::JobSector& a, const job::JobSector& b) { return a.number < b.number; });
  return spec;
}

absl::StatusOr<Bytes> SubmitParamsOf(const DeadlineRecord& record, const PartitionBatch& batch,
                                     const Bytes32& commit_randomness) {
  if (batch.proof.empty()) return absl::FailedPreconditionError("the batch has no proof yet");
  filecoin::SubmitWindowedPoStParams params;
  params.deadline = record.deadline.index;
  for (const filecoin::ChainPartition index : batch.partitions) {
    const PlannedPartition* partition = internal::FindPartition(record, index);
    if (partition == nullptr) {
      return absl::InternalError(
          absl::StrFormat("partition %s is not in the plan", ToString(index)));
    }
    filecoin::PostPartition out;
    out.index = index.Index();
    std::vector<std::uint64_t> skipped;
    for (const PlannedSector& sector : partition->sectors) {
      if (sector.Skipped()) skipped.push_back(sector.number);
    }
    out.skipped = filecoin::BitField::Of(skipped);
    params.partitions.push_back(std::move(out));
  }
  params.proofs.push_back({record.proof_type, batch.proof});
  params.chain_commit_epoch = record.deadline.challenge;
  params.chain_commit_rand.assign(commit_randomness.begin(), commit_randomness.end());
  return filecoin::cbor::Encode(params);
}

delivery::Uuid MessageUuid(filecoin::ActorId miner, filecoin::ChainEpoch period_start,
                           std::uint64_t deadline_index,
                           const std::vector<filecoin::ChainPartition>& partitions,
                           std::uint32_t attempt) {
  filecoin::cbor::Writer writer;
  writer.Array(6);
  writer.Text("damocles/post-message/1");
  writer.Uint(miner);
  writer.Int(period_start.Value());
  writer.Uint(deadline_index);
  writer.Array(partitions.size());
  for (const filecoin::ChainPartition partition : partitions) writer.Uint(partition.Index());
  writer.Uint(attempt);
  return internal::UuidOf(std::move(writer).Take());
}

namespace internal {

delivery::Uuid UuidOf(const Bytes& what) {
  const Bytes digest = hash::Blake2bOf(what, 16);
  delivery::Uuid uuid{};
  std::copy_n(digest.begin(), uuid.size(), uuid.begin());
  uuid[6] = static_cast<std::uint8_t>((uuid[6] & 0x0f) | 0x80);  // version 8: free form
  uuid[8] = static_cast<std::uint8_t>((uuid[8] & 0x3f) | 0x80);  // variant of RFC 9562
  return uuid;
}

const PlannedPartition* FindPartition(const DeadlineRecord& record,
                                      filecoin::ChainPartition index) {
  if (record.plan == nullptr) return nullptr;
  for (const PlannedPartition& partition : record.plan->partitions) {
    if (partition.index == index) return &partition;
  }
  return nullptr;
}

}  // namespace internal
}  // namespace damocles::poster
