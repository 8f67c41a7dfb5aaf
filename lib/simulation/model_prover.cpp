// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/simulation/model_prover.h"

#include <algorithm>

#include "damocles/filecoin/partition.h"
#include "damocles/filecoin/proof_type.h"
#include "damocles/filecoin/randomness.h"
#include "damocles/hash/blake2b.h"

namespace damocles::simulation {
namespace {

constexpr std::size_t kPartBytes = 64;
constexpr std::size_t kParts = filecoin::kProofPartitionBytes / kPartBytes;

Bytes ProofOf(const devnet::PostStatement& statement) {
  const std::uint64_t full =
      filecoin::WindowPartitionSectors(filecoin::SectorSizeOf(statement.proof_type));
  const filecoin::ProofPartitions partitions =
      filecoin::WindowProofPartitions(statement.proof_type, statement.sectors.size());
  Bytes out;
  for (std::uint64_t partition = 0; partition < partitions.Count(); ++partition) {
    const std::size_t first = partition * full;
    Bytes text(32, 0x56);  // the digest of the verifying key
    AppendLe64(text, statement.miner);
    Append(text, statement.randomness);
    AppendLe64(text, partition);
    const std::size_t end = std::min<std::size_t>(statement.sectors.size(), first + full);
    for (std::size_t i = first; i < end; ++i) {
      AppendLe64(text, statement.sectors[i].number);
      Append(text, statement.sectors[i].comm_r);
    }
    for (std::size_t part = 0; part < kParts; ++part) {
      text.push_back(static_cast<std::uint8_t>(part));
      Append(out, hash::Blake2bOf(text, kPartBytes));
    }
  }
  return out;
}

}  // namespace

absl::StatusOr<Proved> ModelProver::Prove(const job::JobSpec& spec) {
  devnet::PostStatement statement;
  statement.proof_type = spec.proof_type;
  statement.miner = spec.miner;
  statement.randomness = filecoin::MaskForProver(spec.randomness);
  Proved out;
  for (const job::JobSector& sector : spec.sectors) {
    if (damaged.contains(sector.number)) out.faults.push_back({sector.number, "damaged"});
    statement.sectors.push_back({sector.number, sector.comm_r});
  }
  if (out.faults.empty()) {
    out.proof = ProofOf(statement);
    ++proofs;
  }
  return out;
}

absl::StatusOr<bool> ModelProver::Verify(const devnet::PostStatement& statement, ByteSpan proof) {
  const Bytes wanted = ProofOf(statement);
  return std::equal(wanted.begin(), wanted.end(), proof.begin(), proof.end());
}

absl::Duration ModelProver::Takes(const job::JobSpec& spec) const {
  return per_partition_ * static_cast<std::int64_t>(job::ProofPartitionsOf(spec).Count());
}

}  // namespace damocles::simulation
