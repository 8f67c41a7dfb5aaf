// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "damocles/filecoin/randomness.h"

#include "absl/strings/str_format.h"

#include "damocles/filecoin/address.h"
#include "damocles/filecoin/cbor.h"
#include "damocles/hash/blake2b.h"

namespace damocles::filecoin {

std::string ToString(DomainTag tag) {
  switch (tag) {
    case DomainTag::kTicketProduction:
      return "TicketProduction";
    case DomainTag::kElectionProofProduction:
      return "ElectionProofProduction";
    case DomainTag::kWinningPoStChallengeSeed:
      return "WinningPoStChallengeSeed";
    case DomainTag::kWindowedPoStChallengeSeed:
      return "WindowedPoStChallengeSeed";
    case DomainTag::kSealRandomness:
      return "SealRandomness";
    case DomainTag::kInteractiveSealChallengeSeed:
      return "InteractiveSealChallengeSeed";
    case DomainTag::kWindowedPoStDeadlineAssignment:
      return "WindowedPoStDeadlineAssignment";
    case DomainTag::kMarketDealCronSeed:
      return "MarketDealCronSeed";
    case DomainTag::kPoStChainCommit:
      return "PoStChainCommit";
  }
  return absl::StrFormat("DomainTag(%d)", static_cast<std::int64_t>(tag));
}

Bytes32 RandomnessDigest(ByteSpan base) {
  return hash::Blake2b256Of(base);
}

Bytes32 DrawFromDigest(const Bytes32& digest, DomainTag tag, ChainEpoch epoch, ByteSpan entropy) {
  Bytes input;
  AppendBe64(input, static_cast<std::uint64_t>(tag));
  Append(input, digest);
  AppendBe64(input, static_cast<std::uint64_t>(epoch.Value()));
  Append(input, entropy);
  return hash::Blake2b256Of(input);
}

Bytes32 Draw(ByteSpan base, DomainTag tag, ChainEpoch epoch, ByteSpan entropy) {
  return DrawFromDigest(RandomnessDigest(base), tag, epoch, entropy);
}

Bytes MinerEntropy(ActorId miner) {
  return cbor::Encode(Address::FromId(miner));
}

Bytes32 MaskForProver(Bytes32 randomness) {
  randomness[31] &= 0x3f;
  return randomness;
}

}  // namespace damocles::filecoin
