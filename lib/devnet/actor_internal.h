// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// Pieces that the methods of the miner actor share.

#pragma once

#include <map>
#include <string>

#include "lib/devnet/partition.h"

#include "damocles/devnet/actor.h"
#include "damocles/filecoin/miner_params.h"

namespace damocles::devnet::internal {

// Why a message was refused.
struct Refusal {
  std::int64_t exit_code = kExitOk;
  std::string text;
  bool Happened() const { return exit_code != kExitOk; }
};

// deadline -> partition -> sectors, as methods 9, 10 and 11 address them.
using DeadlineSectors = std::map<std::uint64_t, std::map<std::uint64_t, filecoin::BitField>>;

// A message in execution: works on a copy of the state.
struct Execution {
  const ActorPolicy& policy;
  VerifyMode mode;
  const MinerCall& call;
  ActorHost& host;
  MinerState& state;
  CallResult& result;

  bool CallerControlsMiner() const;
  // Start of the proving period that the epoch of the call lies in.
  filecoin::ChainEpoch PeriodStart() const;
  PartitionContext Context(const filecoin::DeadlineInfo& deadline) const;
  Bytes32 Draw(RandomnessSource source, filecoin::DomainTag tag, filecoin::ChainEpoch epoch,
               Bytes entropy);
  // Takes money for a fee; what the balance does not cover becomes debt.
  void Charge(const filecoin::TokenAmount& fee);
  // Asks the verifier about a proof for the challenge drawn at `challenge`.  `sectors`: all in the
  // partitions; the first of those not `ignored` stands in for the ignored ones.
  absl::StatusOr<bool> Verify(filecoin::ChainEpoch challenge, const filecoin::BitField& sectors,
                              const filecoin::BitField& ignored, filecoin::PoStProofType proof_type,
                              ByteSpan proof);
};

void ChargeFee(MinerState& state, const filecoin::TokenAmount& fee);
std::vector<ProvenSector> WithCommitments(const MinerState& state,
                                          const filecoin::BitField& sectors);

Refusal SubmitWindowedPoSt(Execution& run);
Refusal TerminateSectors(Execution& run);
Refusal DeclareFaults(Execution& run);
Refusal DeclareFaultsRecovered(Execution& run);
Refusal DisputeWindowedPoSt(Execution& run);

// The text of the network's libraries is not repeated: code 21 says it.
Refusal BadParameters(const absl::Status& why);

// How actors read parameters: as many items as a message can hold.
inline constexpr filecoin::cbor::ReaderOptions kReading{.overlong_integers = true,
                                                        .array_items_max = 65536};

}  // namespace damocles::devnet::internal
