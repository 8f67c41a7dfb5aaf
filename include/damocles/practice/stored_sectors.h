// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// Sectors as a tool meets them: in one folder, by number; what is known of them comes in words.

#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "damocles/base/bytes.h"
#include "damocles/base/thread_pool.h"
#include "damocles/filecoin/sector.h"
#include "damocles/merkle/sector_tree.h"
#include "damocles/post/partition.h"
#include "damocles/prover/post_prover.h"

namespace damocles::practice {

using Commitments = std::map<filecoin::SectorNumber, Bytes32>;  // comm_r by number

struct StoredSectors {
  std::string store;  // sealed/ and cache/, update/ and update-cache/, as Lotus lays them out
  filecoin::ActorId miner = 0;
  std::vector<filecoin::SectorNumber> numbers;   // ascending
  std::vector<filecoin::SectorNumber> upgraded;  // those to take from update/, ascending
  Commitments comm_r;  // as the chain knows them; those that are absent are believed to p_aux
};

merkle::SectorFiles FilesIn(const std::string& store, const filecoin::SectorId& id, bool upgraded);

// prover::ProveVanilla of them.  A sector without a p_aux to take comm_r from is one of the faults.
// INVALID_ARGUMENT if one of `upgraded` is not one of `numbers`.
absl::StatusOr<prover::VanillaOutcome> ProveStored(const prover::PostClaim& claim,
                                                   const StoredSectors& sectors, ThreadPool& pool);

// Vanilla proofs that were made before, as bytes of one sector each.  INVALID_ARGUMENT names the
// one, by its place, that is none for the claim.
absl::StatusOr<prover::VanillaOutcome> TakeVanilla(const prover::PostClaim& claim,
                                                   const std::vector<std::string>& encoded,
                                                   ThreadPool& pool);

// "7:<64 hexadecimal digits>", else INVALID_ARGUMENT.
absl::StatusOr<post::SectorCommitment> ReadCommitment(std::string_view text);
// One text a sector, each of a sector of `numbers` (ascending) and none twice, else
// INVALID_ARGUMENT.
absl::StatusOr<Commitments> ReadCommitments(const std::vector<std::string>& texts,
                                            const std::vector<filecoin::SectorNumber>& numbers);
// Adds those of `numbers` that are not known yet from a genesis file.  NOT_FOUND names a sector
// that it does not have, FAILED_PRECONDITION one that it knows another comm_r of.
absl::Status AddFromGenesis(const std::string& path, filecoin::ActorId miner,
                            const std::vector<filecoin::SectorNumber>& numbers, Commitments& known);

}  // namespace damocles::practice
