// SPDX-License-Identifier: Apache-2.0 OR MIT

#pragma once

#include <cstdint>
#include <set>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

#include "damocles/base/bytes.h"
#include "damocles/devnet/actor.h"
#include "damocles/job/record.h"
#include "damocles/job/spec.h"

namespace damocles::simulation {

struct Proved {
  Bytes proof;  // empty if there are faults
  std::vector<job::SectorFault> faults;
};

// What makes the proofs of a scenario and what judges them.  One that computes real proofs needs a
// world with real sectors.
class Prover {
 public:
  virtual ~Prover() = default;
  virtual absl::StatusOr<Proved> Prove(const job::JobSpec& spec) = 0;
  virtual absl::StatusOr<bool> Verify(const devnet::PostStatement& statement, ByteSpan proof) = 0;
  // How long it takes, in the world's time.
  virtual absl::Duration Takes(const job::JobSpec& spec) const = 0;
};

// A proof is a hash over the verifying key, the miner, the masked randomness, the ordinal of the
// partition within the proof and its (sector, CommR) list; as many of them as a real proof would
// have partitions.
class ModelProver final : public Prover {
 public:
  explicit ModelProver(absl::Duration per_proof_partition) : per_partition_(per_proof_partition) {}

  absl::StatusOr<Proved> Prove(const job::JobSpec& spec) override;
  absl::StatusOr<bool> Verify(const devnet::PostStatement& statement, ByteSpan proof) override;
  absl::Duration Takes(const job::JobSpec& spec) const override;

  // Sectors that it finds faulty.
  std::set<filecoin::SectorNumber> damaged;
  std::uint64_t proofs = 0;  // made so far

 private:
  absl::Duration per_partition_;
};

}  // namespace damocles::simulation
