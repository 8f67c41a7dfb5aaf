// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// What a life of the soak begins with, drawn from its seed.

#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/time.h"

#include "damocles/base/random.h"
#include "damocles/filecoin/sector.h"
#include "damocles/simulation/world.h"

namespace damocles::simulation {

class Dice {
 public:
  explicit Dice(std::uint64_t seed) : random_(seed) {}
  std::uint64_t Between(std::uint64_t low, std::uint64_t high) {
    return low + random_.Below(high - low + 1);
  }
  bool Chance(std::uint64_t percent) { return random_.Below(100) < percent; }
  // Nothing in half of the lives.
  std::uint64_t Rate(std::uint64_t max) { return Chance(50) ? 0 : Between(1, max); }
  template <typename T>
  void Shuffle(std::vector<T>& items) {
    for (std::size_t i = items.size(); i > 1; --i) {
      std::swap(items[i - 1], items[random_.Below(i)]);
    }
  }

 private:
  SeededRandom random_;
};

struct Cluster {
  WorldOptions options;
  absl::Duration proof_takes;  // of one proof
  std::map<filecoin::SectorNumber, std::pair<filecoin::ActorId, std::uint64_t>> partition_of;
  std::size_t partitions = 0;  // of all miners
  // Others fill the blocks, use the senders' nonces and take their money.
  bool others = false;
  std::string text;
};

inline constexpr std::uint64_t kSoakPeriods = 3;

Cluster DrawCluster(Dice& dice, std::uint64_t seed);

}  // namespace damocles::simulation
