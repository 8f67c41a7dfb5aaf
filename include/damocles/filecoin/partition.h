// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// Two things are called partitions and have nothing to do with each other.
//
// A partition of the chain is a part of a deadline: sectors are put into it when they are proven
// for the first time and stay there, live, faulty or terminated; messages name it by its index.
//
// A partition of a proof is one circuit's worth of the sectors that a proof shows.  How many there
// are follows from how many sectors are shown now, and from nothing else: three partitions of the
// chain with one good sector each may be one partition of a proof.  Size and duration of a proof go
// by these.

#pragma once

#include <compare>
#include <cstdint>
#include <ostream>
#include <string>

#include "damocles/filecoin/proof_type.h"

namespace damocles::filecoin {

// Index of a partition of the chain within its deadline.
class ChainPartition {
 public:
  constexpr ChainPartition() = default;
  constexpr explicit ChainPartition(std::uint64_t index) : index_(index) {}
  constexpr std::uint64_t Index() const { return index_; }

  friend constexpr auto operator<=>(ChainPartition, ChainPartition) = default;
  friend std::ostream& operator<<(std::ostream& out, ChainPartition p) { return out << p.index_; }

 private:
  std::uint64_t index_ = 0;
};

inline std::string ToString(ChainPartition partition) {
  return std::to_string(partition.Index());
}

// Bytes of one partition of a proof of space-time.
inline constexpr std::uint64_t kProofPartitionBytes = 192;

// How many partitions a proof has: one or more.
class ProofPartitions {
 public:
  constexpr std::uint64_t Count() const { return count_; }
  // How long the proof is.
  constexpr std::uint64_t ProofBytes() const { return count_ * kProofPartitionBytes; }

  friend constexpr auto operator<=>(ProofPartitions, ProofPartitions) = default;
  friend std::ostream& operator<<(std::ostream& out, ProofPartitions p) { return out << p.count_; }

 private:
  friend constexpr ProofPartitions ProofPartitionsFor(std::uint64_t sectors,
                                                      std::uint64_t sectors_per_partition);
  constexpr explicit ProofPartitions(std::uint64_t count) : count_(count) {}
  std::uint64_t count_;
};

// The rule, and the only way to get a ProofPartitions: max(1, ceil(sectors /
// sectors_per_partition)). `sectors` are those that the proof shows, each counted once;
// `sectors_per_partition` is what the circuit holds and not 0.
constexpr ProofPartitions ProofPartitionsFor(std::uint64_t sectors,
                                             std::uint64_t sectors_per_partition) {
  const bool part = sectors % sectors_per_partition != 0;
  const std::uint64_t count = sectors / sectors_per_partition + (part ? 1 : 0);
  return ProofPartitions(count == 0 ? 1 : count);
}

// Of a window proof of a registered type, with the network's circuits.
inline ProofPartitions WindowProofPartitions(PoStProofType type, std::uint64_t sectors) {
  return ProofPartitionsFor(sectors, WindowPartitionSectors(SectorSizeOf(type)));
}

}  // namespace damocles::filecoin
