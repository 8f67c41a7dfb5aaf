// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// WindowPoSt as a service: what the worker and the manager need, whoever computes it.

#pragma once

#include <stop_token>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

#include "damocles/base/bytes.h"
#include "damocles/filecoin/partition.h"
#include "damocles/filecoin/proof_type.h"
#include "damocles/filecoin/sector.h"
#include "damocles/post/partition.h"

namespace damocles::prover {

struct SectorToProve {
  filecoin::SectorNumber number;
  Bytes32 comm_r{};         // the Fr of the sealed CID, little-endian
  std::string sealed_path;  // the replica; of an upgraded sector the file under update/
  std::string cache_dir;    // with p_aux and the tree files; of an upgraded sector update-cache/
};

struct WindowPostTask {
  filecoin::PoStProofType proof_type;
  filecoin::ActorId miner;
  Bytes32 randomness{};  // as the chain gives it: the prover clears the two top bits of byte 31.
                         // PostClaim, one layer below, has them cleared already
  std::vector<SectorToProve> sectors;  // ascending by number, each once, at least one
  // A sector whose files do not answer in this time is given up as unreadable; zero: no limit.
  absl::Duration read_limit = absl::ZeroDuration();
};

enum class FaultKind {
  kWrong,       // what its files hold is not the sector
  kMissing,     // a file of it is not there
  kUnreadable,  // it could not be read here and now: that may be this machine's trouble
};

// (What a manager makes of it, with numbers and texts cut to size, is job::SectorFault.)
struct UnprovableSector {
  filecoin::SectorNumber number;
  std::string reason;
  FaultKind kind = FaultKind::kWrong;
};

struct WindowPostOutcome {
  Bytes proof;                           // see WindowProofPartitions; empty if there are faults
  std::vector<UnprovableSector> faults;  // ascending: sectors that cannot be proven
};

// Safe to call from any thread.
class WindowProver {
 public:
  virtual ~WindowProver() = default;

  // Blocks until the proof is made and verified, or one sector or more cannot be proven (then
  // nothing is proven and the outcome names all of them and why).  Statuses: INVALID_ARGUMENT for a
  // wrong task, CANCELLED soon after it is told to stop, FAILED_PRECONDITION if parameters are
  // missing (names the file) or if this machine has made two wrong proofs in a row and makes no
  // more, DATA_LOSS if they are damaged; RESOURCE_EXHAUSTED if this machine can read nothing for
  // want of descriptors or memory.
  virtual absl::StatusOr<WindowPostOutcome> Prove(const WindowPostTask& task,
                                                  const std::stop_token& stop) = 0;
};

// What a proof claims.
struct WindowPostStatement {
  filecoin::PoStProofType proof_type;
  filecoin::ActorId miner;
  Bytes32 randomness{};  // as the chain gives it, like WindowPostTask's; unlike PostClaim's
  std::vector<post::SectorCommitment> sectors;  // ascending by number, each once, at least one
};

// Safe to call from any thread.
class WindowVerifier {
 public:
  virtual ~WindowVerifier() = default;

  // Blocks.  Whether `proof` shows the statement.  INVALID_ARGUMENT: the
  // proof or the statement is malformed; FAILED_PRECONDITION: the .vk is missing (names the file);
  // DATA_LOSS: it is damaged.
  virtual absl::StatusOr<bool> Verify(const WindowPostStatement& statement, ByteSpan proof) = 0;

  // SHA-256 of the .vk file, hexadecimal: two machines that agree on it accept the same proofs.
  virtual absl::StatusOr<std::string> VkDigest(filecoin::PoStProofType proof_type) = 0;
};

}  // namespace damocles::prover
