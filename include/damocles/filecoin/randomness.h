// SPDX-License-Identifier: Apache-2.0 OR MIT

#pragma once

#include <cstdint>
#include <string>

#include "damocles/base/bytes.h"
#include "damocles/filecoin/epoch.h"
#include "damocles/filecoin/sector.h"

namespace damocles::filecoin {

// What a value is drawn for.  The numbers are part of the protocol.
enum class DomainTag : std::int64_t {
  kTicketProduction = 1,
  kElectionProofProduction = 2,
  kWinningPoStChallengeSeed = 3,
  kWindowedPoStChallengeSeed = 4,
  kSealRandomness = 5,
  kInteractiveSealChallengeSeed = 6,
  kWindowedPoStDeadlineAssignment = 7,
  kMarketDealCronSeed = 8,
  kPoStChainCommit = 9,
};
std::string ToString(DomainTag tag);  // "WindowedPoStChallengeSeed"

// BLAKE2b-256 of drand data (beacon tags) or of the VRF proof of the least ticket (ticket tags):
// what the calls with Digest in their names answer.
Bytes32 RandomnessDigest(ByteSpan base);

// The value drawn from a digest; `entropy` separates miners, and may be empty.
Bytes32 DrawFromDigest(const Bytes32& digest, DomainTag tag, ChainEpoch epoch, ByteSpan entropy);
// The value drawn from the base itself.
Bytes32 Draw(ByteSpan base, DomainTag tag, ChainEpoch epoch, ByteSpan entropy);

// The entropy of a miner: its ID address in CBOR.
Bytes MinerEntropy(ActorId miner);

// Randomness as provers and verifiers take it: the two highest bits of byte 31 cleared, so that it
// is a field element.  Once, at the prover's edge; what the chain sees is not masked.
Bytes32 MaskForProver(Bytes32 randomness);

}  // namespace damocles::filecoin
