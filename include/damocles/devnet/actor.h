// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// The miner actor of the simulated chain: the state of one miner and what messages and the cron do
// to it.  Same checks in the same order, same exit codes and texts, same state as the network's
// actor (builtin-actors, actors/miner); amounts of money are nominal.
//
// Plain values and functions without clock or I/O: nothing but the arguments decides.

#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "damocles/base/bytes.h"
#include "damocles/filecoin/bitfield.h"
#include "damocles/filecoin/deadline.h"
#include "damocles/filecoin/epoch.h"
#include "damocles/filecoin/proof_type.h"
#include "damocles/filecoin/randomness.h"
#include "damocles/filecoin/sector.h"
#include "damocles/filecoin/token_amount.h"

namespace damocles::devnet {

// ---------------------------------------------------------------- rules that are values

// Fees by sector, in attoFIL: nominal, so that a test can count them.
struct FeeSchedule {
  filecoin::TokenAmount continued_fault;  // a deadline end of a sector that was faulty before it
  filecoin::TokenAmount daily;            // a deadline end of a live sector
  filecoin::TokenAmount termination;      // once
  filecoin::TokenAmount invalid_post;     // of a sector in a proof disputed with success
  filecoin::TokenAmount dispute_penalty;  // once for such a proof
};
FeeSchedule NominalFees();

struct ActorPolicy {
  filecoin::PeriodShape period = filecoin::kMainnetPeriod;
  filecoin::EpochDelta fault_max_age{std::int64_t{42} * 2880};
  filecoin::EpochDelta dispute_window = filecoin::kMainnetDisputeWindow;
  std::uint64_t partitions_per_deadline_max = 3000;
  std::uint64_t addressed_partitions_max = 3000;  // in one declaration message
  std::uint64_t addressed_sectors_max = 25000;    // likewise
  std::uint64_t posted_partitions_max = 3;        // in one SubmitWindowedPoSt
  std::uint64_t proof_bytes = 192;                // of one partition
  FeeSchedule fees = NominalFees();
};

enum class VerifyMode {
  kAlways,  // every proof at submission; a wrong one is refused
  kActor,  // as the network: only if it recovers power, else it is taken unseen and can be disputed
};

inline constexpr std::int64_t kExitOk = 0;
inline constexpr std::int64_t kExitSenderInvalid = 1;
inline constexpr std::int64_t kExitInsufficientFunds = 6;  // of the sender
inline constexpr std::int64_t kExitOutOfGas = 7;
inline constexpr std::int64_t kExitIllegalArgument = 16;
inline constexpr std::int64_t kExitNotFound = 17;
inline constexpr std::int64_t kExitForbidden = 18;
inline constexpr std::int64_t kExitFeeDebt = 19;
inline constexpr std::int64_t kExitIllegalState = 20;
inline constexpr std::int64_t kExitSerialization = 21;
inline constexpr std::int64_t kExitUnhandledMessage = 22;

// ---------------------------------------------------------------- state

struct SectorRecord {
  filecoin::SectorNumber number = 0;
  Bytes32 comm_r{};
  filecoin::SealProofType seal_proof{};
  filecoin::ChainEpoch activation{};
  filecoin::ChainEpoch expiration{};
};
using SectorTable = std::map<filecoin::SectorNumber, SectorRecord>;

// Sets of sector numbers.  Invariants: all others are subsets of `sectors`; recoveries of faults;
// faults, unproven and terminated are apart from each other.
struct PartitionRecord {
  filecoin::BitField sectors;  // all that were ever placed here
  filecoin::BitField unproven;
  filecoin::BitField faults;
  filecoin::BitField recoveries;
  filecoin::BitField terminated;
  // Of faulty sectors: the epoch at whose cron they will be terminated.
  std::map<filecoin::ChainEpoch, filecoin::BitField> early_expiry;

  filecoin::BitField Live() const;    // sectors - terminated
  filecoin::BitField Active() const;  // live - faults - unproven: those with power
  // The proof has something to show: (live - faults) + recoveries is not empty.
  bool MustBePosted() const;
  friend bool operator==(const PartitionRecord&, const PartitionRecord&) = default;
};

// A proof that was taken without a look at it.
struct StoredProof {
  filecoin::BitField partitions;
  filecoin::PoStProofType proof_type{};
  Bytes proof;
};

struct DeadlineRecord {
  std::vector<PartitionRecord> partitions;
  filecoin::BitField posted;        // partitions, in the running window
  std::vector<StoredProof> proofs;  // stored in the running window
  // Of the window that closed last: what a dispute looks at.  Disputed ones leave a hole.
  std::map<std::uint64_t, StoredProof> proofs_snapshot;
  std::vector<PartitionRecord> partitions_snapshot;

  std::uint64_t LiveSectors() const;
  std::uint64_t TotalSectors() const;
  std::uint64_t FaultySectors() const;
  // Its end has work to do: it has live sectors, or a proof or a snapshot of the past that is to be
  // replaced a last time.
  bool IsLive() const;
};

// One miner.  Copies are cheap: what does not change is shared.
struct MinerState {
  filecoin::ActorId id = 0;
  filecoin::ActorId owner = 0;
  filecoin::ActorId worker = 0;
  std::vector<filecoin::ActorId> control;
  filecoin::PoStProofType window_post_proof_type = filecoin::PoStProofType::kWindow2KiBV1_1;
  std::uint64_t sector_size = 0;  // bytes
  std::uint64_t partition_sectors = 0;
  filecoin::ChainEpoch consensus_fault_elapsed{-1};

  filecoin::ChainEpoch proving_period_start{};  // as recorded: stale while the cron sleeps
  std::uint64_t current_deadline = 0;           // likewise
  bool cron_active = false;
  filecoin::BitField early_terminations;  // deadlines with terminations still to be paid for
  filecoin::TokenAmount balance;          // beyond pledge: pays fees
  filecoin::TokenAmount fee_debt;

  std::shared_ptr<const SectorTable> sectors = std::make_shared<SectorTable>();
  std::vector<std::shared_ptr<const DeadlineRecord>> deadlines;

  const DeadlineRecord& Deadline(std::uint64_t index) const { return *deadlines[index]; }
  // A copy of the deadline to change, already in its place.
  DeadlineRecord& MutableDeadline(std::uint64_t index);
  std::uint64_t LiveSectors() const;
  // Sectors with power: what the power table shows, divided by the sector size.
  std::uint64_t ActiveSectors() const;
};

// A miner without sectors, its cron asleep; `identity` has the members above the first gap.
MinerState MakeMiner(const ActorPolicy& policy, MinerState identity,
                     filecoin::ChainEpoch proving_period_start, filecoin::ChainEpoch epoch);

// Where sectors went: numbers first to last, without a gap.
struct Placement {
  filecoin::SectorNumber first = 0;
  filecoin::SectorNumber last = 0;
  std::uint64_t deadline = 0;
  std::uint64_t partition = 0;
};

// New sectors, unproven, in deadlines chosen by the actor's rule (builtin-actors,
// actors/miner, deadline_assignment.rs).  The cron
// is left as it is: on the network another step of the same message starts it.
absl::StatusOr<std::vector<Placement>> AssignSectors(const ActorPolicy& policy, MinerState& state,
                                                     filecoin::ChainEpoch epoch,
                                                     std::vector<SectorRecord> sectors);
// New sectors, unproven, in one deadline: they fill its last partition, then new ones.
// Starts the cron.
absl::StatusOr<std::vector<Placement>> AddSectors(const ActorPolicy& policy, MinerState& state,
                                                  std::uint64_t deadline,
                                                  std::vector<SectorRecord> sectors);
// The same for one partition, which exists or is the next one.
absl::Status AddSectorsToPartition(const ActorPolicy& policy, MinerState& state,
                                   std::uint64_t deadline, std::uint64_t partition,
                                   std::vector<SectorRecord> sectors);

// ---------------------------------------------------------------- what the actor asks its host

enum class RandomnessSource { kTickets, kBeacon };

struct RandomnessDraw {
  RandomnessSource source = RandomnessSource::kTickets;
  filecoin::DomainTag tag{};
  filecoin::ChainEpoch epoch{};
  Bytes entropy;
  Bytes32 value{};
};

struct ProvenSector {
  filecoin::SectorNumber number = 0;
  Bytes32 comm_r{};
};

// What a proof must show.
struct PostStatement {
  filecoin::PoStProofType proof_type{};
  filecoin::ActorId miner = 0;
  Bytes32 randomness{};               // masked: byte 31 has its two top bits clear
  std::vector<ProvenSector> sectors;  // ascending, each once
};

class ActorHost {
 public:
  virtual ~ActorHost() = default;
  virtual Bytes32 DrawRandomness(RandomnessSource source, filecoin::DomainTag tag,
                                 filecoin::ChainEpoch epoch, ByteSpan entropy) = 0;
  // A status: the proof cannot be judged (no verifying key); it is refused with that text.
  virtual absl::StatusOr<bool> VerifyPost(const PostStatement& statement, ByteSpan proof) = 0;
};

// ---------------------------------------------------------------- messages and cron

struct MinerCall {
  filecoin::ChainEpoch epoch{};
  filecoin::ActorId from = 0;
  std::uint64_t method = 0;
  ByteSpan params;
};

// The verifier's question as the network asks it: in order, with stand-ins for faulty sectors.
struct Verification {
  Bytes32 randomness{};  // as drawn
  std::vector<filecoin::SectorNumber> sectors;
  filecoin::PoStProofType proof_type{};
  Bytes proof;
  bool answer = false;
};

// One SubmitWindowedPoSt that was taken.
struct AcceptedPost {
  filecoin::ChainEpoch period_start{};
  std::uint64_t deadline = 0;
  filecoin::ChainEpoch challenge{};
  struct Part {
    std::uint64_t partition = 0;
    filecoin::BitField skipped;
  };
  std::vector<Part> partitions;  // in message order
  filecoin::PoStProofType proof_type{};
  Bytes proof;
  std::vector<ProvenSector> sectors;  // proven in all its partitions, ascending
  bool verified = false;              // else stored unseen
};

struct CallResult {
  std::int64_t exit_code = kExitOk;
  std::string error;  // empty if the exit code is 0
  Bytes return_value;
  std::vector<RandomnessDraw> randomness;
  std::optional<Verification> verification;
  std::optional<AcceptedPost> post;
};

// Executes a message to the miner.  The state changes only if the exit code is 0.
CallResult CallMiner(const ActorPolicy& policy, VerifyMode mode, const MinerCall& call,
                     ActorHost& host, MinerState& state);

// One partition of a deadline that has ended.
struct PartitionEnd {
  std::uint64_t partition = 0;
  bool must_be_posted = false;  // it had something to prove when the window closed
  bool posted = false;
  std::uint64_t live = 0;  // sectors
};
struct CronResult {
  filecoin::ChainEpoch period_start{};
  std::uint64_t deadline = 0;
  std::vector<PartitionEnd> partitions;  // none if no sector of the deadline lives
};

// The cron at the end of `epoch`; nothing unless it is awake and this is the last epoch of a
// deadline.
std::optional<CronResult> RunCron(const ActorPolicy& policy, filecoin::ChainEpoch epoch,
                                  MinerState& state);

}  // namespace damocles::devnet
