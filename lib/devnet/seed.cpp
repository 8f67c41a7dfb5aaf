// SPDX-License-Identifier: Apache-2.0 OR MIT

#include "lib/devnet/seed.h"

#include <algorithm>

#include "damocles/hash/blake2b.h"

namespace damocles::devnet::internal {
namespace {

constexpr std::uint64_t kSeededNullRoundsMax = 20;

}  // namespace

Bytes SeededBytes(std::string_view what, std::uint64_t seed, std::uint64_t a, std::uint64_t b,
                  std::size_t count) {
  Bytes out;
  for (std::uint64_t i = 0; out.size() < count; ++i) {
    Bytes input;
    Append(input, AsBytes(what));
    AppendBe64(input, seed);
    AppendBe64(input, a);
    AppendBe64(input, b);
    AppendBe64(input, i);
    Append(out, hash::Blake2b256Of(input));
  }
  out.resize(count);
  return out;
}

filecoin::BeaconEntry BeaconOf(std::uint64_t seed, filecoin::ChainEpoch epoch) {
  constexpr std::uint64_t kFirstRound = 1'000'000;
  const auto number = static_cast<std::uint64_t>(std::max<std::int64_t>(epoch.Value(), 0));
  return {.round = kFirstRound + number,
          .data = SeededBytes("damocles devnet beacon", seed, number, 0, kVrfBytes)};
}

std::uint64_t NullRoundsBefore(const ChainConfig& config, filecoin::ChainEpoch height) {
  std::uint64_t count = 0;
  while (config.null_rounds_percent > 0 && count < kSeededNullRoundsMax) {
    const Bytes draw = SeededBytes("damocles devnet null", config.seed,
                                   static_cast<std::uint64_t>(height.Value()) + count, 0, 8);
    if (LoadBe64(draw.data()) % 100 >= config.null_rounds_percent) break;
    ++count;
  }
  return count;
}

}  // namespace damocles::devnet::internal
