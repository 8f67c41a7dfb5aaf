// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/job/spec.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_format.h"

#include "damocles/filecoin/number_limits.h"
#include "damocles/hash/sha256.h"
#include "damocles/store/fields.h"

namespace damocles::job {
namespace {

constexpr std::string_view kBase58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";

absl::Status Broken(const JobSpec& spec, std::string_view why) {
  return absl::InvalidArgumentError(
      absl::StrFormat("job of miner f0%d, deadline %d: %s", spec.miner, spec.deadline_index, why));
}

}  // namespace

absl::Status ValidateSpec(const JobSpec& spec) {
  if (!filecoin::IsRegistered(spec.proof_type) || !filecoin::IsWindow(spec.proof_type)) {
    return Broken(spec, "its proof type is not that of a window proof");
  }
  if (!filecoin::IsActorId(spec.miner)) return Broken(spec, "no miner has such a number");
  if (spec.chain_partitions.empty()) return Broken(spec, "no partitions");
  if (spec.chain_partitions.size() > kChainPartitionsMax) {
    return Broken(spec, "too many partitions");
  }
  if (spec.sectors.empty()) return Broken(spec, "no sectors to prove");
  if (spec.sectors.size() > kSectorsMax) return Broken(spec, "too many sectors");
  if (spec.close <= spec.open) return Broken(spec, "it closes before it opens");
  const auto not_ascending = [](filecoin::ChainPartition a, filecoin::ChainPartition b) {
    return a >= b;
  };
  if (std::adjacent_find(spec.chain_partitions.begin(), spec.chain_partitions.end(),
                         not_ascending) != spec.chain_partitions.end()) {
    return Broken(spec, "its partitions do not ascend");
  }
  if (std::adjacent_find(spec.sectors.begin(), spec.sectors.end(),
                         [](const JobSector& a, const JobSector& b) {
                           return a.number >= b.number;
                         }) != spec.sectors.end()) {
    return Broken(spec, "its sectors do not ascend");
  }
  // The highest: they ascend.
  if (!filecoin::IsSectorNumber(spec.sectors.back().number)) {
    return Broken(spec, absl::StrFormat("no sector has the number %d", spec.sectors.back().number));
  }
  for (const JobSector& sector : spec.sectors) {
    if (sector.sealed_store.empty() || sector.cache_store.empty() ||
        sector.sealed_store.size() > kStoreNameBytesMax ||
        sector.cache_store.size() > kStoreNameBytesMax) {
      return Broken(spec, absl::StrFormat("sector %d has no usable store name", sector.number));
    }
  }
  return absl::OkStatus();
}

filecoin::ProofPartitions ProofPartitionsOf(const JobSpec& spec) {
  return filecoin::WindowProofPartitions(spec.proof_type, spec.sectors.size());
}

absl::StatusOr<JobId> JobId::Parse(std::string_view text) {
  const bool is_base58 = text.find_first_not_of(kBase58) == std::string_view::npos;
  if (text.size() != kLength || !is_base58) {
    return absl::InvalidArgumentError(
        absl::StrFormat("\"%s\" is not a job id: want %d base58 characters", text, kLength));
  }
  return JobId(std::string(text));
}

JobId JobId::FromNumber(std::uint64_t number) {
  // 58^11 > 2^64: eleven digits always suffice.
  std::string text(kLength, kBase58[0]);
  for (auto at = text.rbegin(); at != text.rend(); ++at) {
    *at = kBase58[number % kBase58.size()];
    number /= kBase58.size();
  }
  return JobId(std::move(text));
}

Bytes32 WorkDigest(const JobSpec& spec) {
  constexpr std::string_view kName = "damocles job 1";
  store::FieldWriter work;
  work.Text(kName, kName.size());
  work.U64(spec.miner);
  work.I64(filecoin::ToNumber(spec.proof_type));
  work.I64(spec.open.Value());
  work.List(spec.chain_partitions, 8, kChainPartitionsMax,
            [](auto& out, const auto& partition) { out.U64(partition.Index()); });
  work.Raw32(spec.randomness);
  work.List(spec.sectors, 41, kSectorsMax, [](auto& out, const auto& sector) {
    out.U64(sector.number);
    out.Raw32(sector.comm_r);
    out.Bool(sector.upgraded);
  });
  return hash::Sha256Of(std::move(work).Take());
}

JobId MakeJobId(const Bytes32& work_digest, std::uint32_t collision) {
  if (collision == 0) return JobId::FromNumber(LoadBe64(work_digest.data()));
  Bytes again;
  Append(again, work_digest);
  AppendLe32(again, collision);
  const Bytes32 digest = hash::Sha256Of(again);
  return JobId::FromNumber(LoadBe64(digest.data()));
}

}  // namespace damocles::job
