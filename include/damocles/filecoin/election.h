// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// How many blocks an election proof wins: expected consensus, in the chain's own integers, for a
// bit that differs is a block that the network refuses (lotus, chain/types/electionproof.go; the
// maths of its golden files).

#pragma once

#include <cstdint>

#include "damocles/base/bytes.h"
#include "damocles/filecoin/token_amount.h"

namespace damocles::filecoin {

// Blocks that are expected of a tipset, over all miners.
inline constexpr std::uint64_t kBlocksPerEpoch = 5;
// Nobody wins more at one epoch.
inline constexpr unsigned kWinCountMax = 3 * kBlocksPerEpoch;

// 0: no block.  `vrf_proof` is the election's VRF: the BLS signature over its randomness.  Powers
// are quality adjusted; a network without power has no winners.
unsigned WinCount(ByteSpan vrf_proof, const StoragePower& miner, const StoragePower& network);

// The steps of it.  Numbers are fractions in Q.256: 2^256 stands for one.
namespace election {

// e^-x for x in [0, 5), by a quotient of polynomials; the error is below 5e-15, the bits are the
// chain's.
BigInt ExpOfMinus(const BigInt& x);
// The mean of the miner's wins: 5 x miner / network.
BigInt Lambda(const StoragePower& miner, const StoragePower& network);

// One minus the distribution function of Poisson's law, at 0, 1, 2, ...
class UpsideDownPoisson {
 public:
  explicit UpsideDownPoisson(BigInt lambda);
  const BigInt& Value() const { return value_; }
  // To the next number of wins.
  void Advance();

 private:
  BigInt lambda_;
  BigInt density_;
  BigInt value_;
  std::uint64_t wins_ = 0;
};

}  // namespace election
}  // namespace damocles::filecoin
